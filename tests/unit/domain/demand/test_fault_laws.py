"""The rules of the classes hold whatever sensors and actuators do."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from balans.core.words import LoadClass
from balans.domain.demand import Allowed, Hold, Load, LoadState, Observation, decide

CLASSES = (LoadClass.RED, LoadClass.YELLOW, LoadClass.GREEN, LoadClass.YELLOW)
power = st.none() | st.floats(-3000, 9000)
faulty_step = st.tuples(
    power,  # the sensor of the site; None: lost
    st.lists(st.none() | st.floats(0, 3000), min_size=4, max_size=4),  # sub-meters, stuck or dead
    st.sampled_from([0.0, 2000.0, 5000.0, float("inf")]),  # allowed
    st.none() | st.integers(0, 3),  # an actuator that came back by its own timer
    st.none() | st.tuples(st.integers(0, 3), st.booleans(), st.integers(0, 2000)),  # a wish
)


Wish = tuple[int, bool, int]
FaultyStep = tuple[float | None, list[float | None], float, int | None, Wish | None]


class Watch:
    """Checks the timers of each load from the outside."""

    def __init__(self, loads: tuple[Load, ...], step_s: float) -> None:
        self.loads, self.step_s = loads, step_s
        self.off_s = [0.0] * len(loads)
        self.on_since_s = [float("-inf")] * len(loads)

    def came_back(self, index: int, time_s: float) -> None:
        self.on_since_s[index], self.off_s[index] = time_s, 0.0

    def check(self, index: int, before: LoadState, after: LoadState, time_s: float) -> None:
        load = self.loads[index]
        if load.load_class is LoadClass.RED:
            assert after.on
        if before.on and not after.on:
            assert time_s - self.on_since_s[index] >= load.min_on_s
        if after.on and not before.on:
            self.on_since_s[index] = time_s
        self.off_s[index] = 0.0 if after.on else self.off_s[index] + self.step_s
        if load.load_class is LoadClass.YELLOW:
            assert self.off_s[index] <= load.max_off_s


@settings(max_examples=80, deadline=None)
@given(
    st.lists(faulty_step, min_size=1, max_size=60),
    st.sampled_from([10.0, 60.0, 300.0]),
    st.sampled_from([420.0, 900.0]),
    st.sampled_from([0.0, 300.0]),
)
def test_classes_are_respected_under_faults(
    steps: list[FaultyStep], step_s: float, max_off_s: float, min_on_s: float
) -> None:
    loads = tuple(
        Load(f"load{i}", kind, 2000.0, max_off_s=max_off_s, min_on_s=min_on_s)
        for i, kind in enumerate(CLASSES)
    )
    states: tuple[LoadState, ...] = tuple(LoadState() for _ in loads)
    watch = Watch(loads, step_s)
    for number, (site_w, load_w, allowed_w, came_back, wish) in enumerate(steps, start=1):
        time_s = number * step_s
        now = list(states)
        if came_back is not None and not now[came_back].on:
            now[came_back] = replace(now[came_back], on=True, since_s=time_s - step_s / 2)
            watch.came_back(came_back, time_s - step_s / 2)
        if wish:
            now[wish[0]] = replace(now[wish[0]], hold=Hold(wish[1], time_s + wish[2]))
        seen = Observation(time_s, step_s, time_s % 86_400, site_w, tuple(load_w), low_w=500.0)
        states, decision = decide(loads, now, seen, Allowed(allowed_w, "limit"))
        assert decide(loads, now, seen, Allowed(allowed_w, "limit")) == (states, decision)
        assert len({action.load for action in decision.actions}) == len(decision.actions)
        for index, (before, after) in enumerate(zip(now, states, strict=True)):
            watch.check(index, before, after, time_s)
