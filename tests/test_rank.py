"""Which element is the worst: one order, which tables, stories, scripts, findings and single elements share."""

from __future__ import annotations

import re
from collections.abc import Callable
from io import StringIO
from math import inf, nan
from random import Random

import pytest

from gradcheck import case
from gradcheck.case import check
from gradcheck.compare import Judgement, Rank
from gradcheck.formats import FORMATS
from gradcheck.judgements import Judgements, ranks
from gradcheck.outcome import Outcomes, Run
from gradcheck.report import View
from gradcheck.report.cells import SHOWN_ROWS
from gradcheck.report.diagnostic import diagnostic
from gradcheck.report.table import write
from gradcheck.repro import worst_script
from gradcheck.settings import Settings
from gradcheck.suite import Check, Result
from gradcheck.verdict import Verdict

RUNS: dict[str, tuple[str, str, Settings]] = {
    "one nan among many misstated": (
        "where(x > 0, sqrt(x), 0*x)", "-4,1:20:20", Settings(expect=("where(x > 0, 1, 0)",)),
    ),
    "one inf among many wrong": ("sqrt(x**2 + 1e-300)/x*log(x)", "1:40:30,1e-38", Settings(expect=("1/x + 2",))),
    "nan among lossy": ("(1 - cos(x))/x**2*where(x < 9, 1, exp(x)/exp(x))", "1e-3:8:30,100", Settings()),
    "wrong digits among misstated": ("log(1 + exp(x)) - x", "1:16:30", Settings(expect=("1/x",))),
}  # fmt: skip
EVERY_RUN = pytest.mark.parametrize("name", RUNS)


@pytest.fixture(params=[0, 1_000])
def checked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Run]:
    """Return how a run is made: its outcomes made at once, or when somebody looks."""
    monkeypatch.setattr(case, "MAX_MADE", request.param)

    def make(name: str) -> Run:
        program, at, settings = RUNS[name]
        return check(program, at, settings=settings)

    return make


def text(run: Run) -> str:
    made = StringIO()
    write(run, made, View())
    return made.getvalue()


def drawn(random: Random, count: int) -> list[Judgement]:
    sizes = [None, 0.0, 0.5, 3.0, 1e9]
    return [Judgement(random.choice([*Verdict]), random.choice(sizes)) for _ in range(count)]


@pytest.mark.parametrize("seed", range(20))
def test_arrays_are_ranked_as_single_judgements_are(seed: int) -> None:
    random = Random(seed)
    columns, stated = [drawn(random, 9) for _ in range(3)], drawn(random, 9)
    found = ranks([Judgements.of(one) for one in columns], [Judgements.of(stated)])
    for k in range(9):
        assert found[k] == max(*(one[k].rank() for one in columns), stated[k].rank(stated=True))
    order = found.mildest_first().tolist()
    assert [found[k] for k in order] == sorted(found[k] for k in range(9))
    parts = ranks([Judgements.of(columns[0])], [Judgements.of(stated)], rows=3)
    for k in range(3):
        here = slice(3 * k, 3 * k + 3)
        assert parts[k] == max(
            *(one.rank() for one in columns[0][here]), *(one.rank(stated=True) for one in stated[here])
        )


def test_a_wrong_number_that_is_not_finite_is_worse_than_every_other_error() -> None:
    for verdict in Verdict:
        if verdict.measured:
            assert Judgement(verdict).rank() == Rank(verdict.severity, True, inf) > Judgement(verdict, 1e308).rank()
        assert Judgement(verdict, 1.0).rank() > Judgement(verdict, 1e9).rank(stated=True)


@EVERY_RUN
def test_what_is_shown_is_worse_than_what_is_left_out(name: str, checked: Callable[[str], Run]) -> None:
    run = checked(name)
    order = sorted(range(len(run)), key=lambda k: run[k].rank())
    shown = text(run).partition("above: the worst")[0]
    for outcome in (run[k] for k in order[-SHOWN_ROWS:]):
        number = FORMATS[outcome.dtype].text(outcome.rounded["x"].item())
        assert re.search(rf"^ *{re.escape(number)} ", shown, re.MULTILINE), (number, shown)


@EVERY_RUN
def test_every_report_names_the_same_element_as_the_worst(name: str, checked: Callable[[str], Run]) -> None:
    program, at, settings = RUNS[name]
    run = checked(name)
    worst = max(run, key=lambda outcome: (outcome.verdict in run.failing, outcome.rank()))
    found = diagnostic(Result(Check("one", program, (at,), settings), run))
    assert found.element is not None
    assert found.element.outcome.rounded == worst.rounded
    assert [one.rounded for one in run.leading(1)] == [worst.rounded] or not isinstance(run.outcomes, Outcomes)
    if worst.rank().own and worst.verdict in run.failing:
        assert f"{worst.rounded['x'].item()!r}" in (worst_script(run) or "")


def test_torch_s_own_nan_leads_the_findings() -> None:
    program, at, settings = next(iter(RUNS.values()))
    run = check(program, at, settings=settings)
    found = diagnostic(Result(Check("one", program, (at,), settings), run))
    assert found.element is not None
    assert not found.element.stated
    assert found.message.startswith(f"autograd {nan}")
