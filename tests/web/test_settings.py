"""Settings of Django follow from those of the product."""

import json
import os
import subprocess
import sys

import pytest

from balans.cli.serve import listening_socket
from balans.core.errors import InputError

NAMES = (
    "SESSION_COOKIE_SECURE",
    "CSRF_COOKIE_SECURE",
    "CSRF_TRUSTED_ORIGINS",
    "SECURE_HSTS_SECONDS",
    "SECURE_PROXY_SSL_HEADER",
    "ALLOWED_HOSTS",
    "DEBUG",
    "DEMO",
    "METRICS_TOKEN",
)


def settings_with(**environment: str) -> dict[str, object]:
    """Return the settings of a process that has `environment`."""
    code = (
        "import json; from django.conf import settings;"
        f"print(json.dumps({{n: getattr(settings, n) for n in {NAMES!r}}}))"
    )
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "balans.web.settings", **environment}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, check=True)
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_plain_http_on_this_machine() -> None:
    found = settings_with()
    assert found["SESSION_COOKIE_SECURE"] is False
    assert found["SECURE_PROXY_SSL_HEADER"] is None
    assert found["ALLOWED_HOSTS"] == ["127.0.0.1", "localhost", "[::1]"]
    assert found["DEBUG"] is False
    assert found["DEMO"] is False


def test_behind_https() -> None:
    found = settings_with(BALANS_PUBLIC_URL="https://balans.example", BALANS_METRICS_TOKEN="s3cret")
    assert found["SESSION_COOKIE_SECURE"] is found["CSRF_COOKIE_SECURE"] is True
    assert found["CSRF_TRUSTED_ORIGINS"] == ["https://balans.example"]
    assert found["SECURE_HSTS_SECONDS"] == 31_536_000
    assert found["SECURE_PROXY_SSL_HEADER"] == ["HTTP_X_FORWARDED_PROTO", "https"]
    assert "balans.example" in found["ALLOWED_HOSTS"]  # type: ignore[operator]
    assert found["METRICS_TOKEN"] == "s3cret"


def test_a_port_that_is_taken_is_named() -> None:
    with listening_socket("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"--port {port}"):
            listening_socket("127.0.0.1", port)


def test_serve_refuses_a_database_without_tables(pg_url: str, tmp_path: object) -> None:
    env = {**os.environ, "BALANS_DATABASE_URL": pg_url, "BALANS_DATA_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "balans", "serve", "--port", "0"],
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert "balans db migrate" in done.stderr
    assert "Traceback" not in done.stderr
