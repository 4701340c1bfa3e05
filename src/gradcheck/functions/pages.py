"""What a person is told of each function beside its row: what it means, its derivative, where there is none.

Derivatives are formulas of the language, one for each argument, wherever a formula says it; a test holds them against
the row itself. All else is a sentence. Domains and kinks that a row states are not stated again here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gradcheck.functions import ALIASES, known_names, lookup
from gradcheck.functions.rows import Composite, Elementwise, Tensor

INPUTS = {
    "s": "0.6", "v": "[0.8,-1.3,2.1]", "u": "[-0.7,1.6]", "a": "[[0.3,-1.1,1.9],[-0.45,0.9,2.4]]",
    "b": "[[1.2,-0.6,0.35,2.2],[-1.7,0.15,0.95,-0.25],[0.5,1.4,-2.3,0.75]]",
    "c": "[[[0.2,-1.4,0.65],[1.7,-0.35,1.05]],[[-2.1,0.55,-0.9],[1.25,2.6,-0.15]]]",
}  # fmt: skip
"""What the samples of rows read, in examples."""


@dataclass(frozen=True, slots=True)
class Page:
    """What is told of one function.

    ``meaning`` is for rows without a summary. ``derivatives`` are by each argument in turn, and one that is in words
    stands in ``rule``. ``example`` is a program and a point; without it the row's first sample is shown.

    >>> PAGES["tanh"].derivatives
    ('1 - tanh(x)**2',)
    """

    meaning: str = ""
    derivatives: tuple[str, ...] = ()
    rule: str = ""
    domain: str = ""
    kinks: str = ""
    example: tuple[str, str] | None = None


def _of(meaning: str, *derivatives: str, domain: str = "", kinks: str = "") -> Page:
    return Page(meaning, derivatives, domain=domain, kinks=kinks)


def _in_words(rule: str, program: str, at: str, *, domain: str = "", kinks: str = "", meaning: str = "") -> Page:
    return Page(meaning, (), rule, domain, kinks, (program, at))


MATRIX, VECTOR = "x=[[1,2],[3,4]]", "x=[0.5,2,-1]"
MOVED = "1: every element keeps its value, and its gradient goes back to where it came from"
TRUTH = "none: a condition is no number; `where` chooses by it"

# fmt: off
PAGES: dict[str, Page] = {
    # --- arithmetic ---------------------------------------------------------------------------------------------------
    "neg":        _of("-x", "-1"),
    "add":        _of("x + y", "1", "1"),
    "sub":        _of("x - y", "1", "-1"),
    "mul":        _of("x*y", "y", "x"),
    "div":        _of("x/y", "1/y", "-x/y**2"),
    "pow":        _of("x**y", "y*x**(y - 1)", "x**y*log(x)", domain="where x > 0; for a whole y >= 0 everywhere"),
    "square":     _of("x**2", "2*x"),
    "reciprocal": _of("1/x", "-1/x**2"),

    # --- roots, exponentials, logarithms ------------------------------------------------------------------------------
    "sqrt":       _of("the square root of x", "1/(2*sqrt(x))", kinks="x == 0, where the slope is infinite"),
    "rsqrt":      _of("1/sqrt(x)", "-1/(2*x*sqrt(x))"),
    "exp":        _of("e to the power of x", "exp(x)"),
    "exp2":       _of("2 to the power of x", "exp2(x)*log(2)"),
    "expm1":      _of("exp(x) - 1, exact where x is small", "exp(x)"),
    "log":        _of("the natural logarithm of x", "1/x"),
    "log2":       _of("the logarithm of x to the base 2", "1/(x*log(2))"),
    "log10":      _of("the logarithm of x to the base 10", "1/(x*log(10))"),
    "log1p":      _of("log(1 + x), exact where x is small", "1/(1 + x)"),

    # --- trigonometric and hyperbolic ---------------------------------------------------------------------------------
    "sin":        _of("the sine of x, in radians", "cos(x)"),
    "cos":        _of("the cosine of x, in radians", "-sin(x)"),
    "tan":        _of("sin(x)/cos(x)", "1 + tan(x)**2", domain="everywhere but at odd multiples of pi/2"),
    "asin":       _of("the angle from -pi/2 to pi/2 whose sine is x", "1/sqrt(1 - x**2)",
                      kinks="abs(x) == 1, where the slope is infinite"),
    "acos":       _of("the angle from 0 to pi whose cosine is x", "-1/sqrt(1 - x**2)",
                      kinks="abs(x) == 1, where the slope is infinite"),
    "atan":       _of("the angle from -pi/2 to pi/2 whose tangent is x", "1/(1 + x**2)"),
    "sinh":       _of("(exp(x) - exp(-x))/2", "cosh(x)"),
    "cosh":       _of("(exp(x) + exp(-x))/2", "sinh(x)"),
    "tanh":       _of("sinh(x)/cosh(x), between -1 and 1", "1 - tanh(x)**2"),
    "asinh":      _of("the number whose sinh is x", "1/sqrt(x**2 + 1)"),
    "acosh":      _of("the number from 0 whose cosh is x", "1/sqrt(x**2 - 1)",
                      kinks="x == 1, where the slope is infinite"),
    "atanh":      _of("the number whose tanh is x", "1/(1 - x**2)"),
    "atan2":      _of("the angle of the point (x, y), from -pi to pi", "x/(x**2 + y**2)", "-y/(x**2 + y**2)"),
    "sinc":       _of("", "where(x == 0, 0, (cos(pi*x) - sinc(x))/where(x == 0, 1, x))"),
    "hypot":      _of("sqrt(x**2 + y**2)", "x/hypot(x, y)", "y/hypot(x, y)", kinks="(x == 0) & (y == 0)"),
    "logaddexp":  _of("", "sigmoid(x - y)", "sigmoid(y - x)"),

    # --- special functions and activations ----------------------------------------------------------------------------
    "erf":        _of("the error function: 2/sqrt(pi) times the integral of exp(-t**2) from 0 to x",
                      "2*exp(-x**2)/sqrt(pi)"),
    "erfc":       _of("1 - erf(x), exact where x is large", "-2*exp(-x**2)/sqrt(pi)"),
    "sigmoid":    _of("1/(1 + exp(-x)), between 0 and 1", "sigmoid(x)*(1 - sigmoid(x))"),
    "relu":       _of("x above 0, else 0", "where(x > 0, 1, 0)"),
    "softplus":   _of("", "where(beta*x > threshold, 1, sigmoid(beta*x))"),
    "logsigmoid": _of("", "sigmoid(-x)"),
    "silu":       _of("", "sigmoid(x)*(1 + x*(1 - sigmoid(x)))"),
    "gelu":       _of("", "(1 + erf(x/sqrt(2)))/2 + x*exp(-x**2/2)/sqrt(2*pi)"),
    "elu":        _of("", "where(x > 0, 1, alpha*exp(x))", kinks="x == 0, unless alpha is 1"),
    "leaky_relu": _of("", "where(x > 0, 1, negative_slope)", kinks="x == 0"),
    "hardtanh":   _of("", "where((x > min_val) & (x < max_val), 1, 0)", kinks="(x == min_val) | (x == max_val)"),
    "relu6":      _of("", "where((x > 0) & (x < 6), 1, 0)", kinks="(x == 0) | (x == 6)"),

    # --- piecewise ----------------------------------------------------------------------------------------------------
    "abs":        _of("x without its sign", "sign(x)"),
    "sign":       _of("1 above 0, -1 below, 0 at 0", "0"),
    "floor":      _of("the greatest whole number up to x", "0"),
    "ceil":       _of("the least whole number from x on", "0"),
    "round":      _of("", "0", kinks="x - floor(x) == 1/2, where it jumps"),
    "trunc":      _of("", "0", kinks="x == floor(x), where it jumps, but for 0"),
    "remainder":  _of("", "1", "-floor(x/y)"),
    "fmod":       _of("", "1", "-trunc(x/y)"),
    "maximum":    _of("the greater of x and y", "where(x > y, 1, 0)", "where(x > y, 0, 1)"),
    "minimum":    _of("the lesser of x and y", "where(x < y, 1, 0)", "where(x < y, 0, 1)"),
    "clamp":      _of("x, but at least min and at most max",
                      "where((x > min) & (x < max), 1, 0)", "where((x < min) & (min < max), 1, 0)",
                      "where((x > max) | (min > max), 1, 0)"),
    "clamp_min":  _of("x, but at least min", "where(x > min, 1, 0)", "where(x > min, 0, 1)"),
    "clamp_max":  _of("x, but at most max", "where(x < max, 1, 0)", "where(x < max, 0, 1)"),

    # --- sums and what is made of them --------------------------------------------------------------------------------
    "sum":        _in_words("1 by every element that is added", "sum(x**2)", MATRIX),
    "mean":       _in_words("1/n by every one of the n elements", "mean(x**2)", MATRIX),
    "prod":       _in_words("by an element the product of all others", "prod(x)", VECTOR),
    "cumsum":     _in_words("1 by the element itself and every one before it", "cumsum(x**2, 0)[1]", VECTOR),
    "var":        _in_words("2*(x - mean(x))/(n - correction)", "var(x)", VECTOR,
                            domain="where there are more elements than correction"),
    "std":        _in_words("(x - mean(x))/((n - correction)*std(x))", "std(x)", VECTOR,
                            domain="where there are more elements than correction", kinks="where all elements are equal"),
    "norm":       _in_words("x/norm(x); of order p sign(x)*(abs(x)/norm(x, p))**(p - 1)", "norm(x)", VECTOR,
                            kinks="where all elements are 0; of order 1 where one is, of order inf where two are largest"),
    "mse_loss":   _in_words("2*(a - b)/n by a, and the negative of it by b", "mse_loss(a, b)", "a=[1,2],b=[3,5]"),
    "logsumexp":  _in_words("softmax(x)", "logsumexp(x, dim=0)", VECTOR),
    "softmax":    _in_words("of s = softmax(x): s[i]*(1 - s[i]) by x[i], and -s[i]*s[j] by another x[j]",
                            "softmax(x, dim=0)[0]", VECTOR),
    "log_softmax": _in_words("of s = softmax(x): 1 - s[i] by x[i], and -s[j] by another x[j]",
                             "log_softmax(x, dim=0)[0]", VECTOR),
    "dot":        _in_words("b by a, and a by b", "dot(a, b)", "a=[1,2],b=[3,5]"),
    "outer":      _in_words("of outer(a, b)[i, j]: b[j] by a[i], and a[i] by b[j]", "outer(a, b)", "a=[1,2],b=[3,5]"),
    "matmul":     _in_words("of (a @ b)[i, j]: b[k, j] by a[i, k], and a[i, k] by b[k, j]",
                            "a @ b", "a=[[1,2],[3,4]],b=[5,6]"),

    # --- order --------------------------------------------------------------------------------------------------------
    "amax":       _in_words("1 by the greatest element, 0 by the others", "amax(x)", VECTOR,
                            kinks="where several elements are the greatest"),
    "amin":       _in_words("1 by the least element, 0 by the others", "amin(x)", VECTOR,
                            kinks="where several elements are the least"),
    "max":        _in_words("as that of amax, and for two that of maximum", "max(x)", VECTOR,
                            kinks="where several are the greatest"),
    "min":        _in_words("as that of amin, and for two that of minimum", "min(x)", VECTOR,
                            kinks="where several are the least"),
    "sort":       _in_words("1: every gradient goes back to where its element came from", "sort(x)[0]", VECTOR,
                            kinks="where elements are equal"),

    # --- shapes -------------------------------------------------------------------------------------------------------
    "expand":     _in_words("1, added up over the copies", "expand(x, (2, 3))", VECTOR),
    "reshape":    _in_words(MOVED, "reshape(x**2, (4,))", MATRIX),
    "flatten":    _in_words(MOVED, "flatten(x**2)", MATRIX),
    "squeeze":    _in_words(MOVED, "squeeze(x**2)", "x=[[1,2]]"),
    "unsqueeze":  _in_words(MOVED, "unsqueeze(x**2, 0)", VECTOR),
    "permute":    _in_words(MOVED, "permute(x**2, (1, 0))", MATRIX),
    "transpose":  _in_words(MOVED, "transpose(x**2, 0, 1)", MATRIX),
    "T":          _in_words(MOVED, "x.T @ x", MATRIX),
    "mT":         _in_words(MOVED, "x.mT @ x", MATRIX),
    "t":          _in_words(MOVED, "x.t() @ x", MATRIX),
    "flip":       _in_words(MOVED, "flip(x, (0,))*x", VECTOR),
    "cat":        _in_words("1: every tensor gets its part of the gradient", "cat([x, x**2])", VECTOR),
    "stack":      _in_words("1: every tensor gets its part of the gradient", "stack([x, x**2])", VECTOR),

    # --- choices and conditions ---------------------------------------------------------------------------------------
    "where":      _in_words("1 by the value that is taken, 0 by the other", "where(x > 0, x**2, -x)", VECTOR,
                            kinks="where the condition changes and the values or their slopes differ"),
    "detach":     _in_words("0: for autograd it is a constant", "detach(x)*x", VECTOR),
    "no_grad":    _in_words("0: for autograd it is a constant", "no_grad(x)*x", VECTOR,
                            meaning="x, computed without a graph: another name of detach"),
    "lt":         _in_words(TRUTH, "where(x < 1, x, 1)", VECTOR, meaning="a < b"),
    "le":         _in_words(TRUTH, "where(x <= 1, x, 1)", VECTOR, meaning="a <= b"),
    "gt":         _in_words(TRUTH, "where(x > 1, x, 1)", VECTOR, meaning="a > b"),
    "ge":         _in_words(TRUTH, "where(x >= 1, x, 1)", VECTOR, meaning="a >= b"),
    "eq":         _in_words(TRUTH, "where(x == 1, x, x**2)", VECTOR, meaning="a == b"),
    "ne":         _in_words(TRUTH, "where(x != 1, x, 1)", VECTOR, meaning="a != b"),
    "logical_and": _in_words(TRUTH, "where((x > 0) & (x < 1), x, 1)", VECTOR, meaning="whether both hold: a & b"),
    "logical_or": _in_words(TRUTH, "where((x < 0) | (x > 1), x, 1)", VECTOR, meaning="whether one of them holds: a | b"),
    "logical_not": _in_words(TRUTH, "where(~(x > 0), x, 1)", VECTOR, meaning="whether it does not hold: ~a"),
}
# fmt: on
"""What rows do not say themselves, in the order of the table."""


def pages() -> list[str]:
    """Return the functions that a person can call by their own names, sorted; each has a page.

    >>> pages()[:3]
    ['T', 'abs', 'acos']
    """
    return sorted(set(known_names()) - set(ALIASES))


def page_of(name: str) -> Page:
    """Return the page of a function, made of its row where nothing else is told.

    >>> page_of("chunk").example
    ('chunk(v, 2)[0]', 'v=[0.8,-1.3,2.1]')
    """
    row = lookup(name)
    if name in PAGES or row is None:
        return PAGES[name]
    if isinstance(row, Elementwise):
        return Page(derivatives=row.partials)
    assert isinstance(row, Composite | Tensor)
    [text, *_] = row.samples
    reads = [one for one in INPUTS if re.search(rf"\b{one}\b", text)]
    return Page(rule="that of its definition", example=(text, ",".join(f"{one}={INPUTS[one]}" for one in reads)))
