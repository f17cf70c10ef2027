"""What was noticed about readings, in words: by line where it happened, else once a channel."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from balans.core.hours import HOUR_S
from balans.protocols.readings import Grade
from balans.usecases.full_hours import HourRows, Noted, Rows
from balans.usecases.import_findings import Noticing

LONG_GAP_S = 24 * HOUR_S
"""A longer gap is told by its line, shorter ones once a channel."""


def tell(
    rows: Rows, hours: HourRows, noted: Noted, names: Sequence[str], noticing: Noticing
) -> None:
    """Tell what was noticed about `rows` (sorted); `names` are those of the channels."""
    _tell_twice(rows, noted, names, noticing)
    _tell_back(rows, noted, names, noticing)
    _tell_aside(rows, noted, names, noticing)
    _tell_gaps(rows, noted, names, noticing)
    _tell_off_hour(rows, hours, noted, names, noticing)


def _tell_twice(rows: Rows, noted: Noted, names: Sequence[str], noticing: Noticing) -> None:
    for index in noted.repeated.tolist():
        what = "says again what an earlier line says"
        noticing.warn(int(rows.line[index]), "repeated", names[rows.channel[index]], what)
    for index in noted.other_value.tolist():
        what = f"{rows.register[index]} pulses for a time that has a value: the first one is kept"
        noticing.warn(int(rows.line[index]), "two_values", names[rows.channel[index]], what)


def _tell_back(rows: Rows, noted: Noted, names: Sequence[str], noticing: Noticing) -> None:
    aside = set(noted.out_of_line.tolist())
    for index in noted.went_back.tolist():
        before, now = int(rows.register[index - 1]), int(rows.register[index])
        passing = index in aside or index - 1 in aside
        what = f"register {now} after {before}: went back by {before - now}"
        if not passing:
            what += " and goes on from there: another counter, or one that was set back"
        noticing.warn(int(rows.line[index]), "went_back", names[rows.channel[index]], what)


def _tell_aside(rows: Rows, noted: Noted, names: Sequence[str], noticing: Noticing) -> None:
    for index in noted.out_of_line.tolist():
        before, now, after = (int(one) for one in rows.register[index - 1 : index + 2])
        way = "rises by" if now > before else "falls by"
        what = (
            f"register {now} between {before} and {after}: {way} {abs(now - before)} and comes"
            " back: nothing is computed from it"
        )
        noticing.warn(int(rows.line[index]), "out_of_line", names[rows.channel[index]], what)


def _tell_gaps(rows: Rows, noted: Noted, names: Sequence[str], noticing: Noticing) -> None:
    long = noted.gap_s >= LONG_GAP_S
    for index, gap_s in zip(
        noted.after_gap[long].tolist(), noted.gap_s[long].tolist(), strict=True
    ):
        what = f"no reading for {_span(gap_s)} before this line; hours in between are missing"
        noticing.warn(int(rows.line[index]), "gap", names[rows.channel[index]], what)
    short, gaps = noted.after_gap[~long], noted.gap_s[~long]
    order = np.lexsort((-gaps, rows.channel[short]))  # the longest of each channel comes first
    channels, first, counts = np.unique(
        rows.channel[short][order], return_index=True, return_counts=True
    )
    for channel, at, n in zip(channels.tolist(), first.tolist(), counts.tolist(), strict=True):
        longest = order[at]
        what = f"{n} shorter gaps, the longest {_span(int(gaps[longest]))}; hours are missing"
        noticing.warn(int(rows.line[short[longest]]), "gaps", names[channel], what)


def _tell_off_hour(
    rows: Rows, hours: HourRows, noted: Noted, names: Sequence[str], noticing: Noticing
) -> None:
    off, whole = _counts(rows.channel[noted.off_hour], names), _counts(rows.channel, names)
    estimated = _counts(hours.channel[hours.grade == Grade.ESTIMATED], names)
    at = np.flatnonzero(noted.off_hour)
    channels, firsts = np.unique(rows.channel[at], return_index=True)
    for channel, first in zip(channels.tolist(), at[firsts].tolist(), strict=True):
        what = (
            f"{off[channel]} of {whole[channel]} readings at no full hour;"
            f" {estimated[channel]} registers of full hours are estimated from them"
        )
        noticing.warn(int(rows.line[first]), "off_hour", names[channel], what)


def _counts(channel: NDArray[np.int64], names: Sequence[str]) -> NDArray[np.intp]:
    return np.bincount(channel, minlength=len(names))


def _span(seconds: int) -> str:
    hours = seconds / HOUR_S
    return f"{hours:.1f} h" if hours < 72 else f"{hours:.0f} h ({hours / 24:.0f} days)"
