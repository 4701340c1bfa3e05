"""Which rule a stated derivative breaks: what it and the derivative are at many points, and what makes the difference.

Every answer is a guess that is then held against both at points drawn from a fixed seed, with many digits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from fractions import Fraction
from itertools import islice
from random import Random

import numpy as np

from gradcheck import exact, kernels
from gradcheck.display import compose
from gradcheck.formats import Ball
from gradcheck.functions import TENSOR
from gradcheck.kernels import NoClosedForm
from gradcheck.lower import Core
from gradcheck.plan import Plan
from gradcheck.program import Call, Layer, Node, Program, call, names, postorder, substitute, to_text

DRAWN, NEEDED = 24, 4
"""Points that are drawn, and how many of them must have a value that is not 0."""
BITS, SAME = 320, Fraction(1, 2**200)
"""The working precision, and the relative difference of numbers that are taken for the same."""
SCALES = (1, 1, 3, -1)
"""How far and on which side of 0 points lie: most functions have values at some of them."""
MAX_EXPONENT = 20_000
"""Larger numbers than two to this power have too many digits to compare."""
MAX_GUESSES = 60
"""Guesses of which the first right one is told."""
MAX_TEXT = 40
"""Characters of a factor or term that is worth naming."""
MAX_DENOMINATOR = 1_000
"""The largest denominator of a factor that is told as a fraction."""

Numbers = Sequence[Fraction]
Guess = tuple[str, Node, Callable[[Numbers, Numbers, Numbers], bool]]
"""What is told, a formula, and whether its numbers make the derivative's of the stated ones."""


def broken_rule(plan: Plan, name: str) -> str | None:
    """Return in words why what was stated for the derivative by ``name`` is wrong everywhere; None if nobody knows."""
    core, right = plan.expect[name], plan.display.closed[name]
    stated = compose(core, core.program.output)
    if right is None or stated is None:
        return None
    guesses = list(islice(_guesses(plan, name, right, stated), MAX_GUESSES))
    rows = _numbers(plan.program.inputs, [right, stated, *(node for _, node, _ in guesses)])
    known = [(a, b, others) for a, b, *others in rows if a is not None and b is not None]
    derivative, given = [a for a, _, _ in known], [b for _, b, _ in known]
    if sum(map(bool, derivative)) < NEEDED:
        return None
    for k, (words, _, holds) in enumerate(guesses):
        numbers = [guess for _, _, others in known if (guess := others[k]) is not None]
        if len(numbers) == len(known) and holds(derivative, given, numbers):
            return words
    return _constant(derivative, given) or _simple(right, stated)


# --- guesses ----------------------------------------------------------------------------------------


def _is_given(_: Numbers, stated: Numbers, guess: Numbers) -> bool:
    return all(map(_same, stated, guess))


def _is_opposite(right: Numbers, stated: Numbers, _: Numbers) -> bool:
    return all(_same(a, -b) for a, b in zip(right, stated, strict=True))


def _is_factor(right: Numbers, stated: Numbers, guess: Numbers) -> bool:
    return all(_same(a, b * c) for a, b, c in zip(right, stated, guess, strict=True))


def _is_added(right: Numbers, stated: Numbers, guess: Numbers) -> bool:
    return all(_same(a, b + c) for a, b, c in zip(right, stated, guess, strict=True))


def _is_turned(right: Numbers, stated: Numbers, guess: Numbers) -> bool:
    return all(_same(a, b + 2 * c) for a, b, c in zip(right, stated, guess, strict=True))


def _guesses(plan: Plan, name: str, right: Node, stated: Node) -> Iterator[Guess]:
    """Yield what may be wrong, the plainest first."""
    if (whole := compose(plan.core, plan.program.output)) is not None:
        yield "that is the function itself", whole, _is_given
        for other in names(whole):
            if other != name and (slope := _slope(whole, other)) is not None:
                yield f"that is the derivative by {other}", slope, _is_given
    yield "its sign is wrong", stated, _is_opposite
    for inner in _inner(plan, name):
        yield from _of_inner(inner, name)
    for sign, term in _terms(right):
        text = to_text(term)
        yield f"the term {'-' if sign < 0 else ''}{text} is missing", _signed(sign, term), _is_added
        yield f"the term {text} has the wrong sign", _signed(sign, term), _is_turned
    if name in names(right) and (slope := _slope(right, name)) is not None:
        yield "that is the second derivative", slope, _is_given


def _slope(node: Node, name: str) -> Node | None:
    try:
        return kernels.tidy(kernels.partial(node, name))
    except NoClosedForm:
        return None


def _inner(plan: Plan, name: str) -> Iterator[Node]:
    """Yield what stands inside other operations and depends on an input, the outer before the inner."""
    found: dict[Node, None] = {}
    done: dict[str, Node] = {}
    for layer in plan.program.layers:
        node = substitute(layer.expression, done)
        parts = [one for one in postorder(node) if isinstance(one, Call)]
        inside = parts if layer.name != plan.program.output else parts[:-1]
        found |= dict.fromkeys(one for one in inside if name in names(one) and not _mixes(one))
        if _mixes(node):
            break
        done[layer.name] = node
    yield from reversed(found)


