"""Expression files: every key, every message whole, definitions, lines of places, and the published schema."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

import gradcheck
from gradcheck.blame import Cause
from gradcheck.corpus import Loaded, load, schema
from gradcheck.corpus.definitions import Definition, complete, expand, signature
from gradcheck.corpus.fields import CHECK
from gradcheck.corpus.places import places
from gradcheck.corpus.schema import SCHEMAS
from gradcheck.errors import Span
from gradcheck.points import parse_points
from gradcheck.settings import Settings
from gradcheck.settings.values import Real, point_texts
from gradcheck.suite import Check, Expectation, Problem, Written
from gradcheck.verdict import Verdict

SCHEMA = json.loads((Path(gradcheck.__file__).parent / "schema" / "expressions.schema.json").read_text("utf-8"))

Load = Callable[..., Loaded]


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Return a function that loads one text from a file of the working directory."""
    monkeypatch.chdir(tmp_path)

    def loading(text: str, name: str = "a.toml", **options: object) -> Loaded:
        Path(name).write_text(text, encoding="utf-8")
        return load([name], **options)  # type: ignore[arg-type]

    return loading


def only(found: Loaded) -> Check:
    """Return the one check of a file without problems."""
    assert found.problems == ()
    [check] = found.checks
    return check


def problems(found: Loaded) -> str:
    return "\n\n".join(found.problems)


# --- the format ---------------------------------------------------------------------------------

WHOLE = '''
[defaults]
dtype = ["float32", "float64"]
ulps = 8
source = "the manual"

[define]
"mush(x)" = "x*tanh(softplus(x))"

[[check]]
name = "polynomial"
expression = "2*x**4 + x**3 + 3*x**2 + 5*x + 1"
at = 2
expect = {value = 63, gradient = "8*x**3 + 3*x**2 + 6*x + 5"}

[[check]]
name = "layers"
expression = """
  y = 3*x + w   # a comment
  mean(y**2)
"""
at = {x = 0.1, w = "randn(2,3)"}
wrt = ["w", "x"]
dtype = "bfloat16"
device = "cpu"
ulps = 2.5
seed = 7
nondet = 3
allow = ["unstable", "undefined"]
timeout = 10
source = "a book"
why = "because"
[check.expect]
gradient.w = "2*(3*x+w)/6"
verdict = "kink"
cause = "overflow"

[[check]]
expression = "mush(x)"
at = [1, "x=2:3:4", -0.5]
'''


def test_a_file_says_all_that_the_command_line_says(loaded: Load) -> None:
    found = loaded(WHOLE)
    assert found.problems == ()
    common = Settings(dtypes=("float32", "float64"), ulps=8)
    assert found.checks == (
        Check(
            "polynomial", "2*x**4 + x**3 + 3*x**2 + 5*x + 1", ("2",),
            Settings(dtypes=("float32", "float64"), ulps=8, expect=("8*x**3 + 3*x**2 + 6*x + 5",)),
            "a.toml", 10, Expectation("63"), "the manual",
        ),
        Check(
            "layers", "\n  y = 3*x + w   # a comment\n  mean(y**2)\n".removeprefix("\n"), ("x=0.1", "w=randn(2,3)"),
            Settings(
                dtypes=("bfloat16",), device=("cpu",), ulps=2.5, wrt=("w", "x"), seed=7, nondet=3,
                allow=("unstable", "undefined"),
                expect=("w=2*(3*x+w)/6",),
            ),
            "a.toml", 16, Expectation(None, Verdict.KINK, Cause.OVERFLOW), "a book", "because", 10,
        ),
        Check("mush(x)", "(x*tanh(softplus(x)))", ("1", "x=2:3:4", "-0.5"), common, "a.toml", 38, source="the manual"),
    )  # fmt: skip


def test_what_a_file_leaves_out_the_command_line_gives(loaded: Load) -> None:
    base = Settings(dtypes=("float16",), seed=3, ulps=4)
    check = only(loaded('[[check]]\nexpression = "x*y"\nulps = 2', at=["x=1", "y=2"], settings=base))
    assert check.at == ("x=1", "y=2")
    assert check.settings == Settings(dtypes=("float16",), seed=3, ulps=2)
    own = only(loaded('[[check]]\nexpression = "x"\nat = 5', at=["x=1"]))
    assert own.at == ("5",)


def test_defaults_give_points_and_expectations_too(loaded: Load) -> None:
    found = loaded(
        '[defaults]\nat = 1\nexpect = {value = "x"}\n[[check]]\nexpression = "x"\n'
        '[[check]]\nexpression = "-x"\nat = 2\nexpect = {verdict = "agree"}'
    )
    assert [(check.at, check.expect) for check in found.checks] == [
        (("1",), Expectation("x")), (("2",), Expectation(None, Verdict.AGREE)),
    ]  # fmt: skip


WRITTEN = {
    '[[check]]\nexpression = "x**2"\nat = 1': (2, 15, 2, 19),
    "[[check]]\nname = 'a'\nat = 1\n  expression='x**2'": (4, 15, 4, 19),
    '[[check]]\nat = 1\nexpression = """\ny = x**2\ny*x"""': (3, 17, 5, 4),
    '[define]\n"sq(t)" = "t**2"\n[[check]]\nexpression = "sq(x)"\nat = 1': (4, 15, 4, 20),
}
"""Files, and the lines and columns of their expression."""


@pytest.mark.parametrize("text", WRITTEN)
def test_a_check_knows_where_its_expression_stands(text: str, loaded: Load) -> None:
    [check] = loaded(text).checks
    assert check.written is not None
    region = check.written.region()
    assert (region.line, region.column, region.end_line, region.end_column) == WRITTEN[text]


@pytest.mark.parametrize("text", WRITTEN)
def test_a_part_of_a_program_is_found_in_the_file_where_it_is_as_written(text: str, loaded: Load) -> None:
    [check] = loaded(text).checks
    assert check.written is not None
    at = check.program.find("x")
    region = check.written.region(check.program, Span(at, at + 1))
    if check.program.strip() in text:
        assert text.split("\n")[region.line - 1][region.column - 1 : region.end_column - 1] == "x"
    else:
        assert region == check.written.region()


