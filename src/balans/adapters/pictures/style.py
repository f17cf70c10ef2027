"""Colours, fonts and helpers shared by all pictures; light, readable in print and in grey."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK = "#1d232b"
QUIET = "#68727e"
UNCONTROLLED = "#8b95a1"
CONTROLLED = "#14559b"
LIMIT = "#b3261e"
AVOIDED = "#f3c77a"
REMAINING = "#d9534a"
UNAVOIDABLE = "#6d3b3b"
CLASS_COLOURS = {"red": "#b3261e", "yellow": "#e3a600", "green": "#2c8a57"}
DPI = 150

_SETTINGS: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e4e7eb",
    "grid.linewidth": 0.7,
    "axes.axisbelow": True,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "path.simplify": True,
    "svg.hashsalt": "balans",
}


@contextmanager
def house_style() -> Iterator[None]:
    """Draw in the style of the house; settings of the caller come back afterwards."""
    with mpl.rc_context(_SETTINGS):
        yield


def save(figure: Figure, path: Path) -> None:
    """Write `figure` to `path` as PNG, the same bytes for the same picture."""
    figure.savefig(path, dpi=DPI, format="png", facecolor="white", metadata={"Software": None})


def hours_axis(axes: Axes, hours: float) -> None:
    """Label the horizontal axis in hours of the day."""
    every = 1 if hours <= 12 else 3 if hours <= 24 else 6
    ticks = range(0, int(hours) + 1, every)
    axes.set_xticks(list(ticks), [f"{tick % 24:02d}:00" for tick in ticks])
    axes.set_xlim(0, hours)
