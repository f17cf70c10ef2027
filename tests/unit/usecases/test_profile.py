"""profile.csv: both kinds of clock, and every mistake with its line."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from balans.usecases.profile import Profile, ProfileError, parse_profile

PARIS = ZoneInfo("Europe/Paris")
HEADER = "time,base_w,heater_w"


def parse(text: str) -> Profile:
    return parse_profile(text, ["heater"], PARIS, "p.csv")


def rows(times: list[str]) -> str:
    return "\n".join([HEADER, *(f"{text},100,{index}" for index, text in enumerate(times))])


def local_times(begin_utc: datetime, count: int, *, offset: bool) -> list[str]:
    moments = [(begin_utc + timedelta(minutes=15 * i)).astimezone(PARIS) for i in range(count)]
    return [m.isoformat() if offset else m.replace(tzinfo=None).isoformat(" ") for m in moments]


def test_a_plain_profile() -> None:
    found = parse(
        "time,base_w,heater_w,note_w\r\n"
        "2026-01-01 00:00,100.5,0,9\r\n2026-01-01 00:01,200,1800,9\r\n"
    )
    assert found.step_s == 60
    assert found.base_w.tolist() == [100.5, 200]
    assert found.wanted_w["heater"].tolist() == [0, 1800]
    assert found.local_s.tolist() == [0, 60]
    assert found.ignored == ("note_w",)
    assert found.time_text == ["2026-01-01 00:00", "2026-01-01 00:01"]


def test_columns_in_any_order_quotes_and_byte_order_mark() -> None:
    text = '\ufeff"heater_w","time","base_w"\n"1","2026-01-01T00:00","-5"\n2,2026-01-01T00:15,6\n\n'
    found = parse(text)
    assert found.base_w.tolist() == [-5, 6]
    assert found.step_s == 900


def test_a_clock_without_summer_time_is_taken_as_written() -> None:
    """The recorded French house never changed its clock: 02:00 to 03:00 exists on 30 March."""
    begin = datetime(2008, 3, 30, tzinfo=UTC)
    times = [(begin + timedelta(minutes=i)).strftime("%Y-%m-%d %H:%M:%S") for i in range(300)]
    found = parse(rows(times))
    assert found.step_s == 60
    assert found.local_s[150] == 150 * 60


@pytest.mark.parametrize(
    "day", [datetime(2026, 3, 28, 22, tzinfo=UTC), datetime(2026, 10, 24, 22, tzinfo=UTC)]
)
@pytest.mark.parametrize("form", ["naive", "offset"])
def test_a_clock_with_summer_time_is_uniform_in_real_time(day: datetime, form: str) -> None:
    times = local_times(day, 40, offset=form == "offset")
    found = parse(rows(times))
    assert found.step_s == 900
    assert np.diff(found.start_s).tolist() == [900] * 39
    assert found.start_s[0] == day.timestamp()
    clock = [datetime.fromisoformat(text) for text in times]
    assert found.local_s.tolist() == [m.hour * 3600 + m.minute * 60 for m in clock]


def test_a_profile_may_begin_in_the_repeated_hour() -> None:
    second_pass = datetime(2026, 10, 25, 1, 0, tzinfo=UTC)  # 02:00 local, for the second time
    found = parse(rows(local_times(second_pass, 12, offset=False)))
    assert found.step_s == 900


GOOD = ["2026-01-01 00:00", "2026-01-01 00:01", "2026-01-01 00:02", "2026-01-01 00:03"]
TIME_MISTAKES = [
    ("gap", [*GOOD, "2026-01-01 00:06"], "line 6: time = '2026-01-01 00:06': a gap: 2 steps"),
    ("same", [*GOOD, GOOD[3]], "line 6: time = '2026-01-01 00:03': the same time as in"),
    ("back", [*GOOD, GOOD[1]], "line 6: time = '2026-01-01 00:01': earlier than the line"),
    ("uneven", [*GOOD, "2026-01-01 00:03:30"], "line 6: time = '2026-01-01 00:03:30': 30 s after"),
    ("text", [GOOD[0], "noon"], "line 3: time = 'noon': expected one such as"),
    ("mixed", [GOOD[0], "2026-01-01T00:01+01:00"], "line 3: time = '2026-01-01T00:01+01:00': exp"),
    ("step", ["2026-01-01 00:00", "2026-01-01 01:00"], "step of 3600 s: expected 1 to 900"),
    ("falling", [GOOD[1], GOOD[0]], "step of -60 s"),
    ("old", ["0001-01-01 00:00", "0001-01-01 00:01"], "expected years 1970 to 2200"),
    ("one row", GOOD[:1], "1 rows: expected at least two"),
]


@pytest.mark.parametrize(
    ("times", "told"), [m[1:] for m in TIME_MISTAKES], ids=[m[0] for m in TIME_MISTAKES]
)
def test_mistakes_of_time(times: list[str], told: str) -> None:
    with pytest.raises(ProfileError) as caught:
        parse(rows(times))
    assert told in str(caught.value)


TEXT_MISTAKES = [
    ("", "p.csv: empty"),
    ("\n\n", "p.csv: empty"),
    ("time,base_w\n", "rows: expected at least two"),
    ("time,base_w,other_w\na,1,2\nb,1,2", "line 1: column heater_w is missing; the file has: time"),
    ("time,base_w,heater_w,heater_w\na,1,2,3\nb,1,2,3", "column heater_w is there twice"),
    (f"{HEADER}\n2026-01-01,1,2\n2026-01-02,1", "line 3: 2 fields: expected 3"),
    (f"{HEADER}\n\n2026-01-01,1,2\n2026-01-02,1,2", "line 2: 1 fields: expected 3"),
    (f"{HEADER}\n2026-01-01 00:00,1,2\n2026-01-01 00:01,1,x", "line 3: heater_w = 'x': expected a"),
    (f"{HEADER}\n2026-01-01 00:00,nan,2\n2026-01-01 00:01,1,2", "line 2: base_w = 'nan': expect"),
    (f"{HEADER}\n2026-01-01 00:00,1,2\n2026-01-01 00:01,inf,2", "line 3: base_w = 'inf': expect"),
    (f"{HEADER}\n2026-01-01 00:00,1,2\n2026-01-01 00:01,,2", "line 3: base_w = '': expected a"),
    (f"{HEADER}\n2026-01-01 00:00,1,2\n2026-01-01 00:01,1,-2", "line 3: heater_w = '-2'"),
    (f'{HEADER}\n"2026-01-01', "rows: expected at least two"),
    (f'{HEADER}\n"2026-01-01,1,2\n2026-01-01 00:01,1,-2', "p.csv: "),
]  # fmt: skip


@pytest.mark.parametrize(("text", "told"), TEXT_MISTAKES, ids=range(len(TEXT_MISTAKES)))
def test_mistakes_of_text(text: str, told: str) -> None:
    with pytest.raises(ProfileError) as caught:
        parse(text)
    assert told in str(caught.value)


@given(st.text() | st.text(alphabet='time,base_wheater01-: T+\n"', max_size=200))
def test_random_text_gives_only_the_errors_of_the_profile(text: str) -> None:
    for candidate in (text, HEADER + "\n" + text):
        with pytest.raises(ProfileError):
            parse(candidate)


@given(st.data())
def test_any_field_of_a_good_profile_may_be_spoilt(data: st.DataObject) -> None:
    lines = rows(GOOD).split("\n")
    line = data.draw(st.integers(0, len(lines) - 1))
    fields = lines[line].split(",")
    place = data.draw(st.integers(0, len(fields) - 1))
    fields[place] = data.draw(st.text(max_size=20) | st.sampled_from(["1e999", "9" * 400]))
    lines[line] = ",".join(fields)
    try:
        found = parse("\n".join(lines))
    except ProfileError:
        return
    assert np.isfinite(found.base_w).all()
    assert len(found.base_w) == len(GOOD)
