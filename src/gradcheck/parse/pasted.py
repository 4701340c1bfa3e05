"""Calls as people paste them: what Python, torch and other libraries write in another way than the table does."""

from __future__ import annotations

import ast
import re
from fractions import Fraction
from typing import TYPE_CHECKING

from gradcheck.errors import Option, Words
from gradcheck.functions.signatures import resolve, signature
from gradcheck.parse.casts import IGNORED, SAME, cast, check_dtype, name_of
from gradcheck.parse.dialects import translated
from gradcheck.parse.inlining import called
from gradcheck.parse.literals import literal
from gradcheck.parse.scopes import Held, Several, Static
from gradcheck.parse.shapes import numbers_in, size
from gradcheck.program import QUOTIENT, Call, Node, Number, postorder

if TYPE_CHECKING:
    from gradcheck.parse.reader import Reader

RANDOM = frozenset({
    "rand", "randn", "randint", "randperm", "rand_like", "randn_like", "bernoulli", "multinomial", "normal", "dropout",
    "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout", "rrelu", "gumbel_softmax",
    "poisson",
    "normal_", "uniform_", "bernoulli_", "empty", "empty_like",
})  # fmt: skip
"""Functions whose numbers nobody knows beforehand."""
REFUSED = {
    "backward": ("a backward pass is what the check does", "leave this out"),
    "print": ("nothing is printed on the way", "leave this line out: the check shows the value and the gradient"),
    "grad": ("the gradient is what the check gives", "leave this out, and check the function itself"),
    "jacobian": ("the derivative is what the check gives", "leave this out, and check the function itself: --jacobian"),
    "hessian": ("the derivative is what the check gives", "leave this out, and check the function: --way fwd-rev"),
    "vmap": ("vmap is not part of the language", "write the function for all rows at once"),
    "masked_select": (
        "how many elements a condition picks depends on the point",
        "write where(condition, x, 0), which keeps the shape",
    ),
    "nonzero": ("which elements are not 0 depends on the point", "write where(x != 0, x, 0), which keeps the shape"),
    "argmax": ("indices are whole numbers, and have no derivative", "write amax(x, dim=...) for the largest element"),
    "argmin": ("indices are whole numbers, and have no derivative", "write amin(x, dim=...) for the smallest element"),
    "argsort": ("indices are whole numbers, and have no derivative", "write sort(x) for the sorted elements"),
    "one_hot": ("whole numbers have no derivative", "give the rows of 0 and 1 as an input"),
    "super": ("a class is not part of the language", "paste the lines of its forward, with its weights as inputs"),
    "isinstance": ("what a thing is cannot be asked", "leave this out"),
    "clip_grad_norm_": ("the gradient is what the check gives", "leave this out"),
}  # fmt: skip
"""Functions that are refused, each with what is wrong and what to write."""
SPREADS = frozenset({"std", "var", "std_mean", "var_mean"})
"""Functions with a flag for the unbiased estimate, which may stand in the place of the dim."""
IN_PLACE = re.compile(r"[a-z]\w*[a-z0-9]_")


def pasted(reader: Reader, node: ast.Call, depth: int) -> Node | None:
    """Return what a call means that is no function of the table; None for any other."""
    if (inlined := called(reader, node, depth)) is not None:
        return reader.node(inlined, node)
    for read in (_python, size, cast, literal, _other_arguments):
        if (made := read(reader, node, depth)) is not None:
            return made
    _refuse(reader, node)
    return None


def _refuse(reader: Reader, node: ast.Call) -> None:
    name = name_of(node)
    if name == "where" and len(node.args) == 1 and not node.keywords and not isinstance(node.args[0], ast.Starred):
        message = "where with a condition alone gives indices, which depend on the point"
        raise reader.fail(message, node, "write where(condition, a, b)")
    own = isinstance(node.func, ast.Name) and reader.scope.find(name) is not None
    if name in REFUSED and not own and resolve(name, 1, False) is None:
        raise reader.fail(REFUSED[name][0], node, REFUSED[name][1])
    if name in RANDOM and resolve(name, 1, False) is None:
        hint: Words = ("give them as an input: ", Option("at", f"{reader.target}=randn(3)"))
        message = f"{name} draws numbers that the check cannot know"
        raise reader.fail(message, node, "leave it out: in eval mode it does nothing" if "dropout" in name else hint)


# --- what Python writes -----------------------------------------------------------------------------


