"""Explanations: the lab's programs and ten more as they are told, and the proof of every line of a derivation."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from fractions import Fraction
from io import StringIO
from math import inf, isfinite
from pathlib import Path
from typing import Any

import pytest
import torch

from gradcheck import check
from gradcheck.__main__ import run
from gradcheck.case.one import Case
from gradcheck.cli.explain import PROMPT
from gradcheck.errors import GradcheckError, UsageProblem
from gradcheck.exits import Exit
from gradcheck.explanation import derivation, explain, rules
from gradcheck.explanation.derivation import NoDerivation, derive
from gradcheck.explanation.lanes import Contradiction, Lanes
from gradcheck.explanation.model import Explanation
from gradcheck.explanation.rules import Match
from gradcheck.explanation.shown import D, Formula
from gradcheck.explanation.simplify import simplified
from gradcheck.explanation.told import tell
from gradcheck.functions import ELEMENTWISE
from gradcheck.kernels import ZERO
from gradcheck.parse import parse
from gradcheck.plan import Plan
from gradcheck.points import parse_points
from gradcheck.program import Call, Name, names, postorder, to_text
from gradcheck.report import View
from gradcheck.report.lesson.story import story
from gradcheck.report.lesson.terminal import write
from gradcheck.settings import Settings

LAB = "y = 3*x + 2; z = 2*y**2; out = mean(z)"
MATRIX = "x=[[1,2,3],[3,2,1]]"
POLYNOMIAL = "2*x**4+x**3+3*x**2+5*x+1"

PROGRAMS: dict[str, tuple[str, list[str]]] = {
    "polynomial": (POLYNOMIAL, ["2"]),
    "layers": (LAB, [MATRIX]),
    "product": ("x**2*sin(x)", ["x=1.5"]),
    "quotient": ("x/(1 + x**2)", ["x=2"]),
    "nested-chain": ("exp(sin(x**2))", ["x=1.5"]),
    "exponent": ("x**y + y**x", ["x=2,y=3"]),
    "cross-entropy": (
        "logp = log_softmax(z, dim=1); loss = -mean(sum(t*logp, dim=1))", ["z=[[1,2,3],[1,0,1]]", "t=[[0,0,1],[1,0,0]]"]
    ),
    "layer-norm": (
        "m = mean(x); c = x - m; v = mean(c**2); y = c/sqrt(v + 0.5); out = sum(w*y)", ["x=[1,2,4]", "w=[1,0,2]"]
    ),
    "matmul": ("y = x @ w; out = sum(y**2)", ["x=[[1,2],[3,4]]", "w=[[1,0],[1,1]]"]),
    "piecewise": ("where(x > 1, x**2, 2*x)", ["x=3"]),
    "broadcasting": ("y = a*x + b; out = mean(y**2)", ["a=2", "b=[1,2,3]", "x=[[1,2,3],[4,5,6]]"]),
    "used-three-times": ("y = x**2; a = 3*y; b = y**2; out = a*b + sin(y)", ["x=2"]),
    "detached": ("y = x**2; out = detach(y)*x + y", ["x=3"]),
    "untracked": ("no_grad(x)**2", ["x=3"]),
}  # fmt: skip
WRT = {"cross-entropy": ("z",)}


def explained(name: str, **more: object) -> Explanation:
    """Return the explanation of a program with versions that stay."""
    text, at = PROGRAMS[name]
    made = explain(text, at, settings=Settings(wrt=WRT.get(name)), **more)  # type: ignore[arg-type]
    return replace(made, environment={"torch": "2.13.0", "sympy": "1.14.0"})


def shown(one: Explanation, width: int = 100, **more: object) -> str:
    file = StringIO()
    write(one, file, View(color=False, width=width), **more)  # type: ignore[arg-type]
    return file.getvalue()


# --- what is told ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_is_told_as_it_was_read(name: str, golden: Callable[[str, str], None]) -> None:
    golden(f"explain-{name}.txt", shown(explained(name)))


@pytest.mark.parametrize("name", ["polynomial", "layers"])
def test_a_narrow_window_shows_all_of_the_lab(name: str, golden: Callable[[str, str], None]) -> None:
    text = shown(explained(name), width=60)
    assert max(map(len, text.splitlines())) <= 60
    golden(f"explain-{name}-narrow.txt", text)


def test_gradients_that_accumulate_are_checked_against_the_sum(golden: Callable[[str, str], None]) -> None:
    made = explain(POLYNOMIAL, ["x=2", "x=-1", "x=0.5"], accumulate=True)
    (one,) = made.accumulations
    assert one.passes[-1].accumulated.torch == (93 + (-6) + 9.75,) == (96.75,)
    assert one.passes[-1].accumulated.ulps == (0.0,)
    golden("explain-accumulate.txt", shown(replace(made, environment={"torch": "2.13.0"})))


def test_a_frozen_input_gets_no_gradient(golden: Callable[[str, str], None]) -> None:
    made = explain("w*x + b", ["w=3,x=2,b=1"], freeze=["w"])
    assert [chain.input for chain in made.chains] == ["x", "b"]
    assert str(made.trackings[0].lost) == "x"
    golden("explain-freeze.txt", shown(replace(made, environment={"torch": "2.13.0"})))


def test_the_lab_is_told_with_the_lab_s_own_numbers() -> None:
    one = explained("polynomial")
    text = shown(one)
    for line in (
        "= 2*(2)**4 + (2)**3 + 3*(2)**2 + 5*(2) + 1", "= 32 + 8 + 12 + 10 + 1", "= 63",
        "= 8*(2)**3 + 3*(2)**2 + 6*(2) + 5", "= 64 + 12 + 12 + 5", "= 93", "93 is the slope at (2, 63)",
    ):  # fmt: skip
        assert line in text
    (chain,) = explained("layers").chains
    assert [str(link.partial) for link in chain.product] == ["1/6", "4*y[i, j]", "3"]
    assert str(chain.closed) == "6*x[i, j] + 4"
    assert chain.gradient.torch == (10.0, 16.0, 22.0, 22.0, 16.0, 10.0)


def test_a_detached_value_takes_its_part_of_the_gradient_with_it() -> None:
    (cut,) = explained("detached").trackings
    assert (str(cut.kept), str(cut.lost)) == ("x**2 + 2*x", "2*x**2")
    (nothing,) = explained("untracked").trackings
    assert nothing.kind == "no_grad"
    assert nothing.backward is not None
    assert "does not require grad" in nothing.backward


# --- the derivation -------------------------------------------------------------------------------


def lanes(text: str, at: Sequence[str]) -> Lanes:
    program = parse(text)
    point = parse_points(at, program.inputs)[0]
    shapes = {name: value.shape for name, value in point.items()}
    case = Case(Plan.make(program, shapes, program.inputs, ()), point, "float64", Settings(dtypes=("float64",)))
    return Lanes(case, case.run(), tell(program, shapes))


@pytest.mark.parametrize("name", [name for name, row in ELEMENTWISE.items() if row.samples])
def test_every_row_has_a_derivation_that_ends_in_the_check_s_own_formula(name: str) -> None:
    row = ELEMENTWISE[name]
    letters = {by: f"a_{k}" for k, by in enumerate(row.args) if by not in row.fixed}
    sample = dict(zip(row.args, row.samples[0], strict=True))
    text = f"3*{name}({', '.join(f'1*{letters[by]}' if by in letters else sample[by] for by in row.args)}) + 1"
    at = [f"{letter}={sample[by]}" for by, letter in letters.items()]
    both = lanes(text, at)
    (layer,) = both.told.program.layers
    for by in names(layer.expression):
        try:
            made = derive(both, layer, by, Formula(Name("d")))
        except NoDerivation:
            continue
        assert not any(isinstance(one, Call) and one.op == D for one in postorder(made.result.node))
        assert str(made.result) == both.case.plan.display.formula(by)


FORMULAS = (
    "x**3*exp(-x)/(1 + x)", "log(1 + x**2)*x", "sqrt(x + sqrt(x))", "2**(x**2)", "x**x", "1/x**2", "gelu(x)",
    "silu(2*x)", "-x*-x", "(x + 1)*(x + 2)*(x + 3)", "tanh(x/3)**2", "where(x > 0, log(x), x)", "abs(x - 5)",
    "maximum(x, x**2)", "logaddexp(x, 2*x)", "x/3/x**2", "e**(2*x)", "pi*x**pi", "softplus(x)", "5",
    "binary_cross_entropy_with_logits(x, x/4, reduction='none')",
)  # fmt: skip


@pytest.mark.parametrize("text", FORMULAS)
def test_a_derivation_ends_in_the_formula_that_the_check_shows(text: str) -> None:
    both = lanes(f"{text} + 0*x" if text == "5" else text, ["x=1.25"])
    (layer,) = both.told.program.layers
    made = derive(both, layer, "x", Formula(Name("d")))
    assert str(made.result) == both.case.plan.display.formula("x")
    assert all(ball is not None for step in made.steps for ball in step.value)


def test_a_wrong_rule_is_never_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    real = rules.match

    def wrong(body: object, by: str) -> Match:
        found = real(body, by)  # type: ignore[arg-type]
        return replace(found, after=ZERO) if found.rule.name == "power" else found

    monkeypatch.setattr(derivation, "match", wrong)
    with pytest.raises(Contradiction, match=r"2\*0 \+ 0"):
        explain(POLYNOMIAL, ["2"])


def test_a_derivation_that_cannot_be_proved_is_left_out() -> None:
    made = explain("sqrt(x)", ["x=-4"])
    assert made.derivations == ()
    assert "could prove the steps" in made.notes[-1]


def test_a_kink_is_proved_beside_the_point() -> None:
    (made,) = explain("abs(x)", ["x=0"]).derivations
    assert str(made.result) == "sign(x)"
    assert made.steps[-1].value == (None,)


def test_rules_have_names_of_their_own_and_a_sentence() -> None:
    found = list(rules.rules())
    assert len({rule.name for rule in found}) == len({rule.title for rule in found}) == len(found)
    assert all(rule.sentence.endswith(".") for rule in found)


@pytest.mark.parametrize(
    ("text", "simple"),
    [
        ("1*x + 0", "x"), ("x*1*2", "2*x"), ("2*(3*x)", "6*x"), ("x*(2*y)", "2*x*y"), ("x - (-y)", "x + y"),
        ("x*-y", "-x*y"), ("0*x + 3", "3"), ("x/1", "x"), ("x*(1/y)", "x/y"), ("-(-x)", "x"), ("x**1", "x"),
        ("0 - x", "-x"), ("2*(1/y)", "2/y"), ("(2*x)*(3/y)", "6*x/y"), ("x + -2*y", "x - 2*y"),
    ],
)  # fmt: skip
def test_arithmetic_is_done_and_the_order_stays(text: str, simple: str) -> None:
    assert to_text(simplified(parse(text).layers[0].expression)) == simple


# --- the command ----------------------------------------------------------------------------------


def test_steps_wait_after_each_part_and_show_the_same() -> None:
    one = explained("polynomial")
    waits: list[int] = []

    def pause() -> bool:
        waits.append(1)
        return True

    text = shown(one, pause=pause)
    assert len(waits) == 11
    assert [line.rstrip() for line in text.splitlines()] == shown(one).splitlines()


def test_a_hint_names_the_rule_and_keeps_the_result_back(golden: Callable[[str, str], None]) -> None:
    text = shown(explained("product"), hint=True)
    assert "product rule: D[u*v] = D[u]*v + u*D[v]" in text
    assert "cos(x) +" not in text
    golden("explain-hint.txt", text)


def test_the_command_prints_the_explanation(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "-x**2", "--at", "3", "--color", "never"]) == Exit.PASS
    assert "-6 is the slope at (3, -9)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["x**2", "--at", "1,2"], "2 points are given, and one is explained at a time"),
        (["x**2", "--at", "1", "--freeze", "y"], "the program has no input y"),
        (["3"], "there is no input to differentiate by"),
        (["x", "--at", "1", "--steps", "--format", "html"], "--steps is for the terminal"),
        (["x", "--at", "1", "--dtype", "float32,float64"], "is no dtype"),
        (["sum(x)", "--at", "x=[1,2]", "--at", "x=[1]", "--accumulate"], "--accumulate needs points of one shape"),
        (["x", "--at", "1", "--graph", "graph.txt"], "no graph can be written to"),
    ],
)
def test_what_cannot_be_explained_is_said(argv: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", *argv]) == Exit.USAGE
    assert message in capsys.readouterr().err


def test_the_graph_is_written_beside_the_explanation(tmp_path: object, capsys: pytest.CaptureFixture[str]) -> None:
    path = f"{tmp_path}/graph.svg"
    assert run(["explain", LAB, "--at", MATRIX, "--graph", path]) == Exit.PASS
    assert "chain rule" in capsys.readouterr().out
    with open(path, encoding="utf-8") as file:
        assert "<svg" in file.read()


def test_a_program_too_large_is_refused() -> None:
    with pytest.raises(GradcheckError, match="too large to be explained"):
        explain("sum(x**2)", x=[[1.0] * 200] * 200)


def test_a_point_of_a_layer_is_told_as_a_fraction_or_a_rounded_number() -> None:
    one = explain("x/3", ["x=1"]).forward.evaluation
    assert one is not None
    assert str(one.substituted) == "(1)/3"
    from gradcheck.explanation.forward import rational

    assert rational(one.substituted.node) == Fraction(1, 3)


# --- what the check says ----------------------------------------------------------------------------

WRONG: dict[str, tuple[str, list[str]]] = {
    "overflow": ("log(1+exp(x))", ["x=100"]),
    "tensor": ("y = log(softmax(x, dim=0)); sum(y)", ["x=[0,-200,3]"]),
    "value": ("0*x + exp(y)/exp(y)", ["x=1,y=100"]),
    "nan": ("where(x > 0, sqrt(x), 0*x)", ["x=-4"]),
}  # fmt: skip
ASIDE: dict[str, tuple[str, list[str]]] = {
    "kink": ("abs(x)", ["x=0"]), "layers": ("y = relu(x); y**2 + 3*y", ["x=0"]), "pole": ("1/x", ["x=0"]),
    "large": ("exp(x)*1000", ["x=88"]), "lossy": ("exp(x) - 1", ["x=1e-6"]),
}  # fmt: skip


TOLD: dict[str, tuple[str, list[str]]] = WRONG | ASIDE


@pytest.mark.parametrize("name", TOLD)
def test_the_story_of_the_plain_check_is_told(name: str) -> None:
    """The same words stand under the same heading, with the verdict at the top and in the last lines."""
    text, at = TOLD[name]
    found = check(text, *at)
    page = shown(explain(text, at), width=120)
    for line in story(found).splitlines():
        assert " ".join(line.split()) in " ".join(page.split())
    verdict = found[0].gradients[0].judgements[0].verdict.signed
    head, foot = page.split("The forward pass")[0], "\n".join(page.splitlines()[-4:])
    assert verdict in head
    assert verdict in foot


@pytest.mark.parametrize("name", [*TOLD, *PROGRAMS])
def test_explaining_exits_as_checking_does(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    text, at = (TOLD | PROGRAMS)[name]
    words = [text, *(word for one in at for word in ("--at", one))]
    assert run(["explain", *words]) == run(words) == (Exit.FAIL if name in WRONG else Exit.PASS)
    assert capsys.readouterr().err == ""


def test_an_exercise_says_that_there_is_more_to_tell() -> None:
    page = shown(explain("log(1+exp(x))", x=100), hint=True)
    assert "leave out --hint" in page
    assert "softplus" not in page


# --- step by step -----------------------------------------------------------------------------------


@pytest.mark.parametrize("words", ["q\n", "quit\n", " Q \n"])
def test_a_lesson_in_steps_asks_and_can_be_left(
    words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", StringIO("\n\n" + words))
    assert run(["explain", "x**2", "--at", "3", "--steps"]) == Exit.PASS
    out, err = capsys.readouterr()
    assert err == PROMPT * 3
    assert "Where the gradient" in out
    assert "power rule" not in out


def test_where_nobody_answers_a_lesson_in_steps_goes_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", StringIO(""))
    assert run(["explain", "x**2", "--at", "3", "--steps"]) == Exit.PASS
    assert "6 is the slope" in capsys.readouterr().out


# --- in the user's words ----------------------------------------------------------------------------

WRITTEN = (
    "0.1*x + 0.2*y",
    "mean((x - 0.25)**2)",
    "x.sum()*0.5",
    "sum(  x*3 )/(x+1)",
    "y = (x); (y*2).sum()",
    "reshape(x, (1,))",
)


@pytest.mark.parametrize("text", WRITTEN)
def test_a_layer_is_told_as_it_is_written(text: str) -> None:
    """What stands for a layer is a piece of the program; only names of further layers are put into it."""
    program = parse(text)
    one = explain(text, dict.fromkeys(program.inputs, 1.5))
    layers = {stage.name: stage.text for stage in one.forward.stages}
    for layer in reversed(list(layers)):
        if layer.partition("_")[1]:
            layers = {name: re.sub(rf"\b{layer}\b", layers[layer], shown) for name, shown in layers.items()}
    bare = "".join(re.sub(r"[\s()]", "", text) for text in layers.values())
    last = re.sub(r"[\s()]", "", program.source.split(";")[-1].split("=")[-1])
    assert last in bare


def test_numbers_stand_as_the_user_wrote_them() -> None:
    page = shown(explain("0.1*x + 0.25*y", x=2, y=3))
    assert "D[0.1*x + 0.25*y]" in page
    assert "/10" not in page
    assert "1/4" not in page


# --- a project's settings ---------------------------------------------------------------------------

SETTINGS = (
    'dtype = ["float64", "float32"]', 'dtype = "float64"', "ulps = 4", "all = true", "verbose = 1", "assert = true",
    "seed = 3", 'at = ["2"]', 'color = "never"',
)  # fmt: skip


@pytest.mark.parametrize("line", SETTINGS)
def test_no_setting_of_a_project_keeps_explain_from_running(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gradcheck.toml").write_text(line, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert run(["explain", "x**2", "--at", "3"]) == Exit.PASS
    assert ("in float64" in capsys.readouterr().out) == ("float64" in line)


OPTIONS: dict[str, list[str]] = {
    "--wrt": ["--wrt", "x"], "--freeze": ["--freeze", "y"], "--dtype": ["--dtype", "float64"],
    "--accumulate": ["--accumulate"], "--seed": ["--seed", "7"], "--hint": ["--hint"],
    "--format": ["--format", "latex"],
}  # fmt: skip


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_has_something_to_say_in_the_lesson(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    pages = []
    for more in ([], OPTIONS[option]):
        assert run(["explain", "x**2*y", "--at", "x=randn(),y=2", *more]) == Exit.PASS
        pages.append(capsys.readouterr().out)
    assert pages[0] != pages[1]


@pytest.mark.parametrize("program", ["-log(x) + x", "log(x) - x", "x - log(x)", "-log(x) - sqrt(x)", "-log(x)"])
def test_what_has_no_number_stands_in_no_sum(program: str) -> None:
    text = shown(explain(program, -1))
    assert not re.search(r"[=≈] -?(?= |$)(?! \()", "\n".join(line for line in text.splitlines() if "≈ - " in line))
    assert not any(re.search(r"[=≈] (-|\(-\)) ?([-+]|$)", line) for line in text.splitlines()), text


# --- what a check can be asked ------------------------------------------------------------------------

REFUSED: dict[str, object] = {
    "dtypes": "float32,float64", "device": "cpu,meta", "engines": "vmap", "cotangent": "random", "jacobian": True,
    "boundaries": True,
}  # fmt: skip
HEEDED = {
    "wrt", "ulps", "expect", "seed", "directory", "assertion", "allow", "nondet", "under_test", "ways", "order",
}  # fmt: skip


def test_no_setting_is_passed_over_in_silence() -> None:
    assert {one.name for one in fields(Settings)} == {*REFUSED} | HEEDED
    for name, given in REFUSED.items():
        with pytest.raises(UsageProblem, match="explained"):
            explain("x**2", x=[2.0, 3.0], settings=Settings(**{name: given}))  # type: ignore[arg-type]


def test_a_stated_derivative_is_held_against_the_explained_one() -> None:
    wrong, right = (explain("x**2", x=3, expect=text) for text in ("3*x", "2*x"))
    assert wrong.fails
    assert "you wrote 3*x; the derivative is 2*x" in story(wrong.run)
    assert not right.fails


def test_runs_that_differ_and_errors_that_cancel_are_told() -> None:
    class Thrice(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: torch.Tensor, dim: int) -> torch.Tensor:
            made = torch.softmax(x, dim)
            ctx.save_for_backward(made)
            return made

        @staticmethod
        def backward(ctx: Any, *grads: torch.Tensor) -> Any:
            (made,) = ctx.saved_tensors
            return 3 * made * (grads[0] - (grads[0] * made).sum()), None

    calls = iter(range(1_000))
    flaky = explain("sin(x)", x=1.0, nondet=3, under_test={"sin": lambda x: x.sin() + 1e-3 * next(calls) * x})
    assert any("torch is not deterministic" in note for note in flaky.run[0].notes)
    cancelling = explain("softmax(x, dim=0)", x=[1.0, 2.0], under_test={"softmax": Thrice})
    assert cancelling.fails


# --- large and strange programs -----------------------------------------------------------------------


@pytest.mark.parametrize("used", [True, False])
def test_a_chain_of_layers_that_read_two_before_is_explained_in_no_time(used: bool) -> None:
    """There are as many paths through it as the Fibonacci number has, and nobody walks them all."""
    layers = "; ".join(f"a{k} = a{k - 1} + a{k - 2}" for k in range(2, 40))
    made = explain(f"a0 = x; a1 = 2*x; {layers}; x**2{' + a39' if used else ''}", x=2.0)
    assert not made.fails
    assert {one.name for one in made.chains[0].arrivals} >= ({"a0", "a39"} if used else {"x"})


RENAMED = [
    ("a = x; b = 2*x; a + b", 3.0), ("a = x; 3*a + x**2", 7.0), ("a = x; b = a; 3*b + a + x", 5.0),
    ("a = 2*x; b = a; b*a", 16.0), ("a = x; b = a; b**2", 4.0), ("a = x; a", 1.0),
    ("a = x**2; b = a; c = b; c*b + a", 36.0),
]  # fmt: skip
"""Programs with a second name for an input or a layer, and their derivative at 2."""


@pytest.mark.parametrize(("program", "slope"), RENAMED)
def test_a_second_name_has_the_part_of_the_gradient_that_comes_through_it(program: str, slope: float) -> None:
    made = explain(program, x=2.0)
    [chain] = made.chains
    assert chain.gradient.torch == (slope,)
    assert not made.fails
    assert shown(made)


STRANGE = [("where(x > 0.5, x, sqrt(-x))", "nan"), ("exp(x)*exp(89*x)", "inf"), ("where(x > 0.5, x, (-x)**0.5)", "nan")]


@pytest.mark.parametrize(("program", "number"), STRANGE)
def test_what_is_no_number_accumulates(program: str, number: str) -> None:
    (one,) = explain(program, ["x=1", "x=2"], accumulate=True).accumulations
    for each in one.passes:
        assert each.accumulated.torch is not None
        assert each.accumulated.ulps is not None
        [value], [gap] = each.accumulated.torch, each.accumulated.ulps
        assert isfinite(value) or gap == inf
    assert str(value) == number


@pytest.mark.parametrize(
    ("program", "kind"),
    [
        ("detach(no_grad_x)*no_grad_x", "detach"), ("no_grad(detach_x)*detach_x", "no_grad"),
        ("no_grad_x.detach()*no_grad_x", "detach"), ("(2*no_grad_x).detach() + no_grad_x", "detach"),
        ("no_grad(2*no_grad_x) + no_grad_x", "no_grad"), ("y = 2*no_grad_x; detach(y)*no_grad_x", "detach"),
    ],
)  # fmt: skip
def test_what_switches_tracking_off_is_called_as_it_is_written(program: str, kind: str) -> None:
    name = "detach_x" if "detach_x" in program else "no_grad_x"
    assert {one.kind for one in explain(program, f"{name}=2").trackings} == {kind}
