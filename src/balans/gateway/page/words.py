"""The page's words in three languages, and numbers as each writes them."""

import tomllib
from dataclasses import dataclass
from datetime import datetime, tzinfo
from importlib.resources import files

LANGUAGES = {"en": "English", "ro": "Română", "ru": "Русский"}
MISSING = "–"


def _texts(language: str) -> dict[str, str]:
    path = files("balans.gateway.page") / "texts" / f"{language}.toml"
    return {key: str(text) for key, text in tomllib.loads(path.read_text("utf-8")).items()}


TEXTS = {language: _texts(language) for language in LANGUAGES}


@dataclass(frozen=True, slots=True)
class Words:
    """One language, and the time zone of the site."""

    language: str
    zone: tzinfo

    def say(self, code: str, **values: str) -> str:
        """Return the text with `code`; a code without one comes back as it is."""
        text = TEXTS[self.language].get(code, code)
        return text.format(**values) if values else text

    def number(self, value: float | None, digits: int) -> str:
        """Return a number with `digits` decimals; one that is missing is no zero."""
        if value is None:
            return MISSING
        text = f"{abs(value):,.{digits}f}"
        if not text.strip("0.,"):
            value = 0.0
        thousands, point = {"en": (",", "."), "ro": (".", ","), "ru": (" ", ",")}[self.language]
        text = text.replace(",", "\0").replace(".", point).replace("\0", thousands)
        return f"−{text}" if value < 0 else text

    def kw(self, power_w: float | None) -> str:
        """Return a power in kW with its unit."""
        return f"{self.number(None if power_w is None else power_w / 1000, 2)} {self.say('kW')}"

    def amperes(self, current_a: float | None) -> str:
        """Return a current with its unit."""
        return f"{self.number(current_a, 1)} {self.say('A')}"

    def clock(self, time_s: float) -> str:
        """Return the local time of day."""
        return self._local(time_s).strftime("%H:%M")

    def moment(self, time_s: float) -> str:
        """Return the local date and time of day."""
        pattern = {"en": "%d/%m %H:%M", "ro": "%d.%m, %H:%M", "ru": "%d.%m, %H:%M"}[self.language]
        return self._local(time_s).strftime(pattern)

    def minutes(self, time_s: float) -> str:
        """Return a span in minutes, at least one."""
        return f"{max(1, round(time_s / 60))} {self.say('min')}"

    def _local(self, time_s: float) -> datetime:
        return datetime.fromtimestamp(time_s, self.zone)


def language_of(accepted: str) -> str:
    """Return the first language of an ``Accept-Language`` header that there is; else English.

    >>> language_of("de-DE,ru;q=0.8,en;q=0.7")
    'ru'
    """
    for part in accepted.split(","):
        code = part.split(";")[0].strip().lower().split("-")[0]
        if code in LANGUAGES:
            return code
    return "en"
