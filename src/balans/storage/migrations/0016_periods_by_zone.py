"""A local day, month or year is known by its instants: a node's time zone may become another, and
a region may balance places in several.
"""

from django.db import migrations

INSTANTS = """
truncate balance_period;              -- copies: they are computed again
alter table balance_period
  add column since timestamptz not null,
  add column until timestamptz not null;
"""


class Migration(migrations.Migration):
    dependencies = [("storage", "0015_refused_batches")]

    operations = [migrations.RunSQL(INSTANTS)]
