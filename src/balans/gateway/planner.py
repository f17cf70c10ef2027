"""The planner in a process of its own: a deadline holds, and a crash costs a plan, nothing more.

A request goes to the child's standard input and its plan comes back on standard output, each as
four bytes of length and a pickle. What is read was written by our own child and by nobody else.
"""

import asyncio
import contextlib
import logging
import os
import pickle
import struct
import sys
from collections.abc import AsyncIterator

from balans.core.errors import UnavailableError
from balans.domain.demand.plan import Plan
from balans.usecases.run_load_control import PlanRequest

LENGTH = struct.Struct("<I")
ANSWER_MAX = 50_000_000
START_S = 60.0
"""So long the first plan may take: the child has to start and load its solver."""
NICENESS = "10"
log = logging.getLogger(__name__)


class PlannerError(UnavailableError):
    """No plan came: the planner said why, died, or was too late."""

    code = "planner"


class PlannerLateError(PlannerError):
    """No plan came in time."""

    code = "planner_late"


class PlannerProcess:
    """A child process that plans; it is started when it is first needed, and again when it died.

    Parameters
    ----------
    deadline_s
        A plan that takes longer is given up, and the child with it.
    program
        What is run.
    """

    def __init__(
        self,
        deadline_s: float = 15.0,
        program: tuple[str, ...] = (sys.executable, "-m", "balans.gateway.planner_child"),
    ) -> None:
        self._deadline_s = deadline_s
        self._program = program
        self._child: asyncio.subprocess.Process | None = None

    async def plan(self, request: PlanRequest) -> Plan:
        """Return the plan for `request`.

        Raises
        ------
        PlannerError
            When there is none; the next request begins with a new child where this one died.
        """
        is_new = self._child is None or self._child.returncode is not None
        limit_s = max(self._deadline_s, START_S) if is_new else self._deadline_s
        async with self._given_up_on_trouble():
            async with asyncio.timeout(limit_s):
                answer = await self._ask(pickle.dumps(request))
        if isinstance(answer, Plan):
            return answer
        raise PlannerError(f"the planner failed: {answer}")

    @contextlib.asynccontextmanager
    async def _given_up_on_trouble(self) -> AsyncIterator[None]:
        """End the child when it is late or gone, or nobody waits for it any more."""
        try:
            yield
        except TimeoutError as error:
            await self.close()
            raise PlannerLateError("no plan came in time") from error
        except (OSError, EOFError, asyncio.IncompleteReadError, pickle.UnpicklingError) as error:
            await self.close()
            raise PlannerError(f"the planner is gone: {error!r}") from error
        except asyncio.CancelledError:
            await self.close()
            raise

    async def _ask(self, request: bytes) -> object:
        child = await self._running()
        if child.stdin is None or child.stdout is None:
            raise EOFError("no pipes")
        child.stdin.write(LENGTH.pack(len(request)) + request)
        await child.stdin.drain()
        (length,) = LENGTH.unpack(await child.stdout.readexactly(LENGTH.size))
        if length > ANSWER_MAX:
            raise EOFError(f"an answer of {length} bytes")
        return pickle.loads(await child.stdout.readexactly(length))  # noqa: S301  (of our own child)

    async def _running(self) -> asyncio.subprocess.Process:
        if self._child is None or self._child.returncode is not None:
            self._child = await asyncio.create_subprocess_exec(
                *self._program,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env={**os.environ, "BALANS_NICE": NICENESS},
            )
        return self._child

    async def close(self) -> None:
        """End the child."""
        child, self._child = self._child, None
        if child is None or child.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await asyncio.shield(child.wait())
