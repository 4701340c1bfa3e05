"""The corpus of expressions/: every check comes out as it says, and its README is true."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

from gradcheck.batch.examine import examine
from gradcheck.compare import Verdict
from gradcheck.corpus import Loaded, load
from gradcheck.suite import Check, Result

HERE = Path(__file__).parent.parent / "expressions"
FAMILIES = sorted(path.stem for path in HERE.glob("*.toml"))
README = (HERE / "README.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| \[(\S+)\]\((\S+)\.toml\) \| (\d+) \|", re.MULTILINE)


@cache
def family(name: str) -> Loaded:
    return load([HERE / f"{name}.toml"])


def everything() -> list[Check]:
    return [check for name in FAMILIES for check in family(name).checks]


@pytest.mark.parametrize("name", FAMILIES)
def test_every_check_comes_out_as_it_says(name: str) -> None:
    """What expects no verdict agrees: a check that would pass as a kink or as undefined has to say so."""
    wrong = {}
    for check in family(name).checks:
        run, unmet = examine(check)
        if check.expect.verdict is None and run.verdict is not Verdict.AGREE:
            unmet = (*unmet, f"expected verdict agree, found {run.verdict}")
        if unmet or not Result(check, run, unmet=unmet).passed:
            wrong[f"{check.path}:{check.line}: {check.name}"] = unmet
    assert not wrong


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_has_a_lesson_and_its_checks_have_sources(name: str) -> None:
    found = family(name)
    assert found.problems == ()
    assert 15 <= len(found.checks) <= 60
    assert [check.name for check in found.checks if not check.source] == []
    assert (HERE / f"{name}.toml").read_text(encoding="utf-8").startswith("# ")


def test_the_families_are_all_there() -> None:
    assert FAMILIES == [
        "activations", "derivatives", "exponentials", "finance", "kinks", "lab", "layers", "linear-algebra", "losses",
        "physics", "polynomials", "precision", "reductions", "shapes", "singularities", "special", "statistics",
        "traps", "trigonometric",
    ]  # fmt: skip


def test_no_two_checks_have_one_name() -> None:
    names = Counter(check.name for check in everything())
    assert [name for name, count in names.items() if count > 1] == []


def test_what_is_expected_to_fail_says_why() -> None:
    bad = (Verdict.DISAGREE, Verdict.UNSTABLE)
    assert [check.name for check in everything() if check.expect.verdict in bad and not check.why] == []


def test_nearly_every_check_states_what_comes_out() -> None:
    """An answer by hand is a third witness, beside the exact derivative and torch."""
    checks = everything()
    silent = [check for check in checks if not (check.settings.expect or check.expect.value or check.expect.verdict)]
    assert len(silent) * 20 < len(checks)


def test_every_trap_has_its_repair_below() -> None:
    """The repaired formula follows, and is named after the trap; kept away from a pole it has another name."""
    for name in ("traps", "singularities"):
        checks = family(name).checks
        for check, after in pairwise(checks):
            if check.expect.verdict in (Verdict.DISAGREE, Verdict.UNSTABLE):
                assert after.expect.verdict is None, check.name


def test_the_lab_is_there_as_plain_text_too() -> None:
    found = load([HERE / "lab.txt"], at=["x=[[1,2,3],[3,2,1]]"])
    assert found.problems == ()
    programs = [check.program for check in found.checks]
    assert programs == ["2*x**4+x**3+3*x**2+5*x+1", "y = 3*x + 2; z = 2*y**2; out = mean(z)"]
    assert {*programs} < {check.program for check in family("lab").checks}
    assert [examine(check)[0].verdict for check in found.checks] == [Verdict.AGREE] * 2


# --- the README ---------------------------------------------------------------------------------


def test_the_readme_counts_every_family() -> None:
    rows = {file: int(count) for title, file, count in ROW.findall(README) if title == file}
    assert rows == {name: len(family(name).checks) for name in FAMILIES}
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
