"""The hub's side of reading now: ask the module, tell the head-end, until it has noted that.

============  ===================================  ==========================================
state         left by                              what `due` gives
============  ===================================  ==========================================
asking        the module's answer, or its time     the question, again every `ASK_S`
answered      `ReadNoted`, or `TELL_FOR_S`         the result, again every `TELL_S`
settled       `REMEMBERED` later ones              nothing; asked again: the result once more
============  ===================================  ==========================================
"""

from dataclasses import dataclass
from typing import Final

from balans.protocols.hub.requests import ReadNow, ReadResult, ReadState

ASK_S: Final = 3.0
TELL_S: Final = 3.0
TELL_FOR_S: Final = 120.0
REMEMBERED: Final = 500
OPEN_MAX: Final = 200
NO_ANSWER: Final = "the module does not answer"
NO_INPUT: Final = "the module has no such input"
BUSY: Final = "the hub has too many requests"


@dataclass(slots=True)
class _Open:
    request: ReadNow
    until_s: float
    next_s: float
    result: ReadResult | None = None
    settled: bool = False


class Asking:
    """What is asked of modules now; holds no socket and no clock.

    All times are of any clock that only goes forward [s].
    """

    def __init__(self) -> None:
        self._open: dict[str, _Open] = {}

    def take(self, request: ReadNow, now_s: float) -> None:
        """Take a request; one that is known is not asked again, its result is told again."""
        known = self._open.get(request.id)
        if known is not None:
            if known.result is not None:
                known.settled, known.next_s = False, now_s
                known.until_s = now_s + TELL_FOR_S
            return
        self._forget()
        one = self._open[request.id] = _Open(request, now_s + request.ttl_s, now_s)
        if sum(each.result is None for each in self._open.values()) > OPEN_MAX:
            self._end(one, BUSY, now_s)

    def answered(self, result: ReadResult, now_s: float) -> bool:
        """Take the answer of a module; return whether it was waited for."""
        one = self._open.get(result.id)
        if one is None or one.result is not None:
            return False
        if (result.module, result.input) != (one.request.module, one.request.input):
            return False
        self._tell(one, result, now_s)
        return True

    def noted(self, request_id: str) -> None:
        """Note that the head-end has the result of a request."""
        one = self._open.get(request_id)
        if one is not None and one.result is not None:
            one.settled = True

    def due(self, now_s: float) -> tuple[list[ReadNow], list[ReadResult]]:
        """Return what to ask the modules and what to tell the head-end at `now_s`.

        The time to live of a question is what is left of it.
        """
        questions, results = [], []
        for one in self._open.values():
            if one.result is None and now_s >= one.until_s:
                self._end(one, NO_ANSWER, now_s)
            if one.settled or now_s < one.next_s:
                continue
            if one.result is None:
                one.next_s = now_s + ASK_S
                own = one.request
                questions.append(ReadNow(own.id, own.module, own.input, one.until_s - now_s))
            elif now_s >= one.until_s:
                one.settled = True
            else:
                one.next_s = now_s + TELL_S
                results.append(one.result)
        return questions, results

    @property
    def waits(self) -> bool:
        """Whether anything is still to be asked or told."""
        return any(not one.settled for one in self._open.values())

    def _end(self, one: _Open, why: str, now_s: float) -> None:
        own = one.request
        failed = ReadResult(own.id, own.module, own.input, ReadState.FAILED, detail=why)
        self._tell(one, failed, now_s)

    @staticmethod
    def _tell(one: _Open, result: ReadResult, now_s: float) -> None:
        one.result, one.next_s, one.until_s = result, now_s, now_s + TELL_FOR_S

    def _forget(self) -> None:
        settled = [name for name, one in self._open.items() if one.settled]
        for name in settled[: max(0, len(self._open) - REMEMBERED)]:
            del self._open[name]
