from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("storage", "0012_sealed_months")]
    operations: list[migrations.operations.base.Operation] = []
