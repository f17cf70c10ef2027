"""What modules say besides their reports: here I am, my register now, these hours I do not hold."""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from balans import __version__
from balans.protocols.module import Announce, Answer, Ask, HoursAbsent, HoursWanted, Known
from balans.simulator.arrays import Registers
from balans.simulator.modules import ModuleBank
from balans.simulator.spec import ModuleSpec

ANNOUNCE_S: Final = 5.0
"""A module that no hub knows says so again after this time."""


class Reply(NamedTuple):
    """What a module says, and the hub it is for."""

    hub: str
    message: Answer | HoursAbsent


class Answering:
    """The ears of all modules.

    Parameters
    ----------
    registers
        Returns the registers of all channels now.
    """

    def __init__(
        self, modules: Sequence[ModuleSpec], bank: ModuleBank, registers: Callable[[], Registers]
    ) -> None:
        self._bank = bank
        self._registers = registers
        self._unknown = {module.serial: module for module in modules}
        self._announce_s = 0.0

    def announcements(self, now_s: float) -> list[Announce]:
        """Return what modules that no hub knows have to say at `now_s`."""
        if now_s < self._announce_s:
            return []
        self._announce_s = now_s + ANNOUNCE_S
        return [
            Announce(
                serial,
                len(module.channels),
                module.adapter,
                "simulated module",
                f"balans simulator {__version__}",
            )
            for serial, module in self._unknown.items()
            if self._bank.talks(serial)
        ]

    def take_known(self, known: Known) -> None:
        """Note that a hub knows a module."""
        self._unknown.pop(known.serial, None)

    def answer(self, ask: Ask, time_s: float) -> Reply | None:
        """Return the register that is asked for; None: nobody of that serial speaks."""
        if not self._bank.talks(ask.serial):
            return None
        channel = self._bank.channel(ask.serial, ask.input)
        register = None if channel is None else int(self._registers()[channel])
        reply = Answer(ask.id, ask.serial, ask.input, time_s, register)
        return Reply(self._bank.hub_of(ask.serial), reply)

    def report_again(self, wanted: HoursWanted) -> Reply | None:
        """Let hours be reported again; return what is said of those that are not held."""
        if not self._bank.talks(wanted.serial):
            return None
        channel = self._bank.channel(wanted.serial, wanted.input)
        absent = wanted.spans if channel is None else self._bank.want(channel, wanted.spans)
        if not absent:
            return None
        oldest, newest = self._bank.oldest_hour, self._bank.last_hour
        reply = HoursAbsent(
            wanted.serial,
            wanted.input,
            absent,
            oldest if oldest >= 0 else None,
            newest if newest >= 0 else None,
        )
        return Reply(self._bank.hub_of(wanted.serial), reply)
