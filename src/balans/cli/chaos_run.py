"""A town under chaos: everything is struck at random, and in the end nothing may be amiss.

The town is the demo's, over the real wire, with a head-end, two hubs (one of them controls the
loads), a broker and a database of its own; each process has a clock file of its own. The oracles
are the ledger that the simulated modules write themselves, and the acks on the wire.
"""

import asyncio
import contextlib
import random
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from balans.adapters.clock import SharedClockWriter
from balans.adapters.localmqtt import Mosquitto
from balans.adapters.localmqtt.owned import OwnedBroker
from balans.adapters.localpg import LocalPostgres
from balans.cli import demo_prepare as prepare
from balans.cli.chaos_acks import AckWatch
from balans.cli.chaos_noise import Noise
from balans.cli.chaos_strikes import Strikes, Targets
from balans.cli.demo_report import Delivery, wait_until_stored
from balans.cli.demo_run import stored_rows
from balans.cli.demo_stack import Stack
from balans.core.errors import InputError
from balans.simulator import ledger
from balans.simulator.result import TownResult
from balans.simulator.runner import Progress, RunOptions, TownRunner
from balans.simulator.town import demo_town
from balans.supervision.child import Child
from balans.wiring.embedded import Parts, open_parts
from balans.wiring.server import environment_of, require_sealing, setup_django

if TYPE_CHECKING:
    from balans.config import Settings

HEAD_END, WORKER = "head-end", "worker"
CALM_HOURS = 3
"""At the end nothing is struck for so many simulated hours: what is missing is asked for then."""
BEGIN_HOURS = 1
NOTED_S = 20.0
UNREGISTERED = "hub is not registered"
STORED_S = 120.0


@dataclass(frozen=True, slots=True)
class ChaosOptions:
    """What the command line asked for; `broker` is ``embedded`` or ``mosquitto``."""

    sim_hours: int
    seed: int
    broker: str


@dataclass(slots=True)
class Clocks:
    """The clock files of the processes; each may be off by some seconds."""

    folder: Path
    names: tuple[str, ...]
    off_s: dict[str, float] = field(default_factory=dict)
    _set_to: tuple[float, float] = (0.0, 0.0)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _writers: dict[str, SharedClockWriter] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._writers = {name: SharedClockWriter(self.file(name)) for name in self.names}

    def file(self, name: str) -> Path:
        """Return the clock file of a process."""
        return self.folder / f"{name}.clock"

    def set(self, site_s: float, speed: float = 0.0) -> None:
        """Let it be `site_s` now in the town."""
        with self._lock:
            self._set_to = (site_s, speed)
            for name, writer in self._writers.items():
                writer.set(site_s + self.off_s.get(name, 0.0), speed)

    def step(self, name: str, off_s: float) -> None:
        """Let the clock of a process be wrong by `off_s` from now on."""
        with self._lock:
            self.off_s[name] = off_s
            site_s, speed = self._set_to
            self._writers[name].set(site_s + off_s, speed)


