"""What a programme says and what a step of an event asks, in words."""

from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from balans.core.words import StepKind
from balans.storage.response_records import ProgrammeTerms, StepInfo
from balans.web.shown import response_words, words
from balans.web.shown.days import clock_label
from balans.web.shown.numbers import decimal, duration


def step_text(kind: StepKind, step: StepInfo, zone: ZoneInfo) -> str:
    """Return what one step asks, and when."""
    values = {
        "from": clock_label(step.start, zone),
        "to": clock_label(step.end, zone),
        "kw": decimal(step.value / 1000, 1),
        "level": decimal(step.value, 0),
    }
    texts = {
        StepKind.LIMIT: _("%(from)s to %(to)s: at most %(kw)s kW"),
        StepKind.REDUCE: _("%(from)s to %(to)s: %(kw)s kW less than before"),
        StepKind.ECO: _("%(from)s to %(to)s: saving level %(level)s"),
    }
    return texts[kind] % values


def term_rows(terms: ProgrammeTerms) -> list[tuple[str, str]]:
    """Return what a programme says, in words."""
    opt_out = _("until %(time)s before the start") % {"time": duration(terms.opt_out_s)}
    if terms.opt_out_within:
        opt_out = _("any time, also while it runs")
    classes = [words.word(words.LOAD_CLASSES, one) for one in terms.load_classes]
    needed = _("Only who has joined") if terms.consent_needed else _("All in its area")
    rows = [
        (_("Who is asked"), needed),
        (_("Load classes"), "; ".join(classes)),
        (_("Tariffs"), ", ".join(terms.tariffs) or _("any")),
        (_("Benefits"), ", ".join(terms.benefits) or _("any")),
        (_("Notice"), _span(terms.notice_s)),
        (_("Longest event"), duration(terms.max_event_s)),
        (
            _("At most"),
            _("%(day)s a day, %(month)s a month")
            % {"day": terms.max_per_day, "month": terms.max_per_month},
        ),
        (_("Pause between two events"), _span(terms.pause_s)),
        (_("Opting out"), opt_out),
        (_("Priority (0 is first)"), str(terms.priority)),
        (
            _("Start and release spread over"),
            f"{_span(terms.start_spread_s)}; {_span(terms.release_spread_s)}",
        ),
    ]
    if terms.second_person_kw is not None:
        kw = decimal(float(terms.second_person_kw), 1)
        rows.append((_("Second person above"), f"{kw} {_('kW')}"))
    if terms.fallback_w is not None:
        rows.append(
            (_("Limit while the link is lost"), f"{decimal(terms.fallback_w / 1000, 1)} kW")
        )
    return rows


def detail_text(detail: str) -> str:
    """Return why a place failed or refused, from what its gateway told."""
    why, _colon, rest = detail.partition(": ")
    head, by, event = why.partition(" by ")
    text = words.word(response_words.DETAILS, f"{head}{by}".strip() if event else why)
    text = text % {"event": event} if event else text
    return f"{text} (+{rest.removesuffix(' above')})" if rest.endswith(" W above") else text


def _span(seconds: int) -> str:
    return duration(seconds) if seconds else _("none")
