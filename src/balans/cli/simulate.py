"""``balans simulate``: replay a site's profile, or play a town over the wire."""

import gzip
import shutil
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typing_extensions import override

from balans.cli.common import AsJson, new_app, print_json
from balans.core.errors import InputError, UnavailableError

if TYPE_CHECKING:
    from balans.usecases.profile import Profile
    from balans.usecases.simulate_site import Replay
    from balans.usecases.site_file import Site

ELSEWHERE = {
    "feeder": ("balans.cli.simulate_feeder", "Study flats behind one transformer."),
    "town": ("balans.cli.simulate_town", "Play a town of modules over the wire."),
}
"""Commands of this group in files of their own, imported when they run: a function, `EXAMPLE`."""
TELL_AFTER_S = 2.0


class SimulateGroup(TyperGroup):
    """The group, with commands from other files imported only when they run."""

    @override
    def list_commands(self, ctx: Any) -> list[str]:
        return [*super().list_commands(ctx), *ELSEWHERE]

    @override
    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name in ELSEWHERE:
            return TyperCommand(cmd_name, help=ELSEWHERE[cmd_name][1])
        return super().get_command(ctx, cmd_name)

    @override
    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, found, rest = super().resolve_command(ctx, args)
        if name not in ELSEWHERE:
            return name, found, rest
        module = import_module(ELSEWHERE[name][0])
        single = new_app("")
        single.command(name, epilog=module.EXAMPLE)(getattr(module, name))
        return name, typer.main.get_command(single), rest


app = new_app("Replay a site's profile, or play a town.", cls=SimulateGroup)


@app.callback()
def group() -> None:
    """Replay a site's profile, or play a town."""


@app.command(epilog="Example: balans simulate site house/SITE.toml --out out/")
def site(
    file: Annotated[Path, typer.Argument(metavar="SITE.toml", help="Site, limits and loads.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the results.")],
    as_json: AsJson = False,
) -> None:
    """Replay a profile through load control; write trace.csv, summary.json and two plots."""
    from balans.usecases.simulate_site import simulate_site
    from balans.usecases.site_report import summarize

    loaded, profile = read_site(file)
    try:
        with progress_line() as tell:
            replay = simulate_site(loaded, profile, time.thread_time_ns, tell)
    except InputError as error:
        raise InputError(f"{file}: {error}") from error
    summary = summarize(replay)
    write_all(out, replay, summary)
    if as_json:
        print_json(summary)
    else:
        _print_summary(summary, out)


def read_site(file: Path) -> tuple["Site", "Profile"]:
    """Return the site in `file` and the profile it names.

    Raises
    ------
    InputError
        Naming the file, and the field or the line, that cannot be used.
    """
    from balans.usecases.profile import parse_profile
    from balans.usecases.site_file import parse_site

    found = parse_site(read_text(file), str(file))
    path = file.parent / found.profile
    profile = parse_profile(
        read_text(path), found.recorded, found.timezone, str(path), found.producers
    )
    for name in profile.ignored:
        print(f"{path}: column {name} is no load of the site and not counted", file=sys.stderr)
    return found, profile


def read_text(path: Path) -> str:
    """Return the text of `path`, unpacked if its name ends in .gz."""
    try:
        data = path.read_bytes()
        if path.suffix == ".gz":
            data = gzip.decompress(data)
        return data.decode("utf-8")
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise InputError(f"{path}: not a whole gzip file: {error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text at byte {error.start}") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: {getattr(error, 'strerror', None) or error}") from error


@contextmanager
def progress_line() -> Iterator[Any]:
    """Give a function that shows the share done on standard error, once it takes long."""
    begin = time.monotonic()
    shown = False

    def tell(share: float) -> None:
        nonlocal shown
        if sys.stderr.isatty() and (shown or time.monotonic() - begin > TELL_AFTER_S):
            shown = True
            print(f"\r{share:4.0%}", end="", file=sys.stderr, flush=True)

    yield tell
    if shown:
        print("\r    \r", end="", file=sys.stderr, flush=True)


def write_all(out: Path, replay: "Replay", summary: dict[str, Any]) -> None:
    """Write the four files into `out`: all of them or, if one fails, none."""
    import json

    from balans.adapters.pictures.site_html import write_site_page
    from balans.adapters.pictures.site_png import draw_site
    from balans.usecases.site_report import trace_lines

    with all_or_nothing(out) as folder:
        with (folder / "trace.csv").open("w", encoding="utf-8", newline="\n") as trace:
            trace.writelines(trace_lines(replay))
        text = json.dumps(summary, indent=2, ensure_ascii=False) + "\n"
        (folder / "summary.json").write_text(text, encoding="utf-8")
        draw_site(replay, summary, folder / "plot.png")
        write_site_page(replay, summary, folder / "plot.html")


@contextmanager
def all_or_nothing(out: Path) -> Iterator[Path]:
    """Give an empty folder beside `out`, whose files move into `out` when all are written.

    Raises
    ------
    UnavailableError
        If the folder or a file in it cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=".writing-", dir=out))
    except OSError as error:
        raise UnavailableError(f"{out}: cannot write there: {error.strerror}") from error
    try:
        yield folder
        for path in sorted(folder.iterdir()):
            path.replace(out / path.name)
    except OSError as error:
        raise UnavailableError(f"{out}: cannot write there: {error.strerror or error}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _print_summary(summary: dict[str, Any], out: Path) -> None:
    print(f"{summary['name']}: {summary['steps']} steps of {summary['step_s']:g} s")
    print(f"{'':22}{'kWh over':>10}{'minutes':>10}{'peak kW':>10}")
    for key, name in (
        ("uncontrolled", "without control"),
        ("controlled", "with control"),
        ("unavoidable", "red part alone"),
    ):
        over, minutes = summary["overload_kwh"][key], summary["minutes_over"][key]
        print(f"{name:22}{over:10.2f}{minutes:10.0f}{summary['peak_kw'][key]:10.2f}")
    for name, load in summary["loads"].items():
        print(
            f"{name} ({load['class']}): off {load['interruptions']} times, "
            f"longest {load['longest_off_s']:g} s; late {load['late_kwh']:.2f} kWh"
        )
    print(f"written to {out}: trace.csv, summary.json, plot.png, plot.html")
