"""Keep the translations complete: find the texts in use, update the .po files, compile the .mo.

Run it after a text has changed:  python tools/compile_messages.py
It leaves with 1 while a text lacks its translation. With --check it writes nothing and also
fails when a catalogue is not what it would write.
"""

import argparse
import ast
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import polib

ROOT = Path(__file__).resolve().parent.parent
WEB = ROOT / "src" / "balans" / "web"
LOCALE = WEB / "locale"
PLURAL_FORMS = {
    "ru": (
        "nplurals=3; plural=(n%10==1 && n%100!=11 ? 0 : n%10>=2 && n%10<=4 && "
        "(n%100<10 || n%100>=20) ? 1 : 2);"
    ),
    "ro": "nplurals=3; plural=(n==1 ? 0 : (n==0 || (n%100 > 0 && n%100 < 20)) ? 1 : 2);",
}
CALLS = {
    "gettext": ("id",),
    "gettext_lazy": ("id",),
    "ngettext": ("id", "plural"),
    "ngettext_lazy": ("id", "plural"),
    "pgettext": ("context", "id"),
    "pgettext_lazy": ("context", "id"),
    "npgettext": ("context", "id", "plural"),
}


@dataclass(frozen=True, order=True, slots=True)
class Text:
    """A text of the interface, as it stands in the source."""

    id: str
    context: str = ""
    plural: str = ""
    places: tuple[str, ...] = field(default=(), compare=False)


def texts_in_python(source: str, place: str) -> Iterator[Text]:
    """Return the texts in calls of gettext and its relatives.

    Raises
    ------
    ValueError
        If such a call takes anything but literal text, which nobody could translate.
    """
    tree = ast.parse(source)
    calls = _calls(tree)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        names = calls.get(node.func.id)
        if names is None:
            continue
        values = dict(zip(names, map(_literal, node.args), strict=False))
        if None in values.values() or "id" not in values:
            raise ValueError(f"{place}:{node.lineno}: the text is no literal")
        yield Text(**values, places=(place,))  # type: ignore[arg-type]  # None is ruled out above


def _calls(tree: ast.Module) -> dict[str, tuple[str, ...]]:
    """Return what the functions of gettext take, by the names that the file gives to them."""
    return {
        alias.asname or alias.name: CALLS[alias.name]
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "django.utils.translation"
        for alias in node.names
        if alias.name in CALLS
    }


def _literal(node: ast.expr) -> str | None:
    literal = isinstance(node, ast.Constant) and isinstance(node.value, str)
    return node.value if literal else None  # type: ignore[attr-defined]


def texts_in_template(source: str, place: str) -> Iterator[Text]:
    """Return the texts in the translation tags of a Django template."""
    from django.template import Engine
    from django.template.base import Node
    from django.templatetags.i18n import BlockTranslateNode, TranslateNode

    template = Engine.get_default().from_string(source)
    for node in template.nodelist.get_nodes_by_type(Node):
        if isinstance(node, TranslateNode):
            context = node.message_context
            literal = str(node.filter_expression.var.literal or node.filter_expression.var)
            yield Text(
                literal.replace("%", "%%"),  # so the tag looks it up
                str(context.var) if context else "",
                places=(place,),
            )
        elif isinstance(node, BlockTranslateNode):
            plural = node.render_token_list(node.plural)[0] if node.plural else ""
            text = node.render_token_list(node.singular)[0]
            if node.trimmed:
                text = " ".join(line.strip() for line in text.strip().splitlines())
                plural = " ".join(line.strip() for line in plural.strip().splitlines())
            yield Text(text, "", plural, places=(place,))


def texts_in_use() -> dict[tuple[str, str], Text]:
    """Return every text of the interface by (context, id), with the places that use it."""
    found: dict[tuple[str, str], Text] = {}
    for text in _all_texts():
        known = found.get((text.context, text.id))
        plural = (known.plural if known else "") or text.plural
        places = tuple(sorted({*text.places, *(known.places if known else ())}))
        found[text.context, text.id] = Text(text.id, text.context, plural, places)
    return found


def _all_texts() -> Iterator[Text]:
    for path in sorted(WEB.rglob("*.py")):
        yield from texts_in_python(path.read_text(encoding="utf-8"), _place(path))
    for path in sorted((WEB / "templates").rglob("*.html")):
        yield from texts_in_template(path.read_text(encoding="utf-8"), _place(path))


def _place(path: Path) -> str:
    return path.relative_to(WEB).as_posix()


def merged(old: polib.POFile, language: str, texts: Iterable[Text]) -> polib.POFile:
    """Return the catalogue for `texts` with the translations that `old` has for them."""
    new = polib.POFile(wrapwidth=100)
    new.metadata = {
        "Project-Id-Version": "Balans",
        "Language": language,
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=UTF-8",
        "Content-Transfer-Encoding": "8bit",
        "Plural-Forms": PLURAL_FORMS[language],
    }
    known = {(entry.msgctxt or "", entry.msgid): entry for entry in old}
    for text in sorted(texts):
        entry = polib.POEntry(msgid=text.id, msgctxt=text.context or None)
        entry.occurrences = [(place, "") for place in text.places]
        before = known.get((text.context, text.id))
        if text.plural:
            entry.msgid_plural = text.plural
            entry.msgstr_plural = before.msgstr_plural if before else {}
            entry.msgstr_plural = entry.msgstr_plural or {0: "", 1: "", 2: ""}
        else:
            entry.msgstr = before.msgstr if before else ""
        if "%(" in text.id:
            entry.flags = ["python-format"]
        new.append(entry)
    return new


def faults(catalogue: polib.POFile, language: str) -> Iterator[str]:
    """Return what is wrong with the translations: missing ones and lost placeholders."""
    for entry in catalogue:
        shown = [entry.msgstr] if not entry.msgid_plural else list(entry.msgstr_plural.values())
        if not all(shown) or (entry.msgid_plural and len(shown) != 3):
            yield f"{language}: not translated: {entry.msgid!r}"
            continue
        wanted = set(_placeholders(entry.msgid))
        for text in shown:
            if set(_placeholders(text)) != wanted:
                yield f"{language}: other placeholders than the original: {entry.msgid!r}"


def _placeholders(text: str) -> list[str]:
    return [part.split(")")[0] for part in text.split("%(")[1:]]


def compiled(catalogue: polib.POFile) -> bytes:
    """Return the binary catalogue; the same input gives the same bytes."""
    return bytes(catalogue.to_binary())


def bring_up_to_date(*, check: bool) -> list[str]:
    """Return the findings of every language; unless `check`, write both files first."""
    import django

    django.setup()
    findings: list[str] = []
    texts = list(texts_in_use().values())
    for language in PLURAL_FORMS:
        po = LOCALE / language / "LC_MESSAGES" / "django.po"
        mo = po.with_suffix(".mo")
        catalogue = merged(
            polib.pofile(str(po)) if po.exists() else polib.POFile(), language, texts
        )
        written = {po: f"{catalogue}\n".encode(), mo: compiled(catalogue)}
        findings += faults(catalogue, language)
        for path, data in written.items():
            if check and (not path.exists() or path.read_bytes() != data):
                findings.append(f"{path.relative_to(ROOT)}: out of date")
            elif not check:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
    return findings


def main() -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--check", action="store_true", help="write nothing, fail when stale")
    findings = bring_up_to_date(check=parser.parse_args().check)
    print("\n".join(findings) or "translations are complete")
    return 1 if findings else 0


if __name__ == "__main__":
    import os

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "balans.web.settings")
    sys.exit(main())
