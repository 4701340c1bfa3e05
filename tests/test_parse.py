"""Parsing: Python's own parser and fractions as oracles, whole texts of errors, limits, and no other exception ever."""

# ruff: noqa: E501 - one row for one error
from __future__ import annotations

import time
from contextlib import suppress
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gradcheck import functions
from gradcheck.errors import GradcheckError, LimitProblem
from gradcheck.functions import Composite
from gradcheck.functions.signatures import required
from gradcheck.lower import lower
from gradcheck.parse import parse
from gradcheck.points import to_value
from gradcheck.points.held import softened
from gradcheck.program import Call, Layer, Name, Node, Number, Program, call, postorder
from gradcheck.source import MAX_LITERAL_LENGTH, MAX_NESTING, MAX_TEXT_LENGTH
from oracles import assert_close, numbers
from strategies import Case, cases

SECONDS = 2.0
"""Processor time that any text may take."""


def structure(program: Program) -> list[object]:
    """Return all layers in postfix, wherever they stand in a text."""
    return [(layer.name, [word(part) for part in postorder(layer.expression)]) for layer in program.layers]


def word(part: Node) -> object:
    if isinstance(part, Call):
        return part.op, len(part.args), part.params
    return part.id if isinstance(part, Name) else part.value


# --- precedence: Python itself is the oracle ------------------------------------------------------------

MATRICES = {
    name: np.array([[Fraction(p, 4) for p in row] for row in rows], dtype=object)
    for name, rows in {"x": ((3, -5), (7, 2)), "y": ((-1, 6), (4, 9)), "z": ((8, 1), (-2, 11))}.items()
}


@st.composite
def operations(draw: st.DrawFn) -> str:
    """Draw operators between matrices with hardly any brackets: only precedence says what belongs together."""
    text = draw(operands())
    for _ in range(draw(st.integers(1, 6))):
        sign = draw(st.sampled_from([" + ", " - ", "*", "/", " @ "]))
        text = f"{text}{sign}{draw(operands())}"
        text = draw(st.sampled_from([text, text, text, f"({text})", f"-({text})"]))
    return text


@st.composite
def operands(draw: st.DrawFn) -> str:
    name = draw(st.sampled_from(sorted(MATRICES)))
    forms = ["{}", "{}", "-{}", "+{}", "--{}", "({})", "(3*{})", "{}.T", "-{}.T", "({} - 1)"]
    powers = ["", "", "**2", "**-1", "**2**2", "**-2**0"]
    return draw(st.sampled_from(forms)).format(name) + draw(st.sampled_from(powers))


@st.composite
def integer_operations(draw: st.DrawFn) -> str:
    """Draw operators between integers, ``%`` among them."""
    text = draw(st.sampled_from("xyz"))
    for _ in range(draw(st.integers(1, 5))):
        sign = draw(st.sampled_from([" + ", " - ", "*", " % ", " % "]))
        text = f"{text}{sign}{draw(st.sampled_from(['x', '-y', 'z', '(3*x)', 'y**2', '-x**2', '(z - 1)']))}"
        text = draw(st.sampled_from([text, text, f"({text})", f"-({text})"]))
    return text


@given(operations())
@example("-x**2")
@example("x - y - z")
@example("x/y/z*x")
@example("x*y @ z*x @ y")
@example("-x @ y")
@example("x + y.T**2**2*z")
def test_operators_mean_what_they_mean_in_python(text: str) -> None:
    try:
        wanted = eval(text, {"__builtins__": {}}, dict(MATRICES))
    except ZeroDivisionError:
        return
    program = parse(text)
    point = {name: MATRICES[name].astype(np.float64) for name in program.inputs}
    core = lower(program, dict.fromkeys(program.inputs, (2, 2)))
    assert_close(numbers(core, "out", point), [Fraction(one) for one in wanted.ravel()], text)


@given(integer_operations())
@example("-x % y")
@example("x % y*z")
@example("x*y % z")
@example("x - y % z**2")
@example("-(x % y)")
@example("x % (y % z)")
@example("-x**2 % -y")
def test_the_remainder_binds_and_rounds_as_in_python(text: str) -> None:
    """Between integers, whose quotients are whole or clearly are not."""
    point = {"x": 7, "y": -3, "z": 5}
    try:
        wanted = eval(text, {"__builtins__": {}}, dict(point))
    except ZeroDivisionError:
        return
    program = parse(text)
    assert structure(parse(str(program))) == structure(program)
    assert numbers(lower(program), "out", {name: np.array(float(point[name])) for name in program.inputs}) == [wanted]


