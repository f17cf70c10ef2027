"""From the operator's click to load off: one server, one broker, many gateways without a mesh.

``python -m benchmarks.response_latency --broker embedded`` registers a town of buildings, starts a
head-end on an embedded PostgreSQL, connects a gateway for each building, and announces events. A
round is: draft and preview, wait for the start, then the clock runs from the call of `announce`
(the transaction of the page) until each load is told to be off. It prints JSON.
"""

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from benchmarks.response_gateways import (
    LOAD_W,
    LOADS,
    hub_code,
    load_names,
    run_gateways,
    site_code,
)

from balans.adapters.clock import SystemClock
from balans.adapters.localmqtt import LocalBroker, Mosquitto
from balans.adapters.localpg import LocalPostgres
from balans.adapters.signing import SigningKey
from balans.config import Settings
from balans.core.words import StepKind
from balans.usecases.registry_plan import (
    AccountPlan,
    HubPlan,
    LoadPlan,
    ModulePlan,
    NodePlan,
    RegistryPlan,
    TenantPlan,
)
from balans.wiring.server import environment_of, setup_django

CLOCK = SystemClock()
TENANT, PROGRAMME = "town", "peak"
PREVIEW_S = 15.0
PROCESSES = 2
WAIT_S = 120.0
MODULES = 40
"""Modules with an adapter for each load."""


def plan(gateways: int) -> RegistryPlan:
    """Return a city of buildings, each with a gateway and loads at the building itself."""
    numbers = range(1, gateways + 1)
    nodes = [NodePlan(code="city", name="City", kind="city", parent=None, timezone="UTC")]
    nodes += [
        NodePlan(code=site_code(n), name=f"House {n}", kind="building", parent="city")
        for n in numbers
    ]
    return RegistryPlan(
        tenant=TenantPlan(code=TENANT, name="Town"),
        nodes=tuple(nodes),
        hubs=tuple(HubPlan(code=hub_code(n), site=site_code(n), controls=True) for n in numbers),
        modules=tuple(
            ModulePlan(
                serial=_serial(n, i),
                node=site_code(n),
                hub=hub_code(n),
                has_adapter=True,
                inputs=(1,),
            )
            for n in numbers
            for i in range(LOADS)
        ),
        loads=tuple(
            LoadPlan(
                site=site_code(n),
                name=name,
                node=site_code(n),
                load_class="yellow",
                rated_w=int(LOAD_W),
                max_off_s=900,
                actuator=_serial(n, i),
                released=True,
            )
            for n in numbers
            for i, name in enumerate(load_names())
        ),
        accounts=(
            AccountPlan(username="op", password=uuid4().hex, grants=(("operator", "city"),)),
        ),
    )


def _serial(number: int, index: int) -> int:
    return 100_000 + number * MODULES + index


