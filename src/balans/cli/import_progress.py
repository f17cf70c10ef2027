"""Progress of an import on a terminal: one line that changes, or one line a step in a log."""

from typing import TextIO

WORDS = {
    "rows": "reading rows",
    "times": "reading times",
    "values": "reading values",
    "places": "finding places",
    "hours": "computing full hours",
    "stored": "comparing with what is stored",
    "inbox": "handing over",
    "day rows": "storing",
}
"""What each step does; other steps are named by the table that is filled."""


class Lines:
    """Says what is being done, once a step where nobody watches."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._live = out.isatty()
        self._step = ""

    def __call__(self, step: str, done: int, total: int) -> None:
        """Say that `done` of `total` rows have gone through `step`; 0 where it is not known."""
        if not self._live and step == self._step:
            return
        self._step = step
        words = WORDS.get(step, f"storing: {step}s")
        if self._live:
            count = f" {done:,} of {total:,}" if total else f" {done:,}" if done else ""
            self._out.write(f"\r\x1b[2K{words}{count}\r")
        else:
            self._out.write(f"{words}{f' ({total:,})' if total else ''}\n")
        self._out.flush()

    def end(self) -> None:
        """Leave an empty line behind."""
        if self._live:
            self._out.write("\r\x1b[2K")
            self._out.flush()
