"""The processes of the demo: head-end, gateways and pages, beside the embedded parts."""

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from balans.supervision.child import Child, Launch

STOP_SIGNALS = ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0))


@dataclass(slots=True)
class Stack:
    """Commands of the product that run as children until the stack is left.

    Parameters
    ----------
    log_dir
        Folder of one log file a child.
    env
        Variables for all of them, added to the present environment.
    """

    log_dir: Path
    env: Mapping[str, str]
    children: dict[str, Child] = field(default_factory=dict)

    def start(self, name: str, args: Sequence[str]) -> Child:
        """Run ``balans ARGS`` as child `name`, again whenever it dies.

        Raises
        ------
        UnavailableError
            When the process cannot be started at all.
        """
        self.log_dir.mkdir(parents=True, exist_ok=True)
        child = Child(
            Launch(
                name=name,
                args=[sys.executable, "-m", "balans", *args],
                cwd=Path.cwd(),
                log=self.log_dir / f"{name}.log",
                death_signal=signal.SIGTERM,
                stop_signals=STOP_SIGNALS,
                is_ready=lambda: True,
                env={**os.environ, **self.env},
            )
        )
        child.start()
        child.watch()
        self.children[name] = child
        return child

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop all children; SIGTERM goes to all at once, so they end side by side."""
        for child in self.children.values():
            if child.pid is not None:
                os.kill(child.pid, signal.SIGTERM)
        for child in self.children.values():
            child.stop()
