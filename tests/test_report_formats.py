"""The formats of a batch: one batch with all that can come out, whole texts, published schemas, hostile texts."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from html import unescape
from importlib.resources import files
from inspect import signature
from io import StringIO
from math import inf, nan
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
import xmlschema
from jsonschema import Draft4Validator, Draft202012Validator
from markdown_it import MarkdownIt
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from gradcheck import case, report
from gradcheck.__main__ import run
from gradcheck.blame import Cause
from gradcheck.compare import Judgement
from gradcheck.corpus import load
from gradcheck.errors import FileProblem, UsageProblem
from gradcheck.exits import Exit
from gradcheck.gradients import Gradients
from gradcheck.judgements import Judgements
from gradcheck.numerics import FLAGS, FLUSHED
from gradcheck.outcome import Outcome, Run
from gradcheck.report import View
from gradcheck.report.diagnostic import Severity, code_of, diagnostic, diagnostics
from gradcheck.report.github import MAX_SHOWN, summarize
from gradcheck.report.json import document
from gradcheck.report.reporters import EXPLANATION, NEST, REPORTERS, RESULTS, Reporter, by_suffix, names, write, writer
from gradcheck.report.sarif import rules
from gradcheck.settings import Settings
from gradcheck.suite import Batch, Check, Expectation, Problem, Result, Written
from gradcheck.verdict import Verdict

Golden = Callable[[str, str], None]

HERE = Path(__file__).parent
HOSTILE = "a|b `c` <b>**d**</b> @e [f](g) \\| :h:\x1b[31m\x00\x07\x7f\x85\u2028\ud800\r\n::error::i%0A,j [red]k[/red]"
EVERY_DTYPE = Settings(dtypes=("float64", "float32", "bfloat16", "float16"))
BELIEVED = Settings(expect=("1",))
STRICT = Settings(assertion=True)
SHIFTED = Settings(under_test={"silu": lambda x: x * torch.sigmoid(x) + 0.01})
"""A wrong value whose slope is right."""
CAUGHT = Expectation(verdict=Verdict.DISAGREE, cause=Cause.OVERFLOW)


def checked(check: Check, **facts: Any) -> Result:
    """Return the result of really running a check, with versions that stay."""
    run = case.check(check.program, check.at, settings=check.settings)
    return Result(check, masked(run), seconds=0.25, **facts)


def masked(run: Run) -> Run:
    return replace(run, environment=same(run.environment))


def same(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment whose versions stay; the settings that decide numbers are as they are."""
    kept = {*(flag.name for flag in FLAGS), FLUSHED}
    return {name: found if name in kept else "*" for name, found in environment.items()}


def changed(result: Result, change: Callable[[Outcome], Outcome]) -> Result:
    assert result.run is not None
    return replace(result, run=replace(result.run, outcomes=tuple(map(change, result.run))))


def raised(text: str) -> Callable[[Outcome], Outcome]:
    return lambda outcome: replace(outcome, error=text, layers=[], gradients=Gradients())


def judged(judgement: Judgement) -> Callable[[Outcome], Outcome]:
    def change(outcome: Outcome) -> Outcome:
        one_each = Judgements.of([judgement])
        return replace(outcome, gradients=Gradients([replace(one, judgements=one_each) for one in outcome.gradients]))

    return change


