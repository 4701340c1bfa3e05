"""How a function is called: the row behind a name, its arguments and params, and which of them have no default."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

from gradcheck.functions import ALIASES, CONSTANTS, DETACH, HIDDEN, NO_GRAD, TABLE, Composite
from gradcheck.program import LISTED


def resolve(name: str, given: int, keywords: bool) -> str | None:
    """Return the operation of a function's name; ``max`` of two is ``maximum``, of one ``amax``.

    >>> resolve("ln", 1, False), resolve("max", 2, False), resolve("max", 1, False), resolve("nothing", 1, False)
    ('log', 'maximum', 'amax', None)
    """
    if name in ("max", "min"):
        return ("maximum" if name == "max" else "minimum") if given == 2 else f"a{name}" if not keywords else None
    op = DETACH if name == NO_GRAD else ALIASES.get(name, name)
    return op if op in TABLE and op not in HIDDEN and op not in CONSTANTS else None


def meanings(name: str) -> tuple[str, ...]:
    """Return the operations that a function's name may become, none where nothing bears it.

    >>> meanings("ln"), meanings("max"), meanings("clip")
    (('log',), ('maximum', 'amax', 'max'), ('clamp', 'clamp_min', 'clamp_max'))
    """
    if name == "index":
        return (name,)  # what x[...] is
    over_dim = name if name in ("max", "min") else None
    found = dict.fromkeys(op for op in (resolve(name, 2, False), resolve(name, 1, False), over_dim) if op is not None)
    found |= dict.fromkeys(row.soft for op in found if isinstance(row := TABLE[op], Composite) and row.soft)
    return ("clamp", "clamp_min", "clamp_max") if "clamp" in found else tuple(found)


def signature(op: str) -> tuple[Sequence[str], Sequence[str]]:
    """Return the names of the tensor arguments, and of the static params after them.

    >>> signature("softmax"), signature("atan2")
    ((('x',), ('dim',)), (('y', 'x'), ()))
    """
    row = TABLE[op]
    return row.args, getattr(row, "params", ())


def required(op: str) -> frozenset[str]:
    """Return the arguments without a default: every tensor, and the params that the row's own rule demands.

    >>> sorted(required("softmax")), sorted(required("sum"))
    (['dim', 'x'], ['x'])
    """
    if op in LISTED:
        return frozenset({"tensors"})
    args, params = signature(op)
    if op == "clamp":
        return frozenset({"x"})
    row = TABLE[op]
    rule = getattr(row, "canonical", None) or getattr(row, "definition", None)
    args = [one for one in args if one not in getattr(row, "optional", ())]
    if not callable(rule):
        return frozenset(args)
    demanded = inspect.signature(rule).parameters
    return frozenset(args) | {one for one in params if demanded[one].default is inspect.Parameter.empty}
