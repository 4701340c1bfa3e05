"""The budget of work beside a verdict: the first task runs, what it leaves out is said, and verdicts are whole."""

from __future__ import annotations

from itertools import islice

import pytest

from gradcheck import check, work
from gradcheck.case import search
from gradcheck.outcome import Run
from gradcheck.parse import parse
from gradcheck.rewrites import rewrites
from gradcheck.work import Budget

NOTE = "the search for {} stopped after 1 s; the verdicts are whole"
LOST = "log(1 + exp(x)) + log(1 + exp(y))", {"x": 100, "y": 100}
"""A program with two bad inputs, each of which has a fix."""


def verdicts(run: Run) -> list[list[str]]:
    return [[one.verdict for one in gradient.judgements] for outcome in run for gradient in outcome.gradients]


def spent(monkeypatch: pytest.MonkeyPatch, *, blames: bool = False, fixes: bool = False) -> Run:
    """Return the run of a program whose budgets are empty after the first task."""

    def found() -> search.Search:
        empty = Budget(seconds=1e-9)
        return made(empty if blames else Budget(), empty if fixes else Budget())

    made = search.Search
    monkeypatch.setattr("gradcheck.case.Search", found)
    program, point = LOST
    return check(program, point)


def test_what_is_spent_leaves_verdicts_whole_and_says_what_it_leaves_out(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = check(*LOST)
    assert not any("stopped after" in note for outcome in whole for note in outcome.notes)
    assert [gradient.blames[0].fix is not None for gradient in whole[0].gradients] == [True, True]
    fixes = spent(monkeypatch, fixes=True)
    blames = spent(monkeypatch, blames=True)
    assert verdicts(whole) == verdicts(fixes) == verdicts(blames)
    assert NOTE.format("what to write instead") in fixes[0].notes
    assert NOTE.format("what is at fault") in blames[0].notes
    assert [bool(gradient.blames) for gradient in blames[0].gradients] == [True, False], "the first is always told"


def test_a_search_for_rewrites_ends_when_it_is_told_to() -> None:
    program = parse("log(1 + exp(x)) + log(1 + exp(2*x)) + log(1 + exp(3*x))")
    assert len(list(rewrites(program))) > 2
    left = iter([True, False])
    assert list(rewrites(program, None, lambda: next(left))) == list(islice(rewrites(program), 0))


def test_the_rewrites_of_a_program_are_searched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def counted(program, *more, **options):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN002, ANN003, ANN202
        calls.append(program.source)
        return rewrites(program, *more, **options)

    monkeypatch.setattr(search, "rewrites", counted)
    program, _ = LOST
    check(program, {"x": 100, "y": 100})
    assert calls[0] == program
    assert len(calls) == len(set(calls)) > 1


def test_a_budget_counts_the_task_that_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(work, "thread_time", lambda: now[0])
    budget = Budget(seconds=2.0)
    with budget.spending():
        now[0] = 1.0
        assert budget.enough()
        now[0] = 3.0
        assert not budget.enough()
    assert (budget.spent, budget.enough(4), budget.refused) == (3.0, False, 5)
