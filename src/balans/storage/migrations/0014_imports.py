from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("storage", "0013_api_keys")]
    operations: list[migrations.operations.base.Operation] = []