POLY, ODD = "expressions/poly.toml", "expressions/o d,d:1.toml"
CHECKS = {
    "agree": Check("square", "x**2", ("3",), Settings(), POLY, 3, source="Euler 1748"),
    "points and dtypes": Check("wave", "sin(x*y)/3", ("x=0.1,y=7", "x=1/3,y=2"), EVERY_DTYPE, POLY, 7),
    "untracked": Check("detached", "detach(x)*2", ("1",), Settings(), POLY, 11),
    "kink": Check("corner", "abs(x)", ("-1,0",), Settings(), POLY, 15),
    "undefined": Check("root", "sqrt(x)", ("-1",), Settings(), POLY, 19),
    "undecided": Check("open", "sin(x)", ("1",), Settings(), POLY, 23),
    "lossy": Check("cosine", "(1 - cos(x))/x**2", ("1e-4",), Settings(), POLY, 27),
    "asserted": Check("cosine, asserted", "(1 - cos(x))/x**2", ("1e-4",), STRICT, POLY, 31),
    "disagree": Check("softplus", "log(1+exp(x))", ("100",), Settings(), POLY, 35),
    "expected": Check("known", "log(1+exp(x))", ("100",), Settings(), POLY, 39, CAUGHT, why="kept as a warning"),
    "unmet": Check("cube", "x**3", ("2",), Settings(), POLY, 43, Expectation(value="9"), why="a slip"),
    "believed": Check("believed", "sum(x**2)", ("x=[[1,0.5]]",), BELIEVED, POLY, 47),
    "unstable": Check("fast sine", "sin(1e6*x)", ("1.1",), Settings(), POLY, 51),
    "value": Check("shifted", "silu(x) + x", ("1",), SHIFTED, POLY, 55),
    "operation": Check("chosen", "where(silu(x) > 0, x, 2*x)", ("1",), SHIFTED, POLY, 59),
    "layers": Check("layers", "y = where(x > 0, sqrt(x), 0*x)\n\nsum(y)  # `|`", ("x=[-4,4]",), Settings(), ODD, 1),
    "hostile": Check(HOSTILE, f"x**2 # {HOSTILE[:-20]}", ("1",), Settings(), ODD, 5, why=HOSTILE, source=HOSTILE),
    "error": Check("raised", "x", ("1",), Settings(), ODD, 9),
    "late": Check("late", "sum(x)", ("x=[1]",), Settings(), ODD, 13),
    "refused": Check("refused", "2x", ("1",), Settings(), ODD),
    "nothing": Check("nothing", "2 + 3", (), Settings(), ODD, 21),
    "command": Check("exp(x)", "exp(x)", ("1000",), Settings()),
}  # fmt: skip
CHECKS = {
    name: replace(one, written=Written(one.program, one.line + 2, 15)) if one.path == POLY and one.line else one
    for name, one in CHECKS.items()
}
PLANTED = {
    "undecided": judged(Judgement(Verdict.UNDECIDED, note="the enclosure is too wide at 4096 bits")),
    "error": raised("torch raised: no such kernel"),
    "hostile": raised(HOSTILE),
}
"""What no program reaches at will."""
PROBLEMS = (
    Problem(
        "unknown key `expresion`\n  expresion = 'x'\n  ^^^^^^^^^\ndid you mean `expression`?",
        "expressions/broken.toml",
        2,
    ),
    Problem(f"no such file: {HOSTILE}"),
)


def results() -> Iterator[Result]:
    for name, check in CHECKS.items():
        if name == "late":
            yield Result(check, None, problem=Problem("it took longer than 10 s"), seconds=10.0)
        elif name == "refused":
            yield Result(check, None, problem=Problem("`2x` is not a product\n  2x\n  ^^\nwrite `2*x`"))
        elif name == "unmet":
            yield checked(check, unmet=("the value is 8, not 9",))
        elif name in PLANTED:
            yield changed(replace(checked(replace(check, program="x")), check=check), PLANTED[name])
        else:
            yield checked(check)


@pytest.fixture(scope="module")
def batch() -> Batch:
    found = tuple(results())
    environment = same(case.environment(("cpu",)))
    return Batch(found, environment, seed=7, problems=PROBLEMS, notes=["2 checks were left out"])


def written(batch: Batch, name: str, **view: Any) -> str:
    text = StringIO()
    write(name, batch, text, View(**view))
    return text.getvalue()


def lines_of(text: str) -> list[str]:
    assert text.endswith("\n")
    return text[:-1].split("\n")


def strictly(text: str) -> Any:
    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


def named(batch: Batch, name: str) -> Result:
    return batch.results[list(CHECKS).index(name)]


def only(batch: Batch, *names: str) -> Batch:
    return replace(batch, results=tuple(named(batch, name) for name in names), problems=(), notes=[])


# --- all formats ----------------------------------------------------------------------------------


def test_the_batch_holds_all_that_can_come_out(batch: Batch) -> None:
    assert set(batch.counts()) == set(Verdict)
    assert {result.passed for result in batch if result.verdict is Verdict.LOSSY} == {True, False}
    assert {found.code for found in diagnostics(batch)} >= {
        "unmet", "unchecked", "error", "overflow", "too-large", "agree", "wrong-value",
    }  # fmt: skip
    assert batch.exit is Exit.USAGE


VIEWS: dict[str, tuple[str, dict[str, Any]]] = {
    "table.txt": ("table", {}),
    "table-all.txt": ("table", {"everything": True, "verbose": 1}),
    "table-narrow.txt": ("table", {"width": 48}),
    "table-quiet.txt": ("table", {"quiet": True}),
    "concise.txt": ("concise", {}),
    "junit.xml": ("junit", {}),
    "github.txt": ("github", {}),
    "gitlab.json": ("gitlab", {}),
    "sarif.json": ("sarif", {}),
    "markdown.md": ("markdown", {}),
}


@pytest.fixture(autouse=True)
def no_step_summary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)