@pytest.mark.parametrize("text", ["x < y", "x + 1 <= y*2", "-x > y**2", "(x < y) & (y >= x)", "(x == y) | (y != 2*x)"])
@pytest.mark.parametrize("x", [-2, 0, 1, 3])
@pytest.mark.parametrize("y", [-1, 0, 1, 4])
def test_comparisons_mean_what_they_mean_in_python(text: str, x: int, y: int) -> None:
    truth = eval(text, {"__builtins__": {}}, {"x": x, "y": y})
    program = parse(f"where({text}, x + 10, y - 10)")
    point = {"x": np.array(float(x)), "y": np.array(float(y))}
    assert numbers(lower(program), "out", point) == [x + 10 if truth else y - 10]


@given(st.integers(0, 10**30), st.integers(0, 40), st.sampled_from(["", "e3", "E-7", "e+12", "e-300"]))
def test_a_literal_is_the_decimal_written(digits: int, places: int, exponent: str) -> None:
    written = str(digits).rjust(places + 1, "0")
    text = (f"{written[:-places]}.{written[-places:]}" if places else str(digits)) + exponent
    assert value(text) == Fraction(text)


@pytest.mark.parametrize("text", ["0.1", ".5", "5.", "1_000.000_1", "1e-4000", "0x1F", "0b101", "1_0e1_0", "000.5"])
def test_literals_of_every_form(text: str) -> None:
    wanted = Fraction(int(text, 0)) if text[:2] in ("0x", "0b") else Fraction(text.replace("_", ""))
    assert value(text) == wanted


def value(text: str) -> Fraction:
    node = parse(text).layers[0].expression
    assert isinstance(node, Number)
    return node.value


# --- back to text ------------------------------------------------------------------------------------


@given(cases())
def test_a_program_prints_to_text_that_parses_back(case: Case) -> None:
    printed = str(case.program)
    assert structure(parse(printed)) == structure(case.program)
    assert str(parse(printed)) == printed


@given(operations())
def test_no_bracket_is_lost_or_needless(text: str) -> None:
    program = parse(text)
    printed = str(program)
    assert structure(parse(printed)) == structure(program)
    for k, sign in enumerate(printed):
        if sign == "(" and not (k and printed[k - 1].isalnum()):
            end = closing(printed, k)
            shorter = printed[:k] + printed[k + 1 : end] + printed[end + 1 :]
            assert not parses_to(shorter, structure(program)), f"{printed} needs no brackets at {k}"


SIDES = ("x > 1", "x == y", "~(x < 0)", "(x > 0) & (y <= 1)", "(x > 0) | (y != 1)", "x + 1 >= -y")


@pytest.mark.parametrize("sign", "&|")
@pytest.mark.parametrize(("left", "right"), list(product(SIDES, repeat=2)))
def test_conditions_print_to_text_that_parses_back(left: str, right: str, sign: str) -> None:
    program = parse(f"where(({left}) {sign} ({right}), x*y, 2)")
    assert structure(parse(str(program))) == structure(program)


def closing(text: str, start: int) -> int:
    depth = 0
    for k in range(start, len(text)):
        depth += (text[k] == "(") - (text[k] == ")")
        if depth == 0:
            return k
    raise AssertionError("unbalanced")


def parses_to(text: str, wanted: list[object]) -> bool:
    try:
        return structure(parse(text)) == wanted
    except GradcheckError:
        return False


@pytest.mark.parametrize(
    "value", [Fraction(2), Fraction(-2), Fraction(1, 3), Fraction(-1, 3), Fraction(1, 8192), Fraction(-1, 8192)]
)
@pytest.mark.parametrize("op", ["add", "sub", "mul", "div", "remainder", "pow"])
def test_a_constant_keeps_its_value_beside_any_operator(value: Fraction, op: str) -> None:
    """Lowering folds constants into numbers that nobody typed: negative ones and fractions need brackets."""
    for args in ((Number(value), Name("x")), (Name("x"), Number(value))):
        once = Program(("x",), (Layer("out", call(op, *args)),), ("out",))
        point = {"x": np.array(1.5)}
        try:
            wanted = numbers(lower(once), "out", point)
        except AssertionError:
            assert value < 0
            assert op == "pow"
            continue
        assert_close(numbers(lower(parse(str(once))), "out", point), wanted, str(once))


# --- names -------------------------------------------------------------------------------------------


def test_every_name_and_alias_of_the_table_can_be_called() -> None:
    names = functions.known_names()
    assert names
    strangers = [name for name in names if "unknown function" in str(problem_of(f"{name}()"))]
    assert not strangers


def problem_of(text: str) -> GradcheckError | None:
    try:
        parse(text)
    except GradcheckError as problem:
        return problem
    return None


