"""What is never negative, by its operation alone: a product of such things may be split under a root or a logarithm."""

from __future__ import annotations

from gradcheck.functions import CONSTANTS, WHERE
from gradcheck.program import Call, Name, Node, Number
from gradcheck.rewrites.forms import Forms

MAX_DEPTH = 12
"""Operations and layers that are looked through."""

NEVER_NEGATIVE = frozenset({
    "exp", "exp2", "sigmoid", "softmax", "abs", "sqrt", "rsqrt", "square", "cosh", "softplus", "norm", "std", "var",
    "relu", "relu6", "erfc", "acos", "acosh", "hypot", "mse_loss",
})  # fmt: skip
KEEPS = frozenset({
    "add", "mul", "div", "reciprocal", "sum", "mean", "prod", "amax", "amin", "index", "maximum", "minimum", "reshape",
    "flatten", "squeeze", "unsqueeze", "expand", "permute", "T", "mT", "matmul", "dot", "cumsum", "log1p",
})  # fmt: skip
"""Operations that have no sign of their own: nothing negative comes out where nothing negative goes in."""


def never_negative(node: Node, forms: Forms, depth: int = MAX_DEPTH) -> bool:
    """Return whether an expression is proved to be 0 or more wherever it has a value.

    >>> from gradcheck.parse import parse
    >>> program = parse("p = exp(x)/2; q = p + y**2; q*z")
    >>> forms = Forms(program.layers)
    >>> [never_negative(layer.expression, forms) for layer in program.layers]
    [True, True, False]
    """
    node = forms.open(node)
    if isinstance(node, Number):
        return node.value >= 0
    if isinstance(node, Name) or depth == 0:
        return False
    if node.op in NEVER_NEGATIVE or node.op in CONSTANTS:
        return True
    return _is_square(node, forms) or all(never_negative(one, forms, depth - 1) for one in _deciding(node) or (node,))


def _deciding(node: Call) -> tuple[Node, ...]:
    """Return the arguments that decide on the sign; none where they do not."""
    if node.op in KEEPS:
        return node.args
    if node.op == "pow":
        return node.args[:1]
    return node.args[1:] if node.op == WHERE else ()


def _is_square(node: Call, forms: Forms) -> bool:
    """Return whether all factors are even powers or come twice."""
    constant, rest = forms.monomial(node)
    return constant >= 0 and bool(rest) and all(power.denominator == 1 and power % 2 == 0 for _, power in rest)
