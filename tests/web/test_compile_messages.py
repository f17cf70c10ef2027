"""The tool that keeps translations complete."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import polib
import pytest
from django.template import Context, Engine
from django.utils import translation

TOOLS = Path(__file__).parents[2] / "tools"


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tool", TOOLS / "compile_messages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules["tool"] = module
    spec.loader.exec_module(module)
    return module


def found(texts: Iterator[object]) -> set[tuple[str, str, str]]:
    return {(text.id, text.context, text.plural) for text in texts}  # type: ignore[attr-defined]


def test_texts_of_python_are_found_under_any_alias(tool: ModuleType) -> None:
    source = (
        "from django.utils.translation import gettext as say, ngettext, pgettext_lazy as p\n"
        "say('one')\nngettext('%(n)d a', '%(n)d as', 3)\np('noun', 'sent')\nprint('not this')\n"
    )
    assert found(tool.texts_in_python(source, "x.py")) == {
        ("one", "", ""),
        ("%(n)d a", "", "%(n)d as"),
        ("sent", "noun", ""),
    }


def test_a_text_that_is_made_up_at_run_time_is_refused(tool: ModuleType) -> None:
    source = "from django.utils.translation import gettext as _\nname = 'x'\n_(name)\n"
    with pytest.raises(ValueError, match=r"x\.py:3"):
        list(tool.texts_in_python(source, "x.py"))


def test_texts_of_templates_are_found(tool: ModuleType) -> None:
    source = (
        "{% load i18n %}{% translate 'Sign in' %}{% if x %}{% translate 'a' as b %}{% endif %}"
        "{% blocktranslate count n=n trimmed %}\n {{ n }} load\n{% plural %}\n {{ n }} loads\n"
        "{% endblocktranslate %}"
    )
    assert found(tool.texts_in_template(source, "x.html")) == {
        ("Sign in", "", ""),
        ("a", "", ""),
        ("%(n)s load", "", "%(n)s loads"),
    }


def test_a_percent_sign_in_a_template_finds_its_translation(tool: ModuleType) -> None:
    """The tag doubles it before it looks the text up."""
    source = "{% load i18n %}{% translate 'up to 3 %' %}"
    assert found(tool.texts_in_template(source, "x.html")) == {("up to 3 %%", "", "")}
    with translation.override("ru"):
        assert Engine.get_default().from_string(source).render(Context()) == "до 3 %"


def test_translations_are_kept_and_leftovers_dropped(tool: ModuleType) -> None:
    old = polib.POFile()
    old.append(polib.POEntry(msgid="kept", msgstr="păstrat"))
    old.append(polib.POEntry(msgid="gone", msgstr="dispărut"))
    new = tool.merged(old, "ro", [tool.Text("kept"), tool.Text("new")])
    assert {entry.msgid: entry.msgstr for entry in new} == {"kept": "păstrat", "new": ""}
    assert list(tool.faults(new, "ro")) == ["ro: not translated: 'new'"]


def test_a_lost_placeholder_is_a_fault(tool: ModuleType) -> None:
    catalogue = polib.POFile()
    catalogue.append(polib.POEntry(msgid="of %(limit)s kW", msgstr="din kW"))
    assert "placeholders" in next(tool.faults(catalogue, "ro"))


def test_a_plural_lacking_a_form_is_a_fault(tool: ModuleType) -> None:
    catalogue = polib.POFile()
    catalogue.append(polib.POEntry(msgid="a", msgid_plural="as", msgstr_plural={0: "x", 1: ""}))
    assert "not translated" in next(tool.faults(catalogue, "ro"))


def test_the_catalogues_of_the_repository_are_fresh(tool: ModuleType) -> None:
    assert tool.bring_up_to_date(check=True) == []
