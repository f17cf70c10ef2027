"""What is added to every version: a database that came from a backup begins a new generation."""

from django.db import migrations

SQL = "create sequence settings_generation minvalue 0 start 0"


class Migration(migrations.Migration):
    dependencies = [("storage", "0020_benefits")]

    operations = [migrations.RunSQL(SQL, "drop sequence settings_generation")]