@pytest.mark.parametrize("name", VIEWS)
def test_the_text_is_the_golden_one(name: str, batch: Batch, golden: Golden) -> None:
    reporter, view = VIEWS[name]
    golden(f"format-{name}", written(batch, reporter, **view))


@pytest.mark.parametrize("name", ["json", "jsonl"])
def test_the_document_is_the_golden_one(name: str, batch: Batch, golden: Golden) -> None:
    """Of two checks: what a run holds has golden files of its own."""
    golden(f"format-{name}.{name}", written(only(batch, "kink", "late"), name))


def test_no_golden_file_is_left_without_a_format() -> None:
    found = {path.name for path in (HERE / "golden").glob("format-*")}
    assert found == {f"format-{name}" for name in (*VIEWS, "json.json", "jsonl.jsonl")}
    assert {reporter for reporter, _ in VIEWS.values()} | {"json", "jsonl"} == set(names(RESULTS))


NEW = """
def write(batch, file, view):
    file.writelines(f"{result.check.name}={result.verdict}\\n" for result in batch)
"""


def test_a_new_format_is_one_file_and_one_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is taken by every command that has results, by its name and by its suffix, and a suggestion for a slip."""
    (tmp_path / "pairs.py").write_text(NEW, encoding="utf-8")
    (tmp_path / "a.toml").write_text('[[check]]\nname = "a"\nexpression = "x**2"\nat = 3\n', encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(report, "__path__", [*report.__path__, str(tmp_path)])
    monkeypatch.setitem(REPORTERS, "pairs", Reporter("a test", "pairs:write", suffixes=("pairs",)))
    for words in (["x**2", "--at", "3"], ["batch", "a.toml"]):
        name = {"x**2": "x**2"}.get(words[0], "a")
        assert run([*words, "--format", "pairs"]) == Exit.PASS
        assert capsys.readouterr().out == f"{name}=agree\n"
        assert run([*words, "-o", "out.pairs", "--report", "pairs=more.txt"]) == Exit.PASS
        assert {(tmp_path / one).read_text("utf-8") for one in ("out.pairs", "more.txt")} == {f"{name}=agree\n"}
        assert run([*words, "--format", "pears"]) == Exit.USAGE
        assert capsys.readouterr().err == "gradcheck: 'pears' is no format of a check\ndid you mean `pairs`?\n"


@pytest.mark.parametrize("name", names(RESULTS))
def test_the_suffix_of_a_file_says_in_which_format_it_is_written(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["x**2", "--at", "3", "--format", name, "-o", "asked"]) == Exit.PASS
    for suffix in REPORTERS[name].suffixes:
        assert run(["x**2", "--at", "3", "-o", f"out.{suffix}"]) == Exit.PASS
        assert Path(f"out.{suffix}").read_text("utf-8") == Path("asked").read_text("utf-8")


def test_a_suffix_of_no_format_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A page is what `explain` writes; where the format is named, the file may be called whatever one likes."""
    monkeypatch.chdir(tmp_path)
    assert run(["x**2", "--at", "3", "-o", "foo.html"]) == Exit.USAGE
    first, second = capsys.readouterr().err.splitlines()
    assert first == "gradcheck: no format of a check ends in .html"
    assert second.startswith("that is a format of `gradcheck explain`; choose with --format from table (.txt)")
    assert not list(tmp_path.iterdir())
    assert run(["x**2", "--at", "3", "--format", "table", "-o", "foo.html"]) == Exit.PASS
    assert run(["explain", "x**2", "--at", "3", "-o", "bar.html"]) == Exit.PASS
    assert Path("bar.html").read_text("utf-8").startswith("<!DOCTYPE html>")


@pytest.mark.parametrize("name", REPORTERS)
def test_a_row_names_what_is_there(name: str) -> None:
    row = REPORTERS[name]
    assert row.results or row.explanation
    assert all(callable(writer(name, what)) for what in (RESULTS, EXPLANATION) if row.of(what))
    for what in (RESULTS, EXPLANATION):
        assert all(by_suffix(Path(f"a.{one}"), what) == name for one in row.suffixes if row.of(what))


@pytest.mark.parametrize("what", [RESULTS, EXPLANATION])
def test_a_suffix_that_no_format_has_is_told(what: str) -> None:
    strange = [one for row in REPORTERS.values() if not row.of(what) for one in row.suffixes]
    for suffix in {"xyz", "csv", *strange} - {one for name in names(what) for one in REPORTERS[name].suffixes}:
        with pytest.raises(UsageProblem, match=rf"ends in \.{suffix}") as problem:
            by_suffix(Path(f"report.{suffix}"), what)
        assert all(name in (problem.value.hint or "") for name in names(what))
        assert ("that is a format of" in (problem.value.hint or "")) == (suffix in strange)
    assert by_suffix(Path("report"), what) is None


