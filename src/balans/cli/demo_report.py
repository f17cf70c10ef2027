"""The report of a demo run: what was delivered, controlled, commanded and shown."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from balans.simulator.ledger import Ledger
from balans.simulator.result import TownResult

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


def ledger_rows(ledger: Ledger) -> dict[Key, int]:
    """Return the registers of `ledger` by channel and hour."""
    return {
        (channel, hour): register
        for hour, registers in ledger.hours.items()
        for channel, register in zip(ledger.channels, registers, strict=True)
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
    """Compare again and again until nothing is missing, for at most `limit_s` seconds."""
    deadline = time.monotonic() + limit_s
    while True:
        delivery = compare(ledger, read())
        if not delivery.missing or time.monotonic() > deadline:
            return delivery
        time.sleep(0.2)


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
        "control made the overload larger": site["controlled"] > site["uncontrolled"],
        **{
            f"page {path} answered {status}": status != 200
            for path, status in report["pages"].items()
        },
    }
    return [message for message, is_wrong in checks.items() if is_wrong]
