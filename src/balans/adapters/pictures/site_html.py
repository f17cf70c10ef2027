"""plot.html: the whole replay to explore in one file that needs no server and no network."""

import base64
import html
import json
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
from numpy.typing import NDArray

from balans.adapters.pictures import style
from balans.adapters.pictures.site_views import off_runs, telling_view
from balans.domain.demand.model import DAY_S
from balans.usecases.simulate_site import Replay

_ASSETS = files("balans.adapters.pictures") / "assets"
NO_POWER = -(2**31)
"""Stands for no limit in the packed powers."""
_CURVE_NAMES = {
    "uncontrolled": "without control",
    "controlled": "with control",
    "unavoidable": "the part that may not be switched",
}


def write_site_page(replay: Replay, summary: dict[str, Any], path: Path) -> None:
    """Write the page of `replay` with its `summary` to `path`."""
    page = Template(_asset("site.html")).substitute(
        title=html.escape(f"{summary['name']}: load with and without control"),
        rows="\n".join(_row(summary, key, name) for key, name in _CURVE_NAMES.items()),
        day_name=html.escape(telling_view(replay).title),
        replay=_embed(_data(replay)),
        uplot_css=_asset("uPlot.min.css"),
        uplot_js=_asset("uPlot.iife.min.js"),
        site_js=_asset("site.js"),
    )
    path.write_text(page, encoding="utf-8")


def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")


def _row(summary: dict[str, Any], key: str, name: str) -> str:
    figures = (
        f"{summary['overload_kwh'][key]:.2f}",
        f"{summary['minutes_over'][key]:.0f}",
        f"{summary['peak_kw'][key]:.2f}",
    )
    return f"<tr><td>{name}</td>" + "".join(f"<td>{figure}</td>" for figure in figures) + "</tr>"


def _embed(data: dict[str, Any]) -> str:
    """Return `data` as JSON that cannot end the script element it stands in."""
    return json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")


def _data(replay: Replay) -> dict[str, Any]:
    profile = replay.profile
    as_written = np.array_equal(profile.start_s % DAY_S, profile.local_s)
    view = telling_view(replay)
    return {
        "start": float(profile.start_s[0]),
        "step": profile.step_s,
        "count": len(replay.base),
        "zone": "UTC" if as_written else replay.site.timezone.key,
        "day": [view.first, view.last],
        "without": _packed(replay.uncontrolled_w),
        "with": _packed(replay.controlled_w),
        "limit": _packed(replay.allowed_w),
        "loads": [
            {
                "name": load.name,
                "class": str(load.load_class),
                "colour": style.CLASS_COLOURS[load.load_class],
                "off": off_runs(replay.is_on[row]),
            }
            for row, load in enumerate(replay.loads)
            if load.load_class != "red"
        ],
    }


def _packed(power_w: NDArray[np.float64]) -> str:
    """Return powers in whole watts as base64 of little-endian 32-bit numbers."""
    whole = np.where(np.isfinite(power_w), power_w, NO_POWER)
    whole = np.rint(np.clip(whole, NO_POWER, -NO_POWER - 1)).astype("<i4")
    return base64.b64encode(whole.tobytes()).decode("ascii")
