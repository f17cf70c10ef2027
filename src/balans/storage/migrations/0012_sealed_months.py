from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("storage", "0011_balances")]
    operations: list[migrations.operations.base.Operation] = []
