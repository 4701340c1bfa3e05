"""The pytest plugin, in runs of pytest within a run: files become items, reports are whole, unasked it does nothing."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy
import pytest
import xmlschema

# Loaded before any run within this one: what such a run is the first to import, it takes away when it ends.
import gradcheck.batch.examine
import gradcheck.case
import gradcheck.corpus
import gradcheck.report.diagnostic
import gradcheck.report.table
from gradcheck.outcome import Run
from gradcheck.pytest_plugin import check_gradient
from gradcheck.report import View

SCHEMA = Path(__file__).parent / "schemas" / "junit-10.xsd"

LAB = """
[[check]]
name = "square"
expression = "x**2"
at = 3
expect = {value = 9, gradient = 6}

[[check]]
name = "overflow"
expression = "log(1 + exp(x))"
at = 100
source = "Hacker's Delight"

[[check]]
name = "known overflow"
expression = "log(1 + exp(x))"
at = 100
expect = {verdict = "disagree", cause = "overflow"}

[[check]]
name = "log of x[0]"
expression = "log(x[0])"
at = {x = [-1]}

[[check]]
name = "allowed"
expression = "log(x)"
at = -1
allow = "undefined"
"""

OVERFLOW = """\
disagree overflow at x = 100 in float32: autograd nan, exact 1: overflow at exp(x)
source: Hacker's Delight
  log(1 + exp(x))
          ^^^^^^
