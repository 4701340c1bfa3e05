"""The line that checks a failure again: run as it stands, it gives the same verdict, expectation and numbers."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradcheck import Settings, check
from gradcheck.__main__ import run as main
from gradcheck.batch.examine import examine
from gradcheck.corpus import load
from gradcheck.outcome import Run
from gradcheck.report.json import document
from gradcheck.repro import command
from gradcheck.suite import Check
from gradcheck.verdict import Verdict
from shipped import everything
from test_diagnose import KNOWN

SAID_OTHERWISE = {"point", "notes"}
"""What of an outcome depends on how its point is written: a decimal that the dtype has not, a seed."""


def told(run: Run) -> list[dict[str, Any]]:
    """Return all that reports know of the outcomes."""
    found: list[dict[str, Any]] = document(run, everything=True)["outcomes"]
    return [{key: value for key, value in one.items() if key not in SAID_OTHERWISE} for one in found]


def words(line: str) -> list[str]:
    """Return the words of a line as bash has them: a program of several lines is written in its way."""
    if "$'" not in line:
        return shlex.split(line)
    shown = subprocess.run(["bash", "-c", f"printf '%s\\0' {line}"], capture_output=True, text=True, check=True).stdout
    return shown.split("\0")[:-1]


def same_again(run: Run, capsys: pytest.CaptureFixture[str], most: int = 2) -> None:
    """Run the lines of the first outcomes of a run, and hold what comes out against them."""
    for outcome, known in list(zip(run, told(run), strict=True))[:most]:
        line = command(run, outcome)
        assert line is not None
        assert line == known["command"]
        main([*words(line)[1:], "--format", "json", "--all"])
        [again] = json.loads(capsys.readouterr().out)["results"][0]["run"]["outcomes"]
        assert {key: value for key, value in again.items() if key not in SAID_OTHERWISE} == known, line


@pytest.mark.parametrize(("program", "at", "dtype"), [row[:3] for row in KNOWN[::4]])
def test_the_line_of_a_known_failure_gives_the_same(
    program: str, at: str, dtype: str, capsys: pytest.CaptureFixture[str]
) -> None:
    same_again(check(program, at, dtype=dtype), capsys)


def failing() -> list[Check]:
    """Return every fourth of the corpus' checks that expects a verdict."""
    found = [one for one in everything() if one.expect.verdict not in {None, Verdict.AGREE, Verdict.KINK}]
    assert found
    return found[::4]


@pytest.mark.parametrize("one", failing(), ids=lambda one: one.id)
def test_the_line_of_a_check_of_the_corpus_gives_the_same(one: Check, capsys: pytest.CaptureFixture[str]) -> None:
    same_again(examine(one)[0], capsys)


STATED: list[tuple[str, str | list[str], dict[str, Any]]] = [
    ("x**3", "x=2", {"expect": "3*x"}),
    ("x**3*y", "x=2,y=1:3:3", {"expect": {"x": "3*x**2*y", "y": "x**2"}, "dtype": "float64,float16"}),
    ("x**3*y", "x=2,y=3", {"expect": "x**2", "wrt": "y"}),
    ("sum(x**3)", "x=[1,2,3]", {"expect": "3*x", "ulps": 0.1234567}),
    ("y = x**2\nmean(y)", "x=[0.1,-3]", {"expect": "x"}),
]
SETTLED: list[tuple[str, str | list[str], dict[str, Any]]] = [
    ("tanh(x)", "x=8", {"ulps": 1e9}),
    ("tanh(x)", "x=2.7", {"ulps": 0}),
    ("log(x*exp(y))", "x=1,y=1000", {"wrt": "y", "dtype": "bfloat16"}),
    ("log(x)", "x=-1", {"nondet": 2, "assertion": True}),
    ("sum(exp(200*x))", "x=randn(40,2)", {"seed": 7}),
    ("sum(exp(200*x))*y", ["y=1:2:3", "x=randn(40,2)"], {"seed": 7}),
    ("sum(exp(200*x))*sum(y)", ["y=randn(3)", "x=rand(70)"], {"seed": 3}),
    ("sum(exp(200*x))*sum(y)", ["y=randn(80)", "x=rand(70)"], {"seed": 3}),
    ("sum(exp(200*x))", ["x=randn(90)", "x=randn(90)"], {"seed": 3}),
    ("softmax(x, dim=0)[0]*e", "x=[1,2],e=-0.5", {}),
    ("-x**0.5", "x=-4", {}),
]


@pytest.mark.parametrize(("program", "at", "how"), [*STATED, *SETTLED], ids=lambda value: str(value)[:40])
def test_the_line_says_what_was_stated_and_asked(
    program: str, at: str | list[str], how: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    same_again(check(program, at, **how), capsys, most=3)


def test_points_of_python_are_written_out_and_those_that_no_line_holds_have_none(
    capsys: pytest.CaptureFixture[str],
) -> None:
    numbers = np.linspace(-2, 100, 100)
    same_again(check("log(1 + exp(x))", numbers), capsys)
    large = check("log(1 + exp(x))", np.linspace(-2, 100, 1001))
    assert command(large, large[0]) is None
    assert "again: " not in str(large)


def test_no_line_promises_to_run_the_code_of_the_user() -> None:
    run = check("sin(x)", x=1, under_test={"sin": lambda x: 2 * x})
    assert run.verdict is Verdict.DISAGREE
    assert command(run, run[0]) is None
    assert "again: " not in str(run)


def test_a_file_of_numbers_is_named_as_seen_from_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkdir("below")
    np.save("below/p.npy", np.linspace(-2, 100, 100))
    Path("below/a.toml").write_text('[[check]]\nexpression = "log(1 + exp(x))"\nat = "x=@p.npy"', "utf-8")
    [one] = load(["below/a.toml"], trust=True).checks
    same_again(examine(one)[0], capsys)
    run = check("log(1 + exp(x))", "x=@below/p.npy", settings=Settings())
    same_again(run, capsys)
