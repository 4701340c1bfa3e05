"""A program without a point: its derivative, domain and corners are shown, and nothing passes for a check."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from math import floor
from pathlib import Path

import pytest

from gradcheck.__main__ import run
from gradcheck.cli.check import LOOKING
from gradcheck.corners import settled
from gradcheck.exits import Exit
from gradcheck.functions import ALIASES, COMPARISONS, ELEMENTWISE, Composite, Elementwise, known_names, lookup
from gradcheck.lower import domain
from gradcheck.parse import parse
from gradcheck.program import Call, Name, Node, call, names, number, postorder, to_text
from gradcheck.report.functions import sample
from gradcheck.report.sketch import sketch
from gradcheck.settings.kinds import Form
from gradcheck.settings.table import Place, settings_of
from table import each

NAMES = sorted(set(known_names()) - set(ALIASES))
ASK = "No gradient was checked. Say where with --at, and PyTorch's is held against it:"


@pytest.fixture(autouse=True)
def width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


SHOWN = {
    "x**2": """\
formula     x**2
derivative  d f/d x = 2*x
defined     everywhere
corners     none: it is differentiable wherever it is defined

{ask}
  gradcheck 'x**2' --at x=2
""",
    "y = 3*x + 2; mean(y**2)": """\
program     y = 3*x + 2; mean(y**2)
derivative  d out/d x[i] = 6*x[i] + 4
here        x of 3; any other shape that fits goes as well
defined     everywhere
corners     none: it is differentiable wherever it is defined

{ask}
  gradcheck 'y = 3*x + 2; mean(y**2)' --at 'x=[1,2,3]'
""",
    "abs(x - y)*log(-x)": """\
formula     abs(x - y)*log(-x)
derivative  d f/d x = sign(x - y)*log(-x) + abs(x - y)/x
derivative  d f/d y = -sign(x - y)*log(-x)
defined     where -x > 0
corners     at x - y == 0

{ask}
  gradcheck 'abs(x - y)*log(-x)' --at x=-2,y=-2
""",
    "where(x > 1, sqrt(x), elu(3*x))": """\
formula     where(x > 1, sqrt(x), elu(3*x))
derivative  d f/d x = where(x > 1, 1/(2*sqrt(x)), where(3*x > 0, 3, 3*exp(3*x)))
defined     where x >= 0 (in the part where x > 1)
corners     at x == 0, where the slope is infinite (in the part where x > 1)
            at 3*x == 0, unless alpha is 1 (in the part where ~(x > 1))
            where x > 1 changes, if values or slopes differ there

{ask}
  gradcheck 'where(x > 1, sqrt(x), elu(3*x))' --at x=2
""",
}


@pytest.mark.parametrize("program", SHOWN)
def test_what_is_known_without_a_point_is_shown(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([program]) == Exit.PASS
    assert capsys.readouterr().out == SHOWN[program].format(ask=ASK)


@pytest.mark.parametrize("name", NAMES)
def test_every_function_can_be_looked_at(name: str) -> None:
    """Its page's example without the point; the point that is proposed is one for the program."""
    program = parse(sample(name)[0])
    lines = sketch(program, program.tracked)
    if lines is None:  # no small tensors fit labels and indices, which say how large they are
        row = lookup(name)
        assert isinstance(row, Composite)
        assert row.indices
        return
    assert lines[-2] == ASK
    words = [line[:12].strip() for line in lines[:-3]]
    assert words[0] == "formula"
    assert {"defined", "corners"} <= set(words)
    assert max(map(len, lines[:-1])) <= 80


@pytest.mark.parametrize("row", [row for row in settings_of(Place.CHECK) if row.name != "at"], ids=lambda row: row.name)
def test_whoever_asks_for_a_check_is_asked_for_a_point(
    row: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing that is asked of a check is green without one: all options but those of looking."""
    from gradcheck.settings.table import Setting

    assert isinstance(row, Setting)
    value = [str(tmp_path / "file")] if row.kind.form is Form.FILE else [row.sample] if row.sample else []
    value = ["junit=x.xml"] if row.name == "report" else value
    code = run(["x*y", row.option, *value])
    finds_points = row.name == "boundaries"
    assert code == (Exit.PASS if row.name in LOOKING or finds_points else Exit.USAGE), capsys.readouterr().err


@pytest.mark.parametrize("row", each(ELEMENTWISE.values()))
def test_a_condition_that_numbers_settle_is_the_same_and_compares_no_two_numbers(row: Elementwise) -> None:
    numbers = [number(Fraction(one)) for one in ("-2", "0", "1/3", "3")]
    choices: list[list[Node]] = [[Name(one), call("abs", Name(one)), *numbers] for one in row.args]
    for args in product(*choices):
        found = domain(call(row.name, *args))
        made = True if found is None else settled(found)
        assert isinstance(made, bool) or all(
            [*names(part)] for part in postorder(made) if isinstance(part, Call) and part.op in COMPARISONS
        )
        for values in product((-2, -1.5, 0, 1 / 3, 1, 3), repeat=len(row.args)):
            known = {"floor": floor, **dict(zip(row.args, values, strict=True))}
            holds = made if isinstance(made, bool) else eval(to_text(made), known)
            assert found is None or eval(to_text(found), known) == holds, to_text(found)


def test_in_a_build_a_point_is_missing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("CI", "true")
    assert run(["x**2"]) == Exit.USAGE
    assert capsys.readouterr().err == "gradcheck: at which point? the program needs x\nadd --at x=2\n"


def test_what_is_asserted_by_the_settings_needs_a_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".git").mkdir()
    (tmp_path / "gradcheck.toml").write_text("ulps = 3", "utf-8")
    assert run(["x**2"]) == Exit.PASS
    (tmp_path / "gradcheck.toml").write_text("assert = true", "utf-8")
    assert run(["x**2"]) == Exit.USAGE


def test_points_that_the_settings_look_for_are_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".git").mkdir()
    (tmp_path / "gradcheck.toml").write_text("boundaries = true", "utf-8")
    assert run(["abs(x)"]) == Exit.PASS
    assert " agree" in capsys.readouterr().out.splitlines()[-1]


def test_a_program_without_inputs_is_no_success() -> None:
    assert run(["2 + 3"]) == Exit.NOTHING