class Town:
    """The server with its tables, and the gateways in processes of their own."""

    def __init__(self, folder: Path, broker: str, gateways: int) -> None:
        self.gateways = gateways
        self._stack = ExitStack()
        enter = self._stack.enter_context
        self._pg = enter(LocalPostgres(folder / "pg"))
        kind = LocalBroker if broker == "embedded" else Mosquitto
        self._broker = enter(kind(folder / "broker"))
        self._settings = Settings(data_dir=folder / "data")
        (folder / "data").mkdir()
        setup_django(self._settings, self._pg.url)
        self.key = SigningKey.new()
        _say("registering")
        self._register()
        _say("registered")
        self._head_end = self._start(folder)
        self._pipes = self._connect()

    def close(self) -> None:
        """Stop everything."""
        self._head_end.terminate()
        with contextlib.suppress(OSError):
            self.tell("end", answer=False)
        self._head_end.wait(20)
        self._stack.close()

    def _register(self) -> None:
        from balans.cli.demo_prepare import make_tables
        from balans.storage.accounts import user_by_name
        from balans.storage.registry import apply_plan
        from balans.storage.response_programmes import create_programme, set_programme_state
        from balans.storage.response_records import ProgrammeState, ProgrammeTerms
        from balans.storage.scope import tenant_scope
        from balans.storage.signing_keys import add_key
        from balans.wiring.keys import KeyFolder

        make_tables()
        self.tenant_id = apply_plan(plan(self.gateways), actor="bench").tenant_id
        self.operator = user_by_name("op")
        now = CLOCK.now()
        terms = ProgrammeTerms(
            title="Peak",
            consent_needed=False,
            max_per_day=96,
            max_per_month=1000,
            start_spread_s=0,
            release_spread_s=0,
        )
        KeyFolder(self._settings.key_folder).keep(TENANT, self.key)
        with tenant_scope(self.tenant_id, "bench"):
            add_key(self.tenant_id, self.key.public, "bench", now - timedelta(minutes=1))
            create_programme(self.operator, "city", PROGRAMME, terms, now)
            set_programme_state(self.operator, PROGRAMME, ProgrammeState.OPEN, now)

    def _start(self, folder: Path) -> "subprocess.Popen[bytes]":
        env = {**os.environ, **environment_of(self._settings, self._pg.url)}
        log = self._stack.enter_context((folder / "headend.log").open("wb"))
        return subprocess.Popen(
            [sys.executable, "-m", "balans", "headend"],
            env={**env, "BALANS_MQTT_URL": self._broker.url},
            stderr=log,
        )

    def _connect(self) -> list[Connection]:
        context = get_context("spawn")
        pipes = []
        for part in range(PROCESSES):
            first, last = (self.gateways * at // PROCESSES for at in (part, part + 1))
            ours, theirs = context.Pipe()
            numbers = range(first + 1, last + 1)
            process = context.Process(
                target=run_gateways,
                args=(numbers, self._broker.url, self.key.public, theirs),
                daemon=True,
            )
            process.start()
            pipes.append(ours)
        for pipe in pipes:
            _answer(pipe)
        _say("all gateways are connected")
        return pipes

    def tell(self, order: str, *, answer: bool = True) -> list[Any]:
        """Tell all gateways what to do; return what they answer."""
        for pipe in self._pipes:
            pipe.send(order)
        return [_answer(pipe) for pipe in self._pipes] if answer else []

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Be the operator's tenant, in a transaction."""
        from balans.storage.scope import tenant_scope

        with tenant_scope(self.tenant_id, "bench"):
            yield

    def round(self) -> dict[str, list[float]]:
        """Call one event; return how long after the click what happened [s]."""
        from balans.storage.response_acts import announce, cancel
        from balans.storage.response_events import EventOrder, draft_event
        from balans.storage.response_preview import preview
        from balans.storage.response_records import StepInfo

        start = CLOCK.now() + timedelta(seconds=PREVIEW_S)
        step = StepInfo(start, start + timedelta(minutes=10), 0.0)
        order = EventOrder(
            programme=PROGRAMME, kind=StepKind.LIMIT, steps=(step,), reason="benchmark"
        )
        with self.scope():
            code = draft_event(self.operator, order, CLOCK.now()).code
            preview(self.operator, code, CLOCK.now())
        self.tell("prepare")
        time.sleep(max(0.0, start.timestamp() - CLOCK.now().timestamp()) + 0.1)
        _say("announcing")
        clicked_s = time.monotonic()
        with self.scope():
            announce(self.operator, code, CLOCK.now())
        answered_s = time.monotonic()
        told = [one for part in self.tell("measure") for one in part]
        _say("all loads are off")
        self.tell("settle")
        self._until(lambda: self._confirmed(code) == self.gateways, "all have confirmed")
        confirmed_s = time.monotonic()
        with self.scope():
            cancel(self.operator, code, "end of the round", CLOCK.now())
        time.sleep(2)
        self._forget_rest()
        return {
            "answered": [answered_s - clicked_s],
            "heard": [heard_s - clicked_s for heard_s, _ in told],
            "off": [off_s - clicked_s for _, offs in told for off_s in offs],
            "confirmed": [confirmed_s - clicked_s],
        }

    def _forget_rest(self) -> None:
        """Let places be asked again at once: they would rest for a quarter of an hour."""
        from django.db import connection

        with self.scope(), connection.cursor() as cursor:
            cursor.execute("delete from dr_report")
            cursor.execute("delete from dr_target")

    def _confirmed(self, code: str) -> int:
        from balans.domain.response.life import TargetState
        from balans.storage.response_events import event_for
        from balans.storage.response_progress import progress_of

        with self.scope():
            found = progress_of(event_for(self.operator, code))
        return found.states.get(TargetState.DONE, 0)

    @staticmethod
    def _until(condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + WAIT_S
        while not condition():
            if time.monotonic() > deadline:
                raise SystemExit(f"not within {WAIT_S:.0f} s: {what}")
            time.sleep(0.1)


def _say(what: str) -> None:
    print(f"{time.monotonic():.1f} s: {what}", file=sys.stderr, flush=True)


def _answer(pipe: Connection) -> Any:
    if not pipe.poll(WAIT_S):
        raise SystemExit(f"gateways do not answer within {WAIT_S:.0f} s")
    return pipe.recv()


def figures(values: Sequence[float]) -> dict[str, float]:
    """Return mean and quantiles [s]."""
    found = np.array(values)
    quantiles = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
    told = {name: round(float(np.quantile(found, at)), 3) for name, at in quantiles.items()}
    return {"mean": round(float(found.mean()), 3), **told}


def measure(broker: str, gateways: int, rounds: int) -> dict[str, Any]:
    """Return the figures of `rounds` events, the first one, which warms up, left out."""
    folder = Path(tempfile.mkdtemp(prefix="balans-latency-"))
    folder.chmod(0o755)
    town = None
    try:
        town = Town(folder, broker, gateways)
        town.round()
        found = [town.round() for _ in range(rounds)]
    finally:
        if town is not None:
            town.close()
        shutil.rmtree(folder, ignore_errors=True)
    names = ("answered", "heard", "off", "confirmed")
    return {
        "broker": broker,
        "gateways": gateways,
        "loads": gateways * LOADS,
        "rounds": rounds,
        **{f"{name}_s": figures([s for one in found for s in one[name]]) for name in names},
        "off_s_by_round": [figures(one["off"]) for one in found],
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--broker", choices=("embedded", "mosquitto"), default="embedded")
    parser.add_argument("--gateways", type=int, default=250)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    print(json.dumps(measure(given.broker, given.gateways, given.rounds)))


if __name__ == "__main__":
    main()
