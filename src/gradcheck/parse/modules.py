"""Modules of torch.nn without weights: each is its function, with the arguments that the module was made with."""

from __future__ import annotations

import ast
from functools import cache
from typing import TYPE_CHECKING

from gradcheck import functions
from gradcheck.errors import Option
from gradcheck.functions import COMPOSITE, TABLE
from gradcheck.functions.signatures import signature
from gradcheck.parse.casts import name_of
from gradcheck.parse.scopes import Function
from gradcheck.parse.torch_names import MODULES

if TYPE_CHECKING:
    from gradcheck.parse.reader import Reader

FUNCTIONS_OF_MODULES = {
    "BCELoss": "binary_cross_entropy", "BCEWithLogitsLoss": "binary_cross_entropy_with_logits",
    "CrossEntropyLoss": "cross_entropy", "Upsample": "interpolate", "Softmax2d": "softmax",
}  # fmt: skip
"""Modules whose function has another name."""
DEFAULTS = {"Flatten": {"start_dim": 1}, "Softmax2d": {"dim": -3}}
"""Arguments that a module has and its function has not."""
NOTHING = frozenset({"Identity"})
"""Modules that return what they get."""
RANDOM = frozenset({"Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout", "RReLU"})
"""Modules that draw random numbers."""
WITH_WEIGHTS = {
    "Linear": "linear(x, weight, bias)", "Bilinear": "bilinear(x, y, weight, bias)", "PReLU": "prelu(x, weight)",
    "Embedding": "weight[indices]", "LayerNorm": "layer_norm(x, x.shape[-1:], weight, bias)",
    "RMSNorm": "rms_norm(x, x.shape[-1:], weight)", "GroupNorm": "group_norm(x, groups, weight, bias)",
    **{f"Conv{n}d": f"conv{n}d(x, weight, bias)" for n in (1, 2, 3)},
    **{f"ConvTranspose{n}d": f"conv_transpose{n}d(x, weight, bias)" for n in (1, 2, 3)},
    **{f"BatchNorm{n}d": "batch_norm(x, mean, var, weight, bias)" for n in (1, 2, 3)},
    **dict.fromkeys(("LSTM", "GRU", "RNN", "LSTMCell", "GRUCell", "RNNCell"), ""),
    **dict.fromkeys(("MultiheadAttention", "Transformer", "TransformerEncoderLayer", "TransformerDecoderLayer"), ""),
}  # fmt: skip
"""Modules that hold weights, each with what its forward computes."""


@cache
def _by_letters() -> dict[str, str]:
    return {name.replace("_", ""): name for name in COMPOSITE.keys() | TABLE.keys() if "." not in name}


def function_of(name: str) -> str | None:
    """Return the function of a module, None where the table has none.

    >>> function_of("LogSoftmax"), function_of("SiLU"), function_of("MSELoss"), function_of("Linear")
    ('log_softmax', 'silu', 'mse_loss', None)
    """
    if not name[:1].isupper() or name in WITH_WEIGHTS or name in RANDOM:
        return None
    if name in FUNCTIONS_OF_MODULES:
        return FUNCTIONS_OF_MODULES[name] if FUNCTIONS_OF_MODULES[name] in TABLE else None
    letters = name.lower()
    return _by_letters().get(letters) or _by_letters().get(letters.removesuffix("loss"))


def module(reader: Reader, node: ast.Call) -> Function | None:
    """Return the module that a call makes, such as ``nn.Softmax(dim=-1)``; None for any other call."""
    func, name = node.func, name_of(node)
    if not name[:1].isupper():
        return None
    dotted = reader.prefix(func.value) if isinstance(func, ast.Attribute) else reader.modules.get(name)
    if dotted not in ("torch.nn", "torch.nn.modules") and not (
        isinstance(func, ast.Name) and (dotted or "").startswith("torch.nn.")
    ):
        return None
    if name in RANDOM:
        raise reader.fail(f"{name} draws random numbers", node, "leave it out: in eval mode it does nothing")
    if name == "Parameter":
        hint = ("leave this line out, and give the point: ", Option("at", f"{reader.target}=randn(3)"))
        raise reader.fail("what a module holds is an input", node, hint)
    if name in WITH_WEIGHTS:
        written = WITH_WEIGHTS[name]
        advice = (
            f"write {written}: the weights are inputs" if written else "write its formula, with its weights as inputs"
        )
        raise reader.fail(f"nn.{name} holds weights", node, advice)
    if name == "Sequential":
        return Function("nn.Sequential", node, reader.scope)
    if name not in NOTHING and (function_of(name) is None or name not in MODULES):
        closest = functions.nearest(name, [one for one in MODULES if function_of(one)]) if name not in MODULES else None
        advice = (
            f"did you mean `nn.{closest}`?" if closest else "write its formula; `gradcheck functions` lists them all"
        )
        raise reader.unknown(f"nn.{name} is no module of a function in the table", func, advice)
    return Function(f"nn.{name}", node, reader.scope)


def applied(reader: Reader, made: ast.Call, node: ast.Call) -> ast.expr:
    """Return the call of the function that a module is, on what the module is called with."""
    name = name_of(made)
    if not node.args:
        raise reader.fail(f"nn.{name} needs a tensor", node, f"write nn.{name}(...)(x)")
    if name == "Sequential":
        return _chain(made, node)
    if name in NOTHING:
        return node.args[0]
    op = function_of(name)
    assert op is not None
    given = [ast.keyword(key, _constant(value, made)) for key, value in DEFAULTS.get(name, {}).items()]
    keywords = [*made.keywords, *_named(reader, op, name, made)]
    keywords += [one for one in given if one.arg not in {each.arg for each in keywords}]
    keywords = [ast.copy_location(ast.keyword(one.arg, one.value), made) for one in keywords]
    func = ast.copy_location(ast.Name(op, ast.Load()), made.func)
    call = ast.Call(_of_torch(func, made), node.args, [*keywords, *node.keywords])
    return ast.copy_location(call, node)


def _of_torch(func: ast.Name, place: ast.Call) -> ast.expr:
    """Return a function of torch by its whole name: a function of the user's may have the same."""
    torch = ast.copy_location(ast.Name("torch", ast.Load()), place.func)
    return ast.copy_location(ast.Attribute(torch, func.id, ast.Load()), place.func)


def _chain(made: ast.Call, node: ast.Call) -> ast.expr:
    """Return ``nn.Sequential(a, b)(x)`` as ``b(a(x))``."""
    inner: ast.expr = node.args[0]
    for one in made.args:
        inner = ast.copy_location(ast.Call(one, [inner], []), one)
    return inner


def _named(reader: Reader, op: str, name: str, made: ast.Call) -> list[ast.keyword]:
    """Return the arguments that a module was given by place, with the names that its function has for them."""
    _, params = signature(op)
    args = list(made.args)
    flag = isinstance(args[-1], ast.Constant) and isinstance(args[-1].value, bool) if args else False
    extra = [ast.keyword("inplace", args.pop())] if flag and len(args) > len(params) else []  # nn.ReLU(True)
    slots = [one for one in params if one not in {each.arg for each in made.keywords}]
    if len(args) > len(slots):
        raise reader.fail(f"nn.{name} takes its arguments by name", args[len(slots)], f"it has {', '.join(slots)}")
    return [*(ast.keyword(slot, one) for slot, one in zip(slots, args, strict=False)), *extra]


def _constant(value: int, place: ast.expr) -> ast.Constant:
    return ast.copy_location(ast.Constant(value), place)