class ChaosRun:
    """One run; `run` returns its report.

    Parameters
    ----------
    settings
        The configuration in force; its data directory is used for this run alone.
    options
        Of the command line.
    say
        Told what happens.
    """

    def __init__(self, settings: "Settings", options: ChaosOptions, say: Any) -> None:
        self.settings, self.options, self._say = settings, options, say
        self.home = prepare.home_of(settings)
        self.spec = demo_town(options.seed)
        self.strikes: Strikes | None = None

    def run(self) -> dict[str, Any]:
        """Run the town to its end; return the report."""
        began = time.monotonic()
        if self.home.exists() or self.settings.database_url is not None:
            raise InputError(
                f"--data-dir {self.settings.data_dir}: chaos wants a folder and a database of "
                "its own: name a new folder, and no BALANS_DATABASE_URL"
            )
        with ExitStack() as stack:
            self.home.mkdir(parents=True)
            stack.callback(prepare.lock_town(self.settings).release)
            self._open_broker(stack)
            parts = stack.enter_context(open_parts(self.settings, create_user=True))
            self._prepare(parts)
            clocks = Clocks(self.home, (HEAD_END, WORKER, *(hub.code for hub in self.spec.hubs)))
            clocks.set(self.spec.start_s)
            children = stack.enter_context(self._start(parts, clocks))
            acks = AckWatch(parts.mqtt_url, parts.database_url)
            with acks:
                result = self._play(parts, clocks, children)
                delivery = wait_until_stored(self._counted(), stored_rows, STORED_S)
                _wait_for_findings(NOTED_S)
            return self._report(result, delivery, acks, time.monotonic() - began)

    def _open_broker(self, stack: ExitStack) -> None:
        self._mosquitto = None
        if self.options.broker == "mosquitto":
            folder = self.settings.data_dir / "mosquitto"
            self._mosquitto = stack.enter_context(Mosquitto(folder))
            self._mosquitto.watch()
            self.settings = self.settings.model_copy(update={"mqtt_url": self._url()})

    def _url(self) -> Any:
        from pydantic import SecretStr

        return SecretStr(self._mosquitto.url) if self._mosquitto else None

    def _prepare(self, parts: Parts) -> None:
        setup_django(self.settings, parts.database_url)
        require_sealing()
        prepare.make_tables()
        prepare.register(self.spec)
        self._say("tables and town are ready")

    def _start(self, parts: Parts, clocks: Clocks) -> Stack:
        env = environment_of(self.settings, parts.database_url)
        stack = Stack(self.home / "log", {**env, "BALANS_MQTT_URL": parts.mqtt_url})
        files = prepare.write_gateways(self.spec, self.home, parts.mqtt_url)
        commands = {HEAD_END: ["headend"], WORKER: ["worker"]} | {
            hub: ["gateway", str(file)] for hub, file in files.items()
        }
        for name, args in commands.items():
            stack.env = {**stack.env, "BALANS_CLOCK_FILE": str(clocks.file(name))}
            stack.start(name, args)
        return stack

    def _play(self, parts: Parts, clocks: Clocks, children: Stack) -> TownResult:
        self.strikes = Strikes(
            self._targets(parts, clocks, children),
            random.Random(self.options.seed),  # noqa: S311  (to be repeated, not to be secret)
        )
        options = RunOptions(
            set_clock=clocks.set,
            state_dir=self.home / "town",
            ledger=self.home / "ledger.csv",
            progress=self._tell,
        )
        try:
            runner = TownRunner(self.spec, parts.mqtt_url, options)
            return asyncio.run(runner.run(self.options.sim_hours))
        finally:
            self.strikes.stop()

    def _tell(self, progress: Progress) -> None:
        local = datetime.fromtimestamp(progress.now_s, ZoneInfo(self.spec.timezone))
        strikes = self.strikes
        if strikes and progress.hours == BEGIN_HOURS:
            strikes.start()
        if strikes and progress.hours == self.options.sim_hours - CALM_HOURS:
            threading.Thread(target=strikes.stop, daemon=True).start()
        struck = strikes.done.total() if strikes else 0
        self._say(
            f"{local:%a %d %b %H:%M}  struck {struck} times, "
            f"{progress.unconfirmed} readings on their way"
        )

    def _targets(self, parts: Parts, clocks: Clocks, children: Stack) -> Targets:
        hubs = tuple(hub.code for hub in self.spec.hubs)
        pids: dict[str, Callable[[], int | None]] = {
            name: partial(_pid_of, child) for name, child in children.children.items()
        }
        for name, part in (
            ("broker", self._mosquitto or parts.local_broker),
            ("database", parts.postgres),
        ):
            if part is not None:
                pids[name] = partial(_pid_of_part, part)
        return Targets(
            pids,
            hubs,
            (HEAD_END, WORKER, *hubs),
            clocks.step,
            lambda hub: self._twin(children, hub),
            Noise(parts.mqtt_url, hubs, self.spec.hubs[0].site).make,
        )

    @contextlib.contextmanager
    def _twin(self, children: Stack, hub: str) -> Iterator[None]:
        """Run a second box with the identity of `hub`, on a disk of its own, then lose both."""
        folder = self.home / f"{hub}-twin"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        file = folder / "gateway.toml"
        own = self.home / hub
        text = (own / "gateway.toml").read_text(encoding="utf-8")
        file.write_text(text.replace(str(own), str(folder)), encoding="utf-8")
        clock = {"BALANS_CLOCK_FILE": str(self.home / f"{hub}.clock")}
        with Stack(self.home / "log", {**children.env, **clock}) as boxes:
            boxes.start(f"{hub}-twin", ["gateway", str(file)])
            yield
        shutil.rmtree(folder, ignore_errors=True)

    def _counted(self) -> dict[tuple[str, int], int]:
        return dict(ledger.read(self.home / "ledger.csv"))

    def _report(
        self, result: TownResult, delivery: Delivery, acks: AckWatch, wall_s: float
    ) -> dict[str, Any]:
        return {
            "sim_hours": result.hours,
            "wall_s": round(wall_s, 1),
            "seed": self.options.seed,
            "broker": self.options.broker,
            "strikes": dict(sorted(self.strikes.done.items())) if self.strikes else {},
            "readings": delivery.as_json(),
            "acks": {"checked": acks.checked, "ahead": len(acks.ahead), "which": acks.ahead[:20]},
            "yellow": {
                "interruptions": result.yellow.interruptions,
                "longest_off_s": result.yellow.longest_off_s,
            },
            "red": {"interruptions": result.red_interruptions},
            "findings": found_names(),
        }


def _pid_of(child: Child) -> int | None:
    return child.pid


def _pid_of_part(part: OwnedBroker | LocalPostgres) -> int | None:
    return part.status().pid


def _wait_for_findings(limit_s: float) -> None:
    """Wait until the last noise, of hubs that nobody has registered, is noted, but no longer."""
    deadline = time.monotonic() + limit_s
    while UNREGISTERED not in found_names() and time.monotonic() < deadline:
        time.sleep(0.2)


def found_names() -> dict[str, int]:
    """Return the findings of the run by what they say, with how often."""
    from balans.storage import findings
    from balans.storage.scope import system_scope

    counts: dict[str, int] = {}
    with system_scope("chaos"):
        for finding in findings.latest(limit=1000):
            counts[finding.what] = counts.get(finding.what, 0) + finding.n
    return dict(sorted(counts.items()))


def faults_of(report: dict[str, Any]) -> list[str]:
    """Return what in a report is not as the product promises; empty when all is well."""
    readings = report["readings"]
    checks = {
        f"{readings['missing']} readings are missing": readings["missing"] > 0,
        f"{readings['duplicates']} readings are stored twice or wrong": readings["duplicates"] > 0,
        f"{report['acks']['ahead']} acks promised what was not committed": report["acks"]["ahead"],
        "no ack was checked": not report["acks"]["checked"],
        "a red load was interrupted": report["red"]["interruptions"] > 0,
        "a yellow load was off for longer than 900 s": report["yellow"]["longest_off_s"] > 900,
    }
    return [message for message, is_wrong in checks.items() if is_wrong]
