"""``balans balance``: what flowed into a node against what flowed out of it."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from balans.cli.common import AsJson, DataDir, new_app, print_json, require_existing, settings_of
from balans.core.errors import InputError
from balans.core.text import printable
from balans.core.words import UNIT, Resource
from balans.domain.balances import Reach, State

if TYPE_CHECKING:
    from balans.storage.balance_doubts import Doubt
    from balans.storage.balance_groups import GroupInfo
    from balans.storage.balances import Report
    from balans.storage.records import NodeInfo

app = new_app("Print the balance of a node: inflow, outflow, imbalance, completeness.")
MILLI_PER_UNIT = 1_000_000
"""mWh, mvarh or ml in the kWh, kvarh or m³ that is printed."""

STEPS = ("hour", "day", "month", "year")


@app.command(
    epilog="Example: balans balance linden-12 --from 2026-01-01 --to 2026-02-01 --step day"
)
def balance(
    ctx: typer.Context,
    node: Annotated[str, typer.Argument(help="Code of a node, or of a balance group by hand.")],
    start: Annotated[str, typer.Option("--from", metavar="T", help="First instant, ISO 8601.")],
    end: Annotated[str, typer.Option("--to", metavar="T", help="End, not included, ISO 8601.")],
    step: Annotated[str, typer.Option(help="hour, day, month or year.")] = "day",
    resource: Annotated[
        str, typer.Option(metavar="WORD", help="Such as electricity or cold_water.")
    ] = "",
    reach: Annotated[
        str, typer.Option(help="Outflow down to the next meters, or to the consumers.")
    ] = "meters",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Print the balance of a node, interval after interval.

    A missing reading is named and never counted as zero or as a loss: where one is missing there is
    no imbalance. Times without an offset are local to the node.
    """
    from balans.wiring.clock import clock_of
    from balans.wiring.embedded import open_parts
    from balans.wiring.server import setup_django

    asked = _one_of("--step", step, STEPS), _one_of("--reach", reach, tuple(Reach))
    span = _instant("--from", start), _instant("--to", end)
    settings = settings_of(ctx, data_dir)
    require_existing(settings)
    with open_parts(settings, broker=False) as parts:
        setup_django(settings, parts.database_url)
        from balans.storage.balance_doubts import doubts
        from balans.storage.scope import system_scope

        with system_scope("balance"):
            place, group = _group(node, resource)
            now = clock_of(settings.clock_file).now()
            found = _report(group, (*span, now), place.timezone, asked)
            doubtful = doubts(found)
    if as_json:
        print_json(_as_json(place, found, doubtful))
    else:
        print("\n".join(_as_text(found, doubtful)))


def _group(code: str, resource: str) -> "tuple[NodeInfo, GroupInfo]":
    from balans.storage import lookups
    from balans.storage.balance_groups import groups_of, hand_groups_by_code
    from balans.storage.balance_upkeep import take_news

    if printable(code) != code:
        raise InputError(f"{printable(code)}: no code has such characters")
    take_news(wait=True)
    wanted = _one_of("--resource", resource, tuple(Resource)) if resource else ""
    nodes = lookups.nodes_by_code(code)
    if len(nodes) > 1:
        raise InputError(f"{code}: several tenants have a node of this code")
    groups = groups_of(nodes[0]) if nodes else hand_groups_by_code(code)
    if not nodes and not groups:
        raise InputError(f"{code}: no node and no balance group has this code")
    if len({group.tenant_id for group in groups}) > 1:
        raise InputError(f"{code}: several tenants have a balance group of this code")
    fitting = [group for group in groups if wanted in {"", group.resource}]
    if not fitting:
        raise InputError(_nothing(code, wanted, groups))
    place = nodes[0] if nodes else lookups.node(fitting[0].node_id)
    return place, fitting[0]


def _nothing(code: str, wanted: str, groups: "Sequence[GroupInfo]") -> str:
    if not groups:
        return f"{code}: no balance, for nothing flows in here and nothing below is metered"
    there = ", ".join(group.resource for group in groups)
    return f"--resource {wanted}: {code} has a balance of {there}"


