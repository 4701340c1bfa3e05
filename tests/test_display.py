"""Formulas for people: closed forms and local derivatives in whole texts, and closed forms that are the gradient."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import assume, given, settings

from gradcheck import display, exact
from gradcheck.case import check
from gradcheck.differentiate import pull_back
from gradcheck.display import MAX_LOCAL, closed_form, indexed, local_derivatives
from gradcheck.formats import Ball
from gradcheck.lower import lower
from gradcheck.parse import parse
from gradcheck.plan import Plan
from gradcheck.program import Layer, Program, Shape
from gradcheck.settings import Settings
from oracles import assert_close, numbers, shapes
from strategies import Case, cases


def formula(text: str, given: dict[str, Shape], like: str = "x") -> str | None:
    """Return the closed form of the derivative by one input as it is shown."""
    pulled = pull_back(lower(parse(text), given), [like])
    found = closed_form(pulled, pulled.program.output, like)
    return None if found is None else indexed(found, pulled.core.shapes, like)


@pytest.mark.parametrize(
    ("text", "given", "wanted"),
    [
        ("2*x**4+x**3+3*x**2+5*x+1", {}, "8*x**3 + 3*x**2 + 6*x + 5"),
        ("y = 3*x + 2; z = 2*y**2; out = mean(z)", {"x": (2, 3)}, "6*x[i, j] + 4"),
        ("sum(x**2)", {"x": (3,)}, "2*x[i]"),
        ("sum(x*y)", {"x": (2, 3), "y": (3,)}, "y[j]"),
        ("sum(x*y)", {"x": (2, 3), "y": (2, 1)}, "y[i, 0]"),
        ("sum(x*y)", {"x": (2, 3), "y": ()}, "y"),
        ("y = x**2; sin(y)", {}, "2*x*cos(x**2)"),
        ("sum(x) + 0*y", {"x": (3,), "y": ()}, "1"),
        ("x @ y", {"x": (2, 3), "y": (3, 2)}, None),
        ("cumsum(x**2, 0)", {"x": (3,)}, None),
        ("detach(x)", {"x": ()}, "0"),
    ],
)
def test_closed_forms_in_index_notation(text: str, given: dict[str, Shape], wanted: str | None) -> None:
    assert formula(text, given) == wanted


def test_a_formula_that_grows_too_long_is_left_out() -> None:
    assert formula("\n".join(["y0 = x", *(f"y{k} = y{k - 1}*sin(y{k - 1} + {k})" for k in range(1, 12))]), {}) is None


@pytest.mark.parametrize(
    ("text", "given", "wanted"),
    [
        ("y = 3*x + 2", {}, {"x": "3"}),
        ("z = 2*y**2", {"y": (2, 3)}, {"y": "4*y"}),
        ("out = mean(z)", {"z": (2, 3)}, {"z": "1/6"}),
        ("h = x @ w", {"x": (2, 3), "w": (3, 4)}, {"x": "ct @ w.T", "w": "x.T @ ct"}),
        ("out = sum(x*y)", {"x": (3,), "y": (3,)}, {"x": "y", "y": "x"}),
        ("c = 7", {}, {}),
    ],
)
def test_local_derivatives(text: str, given: dict[str, Shape], wanted: dict[str, str]) -> None:
    program = parse(text)
    core = lower(program, given)
    assert local_derivatives(program.layers[0], core.shapes) == wanted


def test_a_cotangent_never_takes_the_name_of_an_input() -> None:
    program = parse("h = ct @ w")
    known = lower(program, {"ct": (2, 3), "w": (3, 4)}).shapes
    assert local_derivatives(program.layers[0], known) == {"ct": "ct_1 @ w.T", "w": "ct.T @ ct_1"}


@settings(max_examples=60)
@given(cases(smooth=True))
def test_a_closed_form_is_the_gradient(case: Case) -> None:
    """Evaluated as an ordinary program, with broadcasting, it has the same elements."""
    pulled = pull_back(lower(case.program, shapes(case.point)))
    values = exact.enclose(pulled.core, case.point, 128)
    for name, output in zip(case.program.inputs, pulled.program.outputs, strict=True):
        assume(all(isinstance(one, Ball) for one in exact.balls(values[output], 128)))
        found = closed_form(pulled, output, name)
        if found is not None:
            program = Program(case.program.inputs, (Layer("formula", found),), ("formula",))
            core = lower(program, shapes(case.point))
            wanted = numbers(pulled.core, output, case.point)
            given_numbers = np.array(numbers(core, "formula", case.point), dtype=object).reshape(core.shapes["formula"])
            spread = np.broadcast_to(given_numbers, case.point[name].shape)
            assert_close(list(spread.ravel()), wanted, f"{case} by {name}")


@settings(max_examples=40)
@given(cases())
def test_every_layer_has_local_derivatives_that_are_short_texts(case: Case) -> None:
    known = lower(case.program, shapes(case.point)).shapes
    for layer in case.program.layers:
        found = local_derivatives(layer, known)
        assert all(0 < len(text) <= MAX_LOCAL and "\n" not in text for text in found.values())


@pytest.mark.parametrize("made", [False, True])
def test_texts_travel_between_processes(made: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """As they were made, or to be made there; what was made costs no more work."""
    shown = Plan.make(parse("y = 3*x + 2; z = 2*y**2; out = mean(z)"), {"x": (2, 3)}, ("x",)).display
    if made:
        shown.make()
    sent = pickle.dumps(shown)
    if made:
        monkeypatch.setattr(display, "pull_back", None)
    there = pickle.loads(sent)
    assert (there.formula("x"), there.derivatives("z")) == ("6*x[i, j] + 4", {"y": "4*y"})
    assert there.lines() == shown.lines()


def test_a_check_makes_no_text_that_nobody_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("readable", "local_derivatives"):
        monkeypatch.setattr(display, name, None)
    run = check("y = exp(x) - 1; y/x + kept*0", x=1e-5, kept=[1, 2], settings=Settings(dtypes=("float32",)))
    monkeypatch.undo()
    assert run[0].gradients[0].blames
    assert run[0].layers[0].derivatives == {"x": "exp(x)"}
    assert run[0].gradient_program


@pytest.mark.parametrize(
    ("condition", "opposite"),
    [(f"x {a} 1", f"x {b} 1") for pair in ((">", "<="), (">=", "<"), ("==", "!=")) for a, b in (pair, pair[::-1])],
)
def test_what_does_not_hold_is_told_as_what_does(condition: str, opposite: str) -> None:
    assert formula(f"where({condition}, 3, x**2)", {"x": ()}) == f"where({opposite}, 2*x, 0)"
    assert formula(f"where({condition}, x**2, 3)", {"x": ()}) == f"where({condition}, 2*x, 0)"


@pytest.mark.parametrize("constant", ["pi", "e"])
def test_a_constant_by_itself_is_told_by_its_name(constant: str) -> None:
    assert formula(f"x*{constant}", {"x": ()}) == constant
    assert formula(f"x**2*{constant}", {"x": ()}) in (f"2*{constant}*x", f"2*x*{constant}")