def _mixes(node: Node) -> bool:
    return any(isinstance(one, Call) and one.op in TENSOR for one in postorder(node))


def _of_inner(inner: Node, name: str) -> Iterator[Guess]:
    """Yield that the derivative of what stands inside was forgotten, or taken twice."""
    if (slope := _slope(inner, name)) is None:
        return
    told, text = to_text(inner), to_text(slope)
    if text != "1" and max(len(told), len(text)) <= MAX_TEXT:
        yield f"the inner derivative is missing, {text} for {told}", slope, _is_factor
        yield f"the inner derivative is there twice, {text} for {told}", call("div", kernels.ONE, slope), _is_factor


def _terms(node: Node, sign: int = 1) -> Iterator[tuple[int, Node]]:
    """Yield the terms of a sum with their signs; there are none in what is no sum."""
    if isinstance(node, Call) and node.op in ("add", "sub"):
        for k, arg in enumerate(node.args[:2]):
            here = -sign if node.op == "sub" and k else sign
            yield from _terms(arg, here) if isinstance(arg, Call) and arg.op in ("add", "sub") else [(here, arg)]


def _signed(sign: int, term: Node) -> Node:
    return term if sign > 0 else kernels.negated(term)


def _constant(right: Numbers, stated: Numbers) -> str | None:
    """Return in words that the two differ by a constant factor, or by a constant."""
    known = [(a, b) for a, b in zip(right, stated, strict=True) if a and b]
    if len(known) == len(right) and all(_same(a / b, right[0] / stated[0]) for a, b in known):
        ratio = _plain(right[0] / stated[0])
        return f"the factor {1 / ratio} is too much" if abs(ratio.numerator) == 1 else f"the factor {ratio} is missing"
    step = right[0] - stated[0]
    if all(_same(a - b, step) for a, b in zip(right, stated, strict=True)):
        return f"the constant {abs(_plain(step))} is {'missing' if step > 0 else 'too much'}"
    return None


def _plain(number: Fraction) -> Fraction:
    """Return a number as the fraction that it is, else with the digits that are shown."""
    near = number.limit_denominator(MAX_DENOMINATOR)
    return near if _same(near, number) else Fraction(f"{float(number):.6g}")


def _simple(right: Node, stated: Node) -> str | None:
    """Return in words what makes the difference where SymPy finds a short factor or term."""
    parts = zip(_differences(right, stated), _DIFFERENCES, strict=False)
    made = [(to_text(part), words) for part, words in parts]
    text, words = min(made, key=lambda one: len(one[0]), default=("", ""))
    return words.format(text) if 0 < len(text) < min(MAX_TEXT, len(to_text(right))) else None


_DIFFERENCES = (
    "the factor {} is missing", "the factor {} is too much", "the term {} is missing", "the term {} is too much",
)  # fmt: skip


def _differences(right: Node, stated: Node) -> Iterator[Node]:
    """Yield the factors and the terms that lead from one formula to the other; nothing more where one is no formula."""
    with suppress(NoClosedForm):
        yield kernels.tidy(call("div", right, stated))
        yield kernels.tidy(call("div", stated, right))
        yield kernels.difference(right, stated)
        yield kernels.difference(stated, right)


# --- numbers ----------------------------------------------------------------------------------------


def _numbers(inputs: Sequence[str], nodes: Sequence[Node]) -> list[tuple[Fraction | None, ...]]:
    """Return what formulas of the inputs are at some points, a row each; None is what has no value."""
    random, shape = Random(17), (DRAWN,)
    drawn = [[random.choice(SCALES) * random.randrange(100, 2**11) / 2**11 for _ in range(DRAWN)] for _ in inputs]
    point = {name: np.array(row) for name, row in zip(inputs, drawn, strict=True)}
    layers = tuple(Layer(f"_{k}", node) for k, node in enumerate(nodes))
    program = Program(tuple(inputs), layers, tuple(one.name for one in layers))
    values = exact.enclose(Core(program, dict.fromkeys([*inputs, *program.outputs], shape)), point, BITS)
    columns = [exact.balls(np.broadcast_to(values[one.name], shape), BITS) for one in layers]
    return [*zip(*([_fraction(one) for one in column] for column in columns), strict=True)]


def _fraction(known: Ball | str | None) -> Fraction | None:
    if not isinstance(known, Ball) or abs(known.midpoint.exp) > MAX_EXPONENT:
        return None
    return known.midpoint.man * Fraction(2) ** known.midpoint.exp


def _same(a: Fraction, b: Fraction) -> bool:
    return abs(a - b) <= SAME * max(abs(a), abs(b))
