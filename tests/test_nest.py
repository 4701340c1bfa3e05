"""Functions in every way of differentiating: what is known to be wrong is found, and the page says what is so."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path
from types import ModuleType

import jsonschema
import numpy as np
import pytest
import torch

import gradcheck
from gradcheck.__main__ import run
from gradcheck.case import examined
from gradcheck.errors import GradcheckError, UsageProblem
from gradcheck.exits import Exit
from gradcheck.formats import FORMATS
from gradcheck.functions import (
    COMPOSITE,
    ELEMENTWISE,
    HIDDEN,
    TABLE,
    TENSOR,
    Composite,
    Elementwise,
    families,
    findings,
)
from gradcheck.lower import lower
from gradcheck.nest import LACKS, Finding, Nest, named, nest, outcomes
from gradcheck.nest.lines import DTYPE
from gradcheck.nest.points import Subject, further, subjects
from gradcheck.nest.sieve import Sieve
from gradcheck.outcome import Outcome
from gradcheck.parse import parse
from gradcheck.points import parse_points
from gradcheck.pointwise import goes_by_elements, operations
from gradcheck.program import Call, postorder, to_text
from gradcheck.report import View
from gradcheck.report import nest as table
from gradcheck.report.nest_json import write as write_json
from gradcheck.report.nest_markdown import entries, section
from gradcheck.report.reporters import NEST, writer
from gradcheck.settings import Settings
from gradcheck.settings.readers import ONES
from gradcheck.verdict import Verdict
from gradcheck.ways import Way, nestings, ways
from oracles import shapes
from table import faults_of, inputs_of

ROOT = Path(gradcheck.__file__).parent
PAGE = ROOT.parent.parent / "docs" / "wrong-in-torch.md"
SCRIPT = ROOT.parent.parent / "benchmarks" / "wrong_in_torch.py"
TOLD = {Verdict.DISAGREE, Verdict.LOSSY}
LACKED = "torch has no derivative"
"""What is said where torch itself raises, as it does of what it has not implemented."""
ALL = "rev-rev,rev-fwd,fwd-rev,fwd-fwd,double-backward"
# fmt: off
KNOWN = (
    ("sinc(t)", "rev,fwd", "t=1e-8"),
    ("sinc(t)", ALL, "t=0"),
    ("t**p", ALL, "t=2,p=0"),
    ("t**t", "rev-rev-rev,fwd-fwd-fwd", "t=1"),
    ("logaddexp(t, 0)", ALL, "t=-800"),
    ("exp2(t)", "rev", "t=1024"),
)  # fmt: skip
# fmt: on
"""Programs that torch 2.13 has wrong, each in all of the ways beside it."""


@pytest.fixture(scope="module")
def sinc() -> Nest:
    return nest(["sinc"], order=2)


@pytest.mark.parametrize(("program", "several", "at"), KNOWN)
def test_what_is_known_to_be_wrong_is_found(program: str, several: str, at: str) -> None:
    for way in ways([several]):
        made = gradcheck.check(program, at, settings=Settings(dtypes=("float64",), ways=(way,)))
        assert made.verdict in TOLD, way


@pytest.mark.parametrize("name", ["mul", "hypot", "relu"])
def test_what_agrees_side_by_side_agrees_alone(name: str) -> None:
    [subject] = subjects([name])
    points = [one for text in subject.points[:9] for one in parse_points([text], subject.program.inputs)]
    some = tuple(nestings(2))
    settings = Settings(dtypes=("float64",), ways=some, cotangent=ONES).resolved(subject.program)
    found = Sieve(subject.program, points, settings, "float64").passed(some)
    assert any(one.agrees.any() for one in found.values())
    outcomes = examined(subject.program, points, settings)
    for i in range(len(points)):
        for j, way in enumerate(some):
            if found[way].agrees[i]:
                assert outcomes[i * len(some) + j].verdict is Verdict.AGREE, (way, subject.points[i])


@pytest.mark.parametrize("name", ["prod", "logsumexp"])
def test_ways_with_the_numbers_of_another_have_its_outcome(name: str) -> None:
    """Torch has each number in several ways, and it is looked at once: it would have come out alike."""
    [subject] = subjects([name])
    some, pairs = tuple(nestings(2)), 0
    settings = Settings(dtypes=("float64",), ways=some, cotangent=ONES).resolved(subject.program)
    for text in subject.points[:2]:
        points = parse_points([text], subject.program.inputs)
        each = dict(zip(map(str, some), examined(subject.program, points, settings), strict=True))
        for _, way, outcome in outcomes(replace(subject, points=(text,)), some, "float64"):
            assert isinstance(outcome, Outcome)
            pairs += str(outcome.in_lane.way) != way
            assert outcome.counts() == each[way].counts(), (text, way)
    assert pairs


@pytest.mark.parametrize("name", [one.function for one in subjects()])
def test_every_function_can_be_tried(name: str) -> None:
    """One that raised would end the run over all of them; what torch has not is what the row says that it lacks."""
    [row] = nest([name], order=1).rows
    assert row.counts
    assert all(LACKS in (one.refused or "") for one in row.refused), row.refused
    assert {one.way for one in row.refused} == {*getattr(TABLE[name], "lacks", ())}


def test_every_function_of_the_table_is_tried() -> None:
    rows = {*ELEMENTWISE, *TENSOR, *COMPOSITE} - HIDDEN
    assert {one.function for one in subjects()} == rows == {*named()}
    assert {*named([*families()])} == rows


@pytest.mark.parametrize(
    "row", [row for row in COMPOSITE.values() if row.words or row.faulty], ids=lambda row: row.name
)
def test_params_are_tried_in_other_words(row: Composite) -> None:
    """Samples, one after the other; further words, and params with which torch is known to be wrong."""
    [subject] = subjects([row.name])
    tried = [subject.program.source, *(one.program.source for one in further(subject))]
    assert {*row.samples} <= {*tried}
    for name, value in row.faulty.items():
        assert any(f"{name}={value}" in text for text in tried)
    for name, words in row.words.items():
        left = [word for word in words if isinstance(word, str) and f"{name}='{word}'" not in " ".join(tried)]
        assert len(words) < 2 or len(words) > len(left) + 1 or not any(takes(row, name, word) for word in left)


def takes(row: Composite, name: str, word: str) -> bool:
    """Return whether a sample can be written with another word: some words have no meaning here, and are refused."""
    for program in map(parse, row.samples):
        [*calls] = (one for one in postorder(program.layers[-1].expression) if isinstance(one, Call))
        own = next(one for one in calls if one.op == row.name)
        made = replace(own, params=(*(pair for pair in own.params if pair[0] != name), (name, word)))
        try:
            lower(parse(to_text(made)), shapes(inputs_of(program)))
        except GradcheckError:
            continue
        return True
    return False


def test_a_name_that_is_neither_is_told_what_is_near() -> None:
    with pytest.raises(UsageProblem, match="no family loses"):
        named(["loses"])


@pytest.mark.parametrize("name", [one.function for one in subjects()])
def test_nobody_is_called_wrong_at_an_ordinary_point(name: str) -> None:
    """Torch differentiates twice by other formulas than once: what these lose is no error."""
    [subject] = subjects([name])
    ordinary = tuple(text for text in subject.points if text not in subject.boundary)
    assert_right(replace(subject, points=ordinary), ways(["rev-rev,double-backward"]))


def assert_right(subject: Subject, several: Sequence[Way]) -> None:
    """Demand that torch is called wrong nowhere but where the table says so; what it has not is no number."""
    for _, _, outcome in outcomes(subject, tuple(several), "float64"):
        if isinstance(outcome, Outcome) and LACKED not in (outcome.error or "") and not is_known(subject, outcome):
            assert outcome.error is None
            assert outcome.verdict is not Verdict.DISAGREE, outcome


def is_known(subject: Subject, outcome: Outcome) -> bool:
    """Return whether the table says that torch is wrong there, in the function or in one that its derivatives call."""
    row = TABLE[subject.function]
    if isinstance(row, Composite):
        return "second" in row.wrong and outcome.in_lane.way.order > 1
    if not isinstance(row, Elementwise):
        return False
    called = {op for text in row.partials if text for op in operations(parse(text)) if op in ELEMENTWISE}
    point = {name: array.reshape(1) for name, array in outcome.rounded.items()}
    return any(faults_of(ELEMENTWISE[op], point).any() for op in called if {*ELEMENTWISE[op].args} == {*point})


SMOOTH = [one.function for one in subjects() if len(one.program.inputs) == 1 and goes_by_elements(one.program)]


@pytest.mark.parametrize("name", SMOOTH)
def test_what_saturates_loses_digits_and_is_not_wrong(name: str) -> None:
    """Where a function is nearly flat, 1 minus its slope has few digits: that is rounding, in every way."""
    [subject] = subjects([name])
    [one] = subject.program.inputs
    flat = replace(subject, points=tuple(f"{one}={value}" for value in ("8.25", "-8.25", "17.75", "-17.75")))
    assert_right(flat, tuple(nestings(2)))


def test_every_way_has_a_column_and_counts(sinc: Nest) -> None:
    [row] = sinc.rows
    assert [*row.counts] == [*sinc.ways] == [str(one) for order in (1, 2) for one in nestings(order)]
    assert all(counts.total() for counts in row.counts.values())
    assert {one.way for one in row.wrong} == {str(one) for one in nestings(2)}


def test_exit_codes() -> None:
    assert run(["nest", "neg", "--order", "1", "-n", "1"]) == Exit.PASS
    assert run(["nest", "sinc", "-n", "1"]) == Exit.FAIL
    assert run(["nest", "snc"]) == Exit.USAGE


def test_the_json_is_as_its_schema_says(sinc: Nest) -> None:
    text = StringIO()
    write_json(sinc, text, View())
    schema = json.loads((ROOT / "schema" / "nest.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(made := json.loads(text.getvalue()), schema)
    assert made["functions"][0]["findings"]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_table_fits_its_window(sinc: Nest, width: int) -> None:
    text = StringIO()
    table.write(sinc, text, View(width=width))
    assert max(map(len, text.getvalue().splitlines())) <= width
    assert "✗✗✗✗✗" in text.getvalue()


# --- the page ---


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("wrong_in_torch", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = found
    spec.loader.exec_module(found)
    return found


def test_every_line_of_the_page_gives_what_it_says(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert script.main() == 0, capsys.readouterr().out


def test_what_a_function_says_is_found_of_it_is_on_the_page() -> None:
    """Made by ``python -m gradcheck.functions.findings``."""
    made = findings.read(PAGE.read_text(encoding="utf-8"))
    assert made == json.loads(findings.FILE.read_text(encoding="utf-8"))
    assert all(said for one in made.values() for said in one)
    assert {*made} <= {*named()}
    assert set(re.findall(r"^### (\S+)", PAGE.read_text(encoding="utf-8"), re.MULTILINE)) == {*made}


def test_the_script_uses_nothing_of_this_project() -> None:
    assert "gradcheck" not in re.sub(r'""".*?"""', "", SCRIPT.read_text(encoding="utf-8"), flags=re.DOTALL)


def test_the_page_is_of_this_torch_and_up_to_date() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert f"# Wrong in torch {torch.__version__.partition('+')[0]}\n" in page
    order = re.search(r"--order (\d)", page)
    assert order is not None
    [row] = nest(["sinc"], order=int(order[1])).rows
    assert entries(row)
    for line in section(entries(row)):
        assert line in page


def test_every_entry_of_the_page_has_its_right_number(script: ModuleType) -> None:
    blocks = script.BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    assert blocks
    for block in blocks:
        lines = script.shown(block)
        assert sum(line.is_right for line in lines) == 1 < len(lines)
        assert all(np.isfinite(line.said) for line in lines if line.is_right)


@pytest.mark.parametrize("dtype", [one for one in FORMATS if one != DTYPE])
def test_the_page_is_of_no_dtype_in_which_its_lines_give_other_numbers(
    dtype: str, sinc: Nest, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["nest", "sin", "--order", "1", "--dtype", dtype, "--format", "markdown"]) == Exit.USAGE
    assert f"not of {dtype}" in capsys.readouterr().err
    with pytest.raises(UsageProblem):
        writer("markdown", NEST)(replace(sinc, dtype=dtype), StringIO(), View())


FOUND = {
    "": (), "wrong": (Finding("rev", "x=0", Verdict.DISAGREE, "x", "1", "2"),),
    "refused": (Finding("rev", "x=0", Verdict.ERROR, refused="not implemented"),),
    "lossy": (Finding("rev", "x=0", Verdict.LOSSY, "x", "1", "2"),),
}  # fmt: skip


@pytest.mark.parametrize("name", FOUND)
def test_the_summary_is_green_where_the_exit_code_is(name: str, sinc: Nest) -> None:
    made = replace(sinc, rows=(replace(sinc.rows[0], findings=FOUND[name]),))
    fails = made.exit is not Exit.PASS
    assert fails == (name in ("wrong", "refused"))

    def shown(view: View) -> str:
        text = StringIO()
        table.write(made, text, view)
        return text.getvalue()

    coloured = shown(View(color=True))
    assert ("\x1b[1;31m1 function · " in coloured, "\x1b[32m1 function · " in coloured) == (fails, not fails)
    assert ("none wrong" in coloured) == (not fails)
    assert (sinc.rows[0].function in shown(View(quiet=True))) == fails