@pytest.mark.parametrize("name", names(RESULTS))
def test_the_same_batch_gives_the_same_bytes(name: str, batch: Batch) -> None:
    shuffled = replace(batch, environment=dict(reversed(batch.environment.items())))
    assert written(batch, name) == written(batch, name) == written(shuffled, name)


@pytest.mark.parametrize("name", names(RESULTS))
def test_no_terminal_obeys_any_character(name: str, batch: Batch) -> None:
    text = written(batch, name, everything=True, verbose=1)
    assert all(line.isprintable() for line in lines_of(text))
    assert text.encode("utf-8").decode("utf-8") == text


@pytest.mark.parametrize("name", names(RESULTS))
def test_every_format_says_that_nothing_was_checked_or_that_it_was_interrupted(name: str, batch: Batch) -> None:
    stopped = replace(only(batch, "agree"), interrupted=True)
    nothing = replace(batch, results=(), problems=(), notes=[], environment={})
    texts = [written(one, name) for one in (stopped, nothing, only(batch, "agree"))]
    assert texts[0] != texts[2]
    assert "interrupted" in texts[0]


# --- what one check came to -----------------------------------------------------------------------


MESSAGES = {
    "agree": (None, ""),
    "disagree": ("x = 100 in float32", "autograd nan, exact 1: overflow at exp(x)"),
    "believed": ("x[0, 0] = 1 in float32", "expected 1, exact 2"),
    "value": ("the value out, x = 1 in float32", "wrong-value at silu(x)"),
    "operation": ("x = 1 in float32", "wrong-value at silu(x)"),
    "command": (
        "x = 1000 in float32",
        "the exact number is too large for float32, whose largest number is 3.40282e+38",
    ),
    "unmet": ("x = 2 in float32", "the value is 8, not 9"),
    "late": (None, "it took longer than 10 s"),
    "refused": (None, "`2x` is not a product"),
    "nothing": (None, "the program has no input to differentiate by"),
    "error": ("x = 1 in float32", "torch raised: no such kernel"),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_the_message_is_about_the_worst_element(name: str, batch: Batch) -> None:
    found, (where, message) = diagnostic(named(batch, name)), MESSAGES[name]
    assert found.message.startswith(message)
    assert where is None or found.where == where


def test_what_nobody_could_measure_is_worse_than_any_number() -> None:
    run = case.check("x**2", ["1", "2", "3"])
    spoiled = [(1e9, 0), (nan, 1), (inf, 2)]
    outcomes = list(run.outcomes)
    for value, k in spoiled:
        (gradient,) = outcomes[k].gradients
        ulps = value if value == value and value != inf else None  # noqa: PLR0124
        judgement = replace(gradient.judgements[0], verdict=Verdict.DISAGREE, ulps=ulps)
        planted = replace(gradient, torch=np.array(value), judgements=Judgements.of([judgement]))
        outcomes[k] = replace(outcomes[k], gradients=Gradients([planted]))
    found = diagnostic(Result(CHECKS["agree"], replace(run, outcomes=tuple(outcomes))))
    assert (found.where, found.numbers.ulps) == ("x = 2 in float32", None)
    assert found.message == "autograd nan, exact 4"


def test_what_fails_the_check_is_worse_than_what_is_allowed() -> None:
    settings = Settings(assertion=True, allow=("disagree",))
    run = case.check("where(x > 0, (1 - cos(x))/x**2, sqrt(x + 1))", ["1e-4", "-0.5"], settings=settings)
    first, second = run.outcomes
    (gradient,) = second.gradients
    planted = replace(gradient, judgements=Judgements.of([Judgement(Verdict.DISAGREE, 1e9)]), blames=[])
    wrong = replace(second, gradients=Gradients([planted]))
    found = diagnostic(Result(CHECKS["asserted"], replace(run, outcomes=(first, wrong))))
    assert (found.verdict, found.where) == (Verdict.LOSSY, "x = 0.0001 in float32")
    assert found.result is not None
    assert found.result.verdict is Verdict.DISAGREE


def test_a_fingerprint_knows_the_check_and_the_fault_alone(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    found = named(batch, "disagree")
    print_ = diagnostic(found).fingerprint
    assert diagnostic(replace(found, check=replace(found.check, line=99), seconds=3)).fingerprint == print_
    assert diagnostic(replace(found, check=replace(found.check, name="other"))).fingerprint != print_
    monkeypatch.chdir(HERE.parent)
    absolute = replace(found.check, path=str(HERE.parent / POLY))
    assert diagnostic(replace(found, check=absolute)).fingerprint == print_
    shown = [found.fingerprint for found in diagnostics(batch)]
    assert len(set(shown)) == len(shown)


# --- the table and the lines ----------------------------------------------------------------------


def test_a_batch_without_a_fault_is_one_line(batch: Batch) -> None:
    text = written(only(batch, "agree", "points and dtypes", "expected"), "table")
    assert text == "3 checks: 3 passed, 0 failed · 2 agree, 1 disagree · 0.8 s · seed 7 · torch *\n"
    assert written(only(batch, "agree"), "concise") == ""


PASTED = re.compile(r" +(again|fix): ")
"""Lines that stay whole, so that they can be pasted."""


@pytest.mark.parametrize("width", [20, 30, 40, 60, 80, 100, 200])
def test_no_window_is_too_narrow(width: int, batch: Batch) -> None:
    text = written(replace(batch, problems=(), notes=[]), "table", width=width)
    *lines, _summary = lines_of(text)
    assert max(len(line) for line in lines if not PASTED.match(line)) <= width


def test_a_large_batch_is_cut_to_the_worst(batch: Batch) -> None:
    many = replace(batch, results=tuple(one for one in batch for _ in range(30)))
    text, whole = written(many, "table"), written(many, "table", everything=True)
    assert len(lines_of(text)) < 120 < len(lines_of(whole))
    assert "--all shows them" in text
    assert "--all shows them" not in whole


def test_a_concise_line_is_one_that_an_editor_can_jump_to(batch: Batch) -> None:
    lines = lines_of(written(batch, "concise"))
    assert len(lines) == len(batch.failures) + len(batch.problems)
    failed = [result.check for result in batch if not result.passed]
    for line, check in zip(lines, failed, strict=False):
        place = "<command line>" if check.path is None else f"{check.path}:{check.line}" if check.line else check.path
        if check.written is None:
            assert line.startswith(f"{place}: ")
        else:
            begin, end = (check.written.line, check.written.column), check.written.region()
            at = re.match(rf"{re.escape(check.path or '')}:(\d+):(\d+): ", line)
            assert at is not None
            assert begin <= (int(at[1]), int(at[2])) < (end.end_line, end.end_column)
    assert len(lines_of(written(batch, "concise", verbose=1))) == len(batch) + len(batch.problems)


# --- json -----------------------------------------------------------------------------------------


SCHEMAS = {name: json.loads((files("gradcheck") / "schema" / f"{name}.schema.json").read_text("utf-8"))
           for name in ("report", "batch")}  # fmt: skip
REGISTRY: Registry[Any] = Registry().with_resources(
    (one["$id"], DRAFT202012.create_resource(one)) for one in SCHEMAS.values()
)


def validator(part: str = "") -> Draft202012Validator:
    return Draft202012Validator({"$ref": f"urn:gradcheck:batch:5{part}"}, registry=REGISTRY)


def test_the_document_fits_the_schema_and_holds_what_the_batch_holds(batch: Batch) -> None:
    found = strictly(written(batch, "json"))
    Draft202012Validator.check_schema(SCHEMAS["batch"])
    validator().validate(found)
    assert +batch.counts() == {verdict: count for verdict, count in found["counts"].items() if count}
    assert found["passed"] + found["failed"] == sum(found["counts"].values()) == len(found["results"]) == len(batch)
    assert (found["exit_code"], found["problems"]) == (batch.exit, list(batch.problems))
    assert [one["check"]["id"] for one in found["results"]] == [result.check.id for result in batch]
    assert [one["passed"] for one in found["results"]] == [result.passed for result in batch]
    assert [one["run"] for one in found["results"]] == [None if one.run is None else document(one.run) for one in batch]


def test_the_lines_are_the_document(batch: Batch) -> None:
    *lines, last = map(strictly, lines_of(written(batch, "jsonl")))
    for one in (*lines, last):
        validator("#/$defs/line").validate(one)
    validator("#/$defs/summary").validate(last)
    assert {**last, "results": lines} == strictly(written(batch, "json"))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda found: found.pop("seed"),
        lambda found: found.update(extra=1),
        lambda found: found.update(exit_code=3),
        lambda found: found.update(schema_version=1),
        lambda found: found["results"][0].pop("check"),
        lambda found: found["results"][0].update(extra=1),
        lambda found: found["results"][0]["check"].update(line=0),
        lambda found: found["results"][0]["check"]["expect"].update(cause="bad luck"),
        lambda found: found["results"][0]["run"].update(verdict="fine"),
    ],
)
def test_the_schema_refuses_a_spoiled_document(spoil: Callable[[Any], object], batch: Batch) -> None:
    found = strictly(written(batch, "json"))
    spoil(found)
    assert not validator().is_valid(found)