@pytest.mark.parametrize(("alias", "name"), functions.ALIASES.items())
def test_an_alias_is_the_row_it_stands_for(alias: str, name: str) -> None:
    row = functions.lookup(name)
    assert row is not None
    args = ", ".join(["x"] * len(row.args))
    texts = [f"{name}({args})", f"where({name}({args}), 1, 0)", *getattr(row, "samples", ())]
    calls = [text for text in texts if f"{name}(" in text and problem_of(text) is None]
    assert calls
    for text in calls:
        assert structure(parse(text.replace(f"{name}(", f"{alias}("))) == structure(parse(text))


@pytest.mark.parametrize("name", ["I", "E", "N", "S", "Q", "O", "beta", "gamma", "zeta", "lambda_", "θ", "x_1", "_y"])
def test_an_input_may_have_any_identifier(name: str) -> None:
    assert parse(f"{name}**2 + 1").inputs == (name,)


def test_constants_are_inputs_where_they_have_a_point_or_a_layer() -> None:
    assert parse("pi*x*e").inputs == ("x",)
    assert parse("pi*x*e", bound=["pi"]).inputs == ("pi", "x")
    assert parse("e = 2*x; e + pi").inputs == ("x",)


def test_names_are_normalized_as_python_does() -> None:
    assert parse("𝐱**2 + ﬁ").inputs == ("x", "fi")


@pytest.mark.parametrize(("text", "column"), [("θ + foo(θ)", 4), ("𝐱*𝐱 + foo(𝐱)", 6), ("ﬁ = 2*x\né*foo(x)", 2)])
def test_the_caret_stands_under_the_place_beside_any_letters(text: str, column: int) -> None:
    with pytest.raises(GradcheckError) as problem:
        parse(text)
    *_, line, caret, _hint = str(problem.value).splitlines()
    assert line == f"  {text.splitlines()[-1]}"
    assert caret == " " * (2 + column) + "^^^"


@pytest.mark.parametrize("prefix", ["torch.", "F.", "torch.nn.functional.", "np.", "math.", "torch.special."])
def test_what_people_paste_in_front_of_a_function_is_dropped(prefix: str) -> None:
    assert structure(parse(f"{prefix}exp(x)")) == structure(parse("exp(x)"))


@pytest.mark.parametrize(
    ("method", "function"),
    [("x.sum(dim=0)", "sum(x, dim=0)"), ("(x + 1).mean()", "mean(x + 1)"), ("x.max()", "max(x)"), ("x.T", "T(x)"),
     ("torch.sort(x, descending=True).values[0]", "sort(x, descending=True)[0]"), ("x.sort().values", "sort(x)"),
     ("torch.sort(x)[0]", "sort(x)"), ("x.sort(dim=0)[0][1]", "sort(x, 0)[1]"),
     ("x.reshape(2, 3)", "reshape(x, (2, 3))"), ("x.clamp(min=0)", "clamp(x, min=0)"), ("max(x, y)", "x.max(y)")],
)  # fmt: skip
def test_methods_are_functions(method: str, function: str) -> None:
    assert structure(parse(method)) == structure(parse(function))


def test_statements_are_separated_by_semicolons_or_lines_and_comments_are_skipped() -> None:
    wanted = structure(parse("y = x + 1; y**2"))
    assert structure(parse("  y = x + 1  # a layer\n\n  y**2\n")) == wanted
    assert structure(parse("# first\ny = x + 1;\ny**2;")) == wanted


# --- errors: whole texts -------------------------------------------------------------------------------

