"""Every address of the product. What is not marked otherwise needs a login."""

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LogoutView
from django.urls import include, path
from django.views.i18n import set_language

from balans.web import decisions, faults, health, home, points
from balans.web.accounts.keys import keys
from balans.web.accounts.views import SignIn
from balans.web.api.app import addresses as api_addresses
from balans.web.cabinet import own
from balans.web.cabinet import views as cabinet
from balans.web.console import control, day, live, nodes, transformer, tree
from balans.web.console.balance_paths import balance_paths
from balans.web.console.import_paths import import_paths
from balans.web.console.mounting_paths import mounting_paths
from balans.web.console.supply_paths import supply_paths
from balans.web.delivery_paths import delivery_paths
from balans.web.live import stream
from balans.web.response_paths import response_paths
from balans.web.validity_paths import validity_paths

urlpatterns = [
    path("", home.home, name="home"),
    path("login/", SignIn.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("keys/", keys, name="keys"),
    path("language/", login_not_required(set_language), name="language"),
    path("flats/<str:code>/", cabinet.flat, name="flat"),
    path("nodes/<str:code>/", nodes.node, name="node"),
    path("nodes/<str:code>/below/", tree.below, name="tree-below"),
    path("nodes/<str:code>/own/", own.own, name="own"),
    path("nodes/<str:code>/decisions/", decisions.page, name="decisions"),
    path("nodes/<str:code>/stream/", stream.stream, name="live-stream"),
    path("sites/<str:code>/", live.live, name="site-live"),
    path("sites/<str:code>/control/", control.control, name="site-control"),
    path("sites/<str:code>/day/", day.day, name="site-day"),
    path("sites/<str:code>/transformer/", transformer.transformer, name="site-transformer"),
    path("points/<str:code>/", points.point, name="point"),
    path("points/<str:code>/readings.csv", points.point_csv, name="point-csv"),
    *validity_paths,
    *balance_paths,
    *delivery_paths,
    *mounting_paths,
    *import_paths,
    *supply_paths,
    *response_paths,
    path("api/", include((api_addresses(), "api"))),
    path("favicon.ico", home.favicon, name="favicon"),
    path("healthz", health.healthz, name="healthz"),
    path("metrics", health.metrics, name="metrics"),
]

handler400 = faults.bad_request
handler403 = faults.forbidden
handler404 = faults.not_found
handler500 = faults.server_error
