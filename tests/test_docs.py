"""The pages hold together: a section for every verdict and cause, links that lead somewhere, documented names."""

from __future__ import annotations

import doctest
import importlib
import inspect
import re
import shlex
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from types import FunctionType

import pytest

import gradcheck
from gradcheck import Cause, Verdict, check

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")])
VERDICTS = (ROOT / "docs" / "verdicts.md").read_text("utf-8")
SECTIONS = dict(re.findall(r"^### The (\w+ `[\w-]+`)\n(.*?)(?=^##|\Z)", VERDICTS, re.MULTILINE | re.DOTALL))
MEMBERS = [("verdict", one) for one in Verdict] + [("cause", one) for one in Cause]
EVERY_MEMBER = pytest.mark.parametrize(("kind", "member"), MEMBERS, ids=[f"{kind} {one}" for kind, one in MEMBERS])

# --- verdicts and causes --------------------------------------------------------------------------


def test_the_page_of_verdicts_has_a_section_for_each_in_their_order() -> None:
    assert list(SECTIONS) == [f"{kind} `{one}`" for kind, one in MEMBERS]


@EVERY_MEMBER
def test_a_section_shows_what_it_is_about_and_says_what_to_do(kind: str, member: Verdict | Cause) -> None:
    """The examples themselves are run with those of all pages."""
    section = SECTIONS[f"{kind} `{member}`"]
    blocks = re.findall(r"```\w+\n(.*?)```", section, re.DOTALL)
    assert len(blocks) == 1
    assert "None" not in blocks[0]
    assert re.search(rf"\b{member}\b", blocks[0].partition("\n")[2])
    assert len(re.findall(r"^\*\*What to do\.\*\* [A-Z].{20,}$", section, re.MULTILINE)) == 1


ADVICE = [
    pytest.param(command, written, id=f"{name}: {written}")
    for name, section in SECTIONS.items()
    for command in re.findall(r"^\$ gradcheck (.*)$", section, re.MULTILINE)
    for written in re.findall(r"[Ww]rite `([^`]+)`", section)
]


@pytest.mark.parametrize(("command", "written"), ADVICE)
def test_what_the_page_says_to_write_is_right_at_the_very_point(command: str, written: str) -> None:
    program, _, point, *_ = shlex.split(command)
    assert check(program, point).verdict is not Verdict.AGREE
    assert check(written, point).verdict is Verdict.AGREE


def test_there_is_advice() -> None:
    assert len(ADVICE) >= 8


# --- pages ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\((?!http)([^)]*)\)", page.read_text("utf-8")):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_what_sarif_names_for_help_is_there() -> None:
    text = (ROOT / "tests" / "golden" / "format-sarif.json").read_text("utf-8")
    links = set(re.findall(r'"helpUri": "(.*?)"', text))
    assert len(links) > len(Cause)
    for link in links:
        path, _, anchor = link.partition("#")
        assert anchor in {"", *anchors(ROOT / path)}, link


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_readme_stays_short_and_leads_to_every_page() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    assert len(text.splitlines()) <= 200
    for page in PAGES:
        assert page.name in ("README.md", "CHANGELOG.md") or f"(docs/{page.name})" in text


def test_the_page_on_python_lists_every_setting() -> None:
    text = (ROOT / "docs" / "python.md").read_text("utf-8")
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", text, re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"\w+", row)} >= {
        one.name for one in fields(gradcheck.Settings)
    }


# --- names ----------------------------------------------------------------------------------------

FILES = sorted(path for path in Path(gradcheck.__file__).parent.rglob("*.py") if path.name != "__main__.py")


def public() -> Iterator[tuple[str, object]]:
    """Yield what the modules define under names without an underscore: functions and classes."""
    for path in FILES:
        parts = path.relative_to(ROOT / "src").with_suffix("").parts
        module = importlib.import_module(".".join(parts[: -1 if parts[-1] == "__init__" else None]))
        for name, one in vars(module).items():
            own = isinstance(one, FunctionType | type) and one.__module__ == module.__name__
            if own and not name.startswith("_"):
                yield f"{module.__name__}.{name}", one


PUBLIC = dict(public())
EXPORTED = {name: getattr(gradcheck, name) for name in gradcheck.__all__ if name != "DEFAULT_ULPS"}


def has_example(one: object) -> bool:
    return bool(doctest.DocTestParser().get_examples(inspect.getdoc(one) or ""))


@pytest.mark.parametrize("name", EXPORTED)
def test_every_exported_name_is_documented_with_an_example(name: str) -> None:
    """A sentence first; an error that it raises, and an example that the doctests run."""
    one = EXPORTED[name]
    text = inspect.getdoc(one) or ""
    assert re.match(r"[A-Z][^\n]*[.:](\n|$)|[A-Z].*?\.", text, re.DOTALL)
    assert has_example(one)
    if isinstance(one, FunctionType):
        assert "raises GradcheckError" in text.replace("Raises", "raises")
        for parameter in inspect.signature(one).parameters:
            assert f"``{parameter}``" in text or parameter in ("program", "at", "given"), parameter


def test_the_share_of_public_names_with_an_example_does_not_fall() -> None:
    """Count names; the figure is in the message, and goes up when it is beaten by far."""
    shown = [name for name, one in PUBLIC.items() if has_example(one)]
    print(f"{len(shown)} of {len(PUBLIC)} public names have an example, {len(shown) / len(PUBLIC):.0%}")
    assert len(shown) / len(PUBLIC) >= SHARE, f"{len(shown)} of {len(PUBLIC)} public names have an example"


SHARE = 0.25
"""Of the public functions and classes, those with an example."""