ERRORS: dict[str, tuple[str, ...]] = {
    "": ("the program is empty", "write an expression, as in gradcheck 'x**2' --at 3"),
    " \n\t": ("the program is empty", "write an expression, as in gradcheck 'x**2' --at 3"),
    "# only words": ("the program is empty", "write an expression, as in gradcheck 'x**2' --at 3"),
    "(x + 1": ("this ( is never closed", "  (x + 1", "  ^"),
    "x + 1)": ("this ) closes nothing", "  x + 1)", "       ^"),
    "(x]": ("this ] closes nothing", "  (x]", "    ^"),
    "2x": ("a * is missing between 2 and x", "  2x", "  ^^", "write 2*x"),
    "1 + 3.5y": ("a * is missing between 3.5 and y", "  1 + 3.5y", "      ^^^^", "write 3.5*y"),
    "x y": ("something is missing between x and y", "  x y", "  ^^^", "write x*y"),
    "x^2": ("^ is no operator here", "  x^2", "   ^", "write ** for a power, as in x**2"),
    "sin x": ("something is missing between sin and x", "  sin x", "  ^^^^^", "write sin(x)"),
    "f(x) = x**2": (
        "no function can be defined here", "  f(x) = x**2", "  ^^^^^^^^^^^",
        "write x**2 alone: names that are never assigned are the inputs",
    ),
    "sofmax(x, 0)": ("unknown function `sofmax`", "  sofmax(x, 0)", "  ^^^^^^", "did you mean `softmax`?"),
    "f(x)": ("unknown function `f`", "  f(x)", "  ^", "write f*(...) for a product"),
    "x.qqqqq()": ("unknown function `qqqqq`", "  x.qqqqq()", "    ^^^^^", "`gradcheck functions` lists them all"),
    "softmax(x)": ("softmax needs dim", "  softmax(x)", "  ^^^^^^^^^^", "write softmax(..., dim=...)"),
    "sin()": ("sin needs x", "  sin()", "  ^^^^^", "write sin(x)"),
    "sin(x, y)": ("sin takes 1 argument, not 2", "  sin(x, y)", "         ^"),
    "sum(x, dims=0)": ("sum has no parameter `dims`", "  sum(x, dims=0)", "         ^^^^^^", "did you mean `dim`?"),
    "sum(x, foo=0)": ("sum has no parameter `foo`", "  sum(x, foo=0)", "         ^^^^^", "it takes x, dim, keepdim"),
    "sum(x, 0, dim=1)": ("sum got dim twice", "  sum(x, 0, dim=1)", "            ^^^^^"),
    "sum(x, dim=y)": ("this argument must be a constant", "  sum(x, dim=y)", "             ^",
                      "write the number itself, or y = 2 in a line before"),
    "norm(x, 'frob')": ('there is no p "frob"', "  norm(x, 'frob')", "          ^^^^^^", 'did you mean "fro"?'),
    "norm(x, p='most')": ('there is no p "most"', "  norm(x, p='most')", "            ^^^^^^", 'it is "fro"'),
    "sum(x, dim='fro')": ("a string is no number", "  sum(x, dim='fro')", "             ^^^^^"),
    "x[0.5]": ("an index is made of integers", "  x[0.5]", "    ^^^"),
    "cat(x)": ("cat joins a list of tensors", "  cat(x)", "      ^", "write cat([a, b], dim=0)"),
    "clamp(x)": ("clamp needs min or max", "  clamp(x)", "  ^^^^^^^^", "write clamp(x, min=0)"),
    "2(x)": ("2 is no function", "  2(x)", "  ^", "write 2*(...) for a product"),
    "(x + 1)(y)": ("this is no function", "  (x + 1)(y)", "   ^^^^^", "write * for a product"),
    "(lambda x: x)*2": ("a function is no number", "  (lambda x: x)*2", "   ^^^^^^^^^^^",
                        "give it a name, f = lambda x: ..., and call it"),
    "lambda*x": ("`lambda` is a word of Python's own and cannot be a name here", "  lambda*x", "  ^^^^^^", "call it lambda_"),
    "sum(x for x in y)": ("a loop goes over what is known before anything is computed", "  sum(x for x in y)", "                 ^",
                          "write range(3), or a list of what to go over: [x[0], x[1]]"),
    "{x for x in y}": ("a comprehension is not part of the language", "  {x for x in y}", "  ^^^^^^^^^^^^^^",
                       "it goes over what is known: [x[k] for k in range(3)]"),
    "for k in range(1001): y = x*k": ("the loops take more than 1,000 turns (the limit MAX_TURNS)", "  for k in range(1001): y = x*k", "           ^^^^^^^^^^^"),
    "def f(x): return foo(x)\nf(y)": ("unknown function `foo`", "  def f(x): return foo(x)", "                   ^^^", "did you mean `floor`?"),
    "for k in range(3): y = angle(x)*k": ("torch's `angle` is not in the table", "  for k in range(3): y = angle(x)*k", "                         ^^^^^",
                                          "write where(x < 0, pi, 0)"),
    "geqrf(x)": ("torch's `geqrf` is not in the table", "  geqrf(x)", "  ^^^^^",
                  "write its formula; `gradcheck functions` lists what there is"),
    "def f(x): return f(x - 1)\nf(y)": ("nested more than 100 deep (the limit MAX_NESTING)", "  def f(x): return f(x - 1)", "                   ^^^^^^^^",
                                        "name the parts as layers: y = ...; z = ..."),
    "def f(x): h = x\nf(y)": ("f returns nothing", "  def f(x): h = x", "  ^^^^^^^^^^^^^^^", "end it with return ..."),
    "f = lambda x: x**2\nf(x, y)": ("a lambda takes 1 argument, not 2", "  f(x, y)", "       ^"),
    "a, b = x, y, z\na": ("2 names for 3 values", "  a, b = x, y, z", "         ^^^^^^^"),
    "import torch": ("nothing is computed here", "  import torch", "  ^^^^^^^^^^^^", "end with an expression, as in x**2"),
    "(y := x)": (":= is not part of the language", "  (y := x)", "   ^^^^^^",
                 "write the layer as its own statement: y = ...; z = ..."),
    "x.shape": ("a shape is no number", "  x.shape", "  ^^^^^^^", "write x.shape[0] for one size"),
    "x.__class__": (".__class__ is not part of the language", "  x.__class__", "  ^^^^^^^^^^^",
                    "`.T`, `.mT`, `.H` and `.mH` are the only attributes"),
    "x.exp": (".exp is not part of the language", "  x.exp", "  ^^^^^", "write .exp() to call it"),
    "__import__('os')": ("unknown function `__import__`", "  __import__('os')", "  ^^^^^^^^^^",
                         "`gradcheck functions` lists them all"),
    "import os": ("os is no library that is read here", "  import os", "  ^^^^^^^^^", "leave this line out"),
    "__x + 1": ("__x is not part of the language", "  __x + 1", "  ^^^"),
    "x if x > 0 else y": ("`if` does not work on tensors", "  x if x > 0 else y", "  ^^^^^^^^^^^^^^^^^",
                          "write where(condition, a, b)"),
    "where(x > 0 and y > 0, x, y)": ("`and` and `or` do not work on tensors", "  where(x > 0 and y > 0, x, y)",
                                     "        ^^^^^^^^^^^^^^^", "write & and |, with brackets around each comparison"),
    "where(not x > 0, x, 0)": ("`not` does not work on tensors", "  where(not x > 0, x, 0)", "        ^^^^^^^^^",
                               "write ~ with brackets around the comparison"),
    "where(x & y, 1, 2)": ("& and | join comparisons, not numbers", "  where(x & y, 1, 2)", "        ^",
                           "put brackets around each comparison: (x > 0) & (x < 1)"),
    "where(x + 1, 1, 2)": ("a condition is needed here", "  where(x + 1, 1, 2)", "        ^^^^^",
                           "write a comparison, as in x > 0"),
    "where(x is y, x, y)": ("this comparison is not part of the language", "  where(x is y, x, y)", "        ^^^^^^",
                            "write <, <=, >, >=, == or !="),
    "x > 0": ("a comparison is no number", "  x > 0", "  ^^^^^", "write where(condition, a, b)"),
    "(x > 0) + 1": ("a comparison is no number", "  (x > 0) + 1", "   ^^^^^", "write where(condition, a, b)"),
    "'words'": ("a string is no number", "  'words'", "  ^^^^^^^"),
    "f'{x}'": ("a string is not part of the language", "  f'{x}'", "  ^^^^^^"),
    "True*x": ("a truth value is no number", "  True*x", "  ^^^^"),
    "None": ("None is no number", "  None", "  ^^^^"),
    "...": ("this is no number", "  ...", "  ^^^"),
    "2j*x": ("complex numbers are not part of the language", "  2j*x", "  ^^"),
    "nan*x": ("nan is no number of the language", "  nan*x", "  ^^^", "infinity is written inf"),
    "torch.sort(x)": ("sort returns several tensors", "  torch.sort(x)", "  ^^^^^^^^^^^^^",
                      "sort(...)[0] is values; or a, b = sort(...)"),
    "x // 2": ("// is no operator here", "  x // 2", "    ^^", "write floor(a/b)"),
    "x, y": ("a program has one output", "  x, y", "  ^^^^", "write one expression, or use stack or cat"),
    "[x, y]": ("a list stands for tensors only in cat and stack", "  [x, y]", "  ^^^^^^",
               "give tensors as inputs: --at 'x=[[1,2],[3,4]]'"),
    "x + 1; x": ("this value goes nowhere", "  x + 1; x", "  ^^^^^",
                 "give it a name: y = ..., or make it the last statement"),
    "y = x; y += 1; y": ("torch changes no input in place that it differentiates by", "  y = x; y += 1; y",
                         "         ^^^^^^", "write y = y + ..., which makes a new one"),
    "a = b = x": ("one statement assigns one name", "  a = b = x", "  ^", "write y = ...; z = ..."),
    "x = = 2": ("this is no expression", "  x = = 2", "      ^",
                "a statement is name = expression; a comparison is written == or <, inside where(...)"),
    "$x": ("this is no expression", "  $x", "  ^"),
    "y = x\nz = foo(y)\nz": ("unknown function `foo`", "  z = foo(y)", "      ^^^", "did you mean `floor`?"),
    "9**9**9**9": ("the constants of this expression grow beyond 100,000 bits (the limit MAX_CONSTANT_BITS)",
                   "  9**9**9**9", "     ^^^^^^^"),
    "(3*x)**1e9": ("the constants of this expression grow beyond 100,000 bits (the limit MAX_CONSTANT_BITS)",
                   "  (3*x)**1e9", "  ^^^^^^^^^^"),
    "1e99999*x": ("an exponent beyond 5,000 (the limit MAX_LITERAL_EXPONENT)", "  1e99999*x", "  ^^^^^^^"),
    "sum(x, dim=1e5000)": ("an argument of more than 1100 bits (the limit MAX_PARAM_BITS)", "  sum(x, dim=1e5000)",
                           "             ^^^^^^"),
    "x\0 + y": ("the text holds a character that no program can hold", "  x� + y", "   ^"),
    "x + \ud800": ("the text holds a character that no program can hold", "  x + �", "      ^"),
    "x + '\ud800'": ("the text holds a character that no program can hold", "  x + '�'", "       ^"),
}  # fmt: skip


