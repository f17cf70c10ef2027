"""What is kept and shown of text from outside."""

from hypothesis import given
from hypothesis import strategies as st

from balans.core.text import printable


@given(st.text())
def test_only_controls_are_replaced_and_the_length_stays(text: str) -> None:
    shown = printable(text)
    assert len(shown) == len(text)
    assert printable(shown) == shown
    shown.encode()
    for before, after in zip(text, shown, strict=True):
        assert after in (before, "\N{REPLACEMENT CHARACTER}")
        assert after in "\n\t" or ord(after) >= 32


def test_words_and_line_breaks_stay() -> None:
    assert printable("Größe\n\t→ 5 кВт") == "Größe\n\t→ 5 кВт"
    assert printable("a\x00b\x7f\x9b") == "a\ufffdb\ufffd\ufffd"