def _python(reader: Reader, node: ast.Call, depth: int) -> Node | None:
    """Return what a function of Python's own means: ``float("inf")``, ``int(n)``, ``sum([a, b])``, ``abs(x)``."""
    match node:
        case ast.Call(func=ast.Name(id="float"), args=[ast.Constant(value=str(text))], keywords=[]):
            return _float(reader, node, text)
        case ast.Call(func=ast.Name(id="float" | "int" as name), args=[one], keywords=[]):
            return _taken_out(reader, node, name, one, depth)
        case ast.Call(
            func=ast.Name(id="sum"), args=[ast.List() | ast.Tuple() | ast.ListComp() | ast.GeneratorExp() as one]
        ):
            return _sum(reader, node, one, depth)
        case ast.Call(func=ast.Name(id="sum"), args=[ast.Name(id=name) as one]) if isinstance(
            reader.scope.find(name), Several
        ):
            return _sum(reader, node, one, depth)
    return None


def _float(reader: Reader, node: ast.Call, text: str) -> Node | None:
    sign = re.fullmatch(r"\s*([+-]?)(inf(?:inity)?|nan)\s*", text, re.IGNORECASE)
    if sign is None:
        return None
    if sign[2].lower() == "nan":
        raise reader.fail("nan is no number of the language", node, "leave out what it stands for")
    infinity = Call("inf", (), (), reader.span(node))
    return Call("neg", (infinity,), (), reader.span(node)) if sign[1] == "-" else infinity


def _taken_out(reader: Reader, node: ast.Call, name: str, one: ast.expr, depth: int) -> Node:
    """Return a number that Python's own ``float`` or ``int`` makes of one that is known beforehand."""
    made = reader.with_numbers(reader.real(one, depth + 1))
    if not numbers_in(reader, made):
        hint = "write detach(x) for a number that nothing flows back through"
        raise reader.fail(f"{name}(...) takes the number out of torch", node, hint)
    if name == "float":
        return made
    if isinstance(made, Number):
        return Number(Fraction(int(made.value)), made.span)
    if any(isinstance(part, Call) and part.op in ("sub", "neg") for part in postorder(made)):
        raise reader.fail("int(...) of a size rounds towards 0", node, "write //, as in (n - 1)//2")
    return Call(QUOTIENT, (made, Number(Fraction(1), made.span)), (), reader.span(node))


def _sum(reader: Reader, node: ast.Call, one: ast.expr, depth: int) -> Node:
    held = reader.binding(one, depth + 1)
    assert isinstance(held, Several)
    if len(node.args) + len(node.keywords) > 1 or not held.parts:
        raise reader.fail("sum adds up a list of tensors", node, "write sum([a, b])")
    total, *rest = (reader.node(part, node) for part in held.parts)
    for part in rest:
        total = Call("add", (total, part), (), reader.span(node))
    return total


# --- arguments that the table has no place for ------------------------------------------------------


def _other_arguments(reader: Reader, node: ast.Call, depth: int) -> Node | None:
    """Return ``add(x, y, alpha=2)`` and ``div(x, y, rounding_mode="floor")`` in the operations that they are."""
    name, found = name_of(node), {str(one.arg): one.value for one in node.keywords}
    if name in ("add", "sub", "subtract", "add_", "sub_") and "alpha" in found:
        x, y = _two(reader, node, depth)
        scaled = Call("mul", (reader.real(found["alpha"], depth + 1), y), (), reader.span(node))
        return Call("add" if name.startswith("add") else "sub", (x, scaled), (), reader.span(node))
    if name in ("div", "divide", "true_divide") and "rounding_mode" in found:
        written = reader.binding(found["rounding_mode"], depth + 1)
        mode = written.value if isinstance(written, Static) else ""
        if mode not in (None, "floor", "trunc"):
            raise reader.fail("there is no such rounding_mode", found["rounding_mode"], 'it is "floor" or "trunc"')
        quotient = Call("div", _two(reader, node, depth), (), reader.span(node))
        return quotient if mode is None else Call(str(mode), (quotient,), (), reader.span(node))
    return None


def _two(reader: Reader, node: ast.Call, depth: int) -> tuple[Node, Node]:
    """Return the two tensors of an operation, the one before the dot among them."""
    given = list(node.args)
    if isinstance(node.func, ast.Attribute) and reader.prefix(node.func.value) is None:
        given.insert(0, node.func.value)
    given += [one.value for one in node.keywords if one.arg in ("input", "other")]
    if len(given) != 2:
        raise reader.fail(f"{name_of(node)} takes two tensors", node, f"write {name_of(node)}(x, y)")
    x, y = (reader.real(one, depth + 1) for one in given)
    return x, y


