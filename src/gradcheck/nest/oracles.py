"""What functions of the table are in mpmath, as text: for lines that show the right number without gradcheck.

A function of tensors gets the elements of all its arguments, in order.
"""

from __future__ import annotations

ORACLES = {
    "sinc": "mp.sincpi",
    "pow": "mp.power",
    "div": "lambda x, y: x/y",
    "atan2": "mp.atan2",
    "hypot": "mp.hypot",
    "logaddexp": "lambda x, y: mp.log(mp.exp(x) + mp.exp(y))",
    "softplus": "lambda s: mp.log(1 + mp.exp(s))",
    "gelu": "lambda v: v*(1 + mp.erf(v/mp.sqrt(2)))/2",
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
}