overflow: exp(x) is 2.68812e+43, and the largest number of float32 is 3.40282e+38: it becomes inf
fix: write softplus(x) for log(1 + exp(x))
again: gradcheck 'log(1 + exp(x))' --at x=0x1.9p+6 --dtype float32
"""


@pytest.fixture
def lab(pytester: pytest.Pytester) -> pytest.Pytester:
    """Return a project with one expression file, and a file of tests that passes."""
    return project(pytester, {"expressions/lab.toml": LAB, "test_plain.py": "def test_plain(): pass\n"})


def project(pytester: pytest.Pytester, files: dict[str, str]) -> pytest.Pytester:
    for name, text in files.items():
        path = pytester.path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    return pytester


def verdicts(result: pytest.RunResult) -> list[str]:
    """Return the lines of `pytest -v` on single items, without their percentage."""
    return [line.rpartition(" ")[0].rstrip(" [") for line in result.outlines if "::" in line and line.endswith("%]")]


def report(result: pytest.RunResult, title: str) -> str:
    """Return what a run says below the title of one failure or error."""
    start = next(k for k, line in enumerate(result.outlines) if line.strip("_ ") == title and line.startswith("_"))
    rest = result.outlines[start + 1 :]
    return "\n".join(rest[: next(k for k, line in enumerate(rest) if re.match(r"[-=_]+ .* [-=_]+$", line))]) + "\n"


# --- items ----------------------------------------------------------------------------------------


def test_the_plugin_is_installed_with_the_package() -> None:
    (found,) = entry_points(group="pytest11", name="gradcheck")
    assert found.value == "gradcheck.pytest_plugin"


def test_each_check_is_an_item_with_its_verdict(lab: pytest.Pytester) -> None:
    result = lab.runpytest_inprocess("-v", "--gradcheck")
    assert verdicts(result) == [
        "expressions/lab.toml::square PASSED",
        "expressions/lab.toml::overflow FAILED",
        "expressions/lab.toml::known overflow PASSED",
        "expressions/lab.toml::log of x[0] PASSED",
        "expressions/lab.toml::allowed PASSED",
        "test_plain.py::test_plain PASSED",
    ]
    assert result.ret is pytest.ExitCode.TESTS_FAILED


def test_a_failure_is_told_in_full_and_without_a_traceback(lab: pytest.Pytester) -> None:
    result = lab.runpytest_inprocess("--gradcheck", "expressions")
    assert report(result, "overflow") == OVERFLOW
    result.stdout.no_fnmatch_line("*pytest_plugin*")
    result.stdout.fnmatch_lines("FAILED expressions/lab.toml::overflow - Failed: disagree overflow at x = 100*")


def test_a_failure_in_one_line_stands_at_the_line_of_the_check(lab: pytest.Pytester) -> None:
    result = lab.runpytest_inprocess("--gradcheck", "--tb=line", "expressions")
    result.stdout.fnmatch_lines(f"{lab.path}/expressions/lab.toml:8: Failed: disagree overflow at x = 100*")


def test_an_expectation_that_is_not_met_fails(pytester: pytest.Pytester) -> None:
    text = '[[check]]\nname = "square"\nexpression = "x**2"\nat = 3\nexpect.value = 10\nwhy = "a slip"\n'
    result = project(pytester, {"a.toml": text}).runpytest_inprocess("--gradcheck")
    assert report(result, "square") == (
        "unmet square at x = 3 in float32: expected value 10, found 9\n"
        "  x**2\nwhy: a slip\nagain: gradcheck 'x**2' --at x=0x1.8p+1 --dtype float32\n"
    )


def test_what_passes_unproven_says_so_where_passes_are_shown(lab: pytest.Pytester) -> None:
    result = lab.runpytest_inprocess("--gradcheck", "-rP", "expressions", "-k", "known or log")
    result.assert_outcomes(passed=2, deselected=3)
    assert "undefined log of x[0] at x[0] = -1 in float32: outside-domain at log(x[0])" in result.outlines
    assert "known overflow at x" not in result.stdout.str()


@pytest.mark.parametrize("asked", [["--gradcheck-assert"], ["-o", "gradcheck_assert=true"]], ids=" ".join)
def test_an_assertion_fails_on_what_is_not_shown_to_be_right(lab: pytest.Pytester, asked: list[str]) -> None:
    result = lab.runpytest_inprocess("--gradcheck", *asked, "expressions", "-v", "--tb=no")
    assert "expressions/lab.toml::log of x[0] FAILED" in verdicts(result)
    result.assert_outcomes(passed=3, failed=2)


@pytest.mark.parametrize(
    "asked",
    [["--gradcheck-dtype", "float64, float16"], ["-o", "gradcheck_dtype=float16", "--gradcheck-dtype=float64,float16"]],
    ids=" ".join,
)
def test_dtypes_are_those_of_the_command_line(lab: pytest.Pytester, asked: list[str]) -> None:
    result = lab.runpytest_inprocess("--gradcheck", *asked, "expressions", "-k", "overflow and not known")
    assert "disagree overflow at x = 100 in float16:" in report(result, "overflow")


def test_an_unknown_dtype_is_refused_before_anything_is_collected(lab: pytest.Pytester) -> None:
    result = lab.runpytest_inprocess("--gradcheck", "--gradcheck-dtype", "float23")
    assert result.ret is pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --gradcheck-dtype: 'float23' is no dtype", "did you mean `float32`?"])


@pytest.mark.parametrize("asked", [["--gradcheck-at", "x=[3,2]"], ["-o", "gradcheck_at=x=[3,2]"]], ids=" ".join)
def test_lines_of_text_take_their_points_from_the_command_line(pytester: pytest.Pytester, asked: list[str]) -> None:
    files = {"programs.txt": "# two programs\nx[0]*x[1]\n\nsum(x)\n", "empty.txt": "# none\n"}
    result = project(pytester, files).runpytest_inprocess("-v", "--gradcheck", *asked)
    assert verdicts(result) == ["programs.txt::x[0]*x[1] PASSED", "programs.txt::sum(x) PASSED"]


@pytest.mark.parametrize("asked", [["--gradcheck-trust"], ["-o", "gradcheck_trust=true"]], ids=" ".join)
def test_points_come_from_files_only_with_trust(pytester: pytest.Pytester, asked: list[str]) -> None:
    files = {"a.toml": '[[check]]\nname = "read"\nexpression = "sum(x)"\nat = "x=@x.npy"\n'}
    numpy.save(project(pytester, files).path / "x.npy", numpy.array([1.0, 2.0]))
    refused = pytester.runpytest_inprocess("--gradcheck")
    refused.assert_outcomes(errors=1)
    said = report(refused, "ERROR collecting a.toml").splitlines()
    assert said[0] == "a.toml:4: a point of an expression file reads no other file"
    assert said[-1] == "allow it with --gradcheck-trust"
    pytester.runpytest_inprocess("--gradcheck", *asked).assert_outcomes(passed=1)


# --- which files ----------------------------------------------------------------------------------

BROKEN = '[[check]]\nname = "a"\nexpresion = "x"\n\n[[check]]\nname = "b"\nexpression = "2x"\nat = 1\n'


def test_a_mistake_in_a_file_is_an_error_of_the_collection_told_in_full(pytester: pytest.Pytester) -> None:
    result = project(pytester, {"expressions/bad.toml": BROKEN}).runpytest_inprocess("--gradcheck")
    assert report(result, "ERROR collecting expressions/bad.toml") == (
        "expressions/bad.toml:1: this check has no expression\n"
        "  [[check]]\n  ^^^^^^^^^\n"
        'add expression = "x**2"\n'
        "expressions/bad.toml:3: unknown key `expresion`\n"
        '  expresion = "x"\n  ^^^^^^^^^\n'
        "did you mean `expression`?\n"
        "expressions/bad.toml:7: a * is missing between 2 and x\n"
        "  2x\n  ^^\n"
        "write 2*x\n"
    )
    assert result.ret is pytest.ExitCode.INTERRUPTED


def test_files_that_are_not_meant_are_let_be_unless_they_are_named(pytester: pytest.Pytester) -> None:
    files = {"pyproject.toml": "[tool.pytest.ini_options]\n", "other.toml": "check = 1 +\n", "a.toml": LAB[:90]}
    project(pytester, files).runpytest_inprocess("--gradcheck").assert_outcomes(passed=1)
    named = pytester.runpytest_inprocess("--gradcheck", "other.toml")
    assert report(named, "ERROR collecting other.toml").startswith("other.toml:1: not valid TOML at column 11:")


def test_a_file_that_cannot_be_read_says_so(pytester: pytest.Pytester) -> None:
    (pytester.path / "bad.txt").write_bytes(b"x\n\xff\n")
    result = pytester.runpytest_inprocess("--gradcheck")
    text = "bad.txt: not UTF-8 text: line 2 holds the byte 0xff\n"
    assert report(result, "ERROR collecting bad.txt") == text


def test_the_configuration_says_which_files_are_meant(pytester: pytest.Pytester) -> None:
    project(pytester, {"expressions/a.txt": "x**2\n", "notes.txt": "buy milk\n"})
    asked = ("--gradcheck", "--gradcheck-at", "3", "-o", "gradcheck_files=expressions/*")
    pytester.runpytest_inprocess(*asked).assert_outcomes(passed=1)
    pytester.runpytest_inprocess(*asked, "notes.txt").assert_outcomes(errors=1)


# --- pytest's own options -------------------------------------------------------------------------


def test_names_select(lab: pytest.Pytester) -> None:
    lab.runpytest_inprocess("--gradcheck", "-k", "overflow").assert_outcomes(passed=1, failed=1, deselected=4)
    lab.runpytest_inprocess("--gradcheck", "expressions/lab.toml::log of x[0]").assert_outcomes(passed=1)


def test_the_first_failure_stops(lab: pytest.Pytester) -> None:
    lab.runpytest_inprocess("--gradcheck", "-x", "expressions").assert_outcomes(passed=1, failed=1)


def test_what_failed_last_runs_again_whatever_its_name(lab: pytest.Pytester) -> None:
    asked = ("--gradcheck", "--gradcheck-assert", "-v")
    failed = [line for line in verdicts(lab.runpytest_inprocess(*asked)) if line.endswith("FAILED")]
    assert verdicts(lab.runpytest_inprocess(*asked, "--lf")) == failed
    assert len(failed) == 2


def test_workers_of_xdist_share_the_checks(lab: pytest.Pytester) -> None:
    result = lab.runpytest_subprocess("--gradcheck", "-n", "2", "expressions", "--junitxml=report.xml")
    result.assert_outcomes(passed=4, failed=1)
    assert report(result, "overflow").partition("\n")[2] == OVERFLOW  # the first line names the worker
    assert properties(lab.path / "report.xml")["overflow"] == {"verdict": "disagree", "cause": "overflow"}


def properties(path: Path) -> dict[str | None, dict[str | None, str | None]]:
    """Return the properties of each case of an XML report."""
    cases = ElementTree.parse(path).iter("testcase")
    return {case.get("name"): {one.get("name"): one.get("value") for one in case.iter("property")} for case in cases}


def test_the_xml_tells_verdict_error_and_cause(lab: pytest.Pytester) -> None:
    lab.runpytest_inprocess("--gradcheck", "expressions", "--junitxml=report.xml")
    assert properties(lab.path / "report.xml") == {
        "square": {"verdict": "agree", "worst_ulps": "0.0"},
        "overflow": {"verdict": "disagree", "cause": "overflow"},
        "known overflow": {"verdict": "disagree", "cause": "overflow"},
        "log of x[0]": {"verdict": "undefined", "cause": "outside-domain"},
        "allowed": {"verdict": "undefined", "cause": "outside-domain"},
    }


def test_the_xml_fits_the_schema_but_for_the_properties_that_pytest_puts_there(lab: pytest.Pytester) -> None:
    lab.runpytest_inprocess("--gradcheck", "expressions", "--junitxml=report.xml")
    document = ElementTree.parse(lab.path / "report.xml")
    for case in document.iter("testcase"):
        for one in case.findall("properties"):
            case.remove(one)
    xmlschema.XMLSchema(SCHEMA).validate(document)
    failure = document.find(".//testcase[@name='overflow']/failure")
    assert failure is not None
    assert f"{failure.text}\n" == OVERFLOW


# --- unasked --------------------------------------------------------------------------------------

HEAVY = {"torch", "sympy", "flint", "numpy", "rich", "typer"}


def test_unasked_no_file_is_collected_and_nothing_is_loaded(lab: pytest.Pytester) -> None:
    code = f"import sys, pytest; pytest.main(['-q']); print(sorted(set(sys.modules) & {HEAVY!r}))"
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=lab.path)
    assert made.stdout.splitlines()[-2].startswith("1 passed")
    assert made.stdout.splitlines()[-1] == "[]"


# --- the fixture ----------------------------------------------------------------------------------

TESTS = """
import torch