def test_the_schema_names_what_the_code_names() -> None:
    codes = SCHEMAS["batch"]["$defs"]["facts"]["properties"]["exit_code"]["enum"]
    assert set(codes) == set(Exit) - {Exit.INTERNAL}


# --- junit ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def xunit2() -> xmlschema.XMLSchema:
    return xmlschema.XMLSchema(HERE / "schemas" / "junit-10.xsd")


def test_the_xml_fits_the_schema_and_counts_its_cases(batch: Batch, xunit2: xmlschema.XMLSchema) -> None:
    text = written(batch, "junit")
    xunit2.validate(text)
    root = ElementTree.fromstring(text)
    assert len(list(root.iter("testcase"))) == len(batch) + len(batch.problems)
    for suite in (root, *root.iter("testsuite")):
        cases = list(suite.iter("testcase"))
        counted = [len(cases), *(sum(case.find(tag) is not None for case in cases) for tag in ("failure", "error"))]
        assert [int(suite.get(name, "")) for name in ("tests", "failures", "errors")] == counted
        assert all(len(case) <= 1 for case in cases)
    assert len(list(root.iter("failure"))) + len(list(root.iter("error"))) == len(batch.failures) + len(batch.problems)


def test_what_is_not_shown_to_be_right_passes_with_a_word(batch: Batch) -> None:
    root = ElementTree.fromstring(written(batch, "junit"))
    cases = {case.get("name"): [child.tag for child in case] for case in root.iter("testcase")}
    for result in batch:
        if result.passed and result.verdict.unproven:
            assert cases[result.check.name] == ["system-out"]
    assert cases["square"] == []


