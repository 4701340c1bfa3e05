"""The corpus of expressions/: every check comes out as it says, and its README is true."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from dataclasses import replace
from io import StringIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from gradcheck.batch.examine import examine
from gradcheck.corpus import load
from gradcheck.errors import LimitProblem
from gradcheck.explanation import explain_program
from gradcheck.parse import parse
from gradcheck.points import assigned_constants, parse_points
from gradcheck.report import View
from gradcheck.report.lesson.terminal import write
from gradcheck.suite import Result
from gradcheck.verdict import Verdict
from shipped import EXPRESSIONS, FAMILIES, shipped

HERE = EXPRESSIONS
README = (HERE / "README.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| \[(\S+)\]\((\S+)\.toml\) \| (\d+) \|", re.MULTILINE)
BAD = ("disagree", "unstable")


def written(name: str) -> list[dict[str, Any]]:
    """Return the checks of a family as they stand in the file, with its defaults; nothing is parsed or run."""
    table = tomllib.loads((HERE / f"{name}.toml").read_text(encoding="utf-8"))
    return [table.get("defaults", {}) | check for check in table["check"]]


def everything() -> list[dict[str, Any]]:
    return [check for name in FAMILIES for check in written(name)]


def verdict(check: dict[str, Any]) -> str | None:
    found: str | None = check.get("expect", {}).get("verdict")
    return found


@pytest.mark.parametrize("name", FAMILIES)
def test_every_check_comes_out_as_it_says(name: str) -> None:
    """What expects no verdict agrees: a check that would pass as a kink or as undefined has to say so."""
    found = shipped(name)
    assert found.problems == ()
    assert len(found.checks) == len(written(name))
    wrong = {}
    for check in found.checks:
        run, unmet = examine(check)
        if check.expect.verdict is None and run.verdict is not Verdict.AGREE:
            unmet = (*unmet, f"expected verdict agree, found {run.verdict}")
        if unmet or not Result(check, run, unmet=unmet).passed:
            wrong[f"{check.path}:{check.line}: {check.name}"] = unmet
    assert not wrong


@pytest.mark.parametrize("name", FAMILIES)
def test_checks_can_be_explained(name: str) -> None:
    """Every third of a file, at its first point; what is too large for a page says so."""
    for check in shipped(name).checks[::3]:
        program = parse(check.program, assigned_constants(check.at))
        points = parse_points(check.at, program.inputs, seed=check.settings.seed)
        try:
            made = explain_program(program, points[:1], replace(check.settings, dtypes=check.settings.in_dtypes[:1]))
        except LimitProblem:  # some are too large to be explained
            continue
        write(made, StringIO(), View(color=False))


# --- how the files are kept -----------------------------------------------------------------------


def test_the_families_are_all_there() -> None:
    assert FAMILIES == [
        "activations", "attention", "classes", "convolution", "derivatives", "exponentials", "finance", "indexing",
        "kinks", "lab", "layers", "linear-algebra", "losses", "norms", "physics", "polynomials", "precision",
        "reductions", "shapes", "singularities", "special", "statistics", "traps", "trigonometric",
    ]  # fmt: skip


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_has_a_lesson_and_its_checks_have_sources(name: str) -> None:
    checks = written(name)
    assert 15 <= len(checks) <= 60
    assert [check["name"] for check in checks if not check.get("source")] == []
    assert (HERE / f"{name}.toml").read_text(encoding="utf-8").startswith("# ")


def test_no_two_checks_have_one_name() -> None:
    names = Counter(check["name"] for check in everything())
    assert [name for name, count in names.items() if count > 1] == []


def test_what_is_expected_to_fail_says_why() -> None:
    assert [check["name"] for check in everything() if verdict(check) in BAD and not check.get("why")] == []


@pytest.mark.parametrize("name", ["traps", "singularities"])
def test_every_trap_has_its_repair_below(name: str) -> None:
    pairs = [(trap, repair) for trap, repair in pairwise(written(name)) if verdict(trap) in BAD]
    assert len(pairs) >= 10
    assert [trap["name"] for trap, repair in pairs if verdict(repair) is not None] == []


def test_nearly_every_check_states_what_comes_out() -> None:
    """An answer by hand is a third witness, beside the exact derivative and torch."""
    checks = everything()
    silent = [check["name"] for check in checks if not check.get("expect")]
    assert len(silent) * 20 < len(checks), silent


def test_the_lab_is_there_as_plain_text_too() -> None:
    found = load([HERE.parent / "docs" / "lab.txt"], at=["x=[[1,2,3],[3,2,1]]"])
    assert found.problems == ()
    programs = [check.program for check in found.checks]
    assert programs == ["2*x**4+x**3+3*x**2+5*x+1", "y = 3*x + 2; z = 2*y**2; out = mean(z)"]
    assert {*programs} < {check["expression"] for check in written("lab")}
    assert [examine(check)[0].verdict for check in found.checks] == [Verdict.AGREE] * 2


# --- the README -----------------------------------------------------------------------------------


def test_the_readme_counts_every_family() -> None:
    rows = {file: int(count) for title, file, count in ROW.findall(README) if title == file}
    assert rows == {name: len(written(name)) for name in FAMILIES}
    [total] = re.findall(r"^\| all \| (\d+) \|", README, re.MULTILINE)
    assert int(total) == sum(rows.values())


def test_the_example_of_the_readme_works(tmp_path: Path) -> None:
    [text] = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    found = load([path])
    assert found.problems == ()
    assert len(found.checks) == 3
    for check in found.checks:
        run, unmet = examine(check)
        assert Result(check, run, unmet=unmet).passed, unmet
