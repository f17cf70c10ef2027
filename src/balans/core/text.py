"""Text from outside, made fit to be kept and shown."""

_CONTROLS = {*range(32), *range(127, 160), *range(0xD800, 0xE000)} - {ord("\n"), ord("\t")}
_SHOWN = dict.fromkeys(_CONTROLS, "\N{REPLACEMENT CHARACTER}")


def printable(text: str) -> str:
    r"""Return `text` with a replacement character for what no database or terminal should get.

    That is control characters but for line break and tab, and halves of surrogate pairs.

    >>> printable("a\x00b\x1b[31m") == "a\ufffdb\ufffd[31m"
    True
    """
    return text.translate(_SHOWN)