# --- annotations ----------------------------------------------------------------------------------


def test_annotations_are_commands_the_worst_first_and_not_too_many(batch: Batch) -> None:
    lines = lines_of(written(batch, "github"))
    errors = [line for line in lines if line.startswith("::error ")]
    warnings = [line for line in lines if line.startswith("::warning ")]
    assert len(errors) == MAX_SHOWN < len(batch.failures) + len(batch.problems)
    assert len(warnings) == sum(found.severity is Severity.WARNING for found in diagnostics(batch)) == 5
    (rest, _summary) = lines[len(errors) + len(warnings) :]
    assert rest.startswith(f"{len(batch.failures) + len(batch.problems) - MAX_SHOWN} more errors")
    for line in (*errors, *warnings):
        assert re.fullmatch(r"::(error|warning) ([a-zA-Z]+=[^:,]*)(,[a-zA-Z]+=[^:,]*)*::.*", line)
    assert errors[0].startswith("::error file=expressions/broken.toml,line=2,title=gradcheck::unknown key")


def test_the_log_of_a_step_ends_with_what_came_out(batch: Batch) -> None:
    """A green step says so, and a red one how many failed, as plain text among the commands."""
    for shown, summary in {
        ("agree",): "1 check: 1 passed, 0 failed",
        ("agree", "kink", "unmet"): "3 checks: 2 passed",
    }.items():
        *_, last = lines_of(written(only(batch, *shown), "github"))
        assert last.startswith(summary)


def test_the_escapes_of_a_command_come_back(batch: Batch) -> None:
    text = written(only(batch, "hostile"), "github")
    line, _summary = lines_of(text)
    properties, _, message = line.removeprefix("::error ").partition("::")
    found = dict(one.split("=", 1) for one in properties.split(","))
    assert decoded(found["file"]) == ODD
    assert "%250A" in message
    assert "::error::i%0A,j" in decoded(message)


def decoded(text: str) -> str:
    for code, character in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(code, character)
    return text


def test_the_summary_of_the_step_is_appended(batch: Batch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "summary.md"
    path.write_text("before\n", encoding="utf-8")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(path))
    written(batch, "github")
    assert path.read_text(encoding="utf-8") == "before\n" + written(batch, "markdown")


def test_a_summary_that_cannot_be_written_is_a_problem_of_a_file(batch: Batch, tmp_path: Path) -> None:
    path = tmp_path / "none" / "summary.md"
    with pytest.raises(FileProblem, match=r"cannot write the step summary .*: No such file or directory"):
        summarize(batch, {"GITHUB_STEP_SUMMARY": str(path)}, View())


# --- code quality and sarif -----------------------------------------------------------------------


def issues(batch: Batch) -> int:
    return sum(found.severity is not Severity.NOTE for found in diagnostics(batch))


