"""The rewrites: one row for one formula that loses digits, and what to write instead; a to d are any expressions.

Every row bears a program and a point at which torch's gradient of the rewritten program is better: a test runs them.
A reduction takes its dim and keepdim from what it matches; the ``dim=0`` that softmax cannot be without says nothing.
"""

# ruff: noqa: E501 - one row for one rewrite

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One rewrite.

    ``note`` says where ``after`` is another function than ``before``, and ``unlike`` is a point at which it is; None
    where the two are equal wherever ``before`` has a value. The note falls where all wildcards of one of ``sure`` are
    never negative, or, as in ``c>0``, one is a positive number. With ``along`` both sums over one dim only, as softmax
    does; with ``kept`` a reduction is over all elements, or keeps its dims; with ``alike`` all wildcards have one shape,
    as a sum of what is broadcast has other terms. A ``floor`` helps where there is no
    derivative, and nowhere else.
    """

    name: str
    before: str
    after: str
    program: str
    at: str
    dtype: str = "float32"
    note: str | None = None
    unlike: str | None = None
    along: bool = False
    sure: tuple[str, ...] = ()
    kept: bool = False
    alike: bool = False
    floor: bool = False


_FLOOR = "not the same function: a norm below 1e-12 counts as 1e-12"
_FLOORED = "not the same function: the variance is 1e-12 too large"
_THRESHOLD = "not the same function: above 20 it is its argument itself, which is 2e-9 too small"
_SIGNS = "not the same function: it has no value where two of the factors are negative"
_BASE = "not the same function: it has no value where the base is negative"
_SQUARE = "not the same function: it has no value below -1"
_ZERO = "not the same function: it has no value where the numerator is 0"
_DENOMINATOR = "not the same function: it has no value where its denominator is 0"
_ALL_ZERO = "not the same function: it has no value where every element is 0"
_LIFTED = "not the same function: what is under the root is 1e-12 too large"
_LIFTED_LOG = "not the same function: the argument of the logarithm is 1e-12 too large"
_LIFTED_BELOW = "not the same function: the denominator is 1e-12 too large"
_HALF_TURN = "not the same function: it differs by pi where the denominator is negative; the derivative is the same"

# fmt: off
ROWS: tuple[Row, ...] = (
    # --- exponentials that overflow ---------------------------------------------------------------------------------
    Row("softplus",                  "log(1 + exp(a))",               "softplus(a)",                     "log(1 + exp(x))",               "x=100", note=_THRESHOLD, unlike="a=21"),
    Row("softplus-exact",            "log(1 + exp(a))",               "logaddexp(a, 0)",                 "log(1 + exp(x))",               "x=100"),
    Row("softplus-log1p",            "log1p(exp(a))",                 "softplus(a)",                     "log1p(exp(x))",                 "x=100", note=_THRESHOLD, unlike="a=21"),
    Row("softplus-log1p-exact",      "log1p(exp(a))",                 "logaddexp(a, 0)",                 "log1p(exp(x))",                 "x=100"),
    Row("log-exp",                   "log(exp(a))",                   "a",                               "log(exp(x))",                   "x=100"),
    Row("exp-power",                 "exp(b*log(a))",                 "a**b",                            "exp(2*log(x))",                 "x=1e-30"),
    Row("logaddexp",                 "log(exp(a) + exp(b))",          "logaddexp(a, b)",                 "log(exp(x) + exp(y))",          "x=100, y=99"),
    Row("logsumexp",                 "log(sum(exp(a)))",              "logsumexp(a)",                    "log(sum(exp(x), dim=1))",       "x=[[100,200],[1,2]]"),
    Row("softmax",                   "exp(a)/sum(exp(a))",            "softmax(a, dim=0)",               "x*exp(x)/sum(exp(x))",          "x=[100,99]", along=True),
    Row("log-softmax",               "log(softmax(a, dim=0))",        "log_softmax(a, dim=0)",           "log(softmax(x, dim=0))",        "x=[0,200]"),
    Row("log-softmax-exp",           "log(exp(a)/sum(exp(a)))",       "log_softmax(a, dim=0)",           "log(exp(x)/sum(exp(x)))",       "x=[100,99]", along=True),
    Row("log-softmax-sum",           "a - log(sum(exp(a)))",          "log_softmax(a, dim=0)",           "x - log(sum(exp(x)))",          "x=[100,99]", along=True),
    Row("log-softmax-shift",         "a - logsumexp(a)",              "log_softmax(a, dim=0)",           "x - logsumexp(x, dim=0)",       "x=[-200,-300,-201]", along=True),
    Row("exp-product",               "exp(a)*exp(b)",                 "exp(a + b)",                      "exp(x)*exp(y)",                 "x=100, y=-99"),
    Row("exp-quotient",              "exp(a)/exp(b)",                 "exp(a - b)",                      "exp(x)/exp(y)",                 "x=100, y=99"),
    Row("sigmoid-quotient",          "exp(a)/(1 + exp(a))",           "sigmoid(a)",                      "exp(x)/(1 + exp(x)) + x",       "x=100"),
    Row("sigmoid-two",               "exp(a)/(exp(a) + exp(b))",      "sigmoid(a - b)",                  "exp(x)/(exp(x) + exp(y))",      "x=100, y=99"),
    Row("sigmoid-slope",             "exp(a)/(1 + exp(a))**2",        "sigmoid(a)*sigmoid(-a)",          "exp(x)/(1 + exp(x))**2",        "x=60"),
    Row("silu",                      "a/(1 + exp(-a))",               "silu(a)",                         "x/(1 + exp(-x))",               "x=-12", "float16"),
    Row("sigmoid",                   "1/(1 + exp(-a))",               "sigmoid(a)",                      "1/(1 + exp(-x)) + x",           "x=-100"),
    Row("sinh",                      "(exp(a) - exp(-a))/2",          "sinh(a)",                         "((exp(x) - exp(-x))/2)**2",     "x=1e-6"),
    Row("sinh-twice",                "exp(a) - exp(-a)",              "2*sinh(a)",                       "(exp(x) - exp(-x))**2",         "x=1e-6"),
    Row("cosh",                      "(exp(a) + exp(-a))/2",          "cosh(a)",                         "(exp(x) + exp(-x))/2",          "x=1e-6"),
    Row("cosh-twice",                "exp(a) + exp(-a)",              "2*cosh(a)",                       "1/(exp(x) + exp(-x))",          "x=1e-6"),
    Row("tanh-exp",                  "(exp(a) - exp(-a))/(exp(a) + exp(-a))", "tanh(a)",                         "(exp(x) - exp(-x))/(exp(x) + exp(-x))", "x=100"),
    Row("tanh-exp-twice",            "(exp(2*a) - 1)/(exp(2*a) + 1)", "tanh(a)",                         "(exp(2*x) - 1)/(exp(2*x) + 1)", "x=100"),
    Row("tanh-quotient",             "sinh(a)/cosh(a)",               "tanh(a)",                         "sinh(x)/cosh(x)",               "x=100"),
    Row("sech-square",               "1/cosh(a)**2",                  "4*sigmoid(2*a)*sigmoid(-2*a)",    "1/cosh(x)**2",                  "x=7", "float16"),
    Row("log-cosh",                  "log(cosh(a))",                  "logaddexp(a, -a) - log(2)",       "log(cosh(x))",                  "x=100"),
    Row("log-sinh",                  "log(sinh(a))",                  "a + log1p(-exp(-2*a)) - log(2)",  "log(sinh(x))",                  "x=100"),
    Row("log-expm1",                 "log(exp(a) - 1)",               "a + log(-expm1(-a))",             "log(exp(x) - 1)",               "x=100"),
    Row("weighted-softmax",          "sum(exp(a)*b)/sum(exp(a))",     "sum(softmax(a, dim=0)*b)",        "e = exp(x); sum(e*y)/sum(e)",   "x=[100,99], y=[1,2]", along=True),

    # --- sums that cancel ---------------------------------------------------------------------------------------------
    Row("expm1",                     "exp(a) - 1",                    "expm1(a)",                        "(exp(x) - 1)**2",               "x=1e-6"),
    Row("expm1-quotient",            "(exp(a) - 1)/a",                "exp(a/2)*sinh(a/2)/(a/2)",        "(exp(x) - 1)/x",                "x=1e-6"),
    Row("expm1-guarded",             "(exp(a) - 1)/a",                "where(a == 0, 1, expm1(a)/where(a == 0, 1, a))", "(exp(x) - 1)/x",                "x=1e-4"),
    Row("exp-difference",            "exp(a) - exp(b)",               "exp(b)*expm1(a - b)",             "(exp(x) - exp(y))**2",          "x=1, y=1.0001"),
    Row("log1p",                     "log(1 + a)",                    "log1p(a)",                        "log(1 + x)**2",                 "x=1e-6"),
    Row("log2-one-plus",             "log2(1 + a)",                   "log1p(a)/log(2)",                 "log2(1 + x)**2",                "x=1e-6"),
    Row("log10-one-plus",            "log10(1 + a)",                  "log1p(a)/log(10)",                "log10(1 + x)**2",               "x=1e-6"),
    Row("log-one-minus-exp",         "log(1 - exp(a))",               "log(-expm1(a))",                  "log(1 - exp(-x))",              "x=1e-10"),
    Row("compound",                  "(1 + a)**b",                    "exp(b*log1p(a))",                 "(1 + 1/x)**x",                  "x=50", "float16", note=_BASE, unlike="a=-3, b=2"),
    Row("atanh-log",                 "log((1 + a)/(1 - a))",          "2*atanh(a)",                      "log((1 + x)/(1 - x))**2",       "x=1e-6"),
    Row("asinh-log",                 "log(a + sqrt(a**2 + 1))",       "asinh(a)",                        "log(x + sqrt(x**2 + 1))",       "x=-1e4"),
    Row("log1p-ratio",               "log(a + 1) - log(a)",           "log1p(1/a)",                      "log(x + 1) - log(x)",           "x=1e10"),
    Row("log-difference",            "log(a) - log(b)",               "log(a/b)",                        "(log(x) - log(y))**2",          "x=1000, y=1000.1"),
    Row("one-minus-cos",             "1 - cos(a)",                    "2*sin(a/2)**2",                   "(1 - cos(x))**2",               "x=1e-4"),
    Row("one-minus-cos-quotient",    "(1 - cos(a))/a**2",             "sinc(a/(2*pi))**2/2",             "(1 - cos(x))/x**2",             "x=0.1"),
    Row("cosh-minus-one",            "cosh(a) - 1",                   "2*sinh(a/2)**2",                  "(cosh(x) - 1)**2",              "x=1e-4"),
    Row("cos-difference",            "cos(a) - cos(b)",               "2*sin((a + b)/2)*sin((b - a)/2)", "(cos(x) - cos(y))**2",          "x=1, y=1.0001"),
    Row("sin-difference",            "sin(a) - sin(b)",               "2*cos((a + b)/2)*sin((a - b)/2)", "(sin(x) - sin(y))**2",          "x=1, y=1.0001"),
    Row("sqrt-difference",           "sqrt(a) - sqrt(b)",             "(a - b)/(sqrt(a) + sqrt(b))",     "(sqrt(x) - sqrt(y))**2",        "x=10, y=10.0001", note=_DENOMINATOR, unlike="a=0, b=0"),
    Row("sqrt-step",                 "sqrt(a + 1) - sqrt(a)",         "1/(sqrt(a + 1) + sqrt(a))",       "sqrt(x + 1) - sqrt(x)",         "x=1e10"),
    Row("sqrt-minus-one",            "sqrt(1 + a) - 1",               "a/(sqrt(1 + a) + 1)",             "(sqrt(1 + x) - 1)**2",          "x=1e-6"),
    Row("sqrt-minus-root",           "sqrt(a**2 + c) - a",            "c/(sqrt(a**2 + c) + a)",          "sqrt(x**2 + y) - x",            "x=1e4, y=1", note=_DENOMINATOR, unlike="a=0, c=0", sure=("c>0",)),
    Row("square-difference",         "a**2 - b**2",                   "(a - b)*(a + b)",                 "(x**2 - y**2)**2",              "x=10, y=10.0001"),
    Row("square-step",               "(a + b)**2 - a**2",             "b*(2*a + b)",                     "(x + y)**2 - x**2",             "x=1000, y=1e-3"),
    Row("square-minus-one",          "sqrt(a**2 - 1)",                "sqrt(a - 1)*sqrt(a + 1)",         "sqrt(x**2 - 1)",                "x=1.0001", note=_SQUARE, unlike="a=-2"),
    Row("one-minus-square",          "1 - a**2",                      "(1 - a)*(1 + a)",                 "1/(1 - x**2)",                  "x=0.9999"),
    Row("reciprocal-difference",     "1/a - 1/b",                     "(b - a)/(a*b)",                   "(1/x - 1/y)**2",                "x=10, y=10.0001"),
    Row("reciprocal-step",           "1/(a + 1) - 1/a",               "-1/(a*(a + 1))",                  "1/(x + 1) - 1/x",               "x=1e4"),
    Row("atan-difference",           "atan(a) - atan(b)",             "atan2(a - b, 1 + a*b)",           "(atan(x) - atan(y))**2",        "x=10, y=10.0001"),
    Row("one-minus-sigmoid",         "1 - sigmoid(a)",                "sigmoid(-a)",                     "1 - sigmoid(x)",                "x=20"),
    Row("sigmoid-product",           "sigmoid(a)*(1 - sigmoid(a))",   "sigmoid(a)*sigmoid(-a)",          "sigmoid(x)*(1 - sigmoid(x))",   "x=20"),
    Row("one-minus-tanh-square",     "1 - tanh(a)**2",                "1/cosh(a)**2",                    "1 - tanh(x)**2",                "x=8"),
    Row("one-minus-tanh-square-far", "1 - tanh(a)**2",                "4*sigmoid(2*a)*sigmoid(-2*a)",    "1 - tanh(x)**2",                "x=7", "float16"),
    Row("share",                     "a/(a + b)",                     "1/(1 + b/a)",                     "x/(x + y)",                     "x=1, y=1e-6", note=_ZERO, unlike="a=0, b=1"),
    Row("one-minus-erf",             "1 - erf(a)",                    "erfc(a)",                         "log(1 - erf(x))",               "x=5"),
    Row("one-plus-erf",              "1 + erf(a)",                    "erfc(-a)",                        "log(1 + erf(x))",               "x=-5"),
    Row("variance-centred",          "mean(a**2) - mean(a)**2",       "mean((a - mean(a))**2)",          "mean(x**2) - mean(x)**2",       "x=[1000,1000.1,1000.2]", kept=True),
    Row("variance",                  "mean(a**2) - mean(a)**2",       "var(a, correction=0)",            "mean(x**2) - mean(x)**2",       "x=[1000,1001,1002]"),
    Row("square-of-difference",      "a**2 + b**2 - 2*a*b",           "(a - b)**2",                      "x**2 + y**2 - 2*x*y",           "x=1000, y=1000.1"),
    Row("square-of-sum",             "a**2 + b**2 + 2*a*b",           "(a + b)**2",                      "x**2 + y**2 + 2*x*y",           "x=1000, y=-1000.1"),
    Row("distance",                  "sqrt(a**2 + b**2 - 2*a*b)",     "abs(a - b)",                      "sqrt(x**2 + y**2 - 2*x*y)",     "x=1000, y=1000.1"),
    Row("squared-distance",          "sum(a**2) + sum(b**2) - 2*sum(a*b)", "sum((a - b)**2)",                 "(sum(x**2) + sum(y**2) - 2*sum(x*y))**2", "x=[1000,2000], y=[1000.1,2000.1]", alike=True),
    Row("quadratic-root",            "(sqrt(b**2 - 4*a*c) - b)/(2*a)", "-2*c/(b + sqrt(b**2 - 4*a*c))",   "(sqrt(y**2 - 4*x*z) - y)/(2*x)", "x=1, y=1e4, z=1", note=_DENOMINATOR, unlike="a=1, b=-1, c=0"),

    # --- logarithms of what over- or underflows -----------------------------------------------------------------------
    Row("log-sigmoid",               "log(sigmoid(a))",               "logsigmoid(a)",                   "log(sigmoid(x))",               "x=-100"),
    Row("log-one-minus-sigmoid",     "log(1 - sigmoid(a))",           "logsigmoid(-a)",                  "log(1 - sigmoid(x))",           "x=50"),
    Row("log-one-minus-tanh-square", "log(1 - tanh(a)**2)",           "log(4) + logsigmoid(2*a) + logsigmoid(-2*a)", "log(1 - tanh(x)**2)",           "x=50"),
    Row("log-reciprocal-sigmoid",    "log(1/(1 + exp(-a)))",          "logsigmoid(a)",                   "log(1/(1 + exp(-x)))",          "x=-100"),
    Row("log-prod",                  "log(prod(a))",                  "sum(log(a))",                     "log(prod(x))",                  "x=[1e30,2e30]", note=_SIGNS, sure=("a",), unlike="a=[-1,-1]"),
    Row("log-product",               "log(a*b)",                      "log(a) + log(b)",                 "log(x*y)",                      "x=1e30, y=1e10", note=_SIGNS, sure=("a", "b"), unlike="a=-1, b=-1"),
    Row("log-quotient",              "log(a/b)",                      "log(a) - log(b)",                 "log(x/y)",                      "x=1e30, y=1e-10", note=_SIGNS, sure=("a", "b"), unlike="a=-1, b=-1"),
    Row("log-square",                "log(a**2)",                     "2*log(abs(a))",                   "log(x**2)",                     "x=1e25"),
    Row("log-power",                 "log(a**b)",                     "b*log(a)",                        "log(x**y)",                     "x=1e10, y=8", note=_BASE, unlike="a=-1, b=2"),
    Row("log-reciprocal",            "log(1/a)",                      "-log(a)",                         "log(1/x)",                      "x=1e-30"),
    Row("log2-exp2",                 "log2(2**a)",                    "a",                               "log2(2**x)",                    "x=200"),
    Row("cross-entropy",             "b*log(sigmoid(a)) + (1 - b)*log(1 - sigmoid(a))", "b*logsigmoid(a) + (1 - b)*logsigmoid(-a)", "p = sigmoid(x); y*log(p) + (1 - y)*log(1 - p)", "x=[-120,40], y=0.5"),
    Row("log-sigmoid-two",           "log(exp(a)/(exp(a) + exp(b)))", "logsigmoid(a - b)",               "log(exp(x)/(exp(x) + exp(y)))", "x=100, y=99"),
    Row("log-sigmoid-quotient",      "log(exp(a)/(1 + exp(a)))",      "logsigmoid(a)",                   "log(exp(x)/(1 + exp(x)))",      "x=-100"),
    Row("logit-sigmoid",             "log(sigmoid(a)/(1 - sigmoid(a)))", "a",                               "log(sigmoid(x)/(1 - sigmoid(x)))", "x=30"),
    Row("log-exp-difference",        "log(exp(a) - exp(b))",          "a + log(-expm1(b - a))",          "log(exp(x) - exp(y))",          "x=100, y=99"),
    Row("log-sum-squares",           "log(a**2 + b**2)",              "2*log(hypot(a, b))",              "log(x**2 + y**2)",              "x=1e25, y=1e24"),
    Row("geometric-mean",            "prod(a)**b",                    "exp(b*sum(log(a)))",              "prod(x)**(1/3)",                "x=[1e-20,1e-20,1e-20]", note=_SIGNS, unlike="a=[-1,-1], b=2"),

    # --- squares that over- or underflow ------------------------------------------------------------------------------
    Row("hypot",                     "sqrt(a**2 + b**2)",             "hypot(a, b)",                     "sqrt(x**2 + y**2)",             "x=1e30, y=1e29"),
    Row("hypot-one",                 "sqrt(a**2 + 1)",                "hypot(a, 1)",                     "sqrt(x**2 + 1)",                "x=1e30"),
    Row("abs",                       "sqrt(a**2)",                    "abs(a)",                          "sqrt(x**2)",                    "x=1e-30"),
    Row("norm",                      "sqrt(sum(a**2))",               "norm(a)",                         "sqrt(sum(x**2))",               "x=[300,400]", "float16"),
    Row("unit-vector",               "a/norm(a)",                     "a/maximum(norm(a), 1e-12)",       "x/norm(x)",                     "x=[0,0]", note=_FLOOR, floor=True, unlike="a=[1e-13,0]"),
    Row("sqrt-product",              "sqrt(a*b)",                     "sqrt(a)*sqrt(b)",                 "sqrt(x*y)",                     "x=1e30, y=1e20", note=_SIGNS, sure=("ab",), unlike="a=-1, b=-1"),
    Row("sqrt-quotient",             "sqrt(a/b)",                     "sqrt(a)/sqrt(b)",                 "sqrt(x/y)",                     "x=1e-30, y=1e20", note=_SIGNS, sure=("ab",), unlike="a=-1, b=-1"),
    Row("atan2",                     "atan(a/b)",                     "atan2(a, b)",                     "atan(y/x)",                     "x=1e-30, y=1", note=_HALF_TURN, unlike="a=1, b=-1"),
    Row("lorentz",                   "a/(1 + a**2)",                  "1/(a + 1/a)",                     "x/(1 + x**2)",                  "x=300", "float16", note=_ZERO, unlike="a=0"),
    Row("hypot-three",               "sqrt(a**2 + b**2 + c**2)",      "hypot(hypot(a, b), c)",           "sqrt(x**2 + y**2 + z**2)",      "x=1e30, y=1e29, z=1e28"),
    Row("hypot-four",                "sqrt(a**2 + b**2 + c**2 + d**2)", "hypot(hypot(a, b), hypot(c, d))", "sqrt(x**2 + y**2 + z**2 + w**2)", "x=1e30, y=1e29, z=1e28, w=1e30"),
    Row("norm-scaled",               "sqrt(sum(a**2))",               "amax(abs(a))*norm(a/amax(abs(a)))", "sqrt(sum(x**2))",               "x=[1e30,1e29]", note=_ALL_ZERO, kept=True, unlike="a=[0,0]"),
    Row("norm-norm-scaled",          "norm(a)",                       "amax(abs(a))*norm(a/amax(abs(a)))", "norm(x)",                       "x=[1e30,1e29]", note=_ALL_ZERO, kept=True, unlike="a=[0,0]"),
    Row("cosine",                    "sum(a*b)/(norm(a)*norm(b))",    "sum(a/norm(a)*(b/norm(b)))",      "sum(x*y)/(norm(x)*norm(y))",    "x=[300,400], y=[400,200]", "float16", kept=True),
    Row("cosine-by-hand",            "sum(a*b)/(sqrt(sum(a**2))*sqrt(sum(b**2)))", "sum(a/norm(a)*(b/norm(b)))",      "sum(x*y)/(sqrt(sum(x**2))*sqrt(sum(y**2)))", "x=[300,400], y=[1,2]", "float16", kept=True),
    Row("ratio-of-squares",          "a**2/b**2",                     "(a/b)**2",                        "x**2/y**2",                     "x=1e25, y=1e24"),

    # --- 0/0 and infinite slopes --------------------------------------------------------------------------------------
    Row("sinc",                      "sin(a)/a",                      "sinc(a/pi)",                      "sin(x)/x",                      "x=0"),
    Row("square-of-sqrt",            "sqrt(a)**2",                    "a",                               "sqrt(x)**2",                    "x=0"),
    Row("power-of-sqrt",             "a*sqrt(a)",                     "a**1.5",                          "x*sqrt(x)",                     "x=0"),
    Row("deviation",                 "std(a)",                        "sqrt(var(a) + 1e-12)",            "std(x)",                        "x=[1,1]", note=_FLOORED, floor=True, unlike="a=[1,1]"),
    Row("sqrt-one-minus-cos",        "sqrt(1 - cos(a))",              "sqrt(2)*abs(sin(a/2))",           "sqrt(1 - cos(x))",              "x=1e-3"),
    Row("acos-near-one",             "acos(1 - a)",                   "2*asin(sqrt(a/2))",               "acos(1 - x)",                   "x=1e-10"),
    Row("root-floor",                "sqrt(a)",                       "sqrt(a + 1e-12)",                 "sqrt(x)",                       "x=0", note=_LIFTED, floor=True, unlike="a=0"),
    Row("entropy-floor",             "a*log(a)",                      "a*log(a + 1e-12)",                "x*log(x)",                      "x=0", note=_LIFTED_LOG, floor=True, unlike="a=1"),
    Row("ratio-floor",               "a/b",                           "a/(b + 1e-12)",                   "2*sum(x*y)/(sum(x) + sum(y))",  "x=[0,0], y=[0,0]", note=_LIFTED_BELOW, floor=True, unlike="a=1, b=1"),
    Row("harmonic",                  "1/(1/a + 1/b)",                 "a*b/(a + b)",                     "1/(1/x + 1/y)",                 "x=1e-39, y=1"),
    Row("acosh-one-plus",            "acosh(1 + a)",                  "2*asinh(sqrt(a/2))",              "acosh(1 + x)",                  "x=1e-9"),
    Row("angle",                     "acos(sum(a*b)/(norm(a)*norm(b)))", "2*atan2(norm(a*norm(b) - b*norm(a)), norm(a*norm(b) + b*norm(a)))", "acos(sum(x*y)/(norm(x)*norm(y)))", "x=[1,2], y=[1,2.001]", kept=True, alike=True),
    Row("angle-clamped",             "acos(clamp(sum(a*b)/(norm(a)*norm(b)), -1, 1))", "2*atan2(norm(a*norm(b) - b*norm(a)), norm(a*norm(b) + b*norm(a)))", "acos(clamp(sum(x*y)/(norm(x)*norm(y)), -1, 1))", "x=[1,2], y=[1,2.001]", kept=True, alike=True),

    # --- torch's own derivatives that cancel: from a stored result, or from 1 - x**2 ----------------------------------
    Row("sigmoid-stored",            "sigmoid(a)",                    "exp(logsigmoid(a))",              "sigmoid(x)",                    "x=20"),
    Row("tanh-right",                "tanh(a)",                       "1 - 2*sigmoid(-2*a)",             "tanh(x)",                       "x=8"),
    Row("tanh-left",                 "tanh(a)",                       "2*sigmoid(2*a) - 1",              "tanh(x)",                       "x=-8"),
    Row("tanh-both",                 "tanh(a)",                       "where(a > 1, 1 - 2*sigmoid(-2*a), where(a < -1, 2*sigmoid(2*a) - 1, tanh(a)))", "tanh(x)",                       "x=[-8,0.1,8]"),
    Row("expm1-stored",              "expm1(a)",                      "exp(a) - 1",                      "expm1(x)",                      "x=-20"),
    Row("gelu",                      "gelu(a)",                       "a*erfc(-a/sqrt(2))/2",            "gelu(x)",                       "x=-5"),
    Row("atanh",                     "atanh(a)",                      "(log1p(a) - log1p(-a))/2",        "atanh(x)",                      "x=0.9999"),
    Row("asin",                      "asin(a)",                       "atan2(a, sqrt((1 - a)*(1 + a)))", "asin(x)",                       "x=0.9999"),
    Row("acos",                      "acos(a)",                       "atan2(sqrt((1 - a)*(1 + a)), a)", "acos(x)",                       "x=0.9999"),
    Row("acosh",                     "acosh(a)",                      "2*asinh(sqrt((a - 1)/2))",        "acosh(x)",                      "x=1.0001"),
    Row("asinh",                     "asinh(a)",                      "log(a + hypot(a, 1))",            "asinh(x)",                      "x=1e30"),
)
# fmt: on