def test_a_line_of_a_plain_text_is_its_expression(loaded: Load) -> None:
    [check] = loaded("# one\n\n  x**2\n", "a.txt", at=["1"]).checks
    assert check.written == Written("x**2", 3, 3)


IDS = {
    ("a.toml::one",): ["a.toml::one"],
    ("a.toml::two", "a.toml::one"): ["a.toml::one", "a.toml::two"],
    ("b.toml", "a.toml::x::y"): ["b.toml::x", "a.toml::x::y"],
    ("a.toml::one", "."): ["a.toml::one", "a.toml::two", "a.toml::x::y", "./b.toml::x"],
    ("./a.toml::one", "a.toml::two"): ["./a.toml::one", "./a.toml::two"],
}
"""Arguments, and the checks that they mean."""


@pytest.fixture
def two_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for file, names in {"a.toml": ("one", "two", "x::y"), "b.toml": ("x",)}.items():
        tables = "".join(f'[[check]]\nname = "{name}"\nexpression = "x"\nat = 1\n' for name in names)
        Path(file).write_text(tables, "utf-8")


@pytest.mark.usefixtures("two_files")
@pytest.mark.parametrize("paths", IDS)
def test_a_printed_id_names_its_check(paths: tuple[str, ...]) -> None:
    found = load(paths)
    assert (found.problems, [check.id for check in found.checks]) == ((), IDS[paths])


@pytest.mark.usefixtures("two_files")
def test_every_id_that_is_printed_can_be_passed_back() -> None:
    for check in load(["."]).checks:
        assert [one.id for one in load([check.id]).checks] == [check.id]


@pytest.mark.usefixtures("two_files")
@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("a.toml::ones", "a.toml: no check is called ones\ndid you mean `one`?"),
        ("a.toml::", "a.toml: no check is called \n--collect-only lists the checks"),
        ("c.toml::one", "c.toml::one: no such file or directory"),
        ("*.toml::one", "*.toml::one: no file matches"),
        (".::one", ".::one: no such file or directory"),
    ],
)
def test_an_id_that_means_no_check_is_a_problem(path: str, said: str) -> None:
    assert load([path]) == Loaded((), (Problem(said),))


def test_a_plain_text_has_one_program_a_line(loaded: Load) -> None:
    found = loaded("# two\n\nsin(x)\r\n  y = 2*x; y**2  # squared\n", "a.txt", at=["0.5"])
    assert found.problems == ()
    assert found.checks == (
        Check("sin(x)", "sin(x)", ("0.5",), Settings(), "a.txt", 3),
        Check("y = 2*x; y**2 # squared", "y = 2*x; y**2  # squared", ("0.5",), Settings(), "a.txt", 4),
    )


def test_a_check_without_a_name_is_called_by_its_expression(loaded: Load) -> None:
    names = ["name = 'x*x'\n", "", "", "name = 'x*x (2)'\n"]
    found = loaded("".join(f'[[check]]\n{name}expression = "x*x"\nat = 1\n' for name in names))
    assert [check.name for check in found.checks] == ["x*x", "x*x (3)", "x*x (4)", "x*x (2)"]
    long = only(loaded(f'[[check]]\nexpression = "{"+".join(["x"] * 50)}"\nat = 1\n'))
    assert long.name == "x+" * 28 + "x..."


def test_standard_input_is_toml_or_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    for text in ('[[check]]\nexpression = "x"\nat = 1', "# lines\nx\n"):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        check = only(load(["-", "-"], at=["1"]))
        assert (check.program, check.at, check.id) == ("x", ("1",), "-::x")
    monkeypatch.setattr(sys, "stdin", io.StringIO("x +"))
    assert problems(load(["-"], at=["1"])) == "-:1: this is no expression\n  x +\n    ^"


def test_loading_loads_neither_torch_nor_sympy_nor_flint(loaded: Load) -> None:
    assert loaded(WHOLE).problems == ()
    code = (
        "import sys; from gradcheck.corpus import load; load(['a.toml']);"
        "print(sorted(set(sys.modules) & {'torch', 'sympy', 'flint', 'rich', 'typer'}))"
    )
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert made.stdout == "[]\n"


# --- points -------------------------------------------------------------------------------------

POINTS: list[tuple[str, tuple[str, ...]]] = [
    ("2", ("2",)),
    ("0.1", ("0.1",)),
    ("1e-3", ("1e-3",)),
    ("-inf", ("-inf",)),
    ("1_000.5", ("1_000.5",)),
    ("0xff", ("255",)),
    ("1e400", ("1e400",)),
    ('"1,2,3"', ("1,2,3",)),
    ('"x=-2:2:9"', ("x=-2:2:9",)),
    ('"[1, 2]"', ("[1, 2]",)),
    ("[1, 2.50, '1/3']", ("1", "2.50", "1/3")),
    ("[[1, 2], [0.1, '1/3']]", ("[1,2]", "[0.1,1/3]")),
    ("{x = 2}", ("x=2",)),
    ("{x = [[1, 2], [3, 4e-3]]}", ("x=[[1,2],[3,4e-3]]",)),
    ("{x = '1,2'}", ("x=1,2",)),
    ("[{x = 1}, {x = [1, 2]}]", ("x=1", "x=[1,2]")),
]  # fmt: skip


@pytest.mark.parametrize(("written", "texts"), POINTS, ids=[written for written, _ in POINTS])
def test_points_become_the_texts_of_the_command_line(written: str, texts: tuple[str, ...], loaded: Load) -> None:
    assert only(loaded(f'[[check]]\nexpression = "sum(x)"\nat = {written}')).at == texts


def test_tables_of_points_may_be_tables_of_toml(loaded: Load) -> None:
    text = '[[check]]\nexpression = "x*y"\n[[check.at]]\nx = 1\ny = 2\n[[check.at]]\ny = 3\nx = 4\n'
    assert only(loaded(text)).at == ("x=1", "y=2", "y=3", "x=4")
    points = parse_points(("x=1", "y=2", "y=3", "x=4"), ["x", "y"])
    assert [(point["x"].text, point["y"].text) for point in points] == [("1", "2"), ("4", "3")]


