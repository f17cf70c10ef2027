"""What each node drew in the last quarter of an hour, minute by minute."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from balans.domain.response.steps import BEFORE_S

MINUTE_S = 60.0


@dataclass(slots=True)
class Recent:
    """Energy and seconds of each minute, by node; a sample counts for the minute it began in."""

    _minutes: deque[tuple[float, dict[str, tuple[float, float]]]] = field(default_factory=deque)

    def see(self, end_s: float, step_s: float, power_w: Mapping[str, float | None]) -> None:
        """Take in a step that ended at `end_s`."""
        begin_s = end_s - step_s
        minute = begin_s // MINUTE_S
        while self._minutes and self._minutes[-1][0] > minute:
            self._minutes.pop()  # the clock was set back
        while self._minutes and (self._minutes[0][0] + 1) * MINUTE_S <= end_s - BEFORE_S:
            self._minutes.popleft()
        if not self._minutes or self._minutes[-1][0] < minute:
            self._minutes.append((minute, {}))
        sums = self._minutes[-1][1]
        for node, drawn_w in power_w.items():
            if drawn_w is not None:
                energy, seconds = sums.get(node, (0.0, 0.0))
                sums[node] = energy + drawn_w * step_s, seconds + step_s

    def mean_w(self, node: str) -> float | None:
        """Return what `node` drew on the mean, as far as it is known [W]."""
        energy = seconds = 0.0
        for _, sums in self._minutes:
            if node in sums:
                energy, seconds = energy + sums[node][0], seconds + sums[node][1]
        return energy / seconds if seconds > 0 else None
