"""The application that `balans serve` runs: pages and live streams in one process."""

import os

from django.core.asgi import get_asgi_application

from balans.web.body_limit import BodyLimit

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "balans.web.settings")

application = BodyLimit(get_asgi_application())
