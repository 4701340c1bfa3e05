"""Batches: order, limits, expectations, selection, baselines, progress."""

from __future__ import annotations

import json
import pickle
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradcheck.batch import (
    Bar,
    BatchOptions,
    compare_baseline,
    last_failed,
    matching,
    run_batch,
    shard,
    write_baseline,
    write_last_failed,
)
from gradcheck.batch.examine import examine
from gradcheck.batch.last_failed import CACHE, FILE
from gradcheck.batch.pool import supervise
from gradcheck.batch.progress import label
from gradcheck.batch.worker import Answer, pack
from gradcheck.blame import Cause
from gradcheck.case import check as check_one
from gradcheck.errors import FileProblem, GradcheckError, UsageProblem
from gradcheck.exits import Exit
from gradcheck.gradients import Gradients
from gradcheck.judgements import Judgements
from gradcheck.lane import Lane
from gradcheck.settings import Settings
from gradcheck.suite import Batch, Check, Expectation, Problem, Result
from gradcheck.verdict import Verdict
from unfolded import unfolded

OVERFLOW = "log(1 + exp(x))", "x=100"
"""A program and a point where torch's float32 gradient is nan, and the derivative is 1."""


def check(name: str, program: str = "x**2", at: str = "x=3", **more: Any) -> Check:
    settings = more.pop("settings", Settings())
    return Check(name, program, (at,), settings, **more)


def result(name: str, verdict: str = "agree", ulps: float | None = 0.5, **more: Any) -> Result:
    """Return a result with this verdict and error, without running anything."""
    made = check_one("x**2", "x=3")
    gradient = made[0].gradients[0]
    judgement = replace(gradient.judgements[0], verdict=Verdict(verdict), ulps=ulps)
    outcome = replace(made[0], gradients=Gradients([replace(gradient, judgements=Judgements.of([judgement]))]))
    return Result(check(name), replace(made, outcomes=(outcome,)), **more)


def batch_of(*results: Result) -> Batch:
    return Batch(results, {})


def said(batch: Batch) -> list[Any]:
    """Return all of a batch but the seconds."""
    return [(one.check.id, one.problem, one.unmet, one.passed, unfolded(one.outcomes)) for one in batch]


# --- a batch --------------------------------------------------------------------------------------

MIXED = [
    check("square"),
    check("overflow", *OVERFLOW),
    check("refused", "2x"),
    check("layers", "y = 3*x + 2; z = 2*y**2; out = mean(z)", "[[1,2,3],[3,2,1]]", path="f.toml", line=3),
    check("random", "softmax(x, dim=0).sum()", "x=randn(5)", settings=Settings(seed=3)),
    check("kink", "abs(x)", "x=0"),
    check("pi is an input", "pi*e + x", "pi=2,x=3"),
    check("two dtypes", "sin(x)", "x=1:2:3", settings=Settings(dtypes=("float64", "bfloat16"))),
    check("tensor", "sum(sin(x))", "x=randn(60,60)"),
]


@pytest.fixture(scope="module")
def mixed() -> Batch:
    return run_batch(MIXED, BatchOptions(workers=2, seed=7))


def test_a_batch_is_what_the_checks_say_one_by_one(mixed: Batch) -> None:
    assert [one.check for one in mixed] == MIXED
    for one in mixed:
        if one.run is None:
            assert one.problem == "a * is missing between 2 and x\n  2x\n  ^^\nwrite 2*x"
            continue
        alone = check_one(one.check.program, one.check.at, settings=one.check.settings)
        assert unfolded(one.run.outcomes) == unfolded(alone.outcomes)
        assert one.run.environment == alone.environment == mixed.environment
        assert one.seconds > 0
    assert mixed.exit is Exit.FAIL
    assert (mixed.seed, mixed.interrupted, mixed.problems, mixed.notes) == (7, False, (), [])


@pytest.mark.parametrize("workers", [1, 3])
def test_the_number_of_workers_changes_nothing(workers: int, mixed: Batch) -> None:
    assert said(run_batch(MIXED, BatchOptions(workers=workers))) == said(mixed)


