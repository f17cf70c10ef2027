"""Settings of Django, from the same configuration as every other process.

Importable without a database, so that tools can read it: then every query is refused.
"""

from django.core.management.utils import get_random_secret_key

from balans import config
from balans.wiring.database import database_settings

_settings = config.load()

SECRET_KEY = (
    _settings.secret_key.get_secret_value() if _settings.secret_key else get_random_secret_key()
)
DEBUG = False
ALLOWED_HOSTS = _settings.allowed_hosts

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "balans.storage",
]
MIDDLEWARE: list[str] = []

DATABASES = {
    "default": database_settings(
        _settings.database_url.get_secret_value() if _settings.database_url else None
    )
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "storage.User"
AUTHENTICATION_BACKENDS = ["balans.storage.accounts.SealedBackend"]

USE_TZ = True
TIME_ZONE = "UTC"
USE_I18N = True
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("ru", "Русский"), ("ro", "Română")]

STATIC_URL = "static/"
