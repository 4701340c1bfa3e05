"""What functions of the table are in mpmath, as text: for lines that show the right number without gradcheck.

A function of tensors gets the elements of all its arguments, in order. A name stands for the first program of the
function; another one is written out.
"""

from __future__ import annotations

SOLVED = "lambda a, b, c, d, *u: sum((mp.matrix([[a, b], [c, d]])*mp.matrix([[a, c], [b, d]]))**-1*mp.matrix([*u]))"
"""What solves a 2 x 2 matrix times its transpose."""
ORACLES = {
    "sinc": "mp.sincpi",
    "pow": "mp.power",
    "div": "lambda x, y: x/y",
    "atan2": "mp.atan2",
    "hypot": "mp.hypot",
    "logaddexp": "lambda x, y: mp.log(mp.exp(x) + mp.exp(y))",
    "softplus": "lambda s: mp.log(1 + mp.exp(s))",
    "gelu": "lambda *v: sum(x*(1 + mp.erf(x/mp.sqrt(2)))/2 for x in v)",
    "silu": "lambda v: v/(1 + mp.exp(-v))",
    "prod": "lambda *a: mp.fprod(a)",
    "std": "lambda *a: mp.sqrt(sum((x - sum(a)/len(a))**2 for x in a)/(len(a) - 1))",
    "var": "lambda *a: sum((x - sum(a)/len(a))**2 for x in a)/(len(a) - 1)",
    "norm": "lambda *a: mp.sqrt(sum(x**2 for x in a))",
    "exp2": "lambda x: 2**x",
    "xlogy": "lambda x, y: x*mp.log(y)",
    "logit": "lambda x: mp.log(x/(1 - x))",
    "asinh": "mp.asinh",
    "acosh": "mp.acosh",
    "atanh": "mp.atanh",
    "sigmoid": "lambda x: 1/(1 + mp.exp(-x))",
    "logsigmoid": "lambda v: -mp.log(1 + mp.exp(-v))",
    "elu": "lambda v: v if v > 0 else mp.exp(v) - 1",
    "tanh": "mp.tanh",
    "tan": "mp.tan",
    "logaddexp2": "lambda x, y: mp.log(mp.mpf(2)**x + mp.mpf(2)**y, 2)",
    "acot": "mp.acot",
    "acsch": "mp.acsch",
    "csch": "mp.csch",
    "sech": "mp.sech",
    "coth": "mp.coth",
    "hardsigmoid": "lambda v: min(max(4*v + 3, 0), 6)/mp.mpf(6)",
    "celu": "lambda v: v if v > 0 else mp.exp(v) - 1",
    "log_ndtr": "lambda v: mp.log(mp.erfc(-3*v/mp.sqrt(2))/2)",
    "lgamma": "lambda x: mp.log(abs(mp.gamma(x)))",
    "i1": "lambda x: mp.besseli(1, x)",
    "i1e": "lambda x: mp.exp(-abs(x))*mp.besseli(1, x)",
    "digamma": "lambda x: mp.psi(0, x)",
    "polygamma(exp(v), n=1)": "lambda *a: sum(mp.psi(1, mp.exp(x)) for x in a)",
    "copysign": "lambda *a: sum(abs(x)*(1 if y >= 0 else -1) for x, y in zip(a, a[::-1]))",
    "cumprod": "lambda *a: sum(mp.fprod(a[:k + 1]) for k in range(len(a)))",
    "logcumsumexp": "lambda *a: sum(mp.log(sum(mp.exp(x) for x in a[:k + 1])) for k in range(len(a)))",
    "linalg.norm": "lambda *a: mp.sqrt(sum(x**2 for x in a))",
    "linalg.matrix_norm": "lambda *a: mp.sqrt(sum(x**2 for x in a))",
    "linalg.vector_norm": "lambda *a: mp.cbrt(sum(abs(x)**3 for x in a))",
    "det": "lambda a, b, c, d: a*d - b*c",
    "cholesky_inverse": "lambda a, b, c, d: sum((mp.matrix([[a, b], [c, d]])*mp.matrix([[a, c], [b, d]]))**-1)",
    "triangular_solve": "lambda a, b, c, d: sum(mp.matrix([[a, b], [0, d]])**-1*mp.matrix([[a, b], [c, d]]))",
    "lp_pool2d(reshape(b, shape=(1, 1, 3, 4)), norm_type=4, kernel_size=2, ceil_mode=True)": (
        "lambda *b: sum(mp.root(sum(abs(b[4*i + j])**4 for i in rows for j in columns), 4)"
        " for rows in ((0, 1), (2,)) for columns in ((0, 1), (2, 3)))"
    ),
    "scatter_reduce(v, a[0], dim=0, index=(2, 0, 2), reduce='prod')": "lambda u, v, w, *a: u*a[1] + v + w*a[0]*a[2]",
    "logdet": "lambda a, b, c, d: 2*mp.log(abs(a*d - b*c))",
    "slogdet": "lambda a, b, c, d: mp.log(abs(a*d - b*c))",
    "solve": SOLVED,
    "solve_ex": SOLVED,
    "embedding_bag(b, v, indices=(0, 2, 1), offsets=(0, 1), mode='sum', include_last_offset=True)": (
        "lambda *x: sum(x[:4])*x[12]"
    ),
    "lp_pool1d": "lambda *b: sum(mp.root(abs(x)**4 + abs(y)**4, 4) for x, y in zip(b, b[1:]))",
    "lp_pool2d": (
        "lambda *b: sum(mp.root(sum(abs(b[4*(i + p) + j + q])**4 for p in (0, 1) for q in (0, 1)), 4)"
        " for i in range(2) for j in range(3))"
    ),
    "lp_pool3d": (
        "lambda *b: sum(mp.root(abs(b[6*i + k])**4 + abs(b[6*i + 3 + k])**4, 4) for i in range(2) for k in range(3))"
    ),
    "mish": "lambda u: u*mp.tanh(mp.log(1 + mp.exp(u)))",
    "scatter_reduce(v, a[0], dim=0, index=(2, 0, 2), include_self=False, reduce='amax')": (
        "lambda u, v, w, *a: a[1] + v + max(a[0], a[2])"
    ),
    "soft_margin_loss": "lambda *x: sum(mp.log(1 + mp.exp(-x[j]*x[6 + j])) for j in range(3))/3",
    "layer_norm": (
        "lambda *x: sum(x[6 + j]*(x[3*i + j] - sum(x[3*i:3*i + 3])/3)"
        "/mp.sqrt(sum((y - sum(x[3*i:3*i + 3])/3)**2 for y in x[3*i:3*i + 3])/3 + mp.mpf('1e-5')) + x[6 + j]**2"
        " for i in range(2) for j in range(3))"
    ),
}


def oracle(name: str, program: str, first: bool) -> str | None:
    """Return what a program of a function is in mpmath, None where nobody has written it down.

    >>> oracle("sinc", "sinc(x)", first=True), oracle("sinc", "sinc(2*x)", first=False)
    ('mp.sincpi', None)
    """
    return ORACLES.get(program) or (ORACLES.get(name) if first else None)