def test_a_number_of_any_size_is_the_number_written(loaded: Load) -> None:
    digits = "1234567890" * 20
    found = only(loaded(f'[[check]]\nexpression = "x"\nat = {digits}'))
    assert parse_points(found.at, ["x"])[0]["x"].numbers == (Fraction(int(digits)),)
    huge = only(loaded(f'[[check]]\nexpression = "x"\nat = 0x{"f" * 1000}'))
    assert parse_points(huge.at, ["x"])[0]["x"].numbers == (Fraction(16**1000 - 1),)


NESTED = st.recursive(
    st.integers(-(10**30), 10**30) | st.decimals(-(10**9), 10**9, allow_nan=False).map(lambda n: Real(str(n))),
    lambda part: st.lists(part, min_size=2, max_size=2), max_leaves=8,
)  # fmt: skip


def exact(value: object) -> object:
    """Return nested lists of exact numbers."""
    if isinstance(value, list):
        return [exact(part) for part in value]
    return Fraction(value.text) if isinstance(value, Real) else Fraction(int(str(value)))


def shape(value: object) -> tuple[int, ...] | None:
    if not isinstance(value, list):
        return ()
    shapes = {shape(part) for part in value}
    return (len(value), *first) if len(shapes) == 1 and (first := shapes.pop()) is not None else None


@given(NESTED)
def test_nested_lists_lose_nothing(value: object) -> None:
    form = shape(value)
    if form is None:
        return
    [point] = parse_points(point_texts({"x": value}), ["x"])
    flat = np.array(exact(value), dtype=object).reshape(-1).tolist()
    assert (point["x"].shape, list(point["x"].numbers)) == (form, flat)


# --- what is wrong ------------------------------------------------------------------------------

HEAD = '[[check]]\nexpression = "x**2"\nat = 2\n'

