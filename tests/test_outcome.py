"""What a run came to: verdicts of gradients, the value, operations and what the user stated; counts; exit codes."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import product

import pytest

from gradcheck.blame import Blame, Cause
from gradcheck.case import check
from gradcheck.compare import Judgement
from gradcheck.exits import Exit
from gradcheck.gradients import Gradients
from gradcheck.judgements import Judgements
from gradcheck.outcome import Fault, Outcome, Run
from gradcheck.verdict import Verdict, failing, worst

RUN = check("x**2", x=[1, 2])


def outcome(
    gradient: Verdict = Verdict.AGREE,
    value: Verdict = Verdict.AGREE,
    fault: Verdict | None = None,
    stated: Verdict | None = None,
    error: str | None = None,
) -> Outcome:
    """Return an outcome whose first element of each part has this verdict."""
    [made] = RUN
    [one], layer = made.gradients, made.layers[-1]
    right = Judgement(Verdict.AGREE, 0.0)
    expectations = None if stated is None else Judgements.of([Judgement(stated), right])
    faults = [] if fault is None else [Fault(Judgement(fault), Blame(0, Cause.WRONG_VALUE, "pow", None, ""))]
    judged = replace(one, judgements=Judgements.of([Judgement(gradient), right]), expectations=expectations)
    return replace(
        made, error=error, faults=faults, layers=[replace(layer, judgements=Judgements.of([Judgement(value), right]))],
        gradients=Gradients([judged]),
    )  # fmt: skip


def run(*outcomes: Outcome, fail: frozenset[Verdict] = failing(False, [])) -> Run:
    return replace(RUN, outcomes=outcomes, failing=fail)


PARTS = ("gradient", "value", "fault", "stated")


@pytest.mark.parametrize(("part", "verdict"), [*product(PARTS, [one for one in Verdict if one is not Verdict.ERROR])])
def test_the_worst_of_all_parts_is_the_verdict_and_decides(part: str, verdict: Verdict) -> None:
    made = outcome(**{part: verdict})
    assert made.verdict is worst([Verdict.AGREE, verdict])
    assert (verdict in made.verdicts()) == (part != "stated" or verdict is Verdict.AGREE)
    assert made.stated() == ({verdict, Verdict.AGREE} if part == "stated" else set())
    for assertion in (False, True):
        fails = failing(assertion, [])
        code = run(outcome(), made, fail=fails).exit
        assert code is (Exit.FAIL if verdict in fails else Exit.PASS)
        assert run(made, fail=fails - {verdict}).exit is Exit.PASS


def test_the_worst_verdict_hides_no_milder_one_that_fails() -> None:
    made = outcome(gradient=Verdict.LOSSY, value=Verdict.OVERFLOW, fault=Verdict.DISAGREE, stated=Verdict.UNDECIDED)
    for verdict in (Verdict.LOSSY, Verdict.OVERFLOW, Verdict.DISAGREE, Verdict.UNDECIDED):
        assert run(made, fail=frozenset({verdict})).exit is Exit.FAIL
    assert run(made, fail=frozenset({Verdict.UNSTABLE, Verdict.KINK})).passed


def test_gradients_with_what_is_stated_and_values_are_counted_apart() -> None:
    made = outcome(gradient=Verdict.LOSSY, value=Verdict.OVERFLOW, fault=Verdict.DISAGREE, stated=Verdict.UNDECIDED)
    agree = Verdict.AGREE
    assert made.counts() == Counter({Verdict.LOSSY: 1, Verdict.UNDECIDED: 1, agree: 2})
    assert made.value_counts() == Counter({Verdict.OVERFLOW: 1, agree: 1})
    both = run(made, outcome())
    assert both.counts() == Counter({Verdict.LOSSY: 1, Verdict.UNDECIDED: 1, agree: 4})
    assert both.value_counts() == Counter({Verdict.OVERFLOW: 1, agree: 3})


def test_a_lane_that_could_not_run_is_an_error_and_nothing_else() -> None:
    made = replace(outcome(error="no such kernel"), layers=[], gradients=Gradients(), faults=[])
    assert made.value is None
    assert made.verdicts() == {Verdict.ERROR}
    assert made.counts() == Counter({Verdict.ERROR: 1})
    assert not made.value_counts()
    assert run(made).exit is Exit.FAIL


def test_nothing_that_was_checked_is_never_green() -> None:
    nothing = check("1 + 2")
    assert nothing.exit is Exit.NOTHING
    assert replace(nothing, outcomes=()).exit is Exit.NOTHING
