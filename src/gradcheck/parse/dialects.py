"""Functions of NumPy, JAX, SciPy, TensorFlow, SymPy and Python's math: what means the same in torch."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gradcheck.functions import ALIASES, CONDITIONS, ELEMENTWISE
from gradcheck.functions.signatures import meanings
from gradcheck.parse.casts import name_of

if TYPE_CHECKING:
    from gradcheck.parse.reader import Reader


@dataclass(frozen=True, slots=True)
class Named:
    """What a function is called in torch; ``adds`` are arguments that it has there where nothing else is said.

    ``renames`` are its keyword arguments; with ``needs`` it is another function without that one, and refused.
    """

    name: str
    adds: Mapping[str, int | str] = field(default_factory=dict)
    renames: Mapping[str, str] = field(default_factory=dict)
    needs: str = ""


Dialect = dict[str, Named | str]
"""By a function's name there: what it is in torch, or what to write instead of it."""


def _same(names: str) -> Dialect:
    return {name: Named(name) for name in names.split()}


_ELEMENTWISE: Dialect = {
    name: Named(name) for name in (*ELEMENTWISE, *CONDITIONS, *(a for a, to in ALIASES.items() if to in ELEMENTWISE))
}
_POPULATION = {"correction": 0}

NUMPY: Dialect = {
    **_ELEMENTWISE,
    **_same(
        "sum mean prod concatenate stack squeeze reshape ravel outer where einsum tensordot kron "
        "diff trace diag tril triu vstack hstack dstack column_stack roll rot90 fliplr flipud tile "
        "nansum nanmean copysign nan_to_num matmul maximum minimum fmax fmin logaddexp "
        "logaddexp2 floor_divide heaviside swapaxes moveaxis cov corrcoef vdot det inv solve slogdet "
        "cholesky matrix_power pinv norm multi_dot meshgrid sinc round clip inner broadcast_to "
    ),
    "std": Named("std", _POPULATION), "var": Named("var", _POPULATION), "max": Named("amax"), "min": Named("amin"),
    "amax": Named("amax"), "amin": Named("amin"), "dot": Named("matmul"), "expand_dims": Named("unsqueeze"),
    "clip": Named("clamp", renames={"a_min": "min", "a_max": "max"}), "mod": Named("remainder"), "rint": Named("round"),
    "repeat": Named("repeat_interleave"), "trapz": Named("trapezoid"), "trapezoid": Named("trapezoid"),
    "degrees": Named("rad2deg"), "radians": Named("deg2rad"), "cumsum": Named("cumsum", needs="axis"),
    "cumprod": Named("cumprod", needs="axis"), "cross": Named("cross", {"dim": -1}),
    "sort": Named("sort"), "flip": Named("flip", needs="axis"), "average": Named("mean"),
    "array_split": Named("tensor_split"),
    "transpose": Named("permute", renames={"axes": "dims"}, needs="axes"), "newaxis": "write None",
    "median": "numpy's median of an even number is between two: write their mean, sort(x)[1]/2 + sort(x)[2]/2 of four",
    "split": "numpy splits into so many parts, torch into parts of that size: write chunk(x, n)", "cbrt": Named("cbrt"),
    "ptp": "write amax(x) - amin(x)", "convolve": "write conv1d", "interp": "write where for each piece",
}  # fmt: skip
_SCIPY: Dialect = {
    **_ELEMENTWISE,
    **_same(
        "expit logit erf erfc erfinv erfcx xlogy xlog1py entr ndtr ndtri log_ndtr i0 i0e i1 i1e zeta "
        "digamma polygamma gammainc gammaincc exp2 expm1 log1p "
    ),
    "gammaln": Named("lgamma"), "psi": Named("digamma"), "log_expit": Named("logsigmoid"), "j0": Named("bessel_j0"),
    "j1": Named("bessel_j1"), "y0": Named("bessel_y0"), "y1": Named("bessel_y1"), "multigammaln": Named("mvlgamma"),
    "softmax": Named("softmax", needs="axis"), "log_softmax": Named("log_softmax", needs="axis"),
    "logsumexp": Named("logsumexp", needs="axis"), "cbrt": Named("cbrt"), "rel_entr": "write x*log(x/y)",
    "kl_div": "scipy's kl_div is another one than torch's: write x*log(x/y) - x + y", "exp10": "write 10**x",
    "gamma": "write exp(lgamma(x)) where x > 0", "norm": Named("norm"), "det": Named("det"), "inv": Named("inv"),
    "sinc": Named("sinc"), "solve": Named("solve"),
}  # fmt: skip
_NN: Dialect = {
    **_ELEMENTWISE,
    **_same(
        "relu relu6 sigmoid silu swish elu celu selu leaky_relu softplus glu mish logsumexp "
    ),
    "softmax": Named("softmax", {"dim": -1}), "log_softmax": Named("log_softmax", {"dim": -1}),
    "log_sigmoid": Named("logsigmoid"), "hard_tanh": Named("hardtanh"), "hard_sigmoid": Named("hardsigmoid"),
    "hard_silu": Named("hardswish"), "hard_swish": Named("hardswish"), "soft_sign": Named("softsign"),
    "softsign": Named("softsign"), "squareplus": "write (x + sqrt(x**2 + 4))/2",
    "logsumexp": Named("logsumexp", needs="axis"),
}  # fmt: skip
JAX_NN: Dialect = {**_NN, "gelu": 'jax\'s gelu is the approximation by tanh: write gelu(x, approximate="tanh")'}
JAX_LAX: Dialect = {
    **_ELEMENTWISE, "stop_gradient": Named("detach"), "logistic": Named("sigmoid"), "max": Named("maximum"),
    "min": Named("minimum"), "select": Named("where"), "integer_pow": Named("pow"), "dot": Named("matmul"),
    "erf_inv": Named("erfinv"), "rem": Named("fmod"), "cumsum": Named("cumsum", {"dim": 0}), "cbrt": Named("cbrt"),
}  # fmt: skip
TENSORFLOW: Dialect = {
    **_NN, **_same("matmul reshape squeeze stack where einsum tensordot add subtract multiply divide trace"),
    "reduce_sum": Named("sum"), "reduce_mean": Named("mean"), "reduce_prod": Named("prod"), "reduce_max": Named("amax"),
    "reduce_min": Named("amin"), "reduce_std": Named("std", _POPULATION), "reduce_variance": Named("var", _POPULATION),
    "reduce_logsumexp": Named("logsumexp", needs="axis"), "reduce_euclidean_norm": Named("norm"), "norm": Named("norm"),
    "clip_by_value": Named("clamp", renames={"clip_value_min": "min", "clip_value_max": "max"}), "concat": Named("cat"),
    "cumprod": Named("cumprod", {"dim": 0}),
    "expand_dims": Named("unsqueeze"), "stop_gradient": Named("detach"), "cumsum": Named("cumsum", {"dim": 0}),
    "transpose": Named("permute", renames={"perm": "dims"}, needs="perm"), "mod": Named("remainder"),
    "floormod": Named("remainder"), "gelu": Named("gelu"),
    "leaky_relu": Named("leaky_relu", {"negative_slope": "1/5"}, {"alpha": "negative_slope"}),
    "squared_difference": "write (a - b)**2", "l2_loss": "write sum(x**2)/2", "identity": Named("clone"),
    "l2_normalize": "write x*rsqrt(maximum(sum(x**2, dim, keepdim=True), 1e-12))", "negative": Named("neg"),
    "sigmoid_cross_entropy_with_logits": "write relu(x) - x*z + log1p(exp(-abs(x)))",
    "softmax_cross_entropy_with_logits": "write -sum(labels*log_softmax(logits, -1), dim=-1)",
}  # fmt: skip
MATH: Dialect = {
    **_ELEMENTWISE, "remainder": "Python's math.remainder rounds to even: write x - y*round(x/y)",
    "fsum": "write x + y + z", "prod": "write a product", "dist": "write norm(x - y)", "gamma": "write exp(lgamma(x))",
    "cbrt": Named("cbrt"), "degrees": Named("rad2deg"), "radians": Named("deg2rad"), "copysign": Named("copysign"),
}  # fmt: skip
SYMPY: Dialect = {
    **_ELEMENTWISE, "sinc": "SymPy's sinc has no pi in it: write sin(x)/x", "Max": Named("maximum"),
    "Min": Named("minimum"),
    "cbrt": Named("cbrt"), "Piecewise": "write where(condition, a, b)", "loggamma": Named("lgamma"),
    "gamma": "write exp(lgamma(x))",
}  # fmt: skip

