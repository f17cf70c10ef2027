"""Every address needs a login, unless it stands in the short list here."""

import re
from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

OPEN = {"login", "language", "favicon", "healthz", "metrics", "api-description", "api-reference"}
ARGUMENT = re.compile(r"<[^>]*>")


def patterns(resolver: URLResolver, prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    for entry in resolver.url_patterns:
        route = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from patterns(entry, route)
        else:
            yield route, entry


def addresses() -> list[tuple[str, str]]:
    return [
        (entry.name or "", "/" + ARGUMENT.sub("1", route.replace("<str:code>", "alice-house")))
        for route, entry in patterns(get_resolver())
    ]


def test_the_walk_finds_the_addresses() -> None:
    names = {name for name, _ in addresses()}
    assert names >= OPEN | {"home", "site-live", "live-stream", "point-csv"}
    assert not [address for _, address in addresses() if "<" in address]


@pytest.mark.usefixtures("utilities")
@pytest.mark.parametrize("method", ["get", "post"])
def test_a_stranger_is_sent_to_the_login(method: str) -> None:
    client = Client()
    for name, address in addresses():
        answer = getattr(client, method)(address)
        if (
            address.startswith("/api/") and name not in OPEN
        ):  # what is not there is not told from what is shut
            assert answer.status_code in {401, 404, 405}, address
        elif name in OPEN:
            assert answer.status_code in {200, 302, 405, 422}, address
            assert not answer.get("Location", "").startswith("/login/"), address
        else:
            assert answer.status_code == 302, address
            assert answer["Location"].startswith("/login/?next=/"), address
