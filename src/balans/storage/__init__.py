"""The one owner of tables: models, migrations and the functions that read and write them."""
