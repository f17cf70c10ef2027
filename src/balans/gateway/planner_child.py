"""The child of `planner`: one plan after another, until its input ends.

It ends when the gateway does, whatever becomes of that: then its input is closed.
"""

import os
import pickle
import signal
import sys
from typing import BinaryIO

from balans.core.errors import BalansError
from balans.gateway.planner import LENGTH
from balans.usecases.plan_site import plan_site
from balans.usecases.run_load_control import PlanRequest


def answer(request: PlanRequest) -> object:
    """Return the plan for `request`, or in words why there is none."""
    try:
        return plan_site(
            request.site, request.settings, request.devices, request.history, request.now_s
        )
    except BalansError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001  (the next request may be one it can do)
        return repr(error)


def serve(requests: BinaryIO, plans: BinaryIO) -> None:
    """Answer requests until there are no more."""
    while len(head := requests.read(LENGTH.size)) == LENGTH.size:
        request = pickle.loads(requests.read(LENGTH.unpack(head)[0]))  # noqa: S301  (of our parent)
        data = pickle.dumps(answer(request))
        plans.write(LENGTH.pack(len(data)) + data)
        plans.flush()


def main() -> None:
    """Serve on standard input and output, below the priority of load control."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    os.nice(int(os.environ.get("BALANS_NICE", "0")))
    # What a solver prints must not get between the plans.
    plans = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    serve(sys.stdin.buffer, plans)


if __name__ == "__main__":
    main()