MISTAKES: dict[str, str] = {
    # keys and types
    HEAD + 'nmae = "a"': "a.toml:4: unknown key `nmae`\n  nmae = \"a\"\n  ^^^^\ndid you mean `name`?",
    HEAD + '"a\\u001b[1m" = 1': (
        "a.toml:4: unknown key `a�[1m`\n  \"a\\u001b[1m\" = 1\n  ^^^^^^^^^^^^\n"
        "the keys here are name, expression, at, dtype, device, wrt, ulps, seed, allow, nondet, way, "
        "order, engine, cotangent, jacobian, boundaries, timeout, source, why, expect"
    ),
    "chekc = 1\n" + HEAD: "a.toml:1: unknown key `chekc`\n  chekc = 1\n  ^^^^^\ndid you mean `check`?",
    HEAD + "name = 3": "a.toml:4: expected a text, not a whole number\n  name = 3\n         ^",
    HEAD + "name = ' '": "a.toml:4: a name is one line of printable characters\n  name = ' '\n         ^^^",
    HEAD + f"name = '{'a' * 201}'": (
        f"a.toml:4: a name has at most 200 characters; this one has 201\n  name = '{'a' * 92}...\n         {'^' * 93}"
    ),
    HEAD + 'dtype = "float31"': (
        "a.toml:4: 'float31' is no dtype\n  dtype = \"float31\"\n          ^^^^^^^^^\ndid you mean `float32`?"
    ),
    HEAD + "dtype = []": "a.toml:4: this list is empty\n  dtype = []\n          ^^\nleave it out, or name one",
    HEAD + "dtype = [1]": "a.toml:4: expected a text, not a whole number\n  dtype = [1]\n          ^^^",
    HEAD + 'device = "gpu 1"': (
        "a.toml:4: a device is a word such as cpu, or cuda:0\n  device = \"gpu 1\"\n           ^^^^^^^"
    ),
    HEAD + 'wrt = "y"': (
        "a.toml:4: the program has no input y to differentiate by\n  wrt = \"y\"\n        ^^^\nchoose from x"
    ),
    HEAD + 'ulps = "8"': "a.toml:4: expected a number, not a text\n  ulps = \"8\"\n         ^^^",
    HEAD + "ulps = true": "a.toml:4: expected a number, not true or false\n  ulps = true\n         ^^^^",
    HEAD + "ulps = -0.5": "a.toml:4: a tolerance is a number of ULP, 0 or more\n  ulps = -0.5\n         ^^^^",
    HEAD + "ulps = nan": "a.toml:4: a tolerance is a number of ULP, 0 or more\n  ulps = nan\n         ^^^",
    HEAD + "seed = 1.5": "a.toml:4: expected a whole number, not 1.5\n  seed = 1.5\n         ^^^",
    HEAD + "seed = -1": (
        "a.toml:4: expected a whole number from 0 to 9,223,372,036,854,775,807\n  seed = -1\n         ^^"
    ),
    HEAD + "nondet = 1001": "a.toml:4: expected a whole number from 0 to 1,000\n  nondet = 1001\n           ^^^^",
    HEAD + "timeout = 0": (
        "a.toml:4: expected seconds, more than 0 and at most 86,400\n  timeout = 0\n            ^"
    ),
    HEAD + "timeout = 12:30:00": (
        "a.toml:4: expected a number, not a date or time\n  timeout = 12:30:00\n            ^^^^^^^^"
    ),
    HEAD + 'allow = "kinks"': (
        "a.toml:4: 'kinks' is no verdict\n  allow = \"kinks\"\n          ^^^^^^^\ndid you mean `kink`?"
    ),
    HEAD + "source = '" + "s" * 10_001 + "'": (
        f"a.toml:4: at most 10,000 characters; these are 10,001\n  source = '{'s' * 90}...\n           {'^' * 91}"
    ),
    HEAD + 'why = "a\\u0007"': (
        "a.toml:4: a text holds no control character such as U+0007\n  why = \"a\\u0007\"\n        ^^^^^^^^^"
    ),
    # expect
    HEAD + "expect = 3": "a.toml:4: expected a table, not a whole number\n  expect = 3\n           ^",
    HEAD + "expect = {valeu = 3}": (
        "a.toml:4: unknown key `valeu`\n  expect = {valeu = 3}\n           ^^^^^^^^^^^\ndid you mean `value`?"
    ),
    HEAD + "expect.gradient = [1]": (
        "a.toml:4: expected a number or a text, not a list\n  expect.gradient = [1]\n                    ^^^"
    ),
    HEAD + 'expect.gradient = "3*y"': (
        "a.toml:4: expect.gradient reads y, which is no input of the program\n"
        '  expect.gradient = "3*y"\n                    ^^^^^\nit has x'
    ),
    HEAD + "expect.gradient = {}": (
        "a.toml:4: this table is empty\n  expect.gradient = {}\n                    ^^\nwrite {x = \"2*x\"}"
    ),
    HEAD + "expect.gradient = {y = 1}": (
        "a.toml:4: expect.gradient names y, and the gradient is by x\n"
        "  expect.gradient = {y = 1}\n                    ^^^^^^^"
    ),
    '[[check]]\nexpression = "x*y"\nat = "x=1,y=2"\nexpect.gradient = "y"': (
        "a.toml:4: expect.gradient does not say which derivative it is: the program has 2 inputs\n"
        '  expect.gradient = "y"\n                    ^^^\n'
        'write expect.gradient = "x=...", or choose one with wrt = "x"'
    ),
    HEAD + 'expect.gradient = "2*("': (
        "a.toml:4: this ( is never closed\n  2*(\n    ^"
    ),
    HEAD + 'expect.value = "y"': (
        "a.toml:4: the value reads y, which is no input of the program\n"
        '  expect.value = "y"\n                 ^^^\nit has x'
    ),
    '[[check]]\nexpression = "x"\nat = "[1,2]"\nexpect.value = "cat([x,x])"': (
        'a.toml:4: the value is 4, and the output is 2\n  expect.value = "cat([x,x])"\n                 ^^^^^^^^^^^^'
    ),
    HEAD + '[check.expect]\nverdict = "disagreed"': (
        "a.toml:5: 'disagreed' is no verdict\n  verdict = \"disagreed\"\n            ^^^^^^^^^^^\n"
        "did you mean `disagree`?"
    ),
    HEAD + 'expect = {cause = "overflown"}': (
        "a.toml:4: 'overflown' is no cause\n"
        '  expect = {cause = "overflown"}\n           ^^^^^^^^^^^^^^^^^^^^^\ndid you mean `overflow`?'
    ),
    # names
    HEAD + 'name = "a"\n' + HEAD + 'name = "a"': (
        "a.toml:8: the check of line 1 has this name too\n  name = \"a\"\n         ^^^"
    ),
    # expressions
    '[[check]]\nname = "a"\nat = 2': (
        "a.toml:1: this check has no expression\n  [[check]]\n  ^^^^^^^^^\nadd expression = \"x**2\""
    ),
    '[[check]]\nexpression = ""\nat = 2': (
        "a.toml:2: the program is empty\n  expression = \"\"\n               ^^\n"
        'write an expression, as in expression = "x**2"'
    ),
    '[[check]]\nexpression = "2x"\nat = 2': (
        "a.toml:2: a * is missing between 2 and x\n  2x\n  ^^\nwrite 2*x"
    ),
    '[[check]]\nexpression = """\n\n  y = x\n  foo(y)*2\n"""\nat = 2': (
        "a.toml:5: unknown function `foo`\n  foo(y)*2\n  ^^^\ndid you mean `floor`?"
    ),
    "[[check]]\nexpression = '''y = x\n  # why\nz = y\nz +* y'''\nat = 2": (
        "a.toml:5: this is no expression\n  z +* y\n     ^"
    ),
    '[[check]]\nexpression = "2*3"': (
        "a.toml:2: the program has no input: there is nothing to differentiate by\n"
        '  expression = "2*3"\n               ^^^^^'
    ),
    '[[check]]\nexpression = "x @ w"\nat = {x = [[1,2]], w = [1,2,3]}': (
        "a.toml:2: cannot multiply 1 x 2 by 3: 2 against 3\n  x @ w\n  ^^^^^"
    ),
    # points
    '[[check]]\nexpression = "x*y"': (
        'a.toml:1: at which point? the program needs x and y\n  [[check]]\n  ^^^^^^^^^\nadd at = "x=2,y=2"'
    ),
    '[[check]]\nexpression = "x*y"\nat = "x=1"': (
        "a.toml:3: the program needs a point for x and y; missing: y\n  x=1\n  ^^^\nadd y=... to at"
    ),
    '[[check]]\nexpression = "x*y"\nat = 2': (
        "a.toml:3: a value for which input? the program needs x and y\n  2\n  ^\nwrite at = \"x=...,y=...\""
    ),
    '[[check]]\nexpression = "x"\nat = {x = "1 2"}': (
        "a.toml:3: cannot read `2` here: expected `,` or the end\n  x=1 2\n      ^"
    ),
    '[[check]]\nexpression = "x"\nat = []': "a.toml:3: an empty list is no point\n  at = []\n       ^^",
    '[[check]]\nexpression = "x"\nat = {}': "a.toml:3: an empty table is no point\n  at = {}\n       ^^",
    '[[check]]\nexpression = "x"\nat = true': (
        "a.toml:3: expected a number or a text, not true or false\n  at = true\n       ^^^^"
    ),
    '[[check]]\nexpression = "x"\nat = [2026-01-01]': (
        "a.toml:3: expected a number or a text, not a date or time\n  at = [2026-01-01]\n       ^^^^^^^^^^^^"
    ),
    '[[check]]\nexpression = "x"\nat = [{x = 1}, 2]': (
        "a.toml:3: a list of points is all tables, or none\n  at = [{x = 1}, 2]\n       ^^^^^^^^^^^^"
    ),
    '[[check]]\nexpression = "x*y"\nat = [{x = 1}, {y = 2}]': (
        "a.toml:3: the points of a list all give the same inputs\n  at = [{x = 1}, {y = 2}]\n       ^^^^^^^^^^^^^^^^^^"
    ),
    '[[check]]\nexpression = "x*y"\nat = {x = "1, y=2"}': (
        "a.toml:3: the value of an input has no `=`\n  at = {x = \"1, y=2\"}\n       ^^^^^^^^^^^^^^\n"
        "give each input its own key"
    ),
    '[[check]]\nexpression = "x"\nat = {"x=1,y" = 2}': (
        "a.toml:3: `x=1,y` is no name of an input\n  at = {\"x=1,y\" = 2}\n       ^^^^^^^^^^^^^"
    ),
    '[[check]]\nexpression = "x"\nat = {x = [[1], "2],[3"]}': (
        "a.toml:3: an element of a list is one number\n  at = {x = [[1], \"2],[3\"]}\n       ^^^^^^^^^^^^^^^^^^^^"
    ),
    f'[[check]]\nexpression = "x"\nat = {{x = {"[" * 17}1{"]" * 17}}}': (
        f"a.toml:3: a tensor has at most 16 dimensions\n  at = {{x = {'[' * 17}1{']' * 17}}}\n       {'^' * 41}"
    ),
    '[[check]]\nexpression = "x"\nat = {x = [[1,2],[3]]}': (
        "a.toml:3: ragged: one list has 2 elements, this one 1\n  x=[[1,2],[3]]\n           ^^^"
    ),
    # tables
    "check = 3": (
        "a.toml:1: check is a list of tables\n  check = 3\n  ^^^^^\nwrite [[check]] above the keys of each check"
    ),
    '[check]\nexpression = "x"': (
        "a.toml:1: check is a list of tables\n  [check]\n  ^^^^^^^\nwrite [[check]] above the keys of each check"
    ),
    "check = []": "a.toml:1: this file has no check\n  check = []\n          ^^\nbegin each check with [[check]]",
    "[defaults]\nulps = 3": (
        "a.toml:1: this file has no check\n  [defaults]\n  ^\nbegin each check with [[check]]"
    ),
    "defaults = 3\n" + HEAD: "a.toml:1: expected a table, not a whole number\n  defaults = 3\n             ^",
    '[defaults]\nname = "a"\n' + HEAD: (
        "a.toml:2: unknown key `name`\n  name = \"a\"\n  ^^^^\n"
        "the keys here are at, dtype, device, wrt, ulps, seed, allow, nondet, way, order, engine, cotangent, "
        "jacobian, boundaries, timeout, source, why, expect"
    ),
    "[defaults]\nulps = -1\n" + HEAD: (
        "a.toml:2: a tolerance is a number of ULP, 0 or more\n  ulps = -1\n         ^^"
    ),
    '[defaults]\nwrt = "y"\n' + HEAD: (
        "a.toml:3: the program has no input y to differentiate by\n  [[check]]\n  ^^^^^^^^^\nchoose from x"
    ),
    # not TOML
    "[[check]]\nexpression = x**2": (
        "a.toml:2: not valid TOML at column 14: invalid value\n  expression = x**2\n               ^\n"
        'a text stands in quotes: expression = "x**2"'
    ),
    '[[check]]\nexpression = "x': (
        "a.toml:2: not valid TOML at the end: unterminated string\n  expression = \"x\n                ^"
    ),
    HEAD + "at = 3": "a.toml:4: not valid TOML at the end: cannot overwrite a value\n  at = 3\n       ^",
    HEAD + f"seed = {'9' * 5000}": (
        f"a.toml:4: this whole number has too many digits\n  seed = {'9' * 93}...\n         {'^' * 93}\n"
        'write it as a text with an exponent: "1e5000"'
    ),
    # definitions
    '[define]\nmush = "x"\n' + HEAD: (
        "a.toml:2: a definition is a call and its expression\n  mush = \"x\"\n  ^^^^\n"
        'write "squareplus(x)" = "(x + sqrt(x**2 + 4))/2"'
    ),
    '[define]\n"sin(x)" = "x"\n' + HEAD: (
        'a.toml:2: sin is a word of the language already\n  "sin(x)" = "x"\n  ^^^^^^^^\n'
        "give the definition a name of its own"
    ),
    '[define]\n"f(x, x)" = "x"\n' + HEAD: (
        'a.toml:2: f has two arguments of the same name\n  "f(x, x)" = "x"\n  ^^^^^^^^^'
    ),
    '[define]\n"f(lambda)" = "x"\n' + HEAD: (
        "a.toml:2: `lambda` is a word of Python's own\n  \"f(lambda)\" = \"x\"\n  ^^^^^^^^^^^\ncall it lambda_"
    ),
    '[define]\n"f(x)" = "x"\n"f(y)" = "y"\n' + HEAD: (
        'a.toml:3: f is defined twice\n  "f(y)" = "y"\n  ^^^^^^'
    ),
    '[define]\n"f(x)" = 3\n' + HEAD: (
        'a.toml:2: expected a text, not a whole number\n  "f(x)" = 3\n           ^'
    ),
    '[define]\n"f(x)" = "x*y"\n' + HEAD: (
        "a.toml:2: f reads y, which is not among its arguments\n  x*y\n    ^\nit has x"
    ),
    '[define]\n"f(x)" = "y = x; y"\n' + HEAD: (
        "a.toml:2: a definition is one expression\n  y = x; y\n  ^^^^^^^^\ndefine its parts too"
    ),
    '[define]\n"f(x)" = """\n\n( g(x)\n  + foo(x))"""\n"g(x)" = "x"\n' + HEAD: (
        "a.toml:5: unknown function `foo`\n    + foo(x))\n      ^^^\ndid you mean `floor`?"
    ),
    '[define]\n"f(x)" = "g(x)"\n"g(x)" = "f(x) + 1"\n' + HEAD: (
        'a.toml:2: the definition of f uses itself\n  "f(x)" = "g(x)"\n           ^^^^^^\n\n'
        'a.toml:3: the definition of g uses itself\n  "g(x)" = "f(x) + 1"\n           ^^^^^^^^^^'
    ),
}  # fmt: skip


