"""For machines: is the process of use, and what does it do."""

import hmac

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from balans.storage.scope import system_scope
from balans.web.faults import UNAVAILABLE
from balans.web.metrics import REGISTRY

LOOPBACK = frozenset({"127.0.0.1", "::1"})
OF_PROXIES = ("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP")


@login_not_required
@never_cache
@require_safe
def healthz(_request: HttpRequest) -> HttpResponse:
    """Answer ``ok`` while the database answers, else 503 and what is wrong."""
    try:
        with system_scope(actor="health"), connection.cursor() as cursor:
            cursor.execute("select 1")
    except UNAVAILABLE:
        return HttpResponse("database unavailable\n", status=503, content_type="text/plain")
    return HttpResponse("ok\n", content_type="text/plain")


@login_not_required
@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer with the figures of this process, to this machine or to who has the token."""
    if not _may_read_metrics(request):
        return HttpResponse("forbidden\n", status=403, content_type="text/plain")
    return HttpResponse(generate_latest(REGISTRY), content_type=CONTENT_TYPE_LATEST)


def _may_read_metrics(request: HttpRequest) -> bool:
    token = settings.METRICS_TOKEN
    if token:
        given = request.headers.get("Authorization", "")
        return hmac.compare_digest(given.encode(), f"Bearer {token}".encode())
    # Behind a proxy on this machine everybody seems to come from it, so the address says nothing.
    proxied = settings.BEHIND_PROXY or any(name in request.headers for name in OF_PROXIES)
    return request.META.get("REMOTE_ADDR") in LOOPBACK and not proxied