WORDS = [(row, name) for row in functions.COMPOSITE.values() for name in row.words if row.words[name]]


def with_param(row: Composite, name: str, value: str) -> str:
    """Return a call of a row with one param, and with whatever else it demands."""
    further = [one for one in row.params if one in required(row.name) and one != name]
    named = [*(f"{one}={one}" for one in row.args[1:]), *(f"{one}=1" for one in further), f"{name}={value}"]
    call = f"{row.name}({', '.join([row.args[0], *named])})"
    return f"{call}[0]" if row.results else call


@pytest.mark.parametrize(("row", "name"), WORDS, ids=lambda one: getattr(one, "name", one))
def test_a_word_is_one_that_the_row_has_and_any_other_is_refused_at_its_place(row: Composite, name: str) -> None:
    words = [one for one in row.words[name] if isinstance(one, str)]
    for one in words:
        text = str(parse(with_param(row, name, f'"{one}"')))
        assert f"{name}='{one}'" in text
        assert structure(parse(text)) == structure(parse(with_param(row, name, repr(one))))
    for value, hint in ((f"{words[0]}e", f'did you mean "{words[0]}"?'), ("?", f'"{words[-1]}"')):
        with pytest.raises(GradcheckError) as problem:
            parse(with_param(row, name, repr(value)))
        message, source, caret, help_ = str(problem.value).splitlines()
        assert message == f'there is no {name} "{value}"'
        assert source[caret.index("^") : caret.rindex("^") + 1] == repr(value)
        assert help_.endswith(hint)
    if len(words) == len(row.words[name]):
        for value, hint in ((words[0], f'write "{words[0]}"'), ("1", f'"{words[-1]}"'), ("None", f'"{words[-1]}"')):
            with pytest.raises(GradcheckError, match=f"{name} is a word") as problem:
                parse(with_param(row, name, value))
            assert str(problem.value).endswith(hint)


