"""What is told of every function: a page for each, its formulas true, its example as it stands."""

from __future__ import annotations

import io
import json
import shlex
from pathlib import Path

import pytest

from gradcheck import check
from gradcheck.__main__ import run as main
from gradcheck.exits import Exit
from gradcheck.functions import ALIASES, Composite, Elementwise, known_names, lookup
from gradcheck.functions.pages import PAGES, page_of, pages
from gradcheck.report.functions import example, page, sample, told, write
from gradcheck.verdict import Verdict

NAMES = pages()
MANUAL = Path(__file__).parent.parent / "docs" / "functions.md"
FORMULAS = [name for name in NAMES if page_of(name).derivatives]
assert NAMES
assert FORMULAS


def test_nothing_else_than_a_function_that_can_be_called_has_a_page() -> None:
    assert set(PAGES) <= set(NAMES) == set(known_names()) - set(ALIASES)


@pytest.mark.parametrize("name", NAMES)
def test_a_page_says_all_there_is_to_say(name: str) -> None:
    found = told(name)
    assert {"meaning", "defined", "not differentiable at", "example"} <= set(found)
    assert any(word.startswith("derivative") for word in found)
    assert all(text.strip() == text != "" for text in found.values())
    assert all(not text.endswith(".") for text in found.values())
    for line in page(name):
        assert len(line) <= 80 or " " not in line.strip()


@pytest.mark.parametrize("name", NAMES)
def test_a_page_does_not_say_again_what_its_row_says(name: str) -> None:
    row, found = lookup(name), page_of(name)
    assert not (found.meaning and row is not None and row.summary)
    assert bool(found.derivatives) != bool(found.rule)
    if isinstance(row, Elementwise):
        assert not (found.domain and isinstance(row.domain, str))
        assert not (found.kinks and row.kinks)
        assert len(found.derivatives) == len(row.args)


@pytest.mark.parametrize("name", FORMULAS)
def test_the_formulas_of_a_page_are_the_derivatives(name: str) -> None:
    """They are what a user would believe in: the checker itself holds them against the row, at all of its samples."""
    row, found = lookup(name), page_of(name)
    assert isinstance(row, Elementwise | Composite)
    params = "".join(f"{param} = {value}; " for param, value in getattr(row, "defaults", {}).items())
    stated = {by: f"{params}{text}" for by, text in zip(row.args, found.derivatives, strict=True) if text}
    samples = row.samples if isinstance(row, Elementwise) else [("-1.5",), ("-0.3",), ("0.3",), ("2.25",), ("30",)]
    verdicts = set()
    for values in samples:
        at = dict(zip(row.args, values, strict=True))
        run = check(f"{name}({', '.join(row.args)})", at, expect=stated, dtype="float64")
        assert run.tally.stated <= {Verdict.AGREE, Verdict.KINK, Verdict.UNDEFINED}, (at, str(run))
        verdicts |= run.tally.stated
    assert Verdict.AGREE in verdicts


@pytest.mark.parametrize("name", NAMES)
def test_the_example_of_a_page_runs_as_it_stands(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    program, _ = sample(name)
    assert name in program or page_of(name).rule  # which a sign stands for
    _, *words = shlex.split(example(name))
    assert main([*words, "--assert"]) == Exit.PASS
    assert capsys.readouterr().out


def test_a_name_that_is_none_is_answered_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["functions", "sofmax"]) == Exit.USAGE
    assert capsys.readouterr().err == "gradcheck: unknown function `sofmax`\ndid you mean `softmax`?\n"


@pytest.mark.parametrize("alias", sorted(ALIASES))
def test_another_name_shows_the_page_of_the_function_that_it_is(alias: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["functions", alias]) == Exit.PASS
    assert capsys.readouterr().out.startswith(f"{ALIASES[alias]}(")


def test_the_list_in_the_manual_is_up_to_date() -> None:
    """`gradcheck functions --format markdown > docs/functions.md` writes it."""
    made = io.StringIO()
    write(None, made, "markdown")
    assert made.getvalue() == MANUAL.read_text()


@pytest.mark.parametrize("name", [None, "softmax"])
def test_programs_read_the_same(name: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["functions", *([name] if name else []), "--format", "json"]) == Exit.PASS
    found = json.loads(capsys.readouterr().out)
    for one in [found] if name else found:
        assert {"name", "signature", "meaning", "example"} <= one.keys()
        assert one["signature"].startswith(one["name"])
