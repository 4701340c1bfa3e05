"""Every setting reaches what it is for: a value other than the default gives another outcome, wherever it is said."""

from __future__ import annotations

import io
import itertools
import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import gradcheck.batch
from gradcheck import Settings, check
from gradcheck.__main__ import run
from gradcheck.batch import BatchOptions
from gradcheck.batch.examine import examine
from gradcheck.corpus import load
from gradcheck.errors import GradcheckError, UsageProblem
from gradcheck.exits import Exit
from gradcheck.report.json import document, render
from gradcheck.settings.kinds import Form
from gradcheck.settings.table import SETTINGS, Place, Setting, settings_of
from gradcheck.suite import Batch, Check, Result

LINES = (
    "x**3*y at x=2,y=5", "tanh(x)*y at x=2.7,y=0.1", "log(1 + exp(x)) + y at x=100,y=1", "log(x)*y at x=-1,y=2",
    "sum(exp(x*y)) at x=randn(3) at y=2", "x**2*relu(y) at x=1:20:30 at y=1", "sin(x)*y at x=[1,2],y=3",
)  # fmt: skip
"""Programs and points of which at least one shows that a setting reaches the core."""


def said(row: Setting, place: Path) -> list[str]:
    """Return the words that give a setting a value other than its default."""
    if row.kind.form is Form.FILE:
        return [row.option, str(place / f"{row.name}{'.svg' if Place.EXPLAIN in row.at else '.txt'}")]
    if not row.sample and row.kind.form is Form.TEXTS:
        return [row.option, f"junit={place / 'report.xml'}"]
    return [row.option, *([row.sample] if row.sample else [])]


def argv(line: str, row: Setting) -> list[str]:
    """Return the words of a program and its points, without these where the setting itself gives them."""
    program, *points = line.split(" at ")
    return [program, *(word for point in points if row.name != "at" for word in ("--at", point))]


