"""What people write in Python: points by name, in order, as tensors; settings by name; and what they see of a run."""

from __future__ import annotations

import copy
import html
import pickle
import re
from collections.abc import Callable, Sequence
from dataclasses import fields
from fractions import Fraction
from pathlib import Path
from typing import Any, assert_type

import numpy as np
import pytest
import torch

import gradcheck
from gradcheck import (
    Blame,
    Cause,
    Explanation,
    GradcheckError,
    GradientOutcome,
    Outcome,
    Run,
    Settings,
    Verdict,
    check,
    explain,
)
from gradcheck.formats import FORMATS
from gradcheck.settings import KEYWORDS
from gradcheck.ways import Way
from unfolded import unfolded

F64, F32, HALF = torch.float64, torch.float32, torch.float16

# --- points ---------------------------------------------------------------------------------------

SAME: dict[str, list[Callable[[], Run]]] = {
    "a number": [
        lambda: check("x**2", x=2), lambda: check("x**2", 2), lambda: check("x**2", 2.0), lambda: check("x**2", "2"),
        lambda: check("x**2", {"x": 2}), lambda: check("x**2", at="x=2"), lambda: check("x**2", ["x=2"]),
        lambda: check("x**2", Fraction(2)), lambda: check("x**2", np.int64(2)), lambda: check("x**2", torch.tensor(2)),
        lambda: check("x**2", None, x="2"), lambda: check("x**2", np.float64(2)), lambda: check("x**2", at=2),
    ],
    "two inputs": [
        lambda: check("x*y", x=2, y="1/3"), lambda: check("x*y", 2, "1/3"), lambda: check("x*y", "x=2,y=1/3"),
        lambda: check("x*y", 2, y="1/3"), lambda: check("x*y", {"x": 2}, y=Fraction(1, 3)),
        lambda: check("x*y", ["x=2", "y=1/3"]),
        lambda: check("x*y", "x=2", "y=1/3"), lambda: check("x*y", {"x": 2}, {"y": "1/3"}),
    ],
    "a vector": [
        lambda: check("x*x", x=[1, 2]), lambda: check("x*x", [1, 2]), lambda: check("x*x", (1, 2)),
        lambda: check("x*x", np.array([1, 2])), lambda: check("x*x", torch.tensor([1, 2])),
        lambda: check("x*x", "x=[1,2]"),
        lambda: check("x*x", np.array([1, 2], np.float32)), lambda: check("x*x", torch.tensor([1.0, 2.0])),
        lambda: check("x*x", [torch.tensor(1.0), torch.tensor(2.0)]), lambda: check("x*x", [np.float64(1), 2]),
    ],
    "two points": [
        lambda: check("x**2", "1,2"), lambda: check("x**2", "1", "2"), lambda: check("x**2", ["1", "2"]),
        lambda: check("x**2", x="1:2:2"),
    ],
    "a dtype": [
        lambda: check("x**2", x=0.1, settings=Settings(dtypes=("float64",))),
        lambda: check("x**2", 0.1, dtype="float64"),
        lambda: check("x**2", 0.1, dtype=F64), lambda: check("x**2", 0.1, dtypes=[F64]),
        lambda: check("x**2", 0.1, dtype=float),
        lambda: check("x**2", 0.1, dtype=np.float64), lambda: check("x**2", 0.1, dtype=np.dtype("f8")),
        lambda: check("x**2", torch.tensor(0.1, dtype=F64)), lambda: check("x**2", np.array(0.1)),
        lambda: check("x**2", torch.nn.Parameter(torch.tensor(0.1, dtype=F64))),
        lambda: check("x**2", 0.1, dtype="torch.float64"),
        lambda: check("x**2", x=torch.tensor(0.1, dtype=F64), settings=Settings(ulps=None)),
    ],
    "two dtypes": [
        lambda: check("x**2", 2, dtype="float64,float16"), lambda: check("x**2", 2, dtype=(F64, HALF)),
        lambda: check("x**2", 2, settings=Settings(dtypes=["float64", "float16"])),  # type: ignore[arg-type]
    ],
    "names of everything": [
        lambda: check("at*dtype*program*settings*ulps", {"at": 2, "dtype": 3, "program": 4, "settings": 5, "ulps": 6}),
        lambda: check("at*dtype*program*settings*ulps", 2, 3, 4, 5, 6),
        lambda: check("at*dtype*program*settings*ulps", at=2, dtype=3, program=4, settings=5, ulps=6),  # type: ignore[arg-type]
    ],
    "what is believed": [
        lambda: check("x*y", 2, 3, expect={"x": "y", "y": "2*x"}), lambda: check("x*y", 2, 3, expect=("x=y", "y=2*x")),
        lambda: check("x*y", 2, 3, settings=Settings(expect=["x=y", "y=2*x"])),  # type: ignore[arg-type]
    ],
}  # fmt: skip
"""Calls that say the same."""