def test_the_code_quality_report_is_what_gitlab_asks_for(batch: Batch) -> None:
    found = strictly(written(batch, "gitlab"))
    assert len(found) == issues(batch) + len(batch.problems)
    for one in found:
        assert list(one) == ["description", "check_name", "fingerprint", "severity", "location"]
        assert one["severity"] in ("info", "minor", "major", "critical", "blocker")
        assert one["description"]
        assert isinstance(one["location"]["path"], str)
        assert one["location"]["lines"]["begin"] >= 1
    assert len({one["fingerprint"] for one in found}) == len(found)


def test_the_log_fits_the_schema_of_sarif(batch: Batch) -> None:
    schema = json.loads((HERE / "schemas" / "sarif-2.1.0.json").read_text("utf-8"))
    log = strictly(written(batch, "sarif"))
    Draft4Validator(schema).validate(log)
    (run,) = log["runs"]
    assert len(run["results"]) == issues(batch)
    described = run["tool"]["driver"]["rules"]
    for one in run["results"]:
        assert described[one["ruleIndex"]]["id"] == one["ruleId"]
        for location in one["locations"]:
            assert re.fullmatch(r"[\w/.%-]+", location["physicalLocation"]["artifactLocation"]["uri"])
    (invocation,) = run["invocations"]
    assert len(invocation["toolExecutionNotifications"]) == len(batch.problems)
    assert invocation["exitCode"] == batch.exit


def test_every_cause_and_every_verdict_that_is_told_is_a_rule_with_its_sentence() -> None:
    assert list(rules())[: len(Cause)] == [*Cause]
    assert {code_of(verdict) for verdict in Verdict if verdict.fails or verdict.unproven} < {*rules()}
    assert all(rule.sentence.endswith(".") for rule in rules().values())


@pytest.mark.parametrize("code", rules())
def test_every_rule_points_at_a_place_of_the_pages(code: str) -> None:
    path, _, anchor = rules()[code].page.partition("#")
    titles = re.findall(r"^#+ (.*)$", (HERE.parent / path).read_text("utf-8"), re.MULTILINE)
    assert anchor in [re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles]


SOURCES = {
    '[[check]]\nname = "a"\nexpression = "y = 3*x; log(1 + exp(y))"\nat = 100\n': "exp(y)",
    '[[check]]\nname = "a"\nexpression = """\ny = 3*x\nlog(1 + exp(y))\n"""\nat = 100\n': "exp(y)",
    '[define]\n"s(t)" = "log(1 + exp(t))"\n[[check]]\nname = "a"\nexpression = "s(x)"\nat = 100\n': "s(x)",
    '[[check]]\nname = "a"\nexpression = "x**3"\nat = 2\nexpect.gradient = "3*x"\n': "x**3",
}
"""Files, and the text in them that a report points at: the operation at fault, or else the expression."""


