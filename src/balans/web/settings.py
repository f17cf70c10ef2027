"""Settings of Django, from the same configuration as every other process.

Importable without a database, so that tools can read it: then every query is refused.
"""

import os
from pathlib import Path
from urllib.parse import urlsplit

from csp.constants import NONE, SELF
from django.core.management.utils import get_random_secret_key

from balans import config
from balans.web.static_files import version_of
from balans.wiring.database import database_settings

_settings = config.load()
_here = Path(__file__).resolve().parent
_https = (_settings.public_url or "").startswith("https://")

SECRET_KEY = (
    _settings.secret_key.get_secret_value() if _settings.secret_key else get_random_secret_key()
)
DEBUG = False
DEMO = os.environ.get("BALANS_DEMO") == "1"
"""The town of the demo: its accounts, which anybody may know, stand on the login page."""

CLOCK_FILE = _settings.clock_file
BEHIND_PROXY = _settings.public_url is not None
METRICS_TOKEN = _settings.metrics_token.get_secret_value() if _settings.metrics_token else ""

ALLOWED_HOSTS = list(_settings.allowed_hosts)
if _settings.public_url:
    ALLOWED_HOSTS.append(urlsplit(_settings.public_url).hostname or "")

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "csp",
    "procrastinate.contrib.django",
    "balans.storage",
]
PROCRASTINATE_AUTODISCOVER_MODULE_NAME = ""  # the worker has its tasks, others name them
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "balans.web.middleware.StaticFilesMiddleware",
    "balans.web.metrics.MetricsMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "balans.web.middleware.UserLanguageMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",  # every view, unless it says no
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "balans.web.middleware.TenantMiddleware",
]
ROOT_URLCONF = "balans.web.urls"
ASGI_APPLICATION = "balans.web.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [_here / "templates"],
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "balans.web.context.frame",
            ],
            "builtins": ["balans.web.shown.tags"],
        },
    }
]

DATABASES = {
    "default": database_settings(
        _settings.database_url.get_secret_value() if _settings.database_url else None
    )
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "storage.User"
AUTHENTICATION_BACKENDS = ["balans.storage.accounts.SealedBackend"]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
TEST_RUNNER = "django.test.runner.DiscoverRunner"

USE_TZ = True
TIME_ZONE = "UTC"  # every page shows the time of its site and says which
USE_I18N = True
USE_THOUSAND_SEPARATOR = True
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("ru", "Русский"), ("ro", "Română")]
LANGUAGE_COOKIE_NAME = "language"
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600
LOCALE_PATHS = [_here / "locale"]

STATICFILES_DIRS = [_here / "static"]
STATIC_URL = f"/static/{version_of(_here / 'static')}/"
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
WHITENOISE_MAX_AGE = 365 * 24 * 3600  # the version in the address changes with the content

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = _https
LANGUAGE_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "balans.web.faults.csrf_failure"
if _https:
    CSRF_TRUSTED_ORIGINS = [_settings.public_url]
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = 365 * 24 * 3600

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": _settings.log_level},
    "loggers": {
        "django.request": {"level": "ERROR"},  # what people mistype is no event of ours
        "procrastinate": {"level": "ERROR"},  # the worker tells itself what was done
    },
}
