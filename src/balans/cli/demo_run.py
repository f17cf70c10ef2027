"""One run of the demo, from the first process to the report."""

import asyncio
import json
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

from balans.adapters.clock import SharedClock, SharedClockWriter
from balans.cli import demo_overload as overload
from balans.cli import demo_prepare as prepare
from balans.cli.crawl import Visitor
from balans.cli.demo_event import called_events, event_report
from balans.cli.demo_report import (
    Key,
    commands_of,
    faults_of,
    report_of,
    summary_of,
    wait_until_stored,
)
from balans.cli.demo_stack import Stack
from balans.cli.demo_study import store_study
from balans.core.errors import UnavailableError
from balans.core.hours import hour_of
from balans.simulator import ledger
from balans.simulator.result import TownResult
from balans.simulator.runner import Progress, RunOptions, TownRunner
from balans.simulator.town import demo_town
from balans.wiring.embedded import Parts, open_parts
from balans.wiring.server import environment_of, require_sealing, setup_django

if TYPE_CHECKING:
    from balans.config import Settings

WATCHABLE_SPEED = 60.0
"""A simulated minute a second: fast enough to see something happen, slow enough to see it."""
WATCH_FROM_HOUR = 20
"""A new town runs at full speed up to this hour of its first day: the peak has begun by then."""
OVERLOAD_FROM_HOUR = 19
"""In that scenario the whole overload is to be seen: it begins twenty minutes later."""
PAGES_UP_S = 120.0
STORED_S = 60.0


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asked for.

    `watchable`: run a new town at full speed to the evening, then at a pace for the eye.
    `overload`: no standing limit; a trigger of the operator meets the overload by an event.
    """

    speed: float | None
    watchable: bool
    headless: bool
    sim_hours: float | None
    report: Path | None
    seed: int
    reset: bool
    overload: bool = False


class Stage(NamedTuple):
    """A part of the replay: simulated seconds per second (None: full speed), and for how long."""

    speed: float | None
    hours: float | None


class DemoRun:
    """Starts everything, replays the town, tells what happens, stops everything.

    Parameters
    ----------
    settings
        The configuration in force.
    options
        Of the command line.
    began
        ``time.monotonic()`` at the start of the command.
    """

    def __init__(self, settings: "Settings", options: Options, began: float) -> None:
        self.options = options
        self.began = began
        self.home = prepare.home_of(settings)
        self.clock_file = self.home / "clock"
        self.settings = settings.model_copy(update={"clock_file": self.clock_file})
        self.spec = demo_town(options.seed, standing=not options.overload)
        self.keys: list[str] = []
        self.url = f"http://{settings.host}:{settings.port}"

    def run(self) -> list[str]:
        """Run the demo to its end; return what is not as the product promises."""
        prepare.check_inputs(self.settings, self.options.report)
        with ExitStack() as stack:
            stack.callback(prepare.lock_town(self.settings).release)
            if self.options.reset:
                prepare.reset(self.settings)
            overload.check_begun(self.settings, standing=not self.options.overload)
            prepare.check_town(self.spec, self.home)
            parts = stack.enter_context(
                open_parts(self.settings, create_user=True, progress=self._say)
            )
            self._prepare(parts)
            children = stack.enter_context(self._start(parts))
            study = get_context("spawn").Process(
                target=store_study,
                args=(self.settings, parts.database_url, self.options.seed),
                daemon=True,
            )
            study.start()
            stack.callback(study.terminate)
            self._introduce()
            result = self._replay(parts.mqtt_url)
            study.join()
            if study.exitcode:
                raise UnavailableError("the study of the transformer failed; its error is above")
            if not self.options.headless and self.options.sim_hours is None:
                self._stay(children)
            return self._finish(result)

    def _prepare(self, parts: Parts) -> None:
        setup_django(self.settings, parts.database_url)
        require_sealing()
        prepare.make_tables()
        if self.options.overload:
            prepare.register(self.spec, [overload.households(self.spec)])
            self.keys = overload.trusted_keys(self.settings, self.spec)
            overload.set_up(self.spec)
        else:
            prepare.register(self.spec)
        self._say("tables and town are ready")

    def _start(self, parts: Parts) -> Stack:
        if not self.clock_file.exists():
            with SharedClockWriter(self.clock_file) as clock:
                clock.set(self.spec.start_s)
        env = environment_of(self.settings, parts.database_url)
        stack = Stack(self.home / "log", {**env, "BALANS_MQTT_URL": parts.mqtt_url})
        stack.start("headend", ["headend"])
        stack.start("worker", ["worker"])
        files = prepare.write_gateways(self.spec, self.home, parts.mqtt_url, self.keys)
        for hub, file in files.items():
            stack.start(hub, ["gateway", str(file)])
        stack.env = {**stack.env, "BALANS_DEMO": "1"}
        stack.start("serve", ["serve"])
        return stack

    def _introduce(self) -> None:
        from balans.web.accounts.demo import DEMO_ACCOUNTS

        self._await_pages()
        self._say("everything runs")
        print(f"\n  Pages     {self.url}")
        for account in DEMO_ACCOUNTS:
            print(f"  Log in    {account.username} / {account.password}")
        print(f"  Logs      {self.home / 'log'}\n  Ctrl-C stops everything.\n", flush=True)

    def _await_pages(self) -> None:
        visitor = Visitor(self.url)
        deadline = time.monotonic() + PAGES_UP_S
        while visitor.open("/healthz")[0] != 200:
            if time.monotonic() > deadline:
                raise UnavailableError(f"the pages do not come up; see {self.home / 'log'}")
            time.sleep(0.1)

    def _replay(self, mqtt_url: str) -> TownResult:
        with SharedClockWriter(self.clock_file) as clock:
            *before, last = self._stages()
            for stage in before:
                self._run_town(mqtt_url, clock, stage)
            return self._run_town(mqtt_url, clock, last)

    def _run_town(self, mqtt_url: str, clock: SharedClockWriter, stage: Stage) -> TownResult:
        options = RunOptions(
            speed=stage.speed,
            set_clock=clock.set,
            state_dir=self.home / "town",
            ledger=self.home / "ledger.csv",
            progress=self._tell,
            speed_at=self._speed_at(stage.speed),
        )
        return asyncio.run(TownRunner(self.spec, mqtt_url, options).run(stage.hours))

    def _speed_at(self, speed: float | None) -> Callable[[int, float], float | None] | None:
        if not self.options.overload:
            return None
        return overload.Attention(self.spec.sites[0].limit_w, speed).speed_at

    def _stages(self) -> list[Stage]:
        with SharedClock(self.clock_file) as clock:
            played_h = (clock.now_s() - self.spec.start_s) / 3600
        hour = OVERLOAD_FROM_HOUR if self.options.overload else WATCH_FROM_HOUR
        if self.options.watchable and played_h < hour:
            return [Stage(None, hour - played_h), Stage(WATCHABLE_SPEED, None)]
        return [Stage(self.options.speed, self.options.sim_hours)]

    def _stay(self, stack: Stack) -> None:
        """Keep the pages up after the replay, until Ctrl-C."""
        self._say("the replay has stopped; the pages stay up until Ctrl-C")
        while stack.children:
            time.sleep(3600)

    def _finish(self, result: TownResult) -> list[str]:
        counted = ledger.read(self.home / "ledger.csv")
        delivery = wait_until_stored(counted, stored_rows, STORED_S)
        commands, pages = count_commands(result), self._visit()
        report = report_of(result, delivery, commands, pages, time.monotonic() - self.began)
        if self.options.overload:
            events = called_events(result.start_s, result.end_s + 1)
            report["event"] = event_report(result, events)
        if self.options.report:
            text = json.dumps(report, indent=2) + "\n"
            self.options.report.write_text(text, encoding="utf-8")
        print(summary_of(report))
        faults = faults_of(report)
        for fault in faults:
            print(f"balans demo: {fault}", file=sys.stderr)
        return faults

    def _visit(self) -> dict[str, int]:
        """Open every page as each of the demo accounts; keep the worst answer of each."""
        from balans.web.accounts.demo import DEMO_ACCOUNTS

        self._await_pages()
        answers: dict[str, int] = {}
        for account in DEMO_ACCOUNTS:
            visitor = Visitor(self.url)
            visitor.log_in("/login/", account.username, account.password)
            for path, status in visitor.visit_all().items():
                answers[path] = max(status or 599, answers.get(path, 0))
        return answers

    def _tell(self, progress: Progress) -> None:
        local = datetime.fromtimestamp(progress.now_s, ZoneInfo(self.spec.timezone))
        self._say(
            f"{local:%a %d %b %H:%M}  {progress.site_w / 1000:5.1f} kW, "
            f"without control {progress.reference_w / 1000:5.1f} kW"
        )

    def _say(self, message: str) -> None:
        print(f"{time.monotonic() - self.began:6.1f} s  {message}", flush=True)


def stored_rows() -> list[tuple[Key, int]]:
    """Return what the database holds, as the ledger names it."""
    from balans.storage.readings import export_rows
    from balans.storage.scope import system_scope

    with system_scope("demo"):
        return [((row.channel, hour_of(row.time)), row.register) for row in export_rows()]


def count_commands(result: TownResult) -> dict[str, int]:
    """Return what became of the commands given during the run."""
    from balans.storage.commands import count_by_state
    from balans.storage.scope import system_scope

    start, end = (datetime.fromtimestamp(at, UTC) for at in (result.start_s, result.end_s + 1))
    with system_scope("demo"):
        return commands_of(count_by_state(start, end))