DIALECTS: dict[str, Dialect] = {
    "numpy": NUMPY, "jax.numpy": NUMPY, "scipy": _SCIPY, "jax.scipy": _SCIPY, "jax.nn": JAX_NN, "jax.lax": JAX_LAX,
    "jax": JAX_LAX, "tensorflow": TENSORFLOW, "math": MATH, "sympy": SYMPY,
}  # fmt: skip
"""By the longest module that names one."""
_AXES = {"axis": ("axis", "dim"), "axes": ("axes", "dims", "dim"), "perm": ("perm", "dims")}
"""Keyword arguments that say over which axis."""


def dialect(module: str) -> Dialect | None:
    """Return the dialect of a module, None for torch's own.

    >>> dialect("numpy.linalg") is NUMPY, dialect("torch.special"), dialect("jax.nn") is JAX_NN
    (True, None, True)
    """
    while module:
        if module in DIALECTS:
            return DIALECTS[module]
        module = module.rpartition(".")[0]
    return None


def translated(reader: Reader, node: ast.Call, module: str) -> ast.Call:
    """Return a call of a function of a module as a call of torch's; raise where that means another thing."""
    spoken = dialect(module)
    if spoken is None:
        return node
    name = name_of(node)
    found = spoken.get(name)
    shown = f"{module.partition('.')[0]}'s `{name}`"
    if found is None:
        known = bool(meanings(name))
        hint = (
            f"where it means the same as torch's, write {name}(...)"
            if known
            else "`gradcheck functions` lists them all"
        )
        raise reader.unknown(f"{shown} is not known here", node.func, hint)
    if isinstance(found, str):
        raise reader.fail(f"{shown} is none of torch's", node.func, found)
    keywords = [ast.copy_location(ast.keyword(found.renames.get(str(one.arg), one.arg), one.value), one)
                for one in node.keywords]  # fmt: skip
    given = {one.arg for one in keywords} | ({"axis", "dim", "axes", "dims", "perm"} if len(node.args) > 1 else set())
    if found.needs and not given & set(_AXES[found.needs]):
        if name == "transpose":
            return _call(node, module, "T", keywords)
        hint = f"write {found.needs}=..., or flatten(x) before it"
        raise reader.fail(f"without {found.needs} this is another function than torch's", node, hint)
    for key, value in found.adds.items():
        if (
            key not in given
            and not (key == "dim" and "axis" in given)
            and not (key == "correction" and "ddof" in given)
        ):
            keywords.append(ast.copy_location(ast.keyword(key, _value(value, node)), node.func))
    return _call(node, module, found.name, keywords)


def _value(value: int | str, node: ast.Call) -> ast.expr:
    """Return a whole number, or a fraction such as ``1/5``, as it would be written."""
    if isinstance(value, int):
        return _number(value, node)
    above, below = (_number(int(one), node) for one in value.split("/"))
    return ast.copy_location(ast.BinOp(above, ast.Div(), below), node.func)


def _number(value: int, node: ast.Call) -> ast.Constant:
    return ast.copy_location(ast.Constant(value), node.func)


def _call(node: ast.Call, module: str, name: str, keywords: list[ast.keyword]) -> ast.Call:
    torch: ast.expr = ast.copy_location(ast.Name("torch", ast.Load()), node.func)
    if "linalg" in module:
        torch = ast.copy_location(ast.Attribute(torch, "linalg", ast.Load()), node.func)
    func = ast.copy_location(ast.Attribute(torch, name, ast.Load()), node.func)
    return ast.copy_location(type(node)(func, node.args, keywords), node)