def test_nothing_to_check_starts_no_worker_and_is_never_green() -> None:
    batch = run_batch([])
    assert (len(batch), batch.exit) == (0, Exit.NOTHING)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    ("maxfail", "kept", "note"),
    [
        (1, 2, "stopped after 1 failure; 7 more checks did not run"),
        (2, 3, "stopped after 2 failures; 6 more checks did not run"),
        (3, 9, None),
    ],
)
def test_maxfail_stops_at_the_same_check_whatever_the_workers(
    workers: int, maxfail: int, kept: int, note: str | None, mixed: Batch
) -> None:
    batch = run_batch(MIXED, BatchOptions(workers=workers, maxfail=maxfail))
    assert said(batch) == said(mixed)[:kept]
    assert batch.notes == ([] if note is None else [note])


@pytest.mark.parametrize(
    "options", [{"workers": 0}, {"maxfail": 0}, {"memory": -1}, {"timeout": 0}, {"timeout": float("nan")}], ids=str
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(UsageProblem):
        BatchOptions(**options)


def test_workers_are_as_many_as_cores_and_no_more_than_checks() -> None:
    assert BatchOptions().size(10_000) >= 1
    assert BatchOptions().size(1) == BatchOptions(workers=8).size(1) == 1
    assert BatchOptions(workers=8).size(100) == 8


def own_sine(x: Any) -> Any:
    """Compute what torch computes, with some chance in it."""
    import torch

    return torch.sin(x) + 0 * torch.rand(())


def test_the_users_own_function_runs_in_the_worker() -> None:
    mine = check("mine", "sin(x)", "x=1", settings=Settings(under_test={"sin": own_sine}))
    assert run_batch([mine])[0].passed


def test_the_texts_of_a_run_are_made_in_the_worker_where_a_report_shows_all_of_them() -> None:
    checks = [Check("a", "y = x**2; sin(y)", ("1",), Settings())]
    full, plain = (run_batch(checks, BatchOptions(workers=1, texts=texts))[0].run for texts in (True, False))
    assert full is not None
    assert plain is not None
    made = [pickle.dumps(run[0].display) for run in (full, plain)]
    assert [b"2*x*cos(x**2)" in one for one in made] == [True, False]
    assert plain[0].gradients[0].formula == full[0].gradients[0].formula == "2*x*cos(x**2)"


def test_a_program_travels_as_its_text() -> None:
    import pickle

    run = check_one("y = 3*x + 2; pi*y**2", "x=1,pi=2")
    assert unfolded(pickle.loads(pack(Answer(run))).run.outcomes) == unfolded(run.outcomes)


# --- expectations ---------------------------------------------------------------------------------

UNMET: list[tuple[str, str, Expectation, list[str]]] = [
    ("abs(x)", "x=0", Expectation(verdict=Verdict.KINK), []),
    ("abs(x)", "x=0", Expectation(cause=Cause.KINK), []),
    ("x**2", "x=3", Expectation(verdict=Verdict.KINK), ["expected verdict kink, found agree"]),
    ("x**2", "x=3", Expectation(cause=Cause.KINK), ["expected cause kink, found none"]),
    (*OVERFLOW, Expectation(verdict=Verdict.DISAGREE, cause=Cause.OVERFLOW), []),
    (*OVERFLOW, Expectation(cause=Cause.KINK), ["expected cause kink, found overflow"]),
    ("x**2", "x=3", Expectation(value="9"), []),
    ("x**2", "x=3", Expectation(value="x*x"), []),
    ("x**2", "x=3", Expectation(value="10"), ["expected value 10, found 9"]),
    ("sin(pi*x)", "x=1", Expectation(value="0"), []),
    ("logsigmoid(x)", "x=100", Expectation(value="x - softplus(x, threshold=200)"), []),
    ("logsigmoid(x)", "x=100", Expectation(value="2*(x - softplus(x, threshold=200))"),
     ["expected value -7.440151952e-44, found -3.720075976e-44"]),
    ("erf(x)", "x=1", Expectation(value="0.8427008"), []),
    ("erf(x)", "x=1", Expectation(value="0.8427"), ["expected value 0.8427, found 0.8427007929"]),
    ("2*x", "x=[[1,2],[3,4]]", Expectation(value="x + x"), []),
    ("2*x", "x=[1,2]", Expectation(value="2"), ["expected value 2, found 4"]),
    ("2*x", "x=1:2:2", Expectation(value="3*x - 1"), ["expected value 5, found 4"]),
    ("log(x)", "x=-1", Expectation(value="1"), ["expected value 1, found none"]),
    ("2*x", "x=ones(100)", Expectation(value="2"),
     ["the expected value 2 cannot be compared: the output has 100 elements"]),
]  # fmt: skip


@pytest.mark.parametrize(("program", "at", "expect", "unmet"), UNMET, ids=lambda value: str(value)[:40])
def test_what_is_not_as_expected_is_said(program: str, at: str, expect: Expectation, unmet: list[str]) -> None:
    assert list(examine(check("one", program, at, expect=expect))[1]) == unmet


MASKED = "log(1 + exp(x[0])) + where(x[1] > 0, sqrt(x[1]), 0*x[1])"
WRONG, OVER, LOSSY = Expectation(verdict=Verdict.DISAGREE), Expectation(verdict=Verdict.OVERFLOW), Verdict.LOSSY
STATED: list[tuple[str, str, str, tuple[str, ...], Expectation, list[str]]] = [
    (*OVERFLOW, "float32", ("1",), WRONG, []),
    (*OVERFLOW, "float32", ("2",), WRONG, ["expected gradient 2 by x, found 1"]),
    (*OVERFLOW, "float32", ("2",), replace(WRONG, cause=Cause.OVERFLOW), ["expected gradient 2 by x, found 1"]),
    (*OVERFLOW, "float32", ("1/(x - x)",), WRONG, ["expected gradient none by x, found 1"]),
    ("x**2", "x=40000", "float16", ("2*x",), OVER, []),
    ("x**2", "x=40000", "float16", ("3",), OVER, ["expected gradient 3 by x, found 80000"]),
    ("log(x)", "x=-1", "float32", ("1/x",), Expectation(verdict=Verdict.UNDEFINED), []),
    (MASKED, "x=[100,4]", "float32", (), replace(WRONG, cause=Cause.OVERFLOW), []),
    (MASKED, "x=[1,-4]", "float32", (), replace(WRONG, cause=Cause.OVERFLOW),
     ["expected cause overflow, found nan-from-masked-branch"]),
    ("log(1 + exp(x))", "x=-20", "float32", (), Expectation(verdict=LOSSY, cause=Cause.ILL_CONDITIONED), []),
    ("log(1 + exp(x))", "x=-20", "float32", (), Expectation(verdict=Verdict.AGREE),
     ["expected verdict agree, found lossy"]),
]  # fmt: skip
"""Program, point, dtype, the stated derivative, what is expected of torch, and what is said."""


@pytest.mark.parametrize(("program", "at", "dtype", "stated", "expect", "unmet"), STATED)
def test_what_is_expected_of_torch_excuses_nothing_else(
    program: str, at: str, dtype: str, stated: tuple[str, ...], expect: Expectation, unmet: list[str]
) -> None:
    """Neither a stated derivative that is wrong, nor another cause, nor a value that loses its digits."""
    settings = Settings(dtypes=(dtype,), expect=stated)
    run, found, *_ = examine(check("one", program, at, expect=expect, settings=settings))
    assert list(found) == unmet
    assert Result(check("one", expect=expect), run, unmet=tuple(found)).passed == (not unmet)


MANY = "x=-2:2:1101"
VERY_MANY: list[tuple[str, tuple[str, ...], Expectation, list[str]]] = [
    ("abs(x)", (), Expectation(verdict=Verdict.KINK, cause=Cause.KINK), []),
    ("abs(x)", ("sign(x)",), Expectation(verdict=Verdict.KINK), []),
    ("x**3", (), WRONG, ["expected verdict disagree, found agree"]),
    ("x**2", ("where(x < 1.998, 2*x, 3)",), Expectation(verdict=Verdict.AGREE), ["expected gradient 3 by x, found 4"]),
]  # fmt: skip


@pytest.mark.parametrize(("program", "stated", "expect", "unmet"), VERY_MANY)
def test_of_very_many_points_the_same_is_said_and_the_worst_are_sent(
    program: str, stated: tuple[str, ...], expect: Expectation, unmet: list[str]
) -> None:
    given = check("one", program, MANY, expect=expect, settings=Settings(expect=stated))
    run, found = examine(given)
    assert list(found) == unmet
    for options, sent in ((BatchOptions(workers=1), 100), (BatchOptions(workers=1, texts=True, everything=True), 1101)):
        [result] = run_batch([given], options)
        assert (list(result.unmet), result.problem) == (unmet, None)
        assert result.run is not None
        assert (len(result.run), result.run.tally) == (1101, run.tally)
        assert len(result.run.leading(2_000)) == sent


def test_a_stated_derivative_of_the_wrong_sign_is_wrong_beyond_the_format_too() -> None:
    settings = Settings(dtypes=("float16",), expect=("-2*x",))
    _, found, *_ = examine(check("one", "x**2", "x=40000", expect=OVER, settings=settings))
    assert list(found) == ["expected gradient -inf by x, found 80000"]


def test_an_expected_cause_covers_no_other() -> None:
    expect = replace(WRONG, cause=Cause.OVERFLOW)
    unmet = ["expected cause overflow, found nan-from-masked-branch and overflow"]
    assert list(examine(check("one", MASKED, "x=[100,-4]", expect=expect))[1]) == unmet


def test_a_wrong_stated_derivative_fails_where_nothing_is_expected_of_torch() -> None:
    run, found, *_ = examine(check("one", "x**2", "x=3", settings=Settings(expect=("2",))))
    assert not found
    assert run.exit is Exit.FAIL


REFUSED_VALUES = [
    ("2x", "a * is missing between 2 and x\n  2x\n  ^^\nwrite 2*x"),
    ("y", "the expected value reads y, which is no input of the program\nit has x"),
    ("cat([x, x])", "the expected value is 4, and the output is 2"),
]


@pytest.mark.parametrize(("value", "message"), REFUSED_VALUES)
def test_an_expected_value_that_is_no_program_is_refused(value: str, message: str) -> None:
    with pytest.raises(GradcheckError) as refused:
        examine(check("one", "2*x", "x=[1,2]", expect=Expectation(value=value)))
    assert str(refused.value) == message


def test_a_known_bad_point_passes_and_one_that_is_not_bad_any_more_fails() -> None:
    expect = Expectation(verdict=Verdict.DISAGREE)
    batch = run_batch([check("bad", *OVERFLOW, expect=expect), check("good", expect=expect)])
    assert [one.passed for one in batch] == [True, False]
    assert batch[1].unmet == ("expected verdict disagree, found agree",)


# --- selection ------------------------------------------------------------------------------------


@given(st.lists(st.text(max_size=8), unique=True, max_size=30), st.integers(1, 7), st.randoms())
def test_every_check_is_in_one_shard_whatever_else_there_is(names: list[str], n: int, random: Any) -> None:
    checks = [check(name) for name in names]
    shards = [shard(checks, i, n) for i in range(1, n + 1)]
    assert sorted(one.id for part in shards for one in part) == sorted(names)
    home = {one.id: i for i, part in enumerate(shards) for one in part}
    some = random.sample(checks, len(checks) // 2)
    assert {one.id: i for i in range(n) for one in shard(some, i + 1, n)} == {one.id: home[one.id] for one in some}


def test_shards_are_the_same_everywhere() -> None:
    checks = [check(f"check {k}", path="f.toml") for k in range(12)]
    assert [[checks.index(one) for one in shard(checks, i, 3)] for i in (1, 2, 3)] == SHARDS


SHARDS = [[2, 9], [5, 6, 8, 11], [0, 1, 3, 4, 7, 10]]


@pytest.mark.parametrize(("i", "n"), [(0, 2), (3, 2), (1, 0), (-1, 2)])
def test_a_shard_that_there_is_not_is_refused(i: int, n: int) -> None:
    with pytest.raises(UsageProblem, match=f"there is no shard {i} of {n}"):
        shard([], i, n)


NAMES = [check(name, path="corpus/Stable.toml") for name in ("softmax big", "softmax small", "tanh", "log(1+x)")]

MATCHES = [
    ("", "softmax big,softmax small,tanh,log(1+x)"),
    ("tanh", "tanh"),
    ("TANH", "tanh"),
    ("stable", "softmax big,softmax small,tanh,log(1+x)"),
    ("softmax and big", "softmax big"),
    ("softmax and not big", "softmax small"),
    ("not softmax", "tanh,log(1+x)"),
    ("not not tanh", "tanh"),
    ("big or tanh", "softmax big,tanh"),
    ("big or tanh and none", "softmax big"),
    ("(big or tanh) and none", ""),
    ("not(big or tanh)", "softmax small,log(1+x)"),
    ('"softmax small"', "softmax small"),
    ("'log(1'", "log(1+x)"),
    ("'and'", ""),
    ("1+x", "log(1+x)"),
    ("toml::t", "tanh"),
]


@pytest.mark.parametrize(("expression", "names"), MATCHES)
def test_an_expression_chooses_checks(expression: str, names: str) -> None:
    assert ",".join(one.name for one in matching(NAMES, expression)) == names


MISREAD = [
    ("a and", "a word is missing at the end\n  a and\n       ^"),
    ("and a", "a word is missing before this\n  and a\n  ^^^"),
    ("not", "a word is missing at the end\n  not\n     ^"),
    ("a b", "`and` or `or` is missing before this\n  a b\n    ^"),
    ("(a", "this ( is not closed\n  (a\n  ^"),
    ("a)", "this ) closes nothing\n  a)\n   ^"),
    ("()", "a word is missing before this\n  ()\n   ^"),
    ("a and 'b", "this quote is not closed\n  a and 'b\n        ^"),
]


@pytest.mark.parametrize(("expression", "message"), MISREAD)
def test_an_expression_that_cannot_be_read_is_shown(expression: str, message: str) -> None:
    with pytest.raises(UsageProblem) as refused:
        matching(NAMES, expression)
    hint = "join words with `and`, `or`, `not` and brackets; put a word with blanks in quotes"
    assert str(refused.value) == f"{message}\n{hint}"


@pytest.mark.parametrize("expression", ["(" * 100_000, "not " * 100_000, "a and " * 50_000, "__import__('os')"])
def test_a_hostile_expression_is_refused(expression: str) -> None:
    with pytest.raises(UsageProblem):
        matching(NAMES, expression)


def test_a_long_expression_is_no_trouble() -> None:
    assert matching(NAMES, " or ".join(["tanh"] * 5_000)) == [NAMES[2]]
    assert matching(NAMES, "not " * 10_000 + "tanh") == [NAMES[2]]


# --- the last failures ----------------------------------------------------------------------------


def test_what_failed_is_kept_until_it_passes(tmp_path: Path) -> None:
    checks = [check("a"), check("b"), check("c")]
    assert last_failed(checks, tmp_path) == checks
    write_last_failed(batch_of(result("a", "disagree"), result("b"), result("c", "error")), tmp_path)
    assert [one.name for one in last_failed(checks, tmp_path)] == ["a", "c"]
    write_last_failed(batch_of(result("a")), tmp_path)
    assert [one.name for one in last_failed(checks, tmp_path)] == ["c"]
    write_last_failed(batch_of(result("c")), tmp_path)
    assert last_failed(checks, tmp_path) == checks
    assert sorted(path.name for path in (tmp_path / CACHE).iterdir()) == [".gitignore", FILE]


@pytest.mark.parametrize("text", ["", "[]", '{"failed": 3}', '{"failed": [3]}', "\x00", "[" * 100_000])
def test_a_broken_cache_is_ignored(text: str, tmp_path: Path) -> None:
    (tmp_path / CACHE).mkdir()
    (tmp_path / CACHE / FILE).write_text(text)
    assert last_failed([check("a")], tmp_path) == [check("a")]
    write_last_failed(batch_of(result("a", "error")), tmp_path)
    assert json.loads((tmp_path / CACHE / FILE).read_text()) == {"failed": ["a"]}


def test_a_cache_that_cannot_be_written_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / CACHE).write_text("a file in the place of the folder")
    write_last_failed(batch_of(result("a", "error")), tmp_path)
    assert last_failed([check("a")], tmp_path) == [check("a")]


# --- baselines ------------------------------------------------------------------------------------

PLAIN = Lane("float32").title
CRASHED = Result(check("a"), None, Problem("crashed"))
NEWS: list[tuple[Result, Result, bool, str | None]] = [
    (result("a"), result("a"), True, None),
    (result("a", "disagree", 100), result("a", "disagree", 150), True, None),
    (result("a", "disagree", 100), result("a", "disagree", 201), False,
     "the baseline has an error of 100 ULP, now it is 201"),
    (result("a", "disagree", 100), result("a", "error", None), False,
     "the baseline has verdict disagree, now it is error"),
    (result("a", "disagree", 100), result("a"), True, None),
    (result("a", "disagree", float("inf")), result("a", "disagree", float("inf")), True, None),
    (result("a", "disagree", None), result("a", "disagree", 7), True, None),
    (result("a"), result("a", "unstable", 2e6), False, "the baseline has verdict agree, now it is unstable"),
    (result("a", ulps=0), result("a", ulps=15), True, None),
    (result("a", ulps=20), result("a", ulps=50), False, "the baseline has an error of 20 ULP, now it is 50"),
    (result("a"), result("a", unmet=("expected cause kink, found none",)), False, "it passes in the baseline"),
    (CRASHED, CRASHED, True, None),
    (Result(check("a"), None, Problem("no\nx")), Result(check("a"), None, Problem("no\ny")), True, None),
    (result("a", "error", None), CRASHED, False, "the baseline has no such problem"),
    (result("b"), result("a", "disagree"), False, None),
    (result("b"), result("a"), True, None),
]  # fmt: skip


@pytest.mark.parametrize(("then", "now", "passed", "why"), NEWS)
def test_only_what_got_worse_fails(then: Result, now: Result, passed: bool, why: str | None, tmp_path: Path) -> None:
    write_baseline(batch_of(then), tmp_path / "baseline.json")
    seen = compare_baseline(batch_of(now), tmp_path / "baseline.json")[0]
    assert seen.passed is passed
    assert seen.unmet == now.unmet + ((why,) if why else ())
    assert seen.known is (passed and not now.passed)


def test_what_is_stale_is_noted(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    write_baseline(batch_of(*(result(name, "disagree") for name in "abcdef")), path)
    batch = compare_baseline(batch_of(result("a"), result("b", "disagree")), path)
    assert batch.notes == [
        "c, d, e and 1 more: in the baseline and not in this run",
        "a: a known finding no more: write the baseline again",
    ]
    assert batch.exit is Exit.PASS


def test_a_baseline_written_again_still_knows_what_failed(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    write_baseline(batch_of(result("a", "disagree")), path)
    before = path.read_text()
    write_baseline(compare_baseline(batch_of(result("a", "disagree")), path), path)
    assert path.read_text() == before


def test_a_baseline_is_small_sorted_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    write_baseline(batch_of(result("ü", "disagree", float("inf")), Result(check("a"), None, Problem("one\ntwo"))), path)
    assert path.read_text("utf-8") == (
        '{\n "checks": {\n  "a": {\n   "passed": false,\n   "problem": "one",\n   "verdict": "error"\n  },\n'
        f'  "ü": {{\n   "lanes": {{\n    "{PLAIN}": {{\n     "passed": false,\n     "ulps": null,\n'
        '     "verdict": "disagree"\n    }\n   },\n'
        '   "passed": false,\n   "ulps": null,\n   "verdict": "disagree"\n  }\n },\n'
        ' "gradcheck_baseline": 3\n}\n'
    )
    assert list(tmp_path.iterdir()) == [path]


def test_the_error_of_what_a_check_states_and_of_a_wrong_nan_are_kept(tmp_path: Path) -> None:
    """What is stated wrongly has its own error, and a wrong nan, which no ULP measure, is larger than any."""
    stated = check("a", "x**3", "2", settings=Settings(expect=("3*x",)))
    wrong = check("b", "log(1+exp(x))", "1,100")
    batch = run_batch([stated, wrong], BatchOptions(workers=1))
    path = tmp_path / "baseline.json"
    write_baseline(batch, path)
    kept = json.loads(path.read_text("utf-8"))["checks"]
    assert kept["a"]["ulps"] > 1e6
    assert kept["b"]["ulps"] is None
    assert compare_baseline(batch, path).exit is Exit.PASS


def test_progress_does_not_count_as_bad_what_is_expected() -> None:
    expected = check("a", expect=Expectation(verdict=Verdict.DISAGREE))
    met = replace(result("a", "disagree"), check=expected)
    assert [label(one) for one in (met, replace(met, unmet=("no",)), result("b"), result("b", "disagree"))] == [
        "as expected", "failed", "agree", "disagree",
    ]  # fmt: skip


BROKEN = ["", "[]", "{}", '{"gradcheck_baseline": 3}', '{"gradcheck_baseline": 2, "checks": {}}', "[" * 100_000,
          '{"gradcheck_baseline": 3, "checks": {"a": {"verdict": "fine", "passed": true}}}',
          '{"gradcheck_baseline": 3, "checks": {"a": []}}']  # fmt: skip


@pytest.mark.parametrize("text", BROKEN)
def test_a_broken_baseline_is_a_clear_error(text: str, tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    path.write_text(text)
    with pytest.raises(FileProblem, match=r"baseline\.json (is no baseline of gradcheck|has a form)"):
        compare_baseline(batch_of(), path)


def test_a_baseline_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(FileProblem, match=r"cannot read .*: No such file or directory"):
        compare_baseline(batch_of(), tmp_path / "none.json")
    with pytest.raises(FileProblem, match=r"cannot write .*: No such file or directory"):
        write_baseline(batch_of(), tmp_path / "no" / "baseline.json")
    with pytest.raises(UsageProblem, match="a factor of 1 or more, not 0"):
        compare_baseline(batch_of(), tmp_path / "none.json", factor=0.5 * 0)


# --- progress -------------------------------------------------------------------------------------


class Diary:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def start(self, total: int) -> None:
        self.told.append(total)

    def update(self, result: Result, running: Sequence[str]) -> None:
        self.told.append((result.check.name, tuple(running)))

    def stop(self) -> None:
        self.told.append("stop")


def test_progress_is_told_of_every_result() -> None:
    diary = Diary()
    supervise([check("a"), check("b")], BatchOptions(workers=1), examine, diary)
    assert diary.told == [2, ("a", ()), ("b", ()), "stop"]


def test_a_bar_that_nobody_sees_writes_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    bar = Bar()
    bar.start(2)
    bar.update(result("a"), ["b"])
    bar.stop()
    assert capfd.readouterr() == ("", "")


def test_a_bar_shows_counts_verdicts_and_a_name(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "100")
    bar = Bar()
    bar.start(2)
    bar.update(result("a", "disagree"), ["hostile [red]\x1b[31m" + "n" * 40])
    bar.stop()
    out, err = capsys.readouterr()
    assert out == ""
    assert "1/2" in err
    assert "1 disagree · hostile [red]\N{REPLACEMENT CHARACTER}[31mnnnnnnnnn..." in err
