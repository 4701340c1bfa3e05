"""Printed formulas: every row prints; MathML read back as people read it has the same value; LaTeX compiles."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gradcheck import functions
from gradcheck.explanation.formulas import to_latex, to_mathml
from gradcheck.explanation.formulas.names import GREEK
from gradcheck.explanation.formulas.typeset import FORMS, FUNCTIONS
from gradcheck.explanation.shown import (
    AT,
    LETTER,
    LITERAL,
    OVER,
    POINT,
    QUOTIENT,
    D,
    at,
    derivative,
    letter,
    over,
    point,
    quotient,
)
from gradcheck.formats import Ball
from gradcheck.functions import COMPARISONS, COMPOSITE, CONDITIONS, ELEMENTWISE, HIDDEN, TENSOR, WHERE, Elementwise
from gradcheck.functions.rows import Sample
from gradcheck.lower import lower
from gradcheck.parse import parse
from gradcheck.program import Call, Layer, Name, Node, Number, Program, call, number, to_text
from oracles import CLOSE, NoNumber, enclosures, fraction
from table import ON_TENSORS, samples, texts

NAMES = ("x", "y", "theta", "loss", "w_1")
"""Inputs of all the kinds that are printed in their own way."""
HOSTILE = (
    r"\input{a}",
    "$x^$",
    "a&b<c>",
    "{",
    "}",
    "%",
    "中文",
    "μ",
    "x_",
    "__x",
    "a'b\"",
    "#1",
    "~",
    "^^41",
    "\x1b[31m",
    "]",
)
"""Names that no parser lets through, and that must not get through here either."""
MATHML = '<math xmlns="http://www.w3.org/1998/Math/MathML">{}</math>'


def formula(text: str) -> Node:
    return parse(text).layers[-1].expression


# --- whole texts ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("2*x**4+x**3+3*x**2+5*x+1", "2x^{4} + x^{3} + 3x^{2} + 5x + 1"),
        ("-x*y", r"-x\,y"),
        ("x*-y", r"x \cdot (-y)"),
        ("x - -y + -3*x", "x - (-y) + (-3x)"),
        ("-(x + y)", "-(x + y)"),
        ("x - (y - z)", "x - (y - z)"),
        ("2*3*x", r"2 \cdot 3x"),
        ("x*2", r"x \cdot 2"),
        ("x*(y + 1)", r"x \cdot (y + 1)"),
        ("2*(y + 1)", "2(y + 1)"),
        ("(x + 1)*(y + 1)", r"(x + 1)\,(y + 1)"),
        ("abs(x)*abs(y)", r"\lvert x \rvert \cdot \lvert y \rvert"),
        ("x/y/2", r"\frac{\frac{x}{y}}{2}"),
        ("(-x)**2 - x**2", "(-x)^{2} - x^{2}"),
        ("(x/y)**2", r"\left( \frac{x}{y} \right)^{2}"),
        ("x**(1/2) + x**-0.5", "x^{1/2} + x^{-1/2}"),
        ("(x**2)**3", "(x^{2})^{3}"),
        ("sin(x)**2 + sin(x)**-1", r"\sin^{2}(x) + (\sin(x))^{-1}"),
        ("sqrt(x + 1)**3 + rsqrt(x)", r"\sqrt{x + 1}^{3} + \frac{1}{\sqrt{x}}"),
        ("exp(-2*x) + exp(-x/2)", r"\mathrm{e}^{-2x} + \exp\left( \frac{-x}{2} \right)"),
        ("pi*e*alpha*loss*w_in*x1", r"\pi \,\mathrm{e}\,\alpha \,\mathrm{loss}\,w_{\mathrm{in}}\,\mathrm{x1}"),
        ("asin(x) + atan2(y, x)", r"\arcsin(x) + \operatorname{atan2}(y, x)"),
        ("maximum(x, floor(y))", r"\max(x, \lfloor y \rfloor)"),
        ("x % y * 3", r"(x \bmod y) \cdot 3"),
        ("0.5*x + 0.123456789*y", r"\frac{1}{2}\,x + 0.123456789y"),
        (
            "where((x > 0) & ~(y <= 1), -x, x/2)",
            r"\begin{cases} -x & x > 0 \land \lnot (y \le 1) \\ \frac{x}{2} & \mathrm{otherwise} \end{cases}",
        ),
        ("sum(x)*y + 2*sum(x*y)", r"\left( \sum x \right)\,y + 2\sum x\,y"),
        ("sum(x + y, dim=(0, 1), keepdim=True)", r"\sum_{\mathrm{dim}\,0, 1, \mathrm{keepdim}} (x + y)"),
        ("relu(x @ w)*h*2", r"\operatorname{relu}(x\,w) \odot h \cdot 2"),
        ("(x*y) @ w.T", r"(x \odot y)\,w^{\top}"),
        ("norm(x) + norm(x, p=3, dim=1)", r"\lVert x \rVert + \lVert x \rVert_{3, \mathrm{dim}\,1}"),
        ("softmax(x, dim=1)**2", r"(\operatorname{softmax}_{\mathrm{dim}\,1}(x))^{2}"),
        ("softplus(x, beta=2)", r"\operatorname{softplus}(x, \mathrm{beta} = 2)"),
        ("reshape(x, (3, 2))", r"\operatorname{reshape}_{3 \times 2}(x)"),
        ("permute(x, (2, 0, 1)) + permute(x, (1, 0))", r"\operatorname{permute}_{2, 0, 1}(x) + x^{\top}"),
        ("x[0, 1:3, ...] + y_1[-1]", r"x_{0, 1{:}3, \ldots} + {y_{1}}_{-1}"),
    ],
)  # fmt: skip
def test_latex_in_whole_texts(text: str, wanted: str) -> None:
    assert to_latex(formula(text)) == wanted


IJ = [letter("i"), letter("j")]
OWN = {QUOTIENT, LITERAL, LETTER, AT, OVER}
"""What only explanations write."""
POSITIVE = call("gt", Name("x"), number(0))


@pytest.mark.parametrize(
    ("node", "wanted"),
    [
        (call("mask", Name("x"), POSITIVE), r"\begin{cases} x & x > 0 \\ 0 & \mathrm{otherwise} \end{cases}"),
        (call("guard", Name("x"), POSITIVE, reason="domain"), "x"),
        (call("patch", Name("x"), POSITIVE, number(1)), "x"),
        (
            call("add_at", Name("ct"), key=(0, slice(1, None)), shape=(2, 3)),
            r"{\operatorname{add\_at}}_{0, 1{:}; 2 \times 3}(\mathrm{ct})",
        ),
        (derivative(Name("u"), "x"), r"\frac{du}{dx}"),
        (call("mul", Name("v"), derivative(formula("x + 1"), "x")), r"v\,\frac{d}{dx}\left[ x + 1 \right]"),
        (call("mul", number(2), call("pow", point(Fraction(2), "x", "2"), number(4))), r"2 \cdot (2)^{4}"),
        (point(Fraction(-1, 2), "x", "-0.5"), "-0.5"),
        (call("neg", point(Fraction(-1, 2), "x", "-0.5")), "-(-0.5)"),
        (call("sin", point(Fraction(2), "x", "2")), r"\sin(2)"),
        (call("square", point(Fraction(1, 10**7), "y", "1e-07")), r"(1 \cdot 10^{-7})^{2}"),
        (number(Fraction(-2, 3)), r"-\frac{2}{3}"),
        (call("pow", number(Fraction(3) * 10**90), number(2)), r"(3 \cdot 10^{90})^{2}"),
        (quotient(at("z", IJ), at("y", IJ)), r"\frac{dz_{i, j}}{dy_{i, j}}"),
        (quotient(Name("out"), Name("theta_1")), r"\frac{d\,\mathrm{out}}{d\theta_{1}}"),
        (quotient(Name("z"), Name("y"), partial=True), r"\frac{\partial z}{\partial y}"),
        (quotient(call("sum", Name("z")), Name("y")), r"\frac{d}{dy}\left[ \sum z \right]"),
        (over(["k"], at("z", [letter("k")])), r"\sum_{k} z_{k}"),
        (over(["k"], Name("z"), call("ne", letter("k"), letter("i")), "product"), r"\prod_{k \ne i} z"),
    ],
    ids=str,
)
def test_nodes_of_gradient_programs_and_explanations(node: Node, wanted: str) -> None:
    assert to_latex(node) == wanted


def test_names_are_printed_as_they_are_renamed() -> None:
    assert to_latex(formula("4*y + x"), lambda name: f"{name}[i, 0]") == "4y_{i, 0} + x_{i, 0}"


def test_mathml_in_a_whole_text() -> None:
    assert to_mathml(formula("-2*x[0]/sqrt(y)")) == (
        '<mfrac><mrow><mo form="prefix">−</mo><mn>2</mn><mo>\u2062</mo><msub><mi>x</mi><mn>0</mn></msub></mrow>'
        "<mrow><msqrt><mi>y</mi></msqrt></mrow></mfrac>"
    )


def test_a_long_chain_prints() -> None:
    """Deep expressions need no recursion."""
    node: Node = Name("x")
    for _ in range(3000):
        node = call("add", node, Name("y"))
    assert to_latex(node).count("+") == to_mathml(node).count("+") == 3000


# --- every row ------------------------------------------------------------------------------------


def every_node() -> list[Node]:
    """Return one call of every operation, and every sample of the tensor and composite rows."""
    rows: list[Node] = [call(one.name, *map(Name, one.args)) for one in ELEMENTWISE.values()]
    rows += [call(one.name, *map(Name, one.args)) for one in CONDITIONS.values()]
    choices: list[Node] = [formula("where(x > 0, x, y)"), formula("detach(x)"), formula("pi*e")]
    hidden: list[Node] = [
        call("mask", Name("x"), call("lt", Name("x"), number(0))),
        call("add_at", Name("x"), key=(0,), shape=(3,)), derivative(formula("x*y"), "x"), point(Fraction(1), "x", "1"),
    ]  # fmt: skip
    return [*rows, *choices, *hidden, *(formula(text) for one in ON_TENSORS for text in one.samples)]


@pytest.mark.parametrize("node", every_node(), ids=to_text)
def test_every_operation_prints(node: Node) -> None:
    """The two notations show the same names and numbers, and both are well formed."""
    latex, mathml = to_latex(node), to_mathml(node)
    assert_balanced(latex)
    tree = ElementTree.fromstring(MATHML.format(mathml))
    shown = [text for one in tree.iter() if one.tag.endswith(("}mi", "}mn")) and (text := one.text)]
    plain = latex.replace(r"\_", "_")
    assert all(text in plain or text in GREEK.values() for text in shown)


@pytest.mark.parametrize("text", texts())
def test_every_sample_shows_all_its_names(text: str) -> None:
    node = formula(text)
    found = re.findall(r"<mi[^>]*>(\w+)</mi>", to_mathml(node))
    assert set(parse(text).inputs) <= set(found)


def test_the_marks_are_operations_of_the_table() -> None:
    known = {*ELEMENTWISE, *TENSOR, *COMPOSITE, *CONDITIONS, *HIDDEN, WHERE, *functions.CONSTANTS, D, POINT, *OWN}
    assert set(FORMS) | set(FUNCTIONS) <= known


def assert_balanced(latex: str) -> None:
    depth = 0
    for brace in re.findall(r"(?<!\\)[{}]", latex):
        depth += 1 if brace == "{" else -1
        assert depth >= 0, latex
    assert depth == 0, latex
    assert latex.count(r"\left") == latex.count(r"\right"), latex


# --- hostile names --------------------------------------------------------------------------------


@pytest.mark.parametrize("text", HOSTILE)
def test_no_name_is_markup(text: str) -> None:
    node = call("mul", Name(text), call(text, Name(text), approximate=text))
    assert_balanced(to_latex(node))
    assert to_latex(node).isascii()
    ElementTree.fromstring(MATHML.format(to_mathml(node)))


@given(st.text(min_size=1, max_size=8))
def test_no_text_at_all_is_markup(text: str) -> None:
    ElementTree.fromstring(MATHML.format(to_mathml(call(text, Name(text), dim=text))))
    assert_balanced(to_latex(call(text, Name(text), dim=text)))


# --- LaTeX itself ---------------------------------------------------------------------------------


def compiled(source: str, folder: Path) -> str:
    """Return the log of a document that LaTeX has made without an error."""
    (folder / "formulas.tex").write_text(source, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "formulas.tex"]
    made = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", check=False)
    assert made.returncode == 0, made.stdout[-3000:]
    return made.stdout


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX is installed")
def test_latex_takes_every_formula(tmp_path: Path) -> None:
    hostile = [call("mul", Name(text), call(text, Name(text), dim=text)) for text in HOSTILE]
    lines = "\n".join(f"\\[ {to_latex(node)} \\]" for node in (*every_node(), *map(Name, GREEK), *hostile))
    head = "\\documentclass{article}\n\\usepackage{amsmath}\n\\begin{document}\n"
    assert "Missing character" not in compiled(f"{head}{lines}\n\\end{{document}}\n", tmp_path)


# --- the oracle: MathML read back as people read it -----------------------------------------------

APPLIED = {printed: name for name, printed in FUNCTIONS.items() if not name.startswith("am")}
OF_FENCES = {"|": "abs", "⌊": "floor", "⌈": "ceil"}
RELATIONS = {"<": "lt", "≤": "le", ">": "gt", "≥": "ge", "=": "eq", "≠": "ne"}
INFIX: tuple[dict[str, str], ...] = (
    {"∨": "logical_or"}, {"∧": "logical_and"}, RELATIONS,
    {"+": "add", "−": "sub"}, {"mod": "remainder"}, {"·": "mul", "⊙": "mul"},
)  # fmt: skip
"""Signs between operands, loosest first."""
PRODUCTS = len(INFIX) - 1
UNSEEN = {"\u2062"}
"""What people cannot see: the reader does not look at it either."""


@dataclass
class Reader:
    """Reads the elements of one row from left to right, by the precedence that mathematics has."""

    row: list[ElementTree.Element]

    def all(self) -> Node:
        node = self.infix(0)
        assert not self.row, f"left over: {sign(self.row[0])}"
        return node

    def infix(self, level: int) -> Node:
        if level > PRODUCTS:
            return self.factor()
        negative = level == PRODUCTS and self.takes({"−"})
        node = self.infix(level + 1)
        while self.row:
            here = sign(self.row[0])
            if here in INFIX[level]:
                self.row.pop(0)
                node = call(INFIX[level][here], node, self.infix(level + 1))
            elif level == PRODUCTS and here not in {key for signs in INFIX for key in signs} | {",", ";"}:
                assert self.row[0].tag not in ("mn",), "a number after a factor reads as one number or an exponent"
                node = call("mul", node, self.infix(level + 1))
            else:
                break
        return call("neg", node) if negative else node

    def takes(self, signs: set[str]) -> bool:
        found = bool(self.row) and sign(self.row[0]) in signs
        if found:
            self.row.pop(0)
        return found

    def factor(self) -> Node:
        if self.takes({"¬"}):
            return call("logical_not", self.factor())
        element = self.row.pop(0)
        if element.tag == "mn":
            assert not (self.row and self.row[0].tag in ("mn", "mfrac")), "a mixed number"
            return Number(Fraction(element.text or ""))
        called = element.tag == "mi" or (element.tag == "msup" and function(element[0]) in ELEMENTWISE)
        if called and self.row and is_fence(self.row[0], "("):
            return applied(element, self.row.pop(0))
        return READERS[element.tag](element)


def sign(element: ElementTree.Element) -> str:
    return (element.text or "") if element.tag in ("mo", "mi") else ""


def children(element: ElementTree.Element) -> list[ElementTree.Element]:
    return [one for one in element if sign(one) not in UNSEEN]


def is_fence(element: ElementTree.Element, left: str) -> bool:
    return (
        element.tag == "mrow" and len(element) > 0 and element[0].get("form") == "prefix" and sign(element[0]) == left
    )


def read(element: ElementTree.Element) -> Node:
    """Return what one element stands for."""
    return Reader([element]).all()


def row(element: ElementTree.Element) -> Node:
    """Read a row: a fence, a choice, or just elements after each other."""
    inner = children(element)
    for left, op in OF_FENCES.items():
        if is_fence(element, left):
            return call(op, Reader(inner[1:-1]).all())
    if is_fence(element, "("):
        return Reader(inner[1:-1]).all()
    if sign(inner[0]) == "{":
        [[yes, condition], [no, _]] = inner[1]
        return call(WHERE, Reader(children(condition)).all(), Reader(children(yes)).all(), Reader(children(no)).all())
    return Reader(inner).all()


def function(element: ElementTree.Element) -> str:
    text = element.text or ""
    return APPLIED.get(text, text)


def applied(element: ElementTree.Element, arguments: ElementTree.Element) -> Node:
    """Read a function of arguments between commas; an exponent at its name is one of its value."""
    split: list[list[ElementTree.Element]] = [[]]
    for one in children(arguments)[1:-1]:
        split.append([]) if sign(one) == "," else split[-1].append(one)
    args = [Reader(part).all() for part in split]
    if element.tag == "msup":
        return call("pow", call(function(element[0]), *args), read(element[1]))
    return call(function(element), *args)


def power(element: ElementTree.Element) -> Node:
    base, exponent = element
    inner = children(exponent) if exponent.tag == "mrow" else [exponent]
    slash = [k for k, one in enumerate(inner) if sign(one) == "/"]
    if slash:
        above, below = Reader(inner[: slash[0]]).all(), Reader(inner[slash[0] + 1 :]).all()
        return call("pow", read(base), call("div", above, below))
    return call("pow", read(base), Reader(inner).all())


def named(element: ElementTree.Element) -> Node:
    text = element.text or ""
    if text in ("π", "∞") or element.get("mathvariant"):
        return call({"π": "pi", "∞": "inf"}.get(text, text))
    return Name({letter: word for word, letter in GREEK.items()}.get(text, text))


READERS: dict[str, Callable[[ElementTree.Element], Node]] = {
    "mi": named,
    "mrow": row,
    "msup": power,
    "mfrac": lambda element: call("div", read(element[0]), read(element[1])),
    "msqrt": lambda element: call("sqrt", Reader(children(element)).all()),
    "msub": lambda element: Name("_".join(one.text or "" for one in element)),
}


def read_back(node: Node) -> Node:
    tree = ElementTree.fromstring(f"<math>{to_mathml(node)}</math>")
    return Reader(children(tree)).all()


def values(node: Node, at: tuple[float, ...]) -> list[Ball | str | None]:
    core = lower(Program(NAMES, (Layer("out", node),), ("out",)))
    return enclosures(core, "out", {name: np.array(value) for name, value in zip(NAMES, at, strict=True)}, 200)


def same(node: Node, at: tuple[float, ...]) -> bool:
    """Return whether the value of a formula is known; the formula read back must have the same."""
    back = read_back(node)
    [wanted], [found] = values(node, at), values(back, at)
    if not isinstance(wanted, Ball):
        return False
    assert isinstance(found, Ball)
    try:
        right = fraction(wanted)
    except NoNumber:
        return False
    near = abs(right - fraction(found)) <= CLOSE * max(Fraction(1), abs(right))
    assert near, f"{to_text(node)} reads as {to_text(back)}"
    return True


CONSTANTS: list[Node] = [
    number(0),
    number(3),
    number(-2),
    number(Fraction(1, 2)),
    number(Fraction(-2, 3)),
    call("pi"),
    call("e"),
    call("inf"),
]
LEAVES: st.SearchStrategy[Node] = st.one_of(st.sampled_from(NAMES).map(Name), st.sampled_from(CONSTANTS))
ARITHMETIC = ("neg", "add", "sub", "mul", "div", "pow", "square", "abs", "sqrt", "exp", "sin")
"""Operations that are drawn more often than others: they are where the brackets are."""
NESTED = (*ARITHMETIC, "remainder", "maximum")


def grown(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    ops = st.one_of(st.sampled_from(ARITHMETIC), st.sampled_from(sorted(ELEMENTWISE)))
    calls = ops.flatmap(lambda op: st.tuples(*[inner] * len(ELEMENTWISE[op].args)).map(lambda args: Call(op, args)))
    compared = st.builds(call, st.sampled_from(sorted(COMPARISONS)), inner, inner)
    logic = st.builds(call, st.sampled_from(["logical_and", "logical_or"]), compared, compared)
    conditions = st.one_of(compared, logic, logic.map(lambda one: call("logical_not", one)))
    return st.one_of(calls, calls, st.builds(call, st.just(WHERE), conditions, inner, inner))


FORMULAS: st.SearchStrategy[Node] = st.recursive(LEAVES, grown, max_leaves=8)
POINTS = st.tuples(*[st.integers(1, 200).map(lambda k: k / 64)] * len(NAMES))


@given(FORMULAS, POINTS)
def test_people_read_the_value_that_was_meant(node: Node, at: tuple[float, ...]) -> None:
    assume(same(node, at))


@pytest.mark.parametrize(("row", "sample"), samples())
def test_every_elementwise_row_is_read_back(row: Elementwise, sample: Sample) -> None:
    """By itself, and within every operation that might need brackets around it."""
    at = (*(float(Fraction(one)) for one in sample), *[1.5] * (len(NAMES) - len(sample)))
    node, last = call(row.name, *map(Name, NAMES[: len(row.args)])), Name(NAMES[-1])
    assert same(node, at)
    assert same(call("neg", node), at)
    for op in ("add", "sub", "mul", "div", "pow"):
        same(call(op, node, last), at)
        same(call(op, last, node), at)


@pytest.mark.parametrize("outer", NESTED)
@pytest.mark.parametrize("inner", NESTED)
def test_brackets_stand_where_they_are_needed(outer: str, inner: str) -> None:
    """Every pair of operations, each argument in turn, next to every kind of leaf."""
    known = 0
    leaves: list[Node] = [Name("x"), Name("loss"), Name("w_1"), *CONSTANTS[1:]]
    for leaf in leaves:
        part = call(inner, *(leaf, Name("theta"))[: len(ELEMENTWISE[inner].args)])
        pairs: list[tuple[Node, ...]] = [(part, leaf), (leaf, part), (part, part)]
        others = pairs if len(ELEMENTWISE[outer].args) == 2 else [(part,)]
        known += sum(same(call(outer, *args), (0.3, 0.75, 0.9, 2.5, 1.5)) for args in others)
    assert known


@pytest.mark.parametrize(
    ("text", "brackets"),
    [
        ("-(x*y)", 0), ("(x*y)/(x + y)", 0), ("x + y*z - x/(y + 1)", 0), ("(x + y)*z", 1), ("2*sin(x)*cos(y)", 2),
        ("exp(x)*y**(x + 1)", 0), ("(x**y)*z", 0), ("abs(x + y)**2", 0), ("sqrt(x + y)*y", 0), ("y*sum(x*y)", 0),
    ],
)  # fmt: skip
def test_there_are_no_brackets_without_need(text: str, brackets: int) -> None:
    assert to_latex(formula(text)).count("(") == brackets
