from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("storage", "0009_found")]
    operations: list[migrations.operations.base.Operation] = []