@pytest.fixture
def told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[Sequence[str]], tuple[object, ...]]:
    """Return what gives all that comes out of a command: its code, its texts, its files.

    A sine is never the same twice. The line that sums up names settings whether they are used or not: it is left out.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CI", "true")
    noise = itertools.count()
    own = torch.sin
    monkeypatch.setattr(torch, "sin", lambda x: own(x) * (1 + next(noise)))

    def result(words: Sequence[str]) -> tuple[object, ...]:
        nonlocal noise
        noise = itertools.count()
        for path in [path for path in tmp_path.glob("*") if path.suffix != ".toml"]:
            path.unlink() if path.is_file() else None
        monkeypatch.setattr(sys, "stdin", io.StringIO("\n" * 1_000))
        code = run([*words])
        out, err = capsys.readouterr()
        assert code != Exit.INTERNAL, err
        lines = [line for line in re.sub(r"\d+\.\d+ s\b", "", out).splitlines() if "torch 2" not in line]
        return code, lines, err, sorted(path.name for path in tmp_path.glob("*"))

    return result


COMMANDS = [
    pytest.param(place, row, id=f"{place.name} {row.option}")
    for place in (Place.CHECK, Place.EXPLAIN)
    for row in settings_of(place)
]


@pytest.mark.parametrize(("place", "row"), COMMANDS)
def test_an_option_of_a_command_changes_what_comes_out(
    place: Place, row: Setting, told: Callable[[Sequence[str]], object], tmp_path: Path
) -> None:
    command = ["explain"] if place is Place.EXPLAIN else []
    if row.off is not None:  # a limit of time is watched by another process
        program = [*command, "sum(exp(sin(x)))", "--at", "x=randn(40)"]
        asked = [sys.executable, "-m", "gradcheck", *program, *said(row, tmp_path)]
        assert "ran out of time" in subprocess.run(asked, capture_output=True, text=True, check=False).stderr
        return
    assert any(
        told([*command, *argv(line, row), *said(row, tmp_path)]) != told([*command, *argv(line, row)]) for line in LINES
    )


# --- batch ----------------------------------------------------------------------------------------


@pytest.fixture
def batched(monkeypatch: pytest.MonkeyPatch, told: Callable[[Sequence[str]], object]) -> Callable[[Sequence[str]], Any]:
    """Return what gives all that reaches the workers, and all that comes out; the checks run in this process."""
    seen: list[object] = []

    def run_batch(checks: Sequence[Check], limits: BatchOptions, *_: object) -> Batch:
        seen.append(limits)
        results = []
        for one in checks:
            made, unmet = examine(one)
            results.append(Result(one, made, unmet=unmet))
        return Batch(tuple(results), {}, limits.seed)

    monkeypatch.setattr(gradcheck.batch, "run_batch", run_batch)

    def result(words: Sequence[str]) -> tuple[object, object]:
        seen.clear()
        return told(words), [replace(one, seed=None) for one in seen if isinstance(one, BatchOptions)]

    return result


@pytest.mark.parametrize("row", settings_of(Place.BATCH), ids=lambda row: row.option)
def test_an_option_of_a_batch_changes_what_comes_out_or_how_it_runs(
    row: Setting, batched: Callable[[Sequence[str]], Any], tmp_path: Path
) -> None:
    points = "" if row.name == "at" else "at = {{x = '{}', y = 2}}\n"
    programs = [("x**3 + relu(y)", "2"), ("tanh(x)*y", "2.7"), ("log(x)*y", "-1"), ("log(1 + exp(x)) + y", "100"),
                ("sin(x)*y", "1"), ("sum(exp(x))*y", "randn(3)"), ("sum(x**2)*y", "@p.json")]  # fmt: skip
    tables = [f'[[check]]\nexpression = "{program}"\n{points.format(at)}' for program, at in programs]
    (tmp_path / "p.json").write_text("[1, 2]", "utf-8")
    for k, text in enumerate([*tables, "\n".join(tables)]):
        path = tmp_path / f"{k}.toml"
        path.write_text(text, "utf-8")
        known = batched(["batch", path.name])
        if batched(["batch", path.name, *said(row, tmp_path)]) != known:
            return
        path.unlink()
    pytest.fail(f"{row.option} changes nothing")


# --- files, settings of a project, Python -----------------------------------------------------------


def value(row: Setting) -> Any:
    """Return a value of TOML or of Python other than the default."""
    return row.kind.plain(row.sample) if row.sample else row.kind.form is Form.FLAG or "anything"


def toml(row: Setting) -> str:
    return {True: "true"}.get(value(row) is True, repr(value(row)))


def outcomes(one: Check) -> object:
    """Return all that is known of the outcomes of a check, and whether it passes."""
    try:
        made, _ = examine(one)
    except (GradcheckError, NotImplementedError, RuntimeError) as problem:  # a device that is not there
        return str(problem)
    found = document(made, everything=True)
    return found["outcomes"], found["failing"]


@pytest.mark.parametrize("row", settings_of(Place.FILE), ids=lambda row: row.name)
def test_a_key_of_a_file_changes_its_check_and_what_comes_out(row: Setting, tmp_path: Path, told: object) -> None:
    assert told is not None
    for line in LINES:
        program, *points = line.split(" at ")
        keys = {"expression": repr(program), "at": repr([*points])}
        checks = []
        for more in ({}, {row.name: repr(f"2*({program})") if row.name == "expression" else toml(row)}):
            (tmp_path / "a.toml").write_text(
                "\n".join(["[[check]]", *(f"{key} = {text}" for key, text in {**keys, **more}.items())]), "utf-8"
            )
            checks.append(load([tmp_path / "a.toml"]).checks)
        if all(checks):
            (plain,), (other,) = checks
            assert plain != other
            if row.field is None or outcomes(plain) != outcomes(other):
                return
    pytest.fail(f"{row.name} changes nothing")


@pytest.mark.parametrize("row", settings_of(Place.PROJECT), ids=lambda row: row.name)
def test_a_setting_of_a_project_changes_what_comes_out(
    row: Setting, told: Callable[[Sequence[str]], object], tmp_path: Path
) -> None:
    (tmp_path / ".git").mkdir()
    for line in LINES:
        (tmp_path / "gradcheck.toml").write_text("", "utf-8")
        known = told(argv(line, row))
        text = "1" if row.kind.form is Form.COUNT else toml(row)
        (tmp_path / "gradcheck.toml").write_text(f"{row.name} = {text}", "utf-8")
        if told(argv(line, row)) != known:
            return
    pytest.fail(f"{row.name} changes nothing")


@pytest.mark.parametrize("row", [row for row in settings_of(Place.FIXTURE) if row.field], ids=lambda row: row.name)
def test_a_keyword_of_python_changes_what_comes_out(row: Setting, told: object) -> None:
    assert told is not None
    assert row.field is not None
    for line in LINES:
        program, *points = line.split(" at ")
        try:
            known = document(check(program, points), everything=True)
            other = document(check(program, points, **{row.field: value(row)}), everything=True)
        except (GradcheckError, NotImplementedError, RuntimeError):  # a device that is not there
            return
        if (known["outcomes"], known["failing"]) != (other["outcomes"], other["failing"]):
            return
    pytest.fail(f"{row.name} changes nothing")


# --- the table itself -------------------------------------------------------------------------------


def test_every_field_of_the_settings_has_a_row() -> None:
    """But for what only Python can say: code under test, and where the files of points are."""
    assert {one.name for one in fields(Settings)} - {row.field for row in SETTINGS} == {"directory", "under_test"}


@pytest.mark.parametrize("place", Place)
def test_a_place_has_a_setting_once(place: Place) -> None:
    names = [row.name for row in settings_of(place)]
    assert names
    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize("row", SETTINGS, ids=lambda row: row.name)
def test_a_row_is_whole(row: Setting) -> None:
    """Help is a sentence; a value is named; what the default means is what Python has where nothing is said."""
    assert row.help
    assert row.description.endswith(".")
    commands = Place.CHECK | Place.BATCH | Place.EXPLAIN
    if row.at & commands:
        assert row.metavar or row.kind.among or row.kind.form in {Form.FLAG, Form.COUNT} or row.name == "format"
        needed = row.kind.form in {Form.TEXT, Form.NUMBER, Form.WORDS}
        assert bool(row.sample) == needed or row.kind.form is Form.TEXTS
    if row.default is not None and row.field is not None:
        value = row.read([row.default] if row.kind.form is Form.WORDS else row.default)
        own = getattr(Settings(), row.field)
        named = {"dtypes": Settings().in_dtypes, "device": Settings().on_devices}
        assert value == (named[row.field] if own is None else own)


def test_what_a_sample_says_is_no_default() -> None:
    for row in SETTINGS:
        assert not row.sample or row.sample != row.default


# --- values of Python ---------------------------------------------------------------------------------------------

ODD: dict[str, list[Any]] = {
    "ulps": [np.float32(2.5), np.int64(3), Fraction(5, 2), np.float64(16)],
    "seed": [np.int64(3), np.uint8(4)], "nondet": [np.int32(1)], "order": [np.int64(2)],
    "assertion": [np.True_], "jacobian": [np.False_], "boundaries": [np.True_],
}  # fmt: skip
"""Values that are Python's own but for their type."""


