"""Schemathesis asks whatever the description allows, and much that it does not.

The server must answer as described, with 5xx never, whatever comes.
"""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from pytest_django import DjangoDbBlocker
from tests.web.conftest import Pages, in_thread

from balans.storage import api_keys
from balans.storage.api_keys import KeyOrder, Scope
from balans.storage.scope import system_scope, tenant_scope

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
)
EXAMPLES = 4
CONFIG = """
[phases.coverage]
unexpected-methods = ["DELETE"]
"""


def key_of(username: str, node: str, scopes: frozenset[Scope]) -> str:
    with system_scope():
        user: Any = get_user_model().objects.get(username=username)
    with tenant_scope(user.tenant_id):
        order = KeyOrder("schemathesis", node, scopes, None)
        return api_keys.create(user, order, datetime.now(UTC)).text


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_whatever_is_asked_the_answer_is_one_that_is_described(
    pages: Pages, tmp_path: Path, django_db_blocker: DjangoDbBlocker
) -> None:
    with django_db_blocker.unblock():
        key = in_thread(key_of, "alice-operator", "alice-city", frozenset(Scope))
    command = [
        str(Path(sys.executable).with_name("schemathesis")), "run", f"{pages.url}/api/openapi.json",
        "--header", f"Authorization: Bearer {key}",
        "--checks", ",".join(CHECKS),
        "--phases", "examples,coverage,fuzzing",
        "--max-examples", str(EXAMPLES),
        "--generation-deterministic",
        "--request-timeout", "60",
        "--no-shrink",
        "--suppress-health-check", "all",
        "--warnings", "off",
        "--continue-on-failure",
        "--no-color",
    ]  # fmt: skip
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-2000:]}"
    assert "No issues found" in done.stdout or "passed" in done.stdout, done.stdout
