"""The report of a demo run: what was delivered, controlled, commanded and shown."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from balans.cli.demo_event import event_faults, event_line
from balans.core.errors import UnavailableError
from balans.core.words import CommandState
from balans.simulator.result import TownResult

YELLOW_OFF_MAX_S = 900
"""No yellow load may be off for longer; 15 minutes."""

Key = tuple[str, int]
"""A channel as the ledger names it, and an hour."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """The ledger against the database."""

    expected: int
    stored: int
    missing: int
    duplicates: int

    def as_json(self) -> dict[str, int]:
        """Return the part of the report."""
        return {
            "expected": self.expected,
            "stored": self.stored,
            "missing": self.missing,
            "duplicates": self.duplicates,
        }


def compare(ledger: Mapping[Key, int], stored: list[tuple[Key, int]]) -> Delivery:
    """Compare what the modules counted with what the database holds.

    Missing is a reading of the ledger that is not stored with its register; a duplicate is a
    stored reading beyond the ledger: stored twice, or never counted by a module.

    >>> compare({("1-1", 5): 10, ("1-1", 6): 12}, [(("1-1", 5), 10), (("1-1", 5), 10)])
    Delivery(expected=2, stored=2, missing=1, duplicates=1)
    """
    right = {key for key, register in stored if ledger.get(key) == register}
    return Delivery(
        expected=len(ledger),
        stored=len(stored),
        missing=len(ledger) - len(right),
        duplicates=len(stored) - len(right),
    )


def wait_until_stored(
    ledger: Mapping[Key, int], read: Callable[[], list[tuple[Key, int]]], limit_s: float
) -> Delivery:
    """Compare again and again until nothing is missing, for at most `limit_s` seconds.

    A database that is away meanwhile, recovering from a crash, is waited for.

    Raises
    ------
    UnavailableError
        If it is still away in the end.
    """
    deadline = time.monotonic() + limit_s
    while True:
        is_last = time.monotonic() > deadline
        try:
            delivery = compare(ledger, read())
        except UnavailableError:
            if is_last:
                raise
        else:
            if is_last or not delivery.missing:
                return delivery
        time.sleep(0.2)


def commands_of(by_state: Mapping[CommandState, int]) -> dict[str, int]:
    """Return the counts of the report: sent are all that left, whatever became of them."""
    queued = by_state.get(CommandState.QUEUED, 0)
    return {
        "sent": sum(by_state.values()) - queued,
        "confirmed": by_state.get(CommandState.CONFIRMED, 0),
        "failed": by_state.get(CommandState.FAILED, 0),
        "expired": by_state.get(CommandState.EXPIRED, 0),
    }


def report_of(
    result: TownResult,
    delivery: Delivery,
    commands: Mapping[str, int],
    pages: Mapping[str, int],
    wall_s: float,
) -> dict[str, Any]:
    """Return the report as the contract of ``balans demo`` has it."""
    curves = {"uncontrolled": result.uncontrolled_w, "controlled": result.controlled_w}
    return {
        "sim_hours": result.hours,
        "wall_s": round(wall_s, 1),
        "readings": delivery.as_json(),
        "site": {
            "limit_kw": result.limit_w / 1000,
            "peak_kw": {name: round(result.peak_kw(w), 3) for name, w in curves.items()},
            "overload_kwh": {
                name: round(result.overload_kwh(w), 3)
                for name, w in {**curves, "unavoidable": result.unavoidable_w}.items()
            },
            "minutes_over": {name: result.minutes_over(w) for name, w in curves.items()},
        },
        "red": {"interruptions": result.red_interruptions},
        "yellow": {
            "interruptions": result.yellow.interruptions,
            "longest_off_s": result.yellow.longest_off_s,
        },
        "green": {
            "interruptions": result.green.interruptions,
            "late_kwh": round(result.green_late_kwh, 3),
        },
        "commands": {
            **commands,
            "latency_s": {
                "p50": result.reaction_quantile_s(0.5),
                "p95": result.reaction_quantile_s(0.95),
            },
        },
        "pages": dict(pages),
    }


def faults_of(report: Mapping[str, Any]) -> list[str]:
    """Return what in a report is not as the product promises; empty when all is well."""
    readings, site = report["readings"], report["site"]["overload_kwh"]
    checks = {
        f"{readings['missing']} readings are missing": readings["missing"] > 0,
        f"{readings['duplicates']} readings are stored twice or wrong": readings["duplicates"] > 0,
        "a red load was interrupted": report["red"]["interruptions"] > 0,
        "a yellow load was off for too long": report["yellow"]["longest_off_s"] > YELLOW_OFF_MAX_S,
        "control made the overload larger": site["controlled"] > site["uncontrolled"],
        **{
            f"page {path} answered {status}": status != 200
            for path, status in report["pages"].items()
        },
        **(event_faults(report) if "event" in report else {}),
    }
    return [message for message, is_wrong in checks.items() if is_wrong]


def summary_of(report: Mapping[str, Any]) -> str:
    """Return the report in a few lines for the terminal."""
    readings, site, commands = report["readings"], report["site"], report["commands"]
    peak, overload, yellow = site["peak_kw"], site["overload_kwh"], report["yellow"]
    lines = {
        "Readings": f"{readings['stored']} of {readings['expected']} stored, "
        f"{readings['missing']} missing, {readings['duplicates']} duplicates",
        "Overload": f"{overload['uncontrolled']:.2f} kWh without control, "
        f"{overload['controlled']:.2f} kWh with it, {overload['unavoidable']:.2f} of red alone; "
        f"limit {site['limit_kw']:g} kW",
        "Peak": f"{peak['uncontrolled']:.1f} kW without control, {peak['controlled']:.1f} kW with",
        "Switched": f"yellow {yellow['interruptions']} times, {yellow['longest_off_s']:.0f} s at "
        f"the longest; green {report['green']['interruptions']} times; "
        f"red {report['red']['interruptions']} times",
        "Commands": f"{commands['sent']} sent, {commands['confirmed']} confirmed, "
        f"{commands['failed']} failed, {commands['expired']} expired",
        "Pages": f"{len(report['pages'])} opened",
    }
    if report.get("event"):
        lines["Event"] = event_line(report["event"])
    return "\n" + "\n".join(f"  {name:<9} {text}" for name, text in lines.items()) + "\n"