@pytest.mark.parametrize("name", ODD)
def test_a_number_of_any_kind_is_one_of_pythons_own(name: str) -> None:
    """So that the line that checks again can be read, and JSON written."""
    for given in ODD[name]:
        held = getattr(Settings(**{name: given}), name)
        assert type(held) in (int, float, bool)
        assert held == given
        assert json.loads(json.dumps(held)) == held
    if name in ("ulps", "nondet"):
        run = check("x**2", 3, expect="x", **{name: ODD[name][0]})
        assert "(" not in json.loads(render(run))["outcomes"][0]["command"]


WRONG: dict[str, list[Any]] = {
    "assertion": ["false", "", 0, 1, 2.0], "jacobian": ["no", 1], "boundaries": ["yes", []],
    "directory": [3, 2.5, ["a"]], "cotangent": ["@", "one", 3, "", "@\n", True], "seed": ["1", 1.5, True],
    "ulps": ["1", True, 1j], "nondet": [1.5], "order": [1.5, "2"],
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_value_of_another_kind_is_refused(name: str) -> None:
    for given in WRONG[name]:
        with pytest.raises(UsageProblem):
            Settings(**{name: given})


@pytest.mark.parametrize("row", [row for row in SETTINGS if row.kind.form is Form.NUMBER], ids=lambda row: row.name)
def test_what_is_wrong_with_a_number_is_said_with_that_number(row: Setting) -> None:
    wrong: list[str] = []
    for word in ("1.5", "-1", "9" * 40, "1e400"):
        try:
            row.read(word)
        except GradcheckError as problem:
            said = str(problem)
            wrong += [said] if "not a number" in said or (row.off and f"{row.option} {row.off} is" not in said) else []
    assert not wrong
