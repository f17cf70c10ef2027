from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("storage", "0007_words_of_metering")]
    operations: list[migrations.operations.base.Operation] = []
