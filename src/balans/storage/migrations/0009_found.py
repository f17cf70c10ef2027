from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("storage", "0008_delivery")]
    operations: list[migrations.operations.base.Operation] = []
