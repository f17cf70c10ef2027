"""The page of a gateway without a socket: a board with something on it, and a browser's part."""

import asyncio
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from balans.core.words import CommandState, LimitSource, LoadClass
from balans.gateway.board import Board
from balans.gateway.page.app import Clocks, PageApp
from balans.gateway.page.hosts import Hosts
from balans.gateway.page.session import COOKIE, Sessions
from balans.protocols.hub import (
    CommandReport,
    Fairness,
    LimitSetting,
    LoadStatus,
    NodeStatus,
    PlannedLoad,
    PlanReport,
    PlanState,
    SiteStatus,
)
from balans.usecases.run_load_control import OwnSettings

KEY = "correct horse"
NOW_S = 1_768_215_600.0  # Monday 2026-01-12 12:00 in Paris
ZONE = ZoneInfo("Europe/Paris")
SLOTS = 96


def status() -> SiteStatus:
    """Return a picture with something of everything."""
    loads = (
        LoadStatus(
            "heater", LoadClass.YELLOW, on=False, power_w=0.0, reason="over_limit",
            off_left_s=420.0, since=NOW_S - 480, node="flat-1", given_kwmin=12.5,
            expected_w=-2000.0, achieved_w=-1870.0,
        ),
        LoadStatus("washer", LoadClass.GREEN, on=True, power_w=480.0, node="flat-2",
                   given_kwmin=3.0),
        LoadStatus("pump", LoadClass.GREEN, on=True, power_w=None, released=False),
        LoadStatus("<b>kitchen</b>", LoadClass.RED, on=True, power_w=1500.0),
    )  # fmt: skip
    nodes = (
        NodeStatus("", "", 5600.0, 6000.0, 400.0, "contract", (12.1, 7.9, None), 25.0),
        NodeStatus("flat-1", "", 900.0, 4000.0, 3100.0, "flat-1"),
        NodeStatus("flat-2", "", 2480.0, None, None, ""),
    )
    return SiteStatus(
        seq=7, time=NOW_S, step_s=60.0, site_w=5600.0, limit_w=6000.0, limit="contract",
        loads=loads, phase_w=(2783.0, 1817.0), nodes=nodes, fairness=Fairness(0.77, 0.6),
        guard="futile", plan_state="optimal",
    )  # fmt: skip


def plan() -> PlanReport:
    """Return a plan for a day in slots of a quarter of an hour."""
    limits = tuple(6000.0 if i < 60 else None for i in range(SLOTS))
    return PlanReport(
        made=NOW_S, slot_s=900.0, start=NOW_S, state=PlanState.OPTIMAL,
        price=tuple(0.3 if 20 <= i < 36 else 0.12 for i in range(SLOTS)),
        expected_w=tuple(1500.0 + 40.0 * (i % 50) for i in range(SLOTS)),
        limit_w=limits,
        loads=(PlannedLoad("washer", (0.0,) * SLOTS, (480.0,) * SLOTS, NOW_S + 11 * 3600.0),),
        cost=3.2, cost_unplanned=4.1,
    )  # fmt: skip


def report(state: CommandState = CommandState.CONFIRMED, **changes: Any) -> CommandReport:
    """Return the report of a shed."""
    values: dict[str, Any] = {
        "id": "a1", "load": "heater", "on": False, "author": "dlm", "reason": "over_limit",
        "created": NOW_S - 480, "expires": NOW_S - 360, "state": state, "time": NOW_S - 479,
        "limit": "contract", "expected_w": -2000.0,
    }  # fmt: skip
    return CommandReport(**{**values, **changes})


def board() -> Board:
    """Return a board with a picture, a plan, a decision and an own limit."""
    own = OwnSettings((LimitSetting("own", LimitSource.CUSTOMER, 3500.0),))
    found = Board("house", ("flat-1", "flat-2"), own=own, server_connected=True)
    found.show(status())
    found.show_plan(plan())
    found.note(report())
    found.note(report(achieved_w=-1870.0))
    return found


@dataclass
class Reply:
    """What a browser got."""

    status: int
    headers: list[tuple[str, str]]
    body: str

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)


@dataclass
class Browser:
    """Keeps cookies and sends forms."""

    board: Board
    taken: list[OwnSettings] = field(default_factory=list)
    cookies: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    steady_s: float = 1000.0
    now_s: float = NOW_S
    peer: str = "192.168.1.7"
    server: str = "192.168.1.2"
    hosts: tuple[str, ...] = ("gateway.house",)

    def __post_init__(self) -> None:
        self.sessions = Sessions(KEY)
        clocks = Clocks(ZONE, lambda: self.now_s, lambda: self.steady_s)
        hosts = Hosts(self.hosts)
        self.app = PageApp(self.board, self.sessions, clocks, self.taken.append, hosts)

    def get(self, path: str, method: str = "GET") -> Reply:
        return self.ask(method, path)

    def post(self, path: str, **fields: str) -> Reply:
        return self.ask("POST", path, urlencode(fields).encode())

    def send(self, path: str, **fields: str) -> Reply:
        """Post a form of this session."""
        return self.post(path, token=self.token, **fields)

    @property
    def token(self) -> str:
        return self.sessions.token(self.cookies.get(COOKIE, ""))

    def sign_in(self) -> Reply:
        return self.post("/login", key=KEY)

    def ask(self, method: str, path: str, body: bytes = b"") -> Reply:
        path, _, query = path.partition("?")
        headers = {
            "host": "gateway.house:8088",
            "cookie": "; ".join(f"{key}={value}" for key, value in self.cookies.items()),
            **self.headers,
        }
        scope = {
            "type": "http", "method": method, "path": path, "query_string": query.encode(),
            "client": (self.peer, 50_000), "server": (self.server, 8088),
            "headers": [(key.encode(), value.encode()) for key, value in headers.items()],
        }  # fmt: skip
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        asyncio.run(self.app(scope, receive, send))
        found = [(key.decode(), value.decode()) for key, value in sent[0]["headers"]]
        for key, value in found:
            if key == "set-cookie":
                self._keep(value)
        return Reply(sent[0]["status"], found, sent[1]["body"].decode())

    def _keep(self, header: str) -> None:
        for key, morsel in SimpleCookie(header).items():
            if morsel["max-age"] == "0":
                self.cookies.pop(key, None)
            else:
                self.cookies[key] = morsel.value
