from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("storage", "0010_validity")]
    operations: list[migrations.operations.base.Operation] = []