@pytest.mark.parametrize("text", SOURCES)
def test_reports_point_at_the_expression(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.toml").write_text(text, encoding="utf-8")
    [check] = load(["a.toml"]).checks
    batch = Batch((checked(check),), {})
    [result] = strictly(written(batch, "sarif"))["runs"][0]["results"]
    region = result["locations"][0]["physicalLocation"]["region"]
    assert region["startLine"] == region["endLine"]
    line, columns = region["startLine"], (region["startColumn"], region["endColumn"])
    assert text.split("\n")[line - 1][columns[0] - 1 : columns[1] - 1] == SOURCES[text]
    command = f"::error file=a.toml,line={line},endLine={line},col={columns[0]},endColumn={columns[1]},title="
    assert written(batch, "github").startswith(command)
    assert written(batch, "concise").startswith(f"a.toml:{line}:{columns[0]}: ")
    assert strictly(written(batch, "gitlab"))[0]["location"]["lines"]["begin"] == line


def test_formats_for_programs_load_no_library_of_the_terminal() -> None:
    plain = [name for name in names(RESULTS) if name != "table"]
    code = f"""
import sys
from io import StringIO
from gradcheck import check
from gradcheck.report import View
from gradcheck.report.reporters import write
from gradcheck.settings import Settings
from gradcheck.suite import Check, single
made = single(Check("a", "log(1+exp(x))", ("100",), Settings()), check("log(1+exp(x))", x=100))
for name in {plain}:
    write(name, made, StringIO(), View())
print("rich" in sys.modules)
"""
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert made.stdout == "False\n"


MISSTATED = Check("cube", "x**3", ("2",), Settings(expect=("3*x",)), POLY, 3)


@pytest.mark.parametrize("name", ["table", "junit", "github", "sarif", "markdown"])
def test_what_is_stated_wrongly_comes_with_the_line_that_shows_it_again(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = Batch((checked(MISSTATED),), {})
    [one] = diagnostics(found)
    assert one.again is not None
    assert f"again: {one.again}" in unescape(decoded(written(found, name)))
    assert run(shlex.split(one.again)[1:]) == Exit.FAIL
    assert "3*x" in capsys.readouterr().out


EVERYWHERE = Check("softplus", "log(1+exp(x))", ("1,100,200,300",), Settings(), POLY, 3)


def test_every_place_that_fails_is_shown_where_all_is_asked_for() -> None:
    batch = Batch((checked(EVERYWHERE),), {})
    text, whole = written(batch, "table"), written(batch, "table", everything=True)
    assert "2 more failures in this check (--all shows them)" in text
    assert "--all shows them" not in whole
    for point in (100, 200, 300):
        assert f"disagree at x = {point}" in whole
        assert (f"x = {point}" in text) == (point == 100)


def test_checks_that_are_all_shown_stand_in_the_order_of_their_file(batch: Batch) -> None:
    text = written(replace(batch, problems=(), notes=[]), "table", everything=True, verbose=1, width=200)
    table = text.partition("\n\n")[0]
    ids = [one.id for one in diagnostics(batch)]
    at = [table.find(f"\n{one[:40]}") for one in ids]
    assert -1 not in at
    assert at == sorted(at)


# --- markdown -------------------------------------------------------------------------------------


def test_every_row_of_a_markdown_table_has_its_cells(batch: Batch) -> None:
    text = written(batch, "markdown")
    rows = [line for line in lines_of(re.sub(r"(?ms)^(`{3,}).*?^\1$", "", text)) if line.startswith("|")]
    assert len(rows) == len(batch.failures) + len(batch) + 4
    for row in rows:
        assert row.count("|") in (4, 6)


def test_no_text_of_a_file_is_markup(batch: Batch) -> None:
    """A CommonMark parser with tables finds the tags that the report wrote, and the hostile name as it stands."""
    html = MarkdownIt("commonmark").enable("table").render(written(batch, "markdown"))
    plain = {"h3", "p", "pre", "code", "table", "thead", "tbody", "tr", "th", "td", "details", "summary"}
    assert set(re.findall(r"</?(\w+)", html)) == plain
    assert diagnostic(named(batch, "hostile")).id in unescape(html)


def test_markdown_stays_short_enough_for_a_comment(batch: Batch) -> None:
    many = replace(batch, results=tuple(one for one in batch for _ in range(100)))
    assert len(written(many, "markdown")) < 65_536


# --- where Python runs in a notebook ------------------------------------------------------------------------------


def test_no_report_goes_to_the_notebook_that_python_runs_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """A text is what its caller asked for, and shown once."""
    from gradcheck import explanation, nest

    program = "abs(x)"
    run = case.check(program, "0,1")
    check = Check("a", program, ("0,1",), Settings())
    batches = (Batch((Result(replace(check, path=path), run),), run.environment) for path in (None, "a.toml"))
    explained = explanation.explain(program, x=0)
    tried = nest.nest(["sin"], order=1, workers=1)
    things: dict[str, tuple[Any, ...]] = {
        RESULTS: (*batches,), EXPLANATION: (explained,), NEST: (tried,),
    }  # fmt: skip

    def texts() -> list[str | None]:
        made = [str(run), run._repr_html_()]
        for what, some in things.items():
            for name in names(what):
                for one in some:
                    file, write = StringIO(), writer(name, what)
                    made.append(write(one, file, View()) if "file" in signature(write).parameters else write(one))
                    made.append(file.getvalue() or made[-1])
        return made

    before, shown = texts(), []
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    monkeypatch.setattr("rich.jupyter.display", lambda *words: shown.append(words))
    assert texts() == before
    assert "" not in before
    assert not shown


# --- what is known, and what is expected --------------------------------------------------------------------------


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("unmet", [(), ("expected verdict kink, found agree",)])
@pytest.mark.parametrize("stated", [None, Verdict.AGREE, Verdict.KINK])
def test_only_what_is_met_is_as_expected(known: bool, unmet: tuple[str, ...], stated: Verdict | None) -> None:
    run = case.check("x**2", 3)
    check = Check("a", "x**2", ("3",), Settings(), path="a.toml", expect=Expectation(verdict=stated))
    found = diagnostic(Result(check, run, unmet=unmet, known=known))
    assert found.expected == (stated is not None and not unmet and not known)
    assert found.failed == (bool(unmet) and not known)
    assert (found.sign == "✓") == (not unmet)
