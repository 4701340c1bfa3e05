"""The self-test: every planted fault is found for what it is, right programs are spared, a broken check shows."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest

from gradcheck.__main__ import run
from gradcheck.blame import Cause
from gradcheck.case import check, elements
from gradcheck.compare import Judgement
from gradcheck.diagnose import operations
from gradcheck.exits import Exit
from gradcheck.functions import ELEMENTWISE, families, lookup
from gradcheck.parse import parse
from gradcheck.program import Call, postorder
from gradcheck.report import View
from gradcheck.report.selftest import WRITERS
from gradcheck.selftest import RIGHT, Alarm, Tally, Trial, checked, selftest, tried
from gradcheck.selftest.controls import FORMULAS, HONEST, ODD, Control, controls
from gradcheck.selftest.faults import FAULTS
from gradcheck.selftest.inputs import DTYPES
from gradcheck.selftest.of_the_table import MISTAKES, planted_in_the_table
from gradcheck.selftest.planting import Fault
from gradcheck.selftest.ways import HIDDEN
from gradcheck.settings import Settings
from gradcheck.verdict import Verdict

CAUSES = {
    Cause.WRONG_GRADIENT, Cause.WRONG_VALUE, Cause.DETACHED, Cause.LOWER_PRECISION, Cause.NONDETERMINISTIC, Cause.KINK,
}  # fmt: skip
"""What somebody's code can be blamed for, no subgradient at a kink among it; the other causes lie in the formula and
the point."""

OF_THE_TABLE = list(planted_in_the_table())

SOME = "sum(exp"
"""What the formulas of several faults and correct programs have in common."""


def test_the_table_of_faults_is_in_order() -> None:
    """Names are unique, and together the faults have every cause and every dtype."""
    assert len(FAULTS) >= 70
    assert max(Counter(fault.name for fault in FAULTS).values()) == 1
    assert {fault.cause for fault in FAULTS} == CAUSES
    assert {fault.dtype for fault in FAULTS} == set(DTYPES)
    assert len({fault.op for fault in FAULTS}) >= 35
    assert len({fault.program for fault in FAULTS}) >= 50


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_is_planted_where_the_program_runs_it(fault: Fault) -> None:
    calls = {
        part.op
        for layer in parse(fault.program).layers
        for part in postorder(layer.expression)
        if isinstance(part, Call)
    }
    assert fault.op in calls
    assert lookup(fault.op) is not None


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_every_fault_is_found_for_what_it_is(fault: Fault) -> None:
    trial = tried(fault)
    assert trial.found, (trial.verdict, trial.cause, trial.operation)


@pytest.mark.parametrize("fault", OF_THE_TABLE, ids=lambda fault: fault.name)
def test_a_fault_of_the_table_is_found_for_what_it_is(fault: Fault) -> None:
    trial = tried(fault)
    assert trial.found, (trial.verdict, trial.cause, trial.operation)


def test_every_family_has_a_fault() -> None:
    """All but the functions of numbers, which the listed faults are of."""
    wrong, names = {fault.op for fault in OF_THE_TABLE}, [fault.name for fault in OF_THE_TABLE]
    assert all(wrong & {*some} for some in families().values() if {*some} - {*ELEMENTWISE})
    assert len({*names}) == len(names)
    assert {what for name in names for what, _ in MISTAKES if what in name} == {what for what, _ in MISTAKES}
    assert {fault.dtype for fault in OF_THE_TABLE} == {*DTYPES}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_the_fault_alone_is_what_is_wrong(fault: Fault) -> None:
    found = check(fault.program, fault.at, settings=Settings(dtypes=(fault.dtype,))).verdict
    assert found in RIGHT - {Verdict.UNDEFINED}


@pytest.mark.parametrize("fault", HIDDEN, ids=lambda fault: fault.name)
def test_a_hidden_fault_shows_in_its_way_alone(fault: Fault) -> None:
    """The gradient by backward under ones is right in every element."""
    settings = Settings(dtypes=(fault.dtype,), under_test={fault.op: fault.operation}, cotangent="ones")
    assert check(fault.program, fault.at, settings=settings).passed


def test_every_way_of_two_steps_has_its_fault() -> None:
    assert {fault.way for fault in HIDDEN} >= {"rev", "fwd", "double-backward", "rev-rev", "fwd-rev", "fwd-fwd"}


def test_there_are_hundreds_of_correct_programs_and_none_twice() -> None:
    everything = list(controls())
    assert len(everything) >= 500
    assert max(Counter((one.program, one.at, tuple(one.under_test), one.dtypes) for one in everything).values()) == 1
    assert len(FORMULAS) >= 100
    assert {op for op, _, _ in HONEST} <= {fault.op for fault in FAULTS}


def test_everything_is_found_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["selftest", "-q"]) == Exit.PASS
    out, err = capsys.readouterr()
    assert not err
    faults, programs = len(FAULTS) + len(OF_THE_TABLE), len(list(controls()))
    assert out.startswith(f"{faults} faults found, 0 missed · {programs:,} correct programs, 0 false alarms (")
    assert out.count("\n") == 1


def test_most_correct_programs_agree_to_the_last_digits() -> None:
    """But for the odd ones, at kinks and where digits are lost."""
    odd = {(program, tuple(at)) for program, *at in ODD}
    runs = [checked(one) for one in controls() if (one.program, one.at) not in odd]
    verdicts = Counter(outcome.verdict for run in runs for outcome in run)
    assert verdicts[Verdict.AGREE] > 0.97 * verdicts.total()


# --- a check that is broken ------------------------------------------------------------------------------


def always(verdict: Verdict) -> Callable[..., Judgement]:
    return lambda *_args, **_params: Judgement(verdict)


def test_a_check_that_agrees_with_everything_is_found_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(elements, "judge", always(Verdict.AGREE))
    monkeypatch.setattr(operations, "judge", always(Verdict.AGREE))
    tally = selftest(SOME)
    found = [one for one in tally.trials if one.found]  # a tensor without a graph is seen before any number
    assert {one.fault.cause for one in found} <= {Cause.DETACHED}
    assert len(tally.missed) == len(tally.trials) - len(found) >= 5
    assert not tally.alarms
    assert run(["selftest", "-k", SOME]) == Exit.FAIL
    assert f" found, {len(tally.missed)} missed" in capsys.readouterr().out.splitlines()[-1]


@pytest.mark.parametrize("verdict", [Verdict.DISAGREE, Verdict.UNDECIDED])
def test_a_check_that_agrees_with_nothing_is_found_out(
    verdict: Verdict, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(elements, "judge", always(verdict))
    monkeypatch.setattr(elements, "explain", always(verdict))
    tally = selftest(SOME)
    assert len(tally.alarms) == tally.verdicts.total() >= 5
    assert run(["selftest", "-q", "-k", SOME]) == Exit.FAIL
    assert "✗ false alarm: " in capsys.readouterr().out


def test_a_wrong_cause_and_a_wrong_operation_are_misses() -> None:
    fault = FAULTS[0]
    assert Trial(fault, fault.verdict, fault.cause, fault.op).found
    assert not Trial(fault, fault.verdict, Cause.WRONG_VALUE, fault.op).found
    assert not Trial(fault, fault.verdict, fault.cause, "tanh").found
    assert not Trial(fault, Verdict.UNSTABLE, fault.cause, fault.op).found


def test_the_verdicts_that_a_correct_program_may_have_do_not_fail() -> None:
    assert not any(verdict.fails for verdict in RIGHT)
    assert Verdict.UNDECIDED not in RIGHT


# --- what is printed -------------------------------------------------------------------------------------


def made() -> Tally:
    """Return a tally with something of everything, as plain data."""
    good, bad = (
        Fault(name, op, f"y = {op}(x)\nsum(y)", "x=[1,2]", "float32", print)
        for name, op in (("half of it", "exp"), ("twice", "sin"))
    )
    return Tally(
        (Trial(good, Verdict.DISAGREE, Cause.WRONG_GRADIENT, "exp"), Trial(bad, Verdict.UNSTABLE, None, None)),
        1_000,
        Counter({Verdict.AGREE: 3_999, Verdict.ERROR: 1}),
        (Alarm(Control("x*y", ("x=1", "y=2")), "float16", Verdict.ERROR),),
        {"torch": "*"},
    )


@pytest.mark.parametrize(("name", "view"), [("full", View()), ("quiet", View(quiet=True)), ("narrow", View(width=80))])
def test_the_table_is_the_golden_one(name: str, view: View, golden: Callable[[str, str], None]) -> None:
    text = StringIO()
    WRITERS["table"](made(), text, view)
    golden(f"selftest-{name}.txt", text.getvalue())


def test_the_json_has_all_of_it() -> None:
    text = StringIO()
    WRITERS["json"](made(), text, View())
    report: dict[str, Any] = json.loads(text.getvalue())
    assert report["exit_code"] == Exit.FAIL
    assert [one["found"] for one in report["faults"]] == [True, False]
    assert report["faults"][1] == {
        "name": "twice", "program": "y = sin(x)\nsum(y)", "at": "x=[1,2]", "dtype": "float32", "way": "rev",
            "found": False,
        "expected": {"verdict": "disagree", "cause": "wrong-gradient", "operation": "sin"},
        "actual": {"verdict": "unstable", "cause": None, "operation": None},
    }  # fmt: skip
    assert report["correct_programs"] == 1_000
    assert report["verdicts"] == {"agree": 3_999, "error": 1}
    assert report["false_alarms"] == [{"program": "x*y", "at": ["x=1", "y=2"], "dtype": "float16", "verdict": "error"}]


def test_a_selection_is_tried_alone_and_nothing_is_never_green(capsys: pytest.CaptureFixture[str]) -> None:
    assert [one.fault.name for one in selftest("clipped").trials] == ["clipped to [-1, 1]"]
    assert run(["selftest", "-k", "no such fault"]) == Exit.NOTHING
    assert "nothing was tried" in capsys.readouterr().out