@pytest.mark.parametrize("name", SAME)
def test_what_is_said_in_several_ways_is_the_same_run(name: str) -> None:
    first, *others = (
        unfolded([(one.dtype, one.device, one.rounded, one.layers, one.gradients) for one in call()])
        for call in SAME[name]
    )
    assert others
    for k, other in enumerate(others, start=1):
        assert other == first, f"call {k}"


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("wrap", [lambda one: one, lambda one: [one, one], lambda one: one.requires_grad_()])
def test_a_tensor_is_checked_in_its_own_dtype(dtype: str, wrap: Callable[[torch.Tensor], object]) -> None:
    tensor = torch.tensor([0.1, 0.7], dtype=getattr(torch, dtype))
    run = check("x**2*y", x=wrap(tensor), y=3)
    assert list(run.tally.dtypes) == [dtype]
    assert run[0].device == "cpu"
    np.testing.assert_array_equal(run[0].rounded["x"].reshape(-1, 2)[0], tensor.detach().to(F64).numpy())


def test_what_is_said_of_the_dtype_is_stronger_than_that_of_a_tensor() -> None:
    tensor = torch.tensor(0.1, dtype=F64)
    for run in (check("x**2", tensor, dtype="float16"), check("x**2", tensor, settings=Settings(dtypes=("float16",)))):
        assert list(run.tally.dtypes) == ["float16"]
    assert explain("x**2", tensor).dtype == "float64"


class Elsewhere:
    """What is read of a tensor, on a device that this machine does not have."""

    dtype, device = torch.float16, "abacus"

    def tolist(self) -> list[float]:
        return [0.5, 0.25]


def test_a_tensor_is_checked_on_its_own_device_or_not_at_all() -> None:
    with pytest.raises(GradcheckError, match="torch cannot use the device 'abacus'"):
        check("x**2", Elsewhere())
    with pytest.raises(
        GradcheckError, match='x has the device abacus and y has cpu\nsay in which to check: device="abacus"'
    ):
        check("x*y", Elsewhere(), torch.ones(2, dtype=HALF))
    moved = check("x**2", Elsewhere(), device="cpu")
    assert (moved[0].device, moved[0].dtype) == ("cpu", "float16")


REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "no program": (lambda: check(lambda x: x, 2), "a program is a text such as 'x**2', not function"),  # type: ignore[arg-type]
    "two many": (lambda: check("x", 1, 2), "2 values without a name, and the program has 1 input: x"),
    "nothing to give it to": (lambda: check("1 + 2", 3), "1 value without a name, and the program has no input"),
    "twice": (lambda: check("x", 1, x=2), "the input x is given twice"),
    "a point and a setting": (lambda: check("dtype", {"dtype": 1}, dtype="float64"), "the input dtype is given twice"),
    "a setting twice": (lambda: check("x", 1, dtype=F64, dtypes=F32), "dtypes and dtype are the same setting"),
    "misspelt": (lambda: check("x", 1, dytpe=F64), "did you mean `dtype`?"),
    "in another checker's words": (lambda: check("x", 1, rtol=1e-3), "did you mean `ulps`?"),
    "texts and names": (lambda: check("x*y", "x=1", y=2), "either as texts or by name"),
    "settings in place": (lambda: check("x", 1, Settings()), "write settings=Settings(...)"),
    "no settings": (lambda: check("x", 1, settings={"ulps": 3}), "settings are a Settings, not dict"),  # type: ignore[arg-type]
    "unlike dtypes": (
        lambda: check("x*y", torch.ones(2, dtype=F64), torch.ones(2)), "x has the dtype float64 and y has float32"),
    "unlike in a list": (
        lambda: check("x", [torch.ones(2, dtype=F64), torch.ones(2)]), "x has the dtype float64 and x has float32"),
    "no dtype for it": (lambda: check("x", torch.ones(1).to(torch.float8_e5m2)), "float8_e5m2, in which nothing can"),
    "no such dtype": (lambda: check("x", 1, dtype=torch.complex64), "unknown dtype 'complex64'"),
    "no dtype at all": (lambda: check("x", 1, dtype=[]), "no dtype is given"),
    "no numbers": (lambda: check("x", torch.empty(2, device="meta")), "gives no list of numbers"),
    "no such device": (lambda: check("x", 1, device="abacus"), "torch cannot use the device 'abacus'"),
    "a text for a number": (lambda: check("x", 1, ulps="3"), "ulps takes a number, not '3'"),
    "a truth for a number": (lambda: check("x", 1, nondet=True), "nondet takes a whole number, not True"),
    "half a count": (lambda: check("x", 1, seed=0.5), "seed takes a whole number, not 0.5"),
    "a number for a text": (lambda: check("x", 1, expect=3), "expect takes a text of the language, not 3"),
    "a number for a name": (lambda: check("x", 1, wrt=3), "wrt takes a name, not 3"),
    "nothing to run": (lambda: check("x", 1, under_test=3), "under_test takes a mapping"),
    "no verdict": (lambda: check("x", 1, allow="fine"), "'fine' is no verdict"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_understood_says_why(name: str) -> None:
    call, words = REFUSED[name]
    with pytest.raises(GradcheckError) as problem:
        call()
    assert words in str(problem.value)


HINTS: dict[str, tuple[Callable[[], object], str]] = {
    "no point": (lambda: check("x*y"), "add x=2, y=2"),
    "no point of a tensor": (lambda: check("[1, 2]*x", 1), "give tensors as inputs: x=[[1,2],[3,4]]"),
    "whose point": (lambda: check("x*y", "2"), "write x=..., y=..."),
    "a point too many": (lambda: check("3", "5"), "leave the point out"),
    "no program": (lambda: check("", 1), 'as in check("x**2", 3)'),
    "whose derivative": (lambda: check("x*y", 1, 2, expect="x"), 'expect="x=...", or choose one with wrt="x"'),
    "an explanation without a point": (lambda: explain("x"), "add x=2"),
}


@pytest.mark.parametrize("name", HINTS)
def test_what_to_write_instead_is_told_in_the_words_of_a_call(name: str) -> None:
    """Nothing of the command line is named, and the traceback ends where the call stands."""
    call, words = HINTS[name]
    with pytest.raises(GradcheckError) as problem:
        call()
    assert words in str(problem.value)
    assert "--" not in str(problem.value)
    assert str(pickle.loads(pickle.dumps(problem.value))) == str(problem.value)
    assert len(problem.traceback) <= 3


OTHERWISE: dict[str, tuple[object, object]] = {
    "dtypes": ("float16", ("float16",)), "device": (torch.device("cpu"), ("cpu",)), "wrt": ("x", ("x",)),
    "ulps": (0.5, 0.5),
    "expect": ("3*x", ("3*x",)), "seed": (7, 7), "directory": ("docs", Path("docs")), "assertion": (True, True),
    "allow": ("lossy, kink", ("lossy", "kink")), "nondet": (2, 2), "ways": ("fwd", (Way.parse("fwd"),)),
    "engines": ("aot_eager", ("aot_eager",)), "cotangent": ("random", "random"), "order": (2, 2),
    "jacobian": (True, True),
    "boundaries": (True, True),
    "under_test": ({"pow": torch.pow}, {"pow": torch.pow}),
}  # fmt: skip
"""A value of each setting that is not its default, as people write it, and as it is held."""


@pytest.mark.parametrize("name", [one.name for one in fields(Settings)])
def test_every_setting_is_a_keyword(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from gradcheck import case

    asked = []

    def noted(*given: Any) -> Run:
        asked.append(given[-1])
        return RUN

    monkeypatch.setattr(case, "check_program", noted)
    given, held = OTHERWISE[name]
    assert getattr(Settings(), name) != held
    said: dict[str, Any] = {name: given}
    check("x**2", 2, **said)
    check("x**2", 2, settings=Settings(**said))
    assert [getattr(one, name) for one in asked] == [held, held]


def test_every_keyword_is_a_setting() -> None:
    assert set(KEYWORDS.values()) == {one.name for one in fields(Settings)} == set(OTHERWISE)


# --- what people see ------------------------------------------------------------------------------

RUN = check("x*y", x=[1, 2], y=3)
SHOWN = {
    "one": RUN, "bad": check("log(1 + exp(x))", "1,100"), "two dtypes": check("x", 1, dtype="float64,float32"),
    "nothing": check("1 + 2"), "many": check("x**2", "0:1:5000"), "hostile": check("x**2  # <b>\x1b[31m", 2),
    "long": check(" + ".join(["x"] * 500), 2), "error": check("x**2", 2, under_test={"pow": lambda *_: None}),
    "a wrong value": check("x**2*y", 2, 3, expect="x=3"),
}  # fmt: skip


@pytest.mark.parametrize("name", SHOWN)
def test_a_run_is_one_line_and_its_verdict_is_in_it(name: str) -> None:
    run = SHOWN[name]
    found: list[Any] = [run, *run[:2], *(gradient for outcome in run[:2] for gradient in outcome.gradients)]
    for one in found:
        line = repr(one)
        assert len(line) <= 200
        assert line.isprintable()
        assert str(one.verdict) in line or (not run and "nothing was checked" in line)


@pytest.mark.parametrize("name", SHOWN)
def test_print_shows_the_table_of_the_command(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from io import StringIO

    from gradcheck.report import View, table

    run = SHOWN[name]
    for width in (60, 120):
        monkeypatch.setenv("COLUMNS", str(width))
        file = StringIO()
        table.write(run, file, View(color=False, width=width))
        assert f"{run}\n" == file.getvalue()


@pytest.mark.parametrize("name", SHOWN)
def test_a_notebook_shows_the_same_and_obeys_no_text(name: str) -> None:
    page = SHOWN[name]._repr_html_()
    assert page is not None
    assert re.findall(r"<(\w+)", page).count("pre") == 1
    assert set(re.findall(r"</?(\w+)", page)) <= {"pre", "span"}
    text = html.unescape(re.sub(r"<[^>]+>", "", page))
    assert "\x1b" not in text
    assert str(SHOWN[name]).splitlines()[-1].split(" · ")[0] in text


def test_a_run_can_be_pickled_copied_and_cut() -> None:
    for run in (RUN, SHOWN["many"]):
        for other in (pickle.loads(pickle.dumps(run)), copy.copy(run), run.of("float32")):
            assert str(other) == str(run)
            assert repr(other) == repr(run)
    assert RUN[0] is RUN[-1] is RUN[:1][0] is next(iter(RUN))


# --- names ----------------------------------------------------------------------------------------


def test_every_public_name_is_there_and_listed() -> None:
    assert {*gradcheck.__all__} <= {*dir(gradcheck)}
    for name in gradcheck.__all__:
        assert getattr(gradcheck, name) is not None
    assert str(Verdict.AGREE) == "agree"
    assert isinstance(RUN, gradcheck.Run)
    assert isinstance(RUN[0].gradients["x"], gradcheck.GradientOutcome)


def test_what_comes_out_of_a_check_has_types() -> None:
    """Let mypy hold what a user writes: it reads this file as ``make test`` does, and nothing here is Any."""
    run = assert_type(check("log(1 + exp(x))*y", 100, torch.tensor(3.0), dtype=torch.float32), Run)
    assert_type(run[0], Outcome)
    assert_type(run[:1], Sequence[Outcome])
    assert_type([one.verdict for one in run], list[Verdict])
    found = assert_type(run.gradients["x"], GradientOutcome)
    assert_type(found.torch, np.ndarray[Any, np.dtype[np.float64]] | None)
    assert_type(found.lower, np.ndarray[Any, np.dtype[np.float64]])
    blame = assert_type(found.blame, Blame | None)
    assert blame is not None
    assert assert_type(blame.cause, Cause) is Cause.OVERFLOW
    assert_type(explain("x**2", x=[1, 2]), Explanation)
