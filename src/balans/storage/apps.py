"""The one Django app with tables."""

from django.apps import AppConfig


class StorageConfig(AppConfig):
    """Registry, readings, commands and accounts."""

    name = "balans.storage"
    label = "storage"
    default_auto_field = "django.db.models.BigAutoField"