@pytest.mark.parametrize("text", MISTAKES, ids=lambda text: text[-40:])
def test_a_mistake_is_told_at_its_place(text: str, loaded: Load) -> None:
    assert problems(loaded(text)) == MISTAKES[text]


def test_every_mistake_of_a_file_is_told_at_once_and_the_rest_is_checked(loaded: Load) -> None:
    found = loaded(
        '[[check]]\nname = "a"\nexpression = "foo(x)"\nulps = -1\nx = 1\n\n'
        '[[check]]\nname = "b"\nexpression = "x"\nat = 1\n\n'
        '[[check]]\nname = "c"\nexpression = "x*y"\nwrt = "z"\nat = "x=1"\nexpect.value = "q"\n'
    )
    assert [check.name for check in found.checks] == ["b"]
    assert [text.split("\n")[0] for text in found.problems] == [
        "a.toml:3: unknown function `foo`",
        "a.toml:4: a tolerance is a number of ULP, 0 or more",
        "a.toml:5: unknown key `x`",
        "a.toml:15: the program has no input z to differentiate by",
        "a.toml:16: the program needs a point for x and y; missing: y",
    ]


def test_a_mistake_in_one_file_does_not_stop_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.toml").write_text("[[check]\n", "utf-8")
    Path("b.txt").write_text("2x\nx\n", "utf-8")
    Path("c.toml").write_text(HEAD, "utf-8")
    found = load(["a.toml", "missing.toml", "b.txt", "c.toml"], at=["1"])
    assert [check.id for check in found.checks] == ["b.txt::x", "c.toml::x**2"]
    assert [text.split("\n")[0] for text in found.problems] == [
        "a.toml:1: not valid TOML at column 8: expected ']]' at the end of an array declaration",
        "missing.toml: no such file or directory",
        "b.txt:1: a * is missing between 2 and x",
    ]


def test_lines_of_text_have_the_words_of_the_command_line(loaded: Load) -> None:
    assert problems(loaded("x*y", "a.txt", at=["x=1"])) == (
        "a.txt:1: the program needs a point for x and y; missing: y\n  x=1\n  ^^^\nadd --at y=..."
    )
    assert problems(loaded("# none\n", "a.txt")) == (
        "a.txt:1: this file has no program\n  # none\n  ^\nwrite one program a line"
    )


# --- definitions --------------------------------------------------------------------------------

DEFINED = """
"mush(x)" = "x*tanh(softplus(x))"
"half(a)" = "a/2  # of it"
"both(a, b)" = '''
  (half(a)
    - mush(b))'''
"ｔhird(θ)" = "θ/3"
"""

EXPANDED = {
    "mush(2*x)": "((2*x)*tanh(softplus(2*x)))",
    "1 - half(x)**2": "1 - (x/2)**2",
    "half(x - 1)": "((x - 1)/2)",
    "half(half(x)) # nested": "(((x/2))/2) # nested",
    "y = half(x); both(y, -x)": "y = (x/2); ((y/2)\n  - ((-x)*tanh(softplus(-x))))",
    "third(x) + θ": "(x/3) + θ",
    "half(x).sum()": "(x/2).sum()",
    "half*2": "half*2",
}


@pytest.mark.parametrize("text", EXPANDED)
def test_a_call_of_a_definition_is_written_out(text: str, loaded: Load) -> None:
    at = "x=1,θ=1" if "θ" in text else "1"
    found = loaded(f'[define]{DEFINED}[[check]]\nexpression = "{text}"\nat = "{at}"')
    assert only(found).program == EXPANDED[text]


def test_what_is_expected_may_call_definitions_too(loaded: Load) -> None:
    text = '[[check]]\nexpression = "x"\nat = 1\nexpect = {value = "half(x)", gradient = {x = "half(2)"}}'
    check = only(loaded(f"[define]{DEFINED}{text}"))
    assert check.expect == Expectation("(x/2)")
    assert check.settings.expect == ("x=((2)/2)",)


CALLS = {
    "mush(x, 2)": "mush takes 1 argument, not 2\n  mush(x, 2)\n  ^^^^^^^^^^\nwrite mush(x)",
    "1 + both(x)": "both takes 2 arguments, not 1\n  1 + both(x)\n      ^^^^^^^\nwrite both(a, b)",
    "mush(x=x)": "mush takes its arguments by place\n  mush(x=x)\n  ^^^^^^^^^\nwrite mush(x)",
    "mush(*x)": "mush takes its arguments by place\n  mush(*x)\n  ^^^^^^^^\nwrite mush(x)",
    "x + mush(foo(x))": "unknown function `foo`\n  x + mush(foo(x))\n      ^^^^^^^^^^^^\ndid you mean `floor`?",
    "mush(x > 0)": "a comparison is no number\n  mush(x > 0)\n  ^^^^^^^^^^^\nwrite where(condition, a, b)",
    "mush(x) + foo(x)": "unknown function `foo`\n  mush(x) + foo(x)\n            ^^^\ndid you mean `floor`?",
    "mush(f'{x}')": "a string is not part of the language\n  mush(f'{x}')\n       ^^^^^^",
}


@pytest.mark.parametrize("text", CALLS)
def test_a_wrong_call_of_a_definition_is_shown_in_the_users_text(text: str, loaded: Load) -> None:
    found = loaded(f'[define]{DEFINED}[[check]]\nexpression = "{text}"\nat = 1')
    assert problems(found) == f"a.toml:9: {CALLS[text]}"


def test_shapes_inside_of_a_definition_are_shown_at_the_call(loaded: Load) -> None:
    found = loaded('[define]\n"f(a, b)" = "a @ b"\n[[check]]\nexpression = "1 + f(x, x)"\nat = "[[1,2]]"')
    assert problems(found) == (
        "a.toml:4: cannot multiply 1 x 2 by 1 x 2: 2 columns on the left, 1 rows on the right\n"
        "  1 + f(x, x)\n      ^^^^^^^"
    )


def test_a_check_that_uses_a_wrong_definition_is_not_loaded(loaded: Load) -> None:
    found = loaded('[define]\n"f(x)" = "x*y"\n[[check]]\nexpression = "1 + f(x)"\nat = 1')
    assert found.checks == ()
    assert found.problems[1] == "a.toml:4: the definition of f is at fault\n  1 + f(x)\n      ^^^^"


def test_definitions_that_double_are_stopped_before_they_are_made(
    loaded: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gradcheck.parse.reader.MAX_NODES", 2_000)
    lines = ['"f0(x)" = "x + x"', *(f'"f{k}(x)" = "f{k - 1}(x) + f{k - 1}(x)"' for k in range(1, 60))]
    found = loaded("[define]\n" + "\n".join(lines) + '\n[[check]]\nexpression = "f59(x)"\nat = 1')
    assert found.checks == ()
    assert found.problems[0].startswith("a.toml:11: more than 2,000 operations (the limit MAX_NODES)\n")
    assert found.problems[1].startswith("a.toml:12: the definition of f9 is at fault\n")
    call = "f(" * 40 + "x" + ")" * 40
    nested = loaded(f'[define]\n"f(x)" = "x + x"\n[[check]]\nexpression = "{call}"\nat = 1')
    assert problems(nested).startswith(
        "a.toml:4: with all definitions written out this has more than 500,000 characters (the limit MAX_TEXT_LENGTH)\n"
    )


TERMS = st.recursive(
    st.sampled_from(["x", "y", "2", "0.5"]),
    lambda part: st.one_of(
        st.tuples(part, st.sampled_from([" + ", "*", " - ", "/"]), part).map("".join),
        part.map(lambda text: f"-{text}"),
        part.map(lambda text: f"({text})"),
        part.map(lambda text: f"f({text})"),
        st.tuples(part, part).map(lambda pair: f"g({pair[0]}, {pair[1]})"),
    ),
    max_leaves=12,
)
BODIES = {"f(a)": "a - 1", "g(a, b)": "b*a/(a - f(b))", "h(x)": "x"}


def python_value(text: str, functions: dict[str, object]) -> str:
    """Return the value as Python computes it, the oracle of what a call means."""
    try:
        return repr(eval(text, {"x": 3.7, "y": -0.3, **functions}))
    except ZeroDivisionError:
        return "division by zero"


@given(TERMS)
def test_writing_out_is_what_a_call_means(text: str) -> None:
    table: dict[str, Definition] = {}
    functions: dict[str, object] = {}
    for key, body in BODIES.items():
        announced = signature(key)
        table[announced.name] = complete(announced, body, table)
        functions[announced.name] = eval(f"lambda {', '.join(announced.args)}: {body}", functions)
    written = expand(text, table).text
    assert not {"f", "g"} & set(re.findall(r"\w+", written))
    assert python_value(written, {}) == python_value(text, functions)


# --- lines --------------------------------------------------------------------------------------

ADVERSARIAL = (
    r'''# [[check]] in a comment
[[check]] # and behind a header
name = "[[check]]\" # no comment" # a comment
expression = """
[[check]]
name = "not a key"
at = 3 \"""
x""""  # ends after a quote
'at' = 'C:\' # a literal
why = """"""
[check.expect] ; '''[:-2]
    + r"""
gradient . "x" = '''
[[check]]
'''
[[ check ]]
"na\u006de" = '''a'''''
list = [ # a list
  "]", ']', [1, 2], # ]
  {a = "}"},
]
check.x = 1
[[check.at]]
x=1
[[check.at]]
x.y=2 # end"""
)

PLACES = {
    ("check", 0): "[[check]]",
    ("check", 0, "name"): 'name = "[[check]]\\" # no comment"',
    ("check", 0, "at"): "'at' = 'C:\\'",
    ("check", 0, "why"): 'why = """"""',
    ("check", 0, "expect"): "[check.expect]",
    ("check", 0, "expect", "gradient"): "gradient . \"x\" = '''\n[[check]]\n'''",
    ("check", 0, "expect", "gradient", "x"): "gradient . \"x\" = '''\n[[check]]\n'''",
    ("check", 1): "[[ check ]]",
    ("check", 1, "name"): "\"na\\u006de\" = '''a'''''",
    ("check", 1, "list"): 'list = [ # a list\n  "]", \']\', [1, 2], # ]\n  {a = "}"},\n]',
    ("check", 1, "check"): "check.x = 1",
    ("check", 1, "check", "x"): "check.x = 1",
    ("check", 1, "at"): "[[check.at]]",
    ("check", 1, "at", 0): "[[check.at]]",
    ("check", 1, "at", 0, "x"): "x=1",
    ("check", 1, "at", 1): "[[check.at]]",
    ("check", 1, "at", 1, "x"): "x.y=2",
    ("check", 1, "at", 1, "x", "y"): "x.y=2",
    ("check",): "[[check]]",
}


def test_every_key_has_its_place_in_an_adversarial_text() -> None:
    found = places(ADVERSARIAL)
    tomllib.loads(ADVERSARIAL)
    shown = {
        key: ADVERSARIAL[place.key.start : (place.value or place.key).end]
        for key, place in found.items()
        if key != ("check", 0, "expression")
    }
    assert shown == PLACES
    place = found["check", 0, "expression"]
    assert place.value is not None
    assert ADVERSARIAL[place.value.start : place.value.end].startswith('"""\n[[check]]')
    assert ADVERSARIAL[place.value.start : place.value.end].endswith('x""""')


KEYS = st.sampled_from(["a", "b-1", '"c d"', "'e.f'", '"\\u0067"', "h"])
VALUES = st.recursive(
    st.sampled_from(["1", "1.5", "-inf", '"a # b"', "'[[x]]'", '"""a\n"b""" ""c"""', "'''\n= 1'''", "2026-01-01"]),
    lambda part: (
        st.lists(part, max_size=3).map(lambda parts: f"[{', '.join(parts)}]")
        | st.lists(part, max_size=3).map(lambda parts: "[ # [\n" + ",\n".join(parts) + "\n]")
        | st.lists(st.tuples(KEYS, part), max_size=2).map(
            lambda items: f"{{{', '.join(f'{k}={v}' for k, v in items)}}}"
        )
    ),
    max_leaves=5,
)
STATEMENTS = st.one_of(
    st.tuples(st.lists(KEYS, min_size=1, max_size=3), VALUES).map(
        lambda pair: f"{' . '.join(pair[0])} = {pair[1]} # x"
    ),
    st.lists(KEYS, min_size=1, max_size=3).map(lambda parts: f"[{'.'.join(parts)}]"),
    st.lists(KEYS, min_size=1, max_size=2).map(lambda parts: f"[[ {'.'.join(parts)} ]] # ]]"),
    st.sampled_from(["", "# [[a]]", "  # 'a"]),
)


def ways(value: object, way: tuple[str | int, ...] = ()) -> set[tuple[str | int, ...]]:
    """Return the way to every table, key and element of a document."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return {way} | {one for key, part in parts for one in ways(part, (*way, key))}


@given(st.lists(STATEMENTS, max_size=8).map("\n".join))
def test_every_place_is_the_place_of_a_key_that_tomllib_finds(text: str) -> None:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        places(text)
        return
    found = places(text)
    assert found.keys() <= ways(document)
    assert set(document) <= {key[0] for key in found}
    for way, place in found.items():
        if place.value is not None:
            statement = text[place.key.start : place.value.end]
            assert way[-1] in {one[-1] for one in ways(tomllib.loads(statement)) if one}


def test_a_text_that_ends_anywhere_is_scanned() -> None:
    for end in range(len(ADVERSARIAL)):
        assert places(ADVERSARIAL[:end]).keys() <= PLACES.keys() | {("check", 0, "expression")} or end
    assert places("") == {}
    assert places("a") == {}
    assert places("a=")["a",].key == Span(0, 1)


# --- the schema ---------------------------------------------------------------------------------

VALID = [
    "", 'name = "a"', "at = 0.5", 'at = "x=1"', "at = [1, '2', [3, 4]]", "at = {x = [[1, '1/3'], [2, 3]]}",
    "at = [{x = 1}, {x = '2'}]", 'dtype = "float64"', 'dtype = ["float16", "bfloat16"]', 'device = "cuda:0"',
    'wrt = "x"', 'wrt = ["x"]', "ulps = 0", "ulps = 1.5", "seed = 3", 'allow = "kink"', "allow = []", "nondet = 5",
    "timeout = 0.5", "expect = {}", "expect.value = 4", "expect.value = 'x**2'", "expect.gradient = '2*x'",
    "expect.gradient = {x = 4}", "expect.verdict = 'agree'", "expect.cause = 'pole'", 'source = "a"', 'why = "a\\nb"',
    "[defaults]\nulps = 3\nat = 1\nexpect = {value = 4}", '[define]\n"f(a, b_1)" = "a*b_1"\n"θ( x )" = "x"',
]  # fmt: skip
INVALID = [
    "name = 1", 'name = ""', 'name = " "', 'name = "a\\nb"', f'name = "{"a" * 201}"', "expression = 3", "at = []",
    "at = {}",
    "at = true", "at = [true]", "at = [{x = 1}, 2]", 'at = {"x y" = 1}', "at = {x = true}", 'at = {x = [[1], "[2]"]}',
    'dtype = "half"', "dtype = []", "dtype = 32", 'device = "a b"', "device = 0", "wrt = 1", "wrt = []", "ulps = -1",
    'ulps = "1"', "seed = -1", "seed = 1.5", "seed = 9223372036854775808", 'allow = "no"', "allow = [1]",
    "nondet = 1001", "timeout = 0", "timeout = 86401", "expect = 1", "expect.values = 1", "expect.value = [1]",
    "expect.gradient = {}", 'expect.gradient = {"x=" = 1}', "expect.gradient = {x = []}", 'expect.verdict = "right"',
    'expect.cause = "bug"', "source = 1", 'why = "\\u0000"', f'source = "{"a" * 10001}"', "nmae = 1",
    "[defaults]\nname = 'a'", "[defaults]\nulps = -1", "[other]\na = 1", '[define]\nf = "x"', '[define]\n"f(x)" = 3',
    '[define]\n"f()" = "1"', '[define]\n"1f(x)" = "x"', "[check]\nexpression = 'x'",
]  # fmt: skip


def document(extra: str) -> str:
    """Return a file of one check with ``extra`` in it, which may also be a table of the file."""
    if extra.startswith("[check]"):
        return extra
    if extra.startswith("["):
        return f"{extra}\n{HEAD}"
    at = "" if extra.startswith("at") else "at = 2\n"
    expression = "" if extra.startswith("expression") else 'expression = "sum(x**2)"\n'
    return f"[[check]]\n{expression}{at}{extra}"


@pytest.mark.parametrize("extra", VALID)
def test_what_the_schema_takes_loads(extra: str, loaded: Load) -> None:
    Draft202012Validator(SCHEMA).validate(tomllib.loads(document(extra)))
    assert problems(loaded(document(extra).replace("cuda:0", "cpu"))) == ""


@pytest.mark.parametrize("extra", INVALID)
def test_what_the_schema_refuses_does_not_load(extra: str, loaded: Load) -> None:
    assert not Draft202012Validator(SCHEMA).is_valid(tomllib.loads(document(extra)))
    found = loaded(document(extra))
    assert found.problems
    assert not found.checks or "[" in extra[:1]


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_published_schema_is_what_the_table_of_settings_says(name: str, request: pytest.FixtureRequest) -> None:
    """``python -m gradcheck.corpus.schema`` writes them, as --update-golden does."""
    made = SCHEMAS[name]()
    if request.config.getoption("--update-golden"):
        schema.path(name).write_text(f"{schema.text(made)}\n", "utf-8")
    assert schema.path(name).read_text("utf-8") == f"{schema.text(made)}\n"
    Draft202012Validator.check_schema(made)
    assert made["$id"] == f"urn:gradcheck:{name}:1"


def test_the_schema_describes_every_key() -> None:
    check = SCHEMA["properties"]["check"]["items"]["properties"]
    assert set(check) == {*CHECK, "expect"}
    for key, rule in {**check, **SCHEMA["$defs"]["expect"]["properties"]}.items():
        described = rule.get("description") or SCHEMA["$defs"][key].get("description")
        assert described.endswith("."), key