def _report(
    group: "GroupInfo",
    span: tuple[datetime, datetime, datetime],
    zone: ZoneInfo,
    asked: tuple[str, str],
) -> "Report":
    from balans.storage.balances import Step, balance, bounds_of

    first, last, now = (time if time.tzinfo else time.replace(tzinfo=zone) for time in span)
    step = Step(asked[0])
    bounds = bounds_of(first, last, step, zone)
    return balance(group, bounds, step, now, Reach(asked[1]))


def _one_of(option: str, given: str, words: Sequence[str]) -> str:
    if given not in words:
        raise InputError(f"{option} {given}: expected one of {', '.join(words)}")
    return given


def _instant(option: str, text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(
            f"{option} {text}: expected ISO 8601, such as 2026-01-31T18:00+02:00"
        ) from error


def _as_json(
    node: "NodeInfo", report: "Report", doubtful: "Sequence[Sequence[Doubt]]"
) -> dict[str, Any]:
    return {
        "node": node.code,
        "group": report.group.code,
        "resource": report.group.resource,
        "unit": UNIT[report.group.resource],
        "step": report.step,
        "reach": report.reach,
        "timezone": str(report.zone),
        "intervals": [
            {
                "from": line.start.astimezone(report.zone).isoformat(),
                "to": line.end.astimezone(report.zone).isoformat(),
                "inflow": _unit(line.balance.inflow),
                "outflow": _unit(line.balance.outflow),
                "losses_technical": _unit(line.balance.loss),
                "imbalance": _unit(line.balance.imbalance),
                "completeness": line.balance.completeness,
                "inflow_known": _unit(line.balance.inflow_known),
                "outflow_known": _unit(line.balance.outflow_known),
                "points": {
                    "expected": line.balance.expected,
                    "known": line.balance.known,
                    "suspect": line.balance.suspect,
                    "estimated": line.balance.estimated,
                },
                "missing": [one.code for one in some if _is_missing(one.state)],
                "incorrect": [one.code for one in some if one.state is State.INCORRECT],
                "suspect": [one.code for one in some if one.state is State.SUSPECT],
                "why": {one.code: one.state.name.lower() for one in some},
            }
            for line, some in zip(report.lines, doubtful, strict=True)
        ],
    }


def _is_missing(state: State) -> bool:
    return state >= State.PARTIAL and state is not State.INCORRECT


def _unit(value: int | None) -> float | None:
    return None if value is None else value / MILLI_PER_UNIT


HEAD = ("from", "inflow", "outflow", "loss", "imbalance", "complete", "missing")
MOST_NAMED = 5


def _as_text(report: "Report", doubtful: "Sequence[Sequence[Doubt]]") -> Iterator[str]:
    yield f"{report.group.resource} [{UNIT[report.group.resource]}], {report.zone}"
    yield "{:<17}{:>14}{:>14}{:>12}{:>12}{:>10}  {}".format(*HEAD)
    for line, some in zip(report.lines, doubtful, strict=True):
        one = line.balance
        cells = (one.inflow, one.outflow, one.loss, one.imbalance)
        texts = ["-" if cell is None else f"{cell / MILLI_PER_UNIT:.3f}" for cell in cells]
        share = "-" if one.completeness is None else f"{_down(one.completeness):.1f} %"
        unknown = [doubt.code for doubt in some if doubt.state >= State.PARTIAL]
        more = f" and {len(unknown) - MOST_NAMED} more" if len(unknown) > MOST_NAMED else ""
        start = line.start.astimezone(report.zone)
        yield (
            f"{start:%Y-%m-%d %H:%M} {texts[0]:>14}{texts[1]:>14}{texts[2]:>12}{texts[3]:>12}"
            f"{share:>10}  {', '.join(unknown[:MOST_NAMED])}{more}"
        ).rstrip()


def _down(share: float) -> float:
    """Return a percentage that is never rounded up to 100."""
    return int(share * 1000) / 10
