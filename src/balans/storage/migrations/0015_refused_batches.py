"""Finds the few batches of the inbox that were put aside, for the page of their hub and the worker."""

from django.db import migrations

INDEX = """
create index inbox_batch_refused on inbox_batch (hub_id)
  where flushed_at is null and note is not null;
"""


class Migration(migrations.Migration):
    dependencies = [("storage", "0014_imports")]

    operations = [migrations.RunSQL(INDEX)]