def adapted(reader: Reader, node: ast.Call) -> ast.Call:
    """Return a call in torch's words, without the arguments that change no number."""
    imported = reader.imported.get(node.func.id) if isinstance(node.func, ast.Name) else None
    func = node.func
    if imported is not None and reader.scope.find(name_of(node)) is None:
        func = ast.copy_location(ast.Name(imported[1], ast.Load()), func)
    name = name_of(node) if imported is None else imported[1]
    op = resolve(name, 1, False) or resolve(name, 2, False)
    if op is None and IN_PLACE.fullmatch(name) and resolve(name[:-1], 1, False):
        func = _renamed(func, name[:-1])
        name = op = name[:-1]
    slots = {"x", *(("dim", "keepdim") if op is None else (one for part in signature(op) for one in part))}
    keywords = [made for one in node.keywords for made in _keyword(reader, name, one, slots)]
    args = [part for one in node.args for part in _argument(reader, one)]
    args, unbiased = _without_bools(
        reader, name, args, isinstance(func, ast.Attribute) and reader.prefix(func.value) is None
    )
    keywords += unbiased
    made = type(node)(func, args, keywords)
    made = ast.copy_location(made, node)
    module = imported[0] if imported is not None else None
    if isinstance(func, ast.Attribute):
        module = reader.prefix(func.value)
    return made if module is None else translated(reader, made, module)


def changes(node: ast.Call) -> bool:
    """Tell whether a call changes its first tensor in place, as ``relu(h, inplace=True)`` and ``h.relu_()`` do."""
    if any(one.arg == "inplace" and isinstance(one.value, ast.Constant) and one.value.value for one in node.keywords):
        return True
    return IN_PLACE.fullmatch(name_of(node)) is not None and name_of(node) not in SAME


def _renamed(func: ast.expr, name: str) -> ast.expr:
    if isinstance(func, ast.Attribute):
        return ast.copy_location(ast.Attribute(func.value, name, ast.Load()), func)
    return ast.copy_location(ast.Name(name, ast.Load()), func)


def _keyword(reader: Reader, name: str, one: ast.keyword, slots: set[str]) -> list[ast.keyword]:
    if one.arg == "out":
        raise reader.fail("out= writes into a tensor, and is not part of the language", one, f"write y = {name}(...)")
    if one.arg == "unbiased" and name in SPREADS:
        return [_with(one, "correction", _correction(reader, one.value))]
    if one.arg in IGNORED and one.arg not in slots:
        if one.arg == "dtype":
            check_dtype(reader, one.value)
        return []
    [value] = _argument(reader, one.value)
    return [_with(one, one.arg, value)]


def _with(one: ast.keyword, name: str | None, value: ast.expr) -> ast.keyword:
    return ast.copy_location(ast.keyword(name, value), one)


def _correction(reader: Reader, node: ast.expr) -> ast.expr:
    flag = reader.param(node)
    if not isinstance(flag, bool):
        raise reader.fail("unbiased is True or False", node)
    return ast.copy_location(ast.Constant(int(flag)), node)


def _without_bools(
    reader: Reader, name: str, args: list[ast.expr], method: bool
) -> tuple[list[ast.expr], list[ast.keyword]]:
    """Return the arguments of ``x.std(0, False)``, whose flag says unbiased, with the correction that it means.

    A flag in the place of the dim, as in ``x.std(False)``, is that of all elements.
    """
    place = 0 if method else 1
    flags = [
        k for k, one in enumerate(args[: place + 2]) if isinstance(one, ast.Constant) and isinstance(one.value, bool)
    ]
    if name not in SPREADS or not flags:
        return args, []
    made = [_correction(reader, one) if k in flags else one for k, one in enumerate(args)]
    if place not in flags:
        return made, []
    return [*made[:place], *made[place + 1 :]], [ast.copy_location(ast.keyword("correction", made[place]), args[place])]


def _argument(reader: Reader, node: ast.expr) -> list[ast.expr]:
    """Return an argument with what its names stand for, where that is a word, a flag or a list of tensors."""
    if isinstance(node, ast.Starred):
        held = _list_of(reader, node.value)
        if held is None:
            return [node]
        return [Held(part, node.value) for part in held.parts]
    if (held := _list_of(reader, node)) is not None:
        parts: list[ast.expr] = [Held(part, node) for part in held.parts]
        return [ast.copy_location(ast.List(parts, ast.Load()), node)]
    if isinstance(node, ast.Name):
        known = reader.scope.find(node.id)
        if isinstance(known, Static) and (known.value is None or isinstance(known.value, bool | str)):
            return [ast.copy_location(ast.Constant(known.value), node)]
    return [node]


def _list_of(reader: Reader, node: ast.expr) -> Several | None:
    held = reader.scope.find(node.id) if isinstance(node, ast.Name) else None
    if isinstance(node, ast.ListComp | ast.GeneratorExp):
        held = reader.binding(node, 1)
    return held if isinstance(held, Several) and not all(isinstance(one, Static) for one in held.parts) else None