@pytest.mark.parametrize("row", [row for row in functions.COMPOSITE.values() if row.soft], ids=lambda row: row.name)
def test_indices_that_are_computed_or_no_whole_numbers_are_a_tensor(row: Composite) -> None:
    """What is written, or held by an input, are indices; what an input holds is known at the point alone."""
    [slot] = row.indices

    def op(target: str, at: str = "1") -> str:
        text = f"{row.name}(x, {slot}={target})"
        program = softened(parse(text), {"t": to_value(at, "t"), "x": to_value("1", "x")})
        [layer] = program.layers
        assert isinstance(layer.expression, Call)
        assert structure(parse(str(program))) == structure(program)
        return layer.expression.op

    assert {op("1"), op("[0, -1]"), op("torch.tensor([[2]])"), op("t"), op("t", "[2,0]")} == {row.name}
    assert {op("softmax(t, 0)"), op("1*t"), op("t", "[0.5,0.5]"), op("t", "[0,inf]")} == {row.soft}


CHOSEN: dict[str, tuple[str, ...]] = {
    "max(x, dim=0)[0]": ("x.max(0)[0]", "x.max(0).values", "x.max(dim=0).values", "torch.max(x, 0)[0]", "torch.max(x, dim=0).values"),
    "min(x, dim=-1)[0]": ("x.min(-1).values", "torch.min(x, -1)[0]", "min(x, axis=-1)[0]"),
    "max(x, dim=1, keepdim=True)[0]": ("x.max(1, True).values", "torch.max(x, 1, keepdim=True)[0]"),
    "maximum(x, 0)": ("max(x, 0)", "max(x, 0.0)"),
    "maximum(x, 0)[0]": ("max(x, 0)[0]",),
    "amax(x)": ("x.max()", "torch.max(x)"),
    "maximum(x, y)": ("torch.max(x, y)", "x.max(y)"),
    "median(x)": ("x.median()", "torch.median(x)"),
    "median(x)[0]": ("x.median()[0]",),
    "median(x, dim=0)[0]": ("x.median(0).values", "torch.median(x, 0)[0]", "median(x, axis=0).values"),
    "aminmax(x)[1]": ("x.aminmax().max", "aminmax(x)[-1]"),
    "norm(x, p=-inf)": ("norm(x, p=float('-inf'))", "norm(x, -torch.inf)", "x.norm(p=-math.inf)"),
    "norm(x, p=inf)": ("norm(x, float('inf'))",),
    "einsum(x, y, equation='ij,jk')": ("einsum('ij,jk', x, y)", "einsum('ij,jk', [x, y])", "torch.einsum('ij,jk', x, y)"),
}  # fmt: skip