def half(a, b):
    return torch.nn.functional.mse_loss(a, b) / 2

def own(a, b):
    return ((a - b)**2).mean()

def test_right(gradcheck):
    run = gradcheck("mse_loss(a, b)", a=[1, 2], b=[3, 5], under_test={"mse_loss": own}, dtype="float64,float32")
    assert len(run) == 2

def test_wrong(gradcheck):
    gradcheck("mse_loss(a, b)", a=[1, 2], b=[3, 5], wrt="a", under_test={"mse_loss": half})

def test_unreadable(gradcheck):
    gradcheck("2x", x=1)
"""


def test_the_fixture_checks_and_fails_at_the_line_of_the_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(TESTS)
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(passed=1, failed=2)
    name = "test_the_fixture_checks_and_fails_at_the_line_of_the_test.py"
    lines = report(result, "test_wrong").splitlines()
    assert lines[-1] == f"{name}:14: AssertionError"
    assert '>       gradcheck("mse_loss(a, b)", a=[1, 2]' in report(result, "test_wrong")
    printed = "\n".join(line[1:].removeprefix(" " * 7) for line in lines if line.startswith("E"))
    assert printed.startswith("AssertionError: disagree at a[0] = 1 in float32: autograd -1, exact -2: wrong-gradient")
    assert report(result, "test_unreadable").endswith(
        "E       gradcheck.errors.SyntaxProblem: a * is missing between 2 and x\n"
        "E         2x\nE         ^^\nE       write 2*x\n\n"
        f"{name}:17: SyntaxProblem\n"
    )


def test_the_fixture_prints_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(AssertionError) as failed:
        check_gradient("log(1 + exp(x))", x=100)
    run = gradcheck.case.check("log(1 + exp(x))", x=100)
    gradcheck.report.table.write(run, sys.stdout, View())
    headline = "disagree at x = 100 in float32: autograd nan, exact 1: overflow at exp(x)"
    assert f"{failed.value}\n" == f"{headline}\n\n{capsys.readouterr().out}"


PASSING: list[dict[str, Any]] = [
    {"program": "x**2", "x": 3},
    {"program": "x**2", "at": "x=3"},
    {"program": "x**2", "at": ["3"], "expect": "2*x", "ulps": 0},
    {"program": "x*y", "at": {"x": 3, "y": 2}, "wrt": "x", "expect": ["x=y"], "dtype": ["float64", "bfloat16"]},
    {"program": "log(x)", "x": -1, "assertion": False},
    {"program": "log(x)", "x": -1, "allow": "undefined"},
    {"program": "log(x)", "x": -1, "allow": ["undefined", "unstable"]},
    {"program": "sum(program)", "at": "randn(3)", "seed": 3, "nondet": 1},
]


@pytest.mark.parametrize("asked", PASSING, ids=str)
def test_the_fixture_takes_what_the_command_takes(asked: dict[str, Any]) -> None:
    run = check_gradient(asked["program"], **{key: value for key, value in asked.items() if key != "program"})
    assert isinstance(run, Run)
    assert run.passed


FAILING: list[tuple[dict[str, Any], str]] = [
    (
        {"program": "x**2", "x": 3, "expect": "3*x"},
        "disagree at x = 3 in float32: expected 9, exact 6: you wrote 3*x; the derivative is 2*x, "
        "1.5 times smaller here: the factor 2/3 is missing",
    ),
    ({"program": "log(x)", "x": -1}, "undefined at x = -1 in float32: outside-domain at log(x)"),
    ({"program": "1 + 1"}, "unchecked: the program has no input to differentiate by"),
]


@pytest.mark.parametrize(("asked", "headline"), FAILING, ids=str)
def test_the_fixture_fails_with_the_worst_in_the_first_line(asked: dict[str, Any], headline: str) -> None:
    with pytest.raises(AssertionError) as failed:
        check_gradient(asked["program"], **{key: value for key, value in asked.items() if key != "program"})
    assert str(failed.value).splitlines()[0] == headline