@pytest.mark.parametrize(("wanted", "text"), [(wanted, text) for wanted, texts in CHOSEN.items() for text in texts])
def test_a_result_is_chosen_as_in_torch_and_a_number_beside_a_tensor_is_a_dim_in_torch_s_own_calls(
    wanted: str, text: str
) -> None:
    assert structure(parse(text)) == structure(parse(wanted))


@pytest.mark.parametrize("text", ERRORS, ids=ascii)
def test_errors_say_what_is_wrong_where_and_what_to_write(text: str) -> None:
    with pytest.raises(GradcheckError) as problem:
        parse(text)
    assert str(problem.value) == "\n".join(ERRORS[text])


# --- limits ------------------------------------------------------------------------------------------

DEEP = "nested more than 100 deep (the limit MAX_NESTING)"
HUGE: dict[str, tuple[str, str]] = {
    "ten megabytes": (
        "x+" * 5_000_000 + "x", "the program has 10,000,001 characters; the limit (MAX_TEXT_LENGTH) is 500,000"
    ),
    "round brackets": ("(" * 100_000 + "x" + ")" * 100_000, DEEP),
    "square brackets": ("[" * 100_000 + "x" + "]" * 100_000, DEEP),
    "braces": ("{" * 100_000 + "x" + "}" * 100_000, DEEP),
    "opened only": ("(" * 100_000, DEEP),
    "calls": ("exp(" * 90_000 + "x" + ")" * 100_000, DEEP),
    "signs": ("-" * 100_000 + "x", DEEP),
    "inversions": ("~" * 100_000 + "x", DEEP),
    "powers": ("x**" * 100_000 + "x", DEEP),
    "a long sum": ("x+" * 200_000 + "x", DEEP),
    "methods": ("x" + ".exp()" * 80_000, DEEP),
    "more methods": ("x" + ".exp()" * 100_000, "the program has 600,001 characters; the limit (MAX_TEXT_LENGTH) is 500,000"),
    "indices": ("x" + "[0]" * 100_000, DEEP),
    "attributes": ("x" + ".T" * 100_000, "a number or name of 200,001 characters; the limit (MAX_LITERAL_LENGTH) is 1,000"),
    "comparisons": ("x<" * 100_000 + "x", DEEP),
    "a doubling function": (
        "def f0(x): return x + x\n" + "".join(f"def f{k}(x): return f{k - 1}(x) + f{k - 1}(x)\n" for k in range(1, 18)) + "f17(x)",
        "more than 100,000 operations (the limit MAX_NODES)",
    ),
    "loops in loops": (
        "y = x\n" + "".join("    " * k + f"for a{k} in range(999):\n" for k in range(9)) + "    " * 9 + "y = y*x",
        "the loops take more than 1,000 turns (the limit MAX_TURNS)",
    ),
    "a loop over a large body": (
        "y = x\nfor k in range(1000):\n" + "    y = y + x*x*x*x*x*x*x*x\n" * 100 + "y", "more than 100,000 operations (the limit MAX_NODES)",
    ),
    "a comprehension in a comprehension": (
        "y = " + "[" * 3 + "x" + " for k in range(999)]" * 3, "the loops take more than 1,000 turns (the limit MAX_TURNS)",
    ),
    "conditions that copy themselves": (
        "a = x > 0\n" + "a = a & a\n" * 40 + "where(a, x, 0)", "more than 100,000 operations (the limit MAX_NODES)",
    ),
    "lists that copy themselves": (
        "a = [x, x]\n" + "a = [*a, *a]\n" * 40 + "stack(a)", "more than 100,000 operations (the limit MAX_NODES)",
    ),
    "a large range": ("stack([x*k for k in range(10**18)])", "the loops take more than 1,000 turns (the limit MAX_TURNS)"),
    "a large arange": ("x*arange(10**12)", "a tensor of more than 10,000 numbers (the limit MAX_WRITTEN)"),
    "a large eye": ("x @ eye(10**6)", "a tensor of more than 10,000 numbers (the limit MAX_WRITTEN)"),
    "chains in chains": ("where(0 < " * 40 + "x" + " < 1, x, 0)" * 40, "more than 100,000 operations (the limit MAX_NODES)"),
    "a tuple of tuples": ("(" * 90 + "x" + ",)" * 90 + "\n", "a program has one output"),
    "arguments": ("max(" + "x," * 100_000 + "x)", "max takes 3 arguments, not 100001"),
    "tensors": ("cat([" + "x," * 100_000 + "x])", "more than 100,000 operations (the limit MAX_NODES)"),
    "digits": ("1" * 5_000, "a number or name of 5,000 characters; the limit (MAX_LITERAL_LENGTH) is 1,000"),
    "decimals": ("0." + "1" * 5_000, "a number or name of 5,002 characters; the limit (MAX_LITERAL_LENGTH) is 1,000"),
    "a name": ("x" * 5_000, "a number or name of 5,000 characters; the limit (MAX_LITERAL_LENGTH) is 1,000"),
    "a tower": ("2**" * 50 + "2", "the constants of this expression grow beyond 100,000 bits (the limit MAX_CONSTANT_BITS)"),
    "squares": (
        "*".join(["(3*x)**999"] * 100), "the constants of this expression grow beyond 100,000 bits (the limit MAX_CONSTANT_BITS)"
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", HUGE)
def test_a_huge_text_is_refused_by_a_named_limit_in_no_time(kind: str) -> None:
    text, message = HUGE[kind]
    start = time.process_time()
    with pytest.raises(GradcheckError) as problem:
        parse(text)
    assert time.process_time() - start < SECONDS
    assert problem.value.message == message
    assert len(str(problem.value)) < 500


def test_texts_just_within_the_limits_are_read() -> None:
    start = time.process_time()
    terms = 1_000
    wanted = ["x"] + ["x", "add"] * (terms - 1)
    parsed = parse("+".join(["x"] * terms)).layers[0].expression
    assert [
        part.op if isinstance(part, Call) else part.id for part in postorder(parsed) if not isinstance(part, Number)
    ] == wanted
    depth = MAX_NESTING - 1
    assert len(list(postorder(parse("exp(" * depth + "x" + ")" * depth).layers[0].expression))) == depth + 1
    assert value("1" * MAX_LITERAL_LENGTH) == int("1" * MAX_LITERAL_LENGTH)
    assert len(parse("\n".join(f"y{k} = x + {k}" for k in range(5_000))).layers) == 5_000
    assert len(parse("f = lambda x: x*x + x\n" + "f(" * 90 + "x" + ")" * 90).layers) == 90
    assert len(parse("y = x\nfor k in range(1000):\n    y = y*x + k\n").layers) == 1_001
    assert time.process_time() - start < SECONDS


def test_the_limit_of_a_text_is_the_one_it_names() -> None:
    parse("x + 1" + " " * (MAX_TEXT_LENGTH - 5))
    with pytest.raises(LimitProblem):
        parse("x + 1" + " " * (MAX_TEXT_LENGTH - 4))


# --- any text at all -----------------------------------------------------------------------------------

PIECES = [*"()[]{}+-*/@%^&|~<>=!,.:;'\"#\\$? \t\n\r\f\0_xyzθ𝐱e019", "**", "//", "==", ":=", "<=", "lambda ", " if ", " for ",
          " else ", " in ", "where(", "sum(", "dim=", "None", "True", "inf", "1e9", "0x", "1j", "'", '"""', "f'", "\ud800", "\u202e",
          "import ", "__class__", ".T", ".sum()", "async ", "yield ", "*x", "**x", "0.1", "\n  ", "match x:\n case "]  # fmt: skip


def only_a_problem_comes_out(text: str) -> None:
    problem = problem_of(text)
    if problem is None:
        program = parse(text)
        for nodes in (False, True):
            with suppress(GradcheckError):
                lower(program, nodes=nodes)
    else:
        assert problem.message
        assert all(sign.isprintable() or sign == "\n" for sign in str(problem)), str(problem)


@given(st.text())
def test_any_text_is_a_program_or_a_problem(text: str) -> None:
    only_a_problem_comes_out(text)


@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
def test_any_pieces_are_a_program_or_a_problem(text: str) -> None:
    only_a_problem_comes_out(text)


@given(cases(), st.data())
def test_any_slip_in_a_program_is_a_program_or_a_problem(case: Case, data: st.DataObject) -> None:
    text = str(case.program)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        cut = data.draw(st.integers(0, 3))
        text = text[:at] + data.draw(st.sampled_from(["", *PIECES])) + text[at + cut :]
    only_a_problem_comes_out(text)
