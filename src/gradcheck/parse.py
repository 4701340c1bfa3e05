"""Text to Program: Python's own grammar through ``ast``, and a whitelist; nothing in the text is ever run."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import accumulate, chain, count
from typing import TypeGuard

from gradcheck import functions
from gradcheck.constants import check_growth, constant_value
from gradcheck.errors import LimitProblem, NameProblem, Span, SyntaxProblem
from gradcheck.functions import CONDITIONS, CONSTANTS, PARAM_ALIASES, WHERE
from gradcheck.functions.signatures import required, resolve, signature
from gradcheck.program import Call, Layer, Name, Node, Number, Param, Program, postorder
from gradcheck.source import MAX_NESTING, prepare, syntax_tree, too_deep

MAX_NODES = 100_000
"""Operations, names and numbers of a program."""
MAX_PARAM_BITS = 1_100
"""Bits of a static argument such as a dim or a beta; every float64 has fewer."""
MAX_LITERAL_EXPONENT = 5_000
"""Decimal exponent of one number; float64 ends at 308."""

_OPERATORS: dict[type[ast.AST], str] = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.Mod: "remainder",
    ast.MatMult: "matmul", ast.Pow: "pow", ast.BitAnd: "logical_and", ast.BitOr: "logical_or",
    ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge", ast.Eq: "eq", ast.NotEq: "ne",
}  # fmt: skip

_REFUSED: dict[type[ast.AST], tuple[str, str | None]] = {
    ast.BitXor: ("^ is no operator here", "write ** for a power, as in x**2"),
    ast.FloorDiv: ("// is no operator here", "write floor(a/b)"),
    ast.BoolOp: ("`and` and `or` do not work on tensors", "write & and |, with brackets around each comparison"),
    ast.Not: ("`not` does not work on tensors", "write ~ with brackets around the comparison"),
    ast.IfExp: ("`if` does not work on tensors", "write where(condition, a, b)"),
    ast.Lambda: ("a lambda is not part of the language", "write the expression itself; an input may be called lambda_"),
    ast.NamedExpr: (":= is not part of the language", "write the layer as its own statement: y = ...; z = ..."),
    ast.ListComp: ("a comprehension is not part of the language", None),
    ast.SetComp: ("a comprehension is not part of the language", None),
    ast.DictComp: ("a comprehension is not part of the language", None),
    ast.GeneratorExp: ("a comprehension is not part of the language", None),
    ast.JoinedStr: ("a string is not part of the language", None),
    ast.Starred: ("* for unpacking is not part of the language", None),
    ast.Dict: ("a dict is not part of the language", None),
    ast.Set: ("a set is not part of the language", None),
    ast.List: ("a list stands for tensors only in cat and stack", "give tensors as inputs: --at \"x=[[1,2],[3,4]]\""),
    ast.Tuple: ("a program has one output", "write one expression, or use stack or cat"),
    ast.Await: ("await is not part of the language", None),
    ast.Yield: ("yield is not part of the language", None),
    ast.AugAssign: ("an assignment with an operator is not part of the language", "write y2 = y + ..."),
    ast.AnnAssign: ("an annotation is not part of the language", "write name = expression"),
}  # fmt: skip

_PREFIXES = frozenset({"torch", "math", "np", "numpy", "F", "nn", "functional", "special", "linalg", "sympy", "sp"})
"""What people paste in front of a function's name."""

_ATTRIBUTES = frozenset({"T", "mT"})


def parse(text: str, bound: Iterable[str] = ()) -> Program:
    """Return the program that ``text`` writes; the last statement is its output.

    ``bound`` names are inputs even where they would mean a constant (``pi``, ``e``).
    Raises SyntaxProblem, NameProblem or LimitProblem, with the span of what is wrong.

    >>> print(parse("y = 3*x + 2; mean(2*y**2)"))
    y = 3*x + 2
    out = mean(2*y**2)
    """
    source = prepare(text)
    tree = syntax_tree(source)
    return _Parser(source, frozenset(bound)).program(tree)


class Places:
    """Where the nodes of a syntax tree stand in its text."""

    def __init__(self, source: str) -> None:
        self.lines = source.split("\n")
        self.starts = [0, *accumulate(len(line) + 1 for line in self.lines)]
        self.columns: dict[int, list[int]] = {}

    def span(self, node: ast.AST) -> Span:
        """Return the characters of a node."""
        start = self._position(node.lineno, node.col_offset)  # type: ignore[attr-defined]
        end = self._position(node.end_lineno, node.end_col_offset)  # type: ignore[attr-defined]
        return Span(start, end)

    def _position(self, line: int, column: int) -> int:
        """Return the index of a character; ast counts columns in UTF-8 bytes."""
        if not self.lines[line - 1].isascii():
            found = self._characters(line)
            column = found[min(column, len(found) - 1)]
        return self.starts[line - 1] + column

    def _characters(self, line: int) -> list[int]:
        """Return the column of the character at each byte of a line, found once for all its nodes."""
        if line not in self.columns:
            text = self.lines[line - 1]
            self.columns[line] = [k for k, sign in enumerate(text) for _ in sign.encode()] + [len(text)]
        return self.columns[line]


class _Parser:
    """Turns one syntax tree into a program; the state is the text, and the names that were assigned so far."""

    def __init__(self, source: str, bound: frozenset[str]) -> None:
        self.source = source
        self.bound = bound
        self.assigned: dict[str, Span] = {}
        self.nodes = 0
        self.span = Places(source).span

    def fail(self, message: str, node: ast.AST | Span, hint: str | None = None) -> SyntaxProblem:
        span = node if isinstance(node, Span) else self.span(node)
        return SyntaxProblem(message, source=self.source, span=span, hint=hint)

    def unknown(self, message: str, node: ast.AST | Span, hint: str | None = None) -> NameProblem:
        span = node if isinstance(node, Span) else self.span(node)
        return NameProblem(message, source=self.source, span=span, hint=hint)

    # --- statements ---

    def program(self, tree: ast.Module) -> Program:
        layers = [self.statement(one, last=one is tree.body[-1]) for one in tree.body]
        inputs = self._inputs(layers)
        for layer in layers:
            check_growth(layer.expression, self.source)
        return Program(inputs, tuple(layers), (layers[-1].name,), self.source)

    def _inputs(self, layers: list[Layer]) -> tuple[str, ...]:
        found: dict[str, None] = {}
        seen: set[str] = set()
        for layer in layers:
            for node in postorder(layer.expression):
                if isinstance(node, Name) and node.id not in seen:
                    found.setdefault(node.id)
                    if node.id in self.assigned:
                        raise self.fail(f"{node.id} is used before it is assigned", node.span)
            seen.add(layer.name)
        return tuple(found)

    def statement(self, node: ast.stmt, last: bool) -> Layer:
        if isinstance(node, ast.Expr):
            if not last:
                raise self.fail(
                    "this value goes nowhere", node, "give it a name: y = ..., or make it the last statement"
                )
            return Layer(self._fresh_output(), self.real(node.value, 0), self.span(node))
        if not isinstance(node, ast.Assign):
            message, hint = _REFUSED.get(type(node), ("this statement is not part of the language", None))
            raise self.fail(message, node, hint or "a statement is name = expression")
        target = node.targets[0]
        if len(node.targets) > 1 or not isinstance(target, ast.Name):
            raise self.fail("one statement assigns one name", target, "write y = ...; z = ...")
        if target.id in self.assigned:
            raise self.fail(
                f"{target.id} is assigned twice", target, f"give the second value a name of its own, {target.id}2 = ..."
            )
        expression = self.real(node.value, 0)
        self.assigned[target.id] = self.span(target)
        return Layer(target.id, expression, self.span(node))

    def _fresh_output(self) -> str:
        taken = set(self.assigned) | set(re.findall(r"\w+", self.source))
        return next(name for name in chain(["out"], (f"out_{k}" for k in count(1))) if name not in taken)

    # --- expressions ---

    def real(self, node: ast.expr, depth: int) -> Node:
        """Return an expression that is a number, not a condition."""
        made = self.expression(node, depth)
        if _is_condition(made):
            raise self.fail("a comparison is no number", node, "write where(condition, a, b)")
        return made

    def condition(self, node: ast.expr, depth: int) -> Node:
        made = self.expression(node, depth)
        if not _is_condition(made):
            raise self.fail("a condition is needed here", node, "write a comparison, as in x > 0")
        return made

    def expression(self, node: ast.expr, depth: int) -> Node:  # noqa: C901 - one case a kind of node
        self.nodes += 1
        if depth > MAX_NESTING:
            raise too_deep(self.source, self.span(node))
        if self.nodes > MAX_NODES:
            raise LimitProblem(f"more than {MAX_NODES:,} operations (the limit MAX_NODES)")
        match node:
            case ast.Constant():
                return self.constant(node)
            case ast.Name():
                return self.name(node)
            case ast.BinOp():
                return self.binary(node, depth)
            case ast.UnaryOp():
                return self.unary(node, depth)
            case ast.Compare():
                return self.comparison(node, depth)
            case ast.Call():
                return self.function(node, depth)
            case ast.Subscript():
                return self.subscript(node, depth)
            case ast.Attribute():
                return self.attribute(node, depth)
        message, hint = _REFUSED.get(type(node), ("this is not part of the language", None))
        raise self.fail(message, node, hint)

    def constant(self, node: ast.Constant) -> Number:
        span = self.span(node)
        text = self.source[span.start : span.end].replace("_", "").lower()
        if isinstance(node.value, complex):
            raise self.fail("complex numbers are not part of the language", node)
        if isinstance(node.value, bool) or not isinstance(node.value, int | float):
            raise self.fail(f"{_kind(node.value)} is no number", node)
        if isinstance(node.value, int):
            return Number(Fraction(node.value), span)
        exponent = re.search(r"e([+-]?\d+)$", text)
        if exponent and abs(int(exponent[1])) > MAX_LITERAL_EXPONENT:
            raise LimitProblem(
                f"an exponent beyond {MAX_LITERAL_EXPONENT:,} (the limit MAX_LITERAL_EXPONENT)",
                source=self.source, span=span,
            )  # fmt: skip
        return Number(Fraction(text), span)

    def name(self, node: ast.Name) -> Node:
        span = self.span(node)
        if node.id in CONSTANTS and node.id not in self.assigned and node.id not in self.bound:
            return Call(node.id, (), (), span)
        if node.id in ("nan", "infinity", "NaN"):
            raise self.fail(f"{node.id} is no number of the language", node, "infinity is written inf")
        if node.id.startswith("__"):
            raise self.fail(f"{node.id} is not part of the language", node)
        return Name(node.id, span)

    def binary(self, node: ast.BinOp, depth: int) -> Node:
        """Return an operator; a long sum leans to the left, and is walked without recursion."""
        spine = [node]
        while isinstance(spine[-1].left, ast.BinOp):
            spine.append(spine[-1].left)
            self.nodes += 1
        made = self.expression(spine[-1].left, depth + 1)
        for one in reversed(spine):
            made = self.operator(one, made, depth)
        return made

    def operator(self, node: ast.BinOp, left: Node, depth: int) -> Call:
        op = _OPERATORS.get(type(node.op))
        if op is None:
            message, hint = _REFUSED.get(type(node.op), ("this operator is not part of the language", None))
            raise self.fail(message, self._operator_span(node), hint)
        right = self.expression(node.right, depth + 1)
        for side, made in ((node.left, left), (node.right, right)):
            if _is_condition(made) != op.startswith("logical"):
                raise self._wrong_kind(side, op)
        return Call(op, (left, right), (), self.span(node))

    def _wrong_kind(self, side: ast.expr, op: str) -> SyntaxProblem:
        if op.startswith("logical"):
            return self.fail(
                "& and | join comparisons, not numbers", side, "put brackets around each comparison: (x > 0) & (x < 1)"
            )
        return self.fail("a comparison is no number", side, "write where(condition, a, b)")

    def _operator_span(self, node: ast.BinOp) -> Span:
        start, end = self.span(node.left).end, self.span(node.right).start
        between = self.source[start:end]
        sign = re.search(r"[^\s()]+", between)
        return Span(start + sign.start(), start + sign.end()) if sign else self.span(node)

    def unary(self, node: ast.UnaryOp, depth: int) -> Node:
        if isinstance(node.op, ast.USub):
            return Call("neg", (self.real(node.operand, depth + 1),), (), self.span(node))
        if isinstance(node.op, ast.UAdd):
            return self.real(node.operand, depth + 1)
        if isinstance(node.op, ast.Invert):
            return Call("logical_not", (self.condition(node.operand, depth + 1),), (), self.span(node))
        message, hint = _REFUSED[ast.Not]
        raise self.fail(message, node, hint)

    def comparison(self, node: ast.Compare, depth: int) -> Node:
        if len(node.ops) > 1:
            raise self.fail("a chain of comparisons does not work on tensors", node, "write (a < b) & (b < c)")
        op = _OPERATORS.get(type(node.ops[0]))
        if op is None:
            raise self.fail("this comparison is not part of the language", node, "write <, <=, >, >=, == or !=")
        sides = (self.real(node.left, depth + 1), self.real(node.comparators[0], depth + 1))
        return Call(op, sides, (), self.span(node))

    def subscript(self, node: ast.Subscript, depth: int) -> Node:
        pasted = _is_sort(node.value) and isinstance(node.value.func, ast.Attribute)
        if pasted:
            hint = "write .values[...] for the sorted elements"
            raise self.fail("torch's sort returns two tensors", node, hint)
        key = self.key(node.slice)
        return Call("index", (self.real(node.value, depth + 1),), (("key", key),), self.span(node))

    def attribute(self, node: ast.Attribute, depth: int) -> Node:
        if node.attr in CONSTANTS and isinstance(node.value, ast.Name) and node.value.id in _PREFIXES:
            return Call(node.attr, (), (), self.span(node))
        if node.attr == "values" and _is_sort(node.value):
            return self.expression(node.value, depth + 1)
        if node.attr not in _ATTRIBUTES:
            raise self.fail(f".{node.attr} is not part of the language", node, _attribute_hint(node.attr))
        return Call(node.attr, (self.real(node.value, depth + 1),), (), self.span(node))

    # --- calls ---

    def function(self, node: ast.Call, depth: int) -> Node:
        if (infinity := self._pasted_infinity(node)) is not None:
            return infinity
        name, place, receiver = self._callee(node)
        self._refuse_other_meanings(name, node)
        if name == "masked_fill":
            return self._filled(node, receiver, depth + 1)
        op = resolve(name, len(node.args) + (receiver is not None), bool(node.keywords))
        if op is None:
            raise self._unknown_function(name, place, node)
        given: list[ast.expr] = [*([receiver] if receiver is not None else []), *node.args]
        arguments = _Arguments(self, node, name, op, given, depth + 1)
        return arguments.call()

    def _filled(self, node: ast.Call, receiver: ast.expr | None, depth: int) -> Call:
        """Return ``masked_fill(x, mask, value)``, which is a choice between the value and x."""
        given = [*([receiver] if receiver is not None else []), *node.args]
        bound = dict(zip(("input", "mask", "value"), given, strict=False))
        for one in node.keywords:
            bound[{"x": "input"}.get(str(one.arg), str(one.arg))] = one.value
        if len(given) > 3 or set(bound) != {"input", "mask", "value"}:
            raise self.fail("masked_fill takes x, mask and value", node, "write x.masked_fill(mask > 0, -inf)")
        branches = self.real(bound["value"], depth), self.real(bound["input"], depth)
        return Call(WHERE, (self.condition(bound["mask"], depth), *branches), (), self.span(node))

    def _pasted_infinity(self, node: ast.Call) -> Node | None:
        """Return what ``float("-inf")`` means, as people write infinities in Python."""
        match node:
            case ast.Call(func=ast.Name(id="float"), args=[ast.Constant(value=str(text))], keywords=[]):
                sign = re.fullmatch(r"\s*([+-]?)inf(?:inity)?\s*", text, re.IGNORECASE)
                infinity = Call("inf", (), (), self.span(node))
                if sign:
                    return Call("neg", (infinity,), (), self.span(node)) if sign[1] == "-" else infinity
        return None

    def _refuse_other_meanings(self, name: str, node: ast.Call) -> None:
        """Refuse what torch reads in another way than a formula would: ``x.max(0)`` is a maximum over dim 0."""
        pasted = isinstance(node.func, ast.Attribute)
        if name in ("max", "min"):
            over_dim = any(one.arg in ("dim", "axis", "keepdim") for one in node.keywords)
            if over_dim or (pasted and node.args and isinstance(node.args[-1], ast.Constant)):
                hint = f"write a{name}(x, dim=...) for a dim, or {name}imum(x, y) for the {name}imum of two"
                raise self.fail(f"torch's {name} over a dim returns two tensors", node, hint)
        if name == "norm" and pasted and (node.args[1:] or node.keywords) and "linalg" in ast.unparse(node.func):
            raise self.fail(
                "torch.linalg.norm is a matrix norm for matrices", node, "write norm(x, p=...) for the vector norm"
            )

    def _callee(self, node: ast.Call) -> tuple[str, Span, ast.expr | None]:
        """Return the function's name, its place, and the tensor in front of a method."""
        if isinstance(node.func, ast.Name):
            return node.func.id, self.span(node.func), None
        if isinstance(node.func, ast.Attribute):
            whole = self.span(node.func)
            place = Span(whole.end - len(node.func.attr), whole.end)
            return node.func.attr, place, None if _is_prefix(node.func.value) else node.func.value
        if isinstance(node.func, ast.Constant):
            shown = self.source[self.span(node.func).start : self.span(node.func).end]
            raise self.fail(f"{shown} is no function", node.func, f"write {shown}*(...) for a product")
        raise self.fail("this is no function", node.func, "write * for a product")

    def _unknown_function(self, name: str, place: Span, node: ast.Call) -> NameProblem:
        closest = functions.nearest(name, functions.known_names())
        hint = f"did you mean `{closest}`?" if closest else None
        if hint is None and len(name) <= 2 and isinstance(node.func, ast.Name):
            hint = f"write {name}*(...) for a product"
        return self.unknown(f"unknown function `{name}`", place, hint or "`gradcheck functions` lists them all")

    # --- params ---

    def param(self, node: ast.expr) -> Param:
        """Return a static argument: a number, a flag, a name of a norm, or a tuple of these."""
        if isinstance(node, ast.Tuple | ast.List):
            return tuple(self.param(one) for one in node.elts)
        if isinstance(node, ast.Constant) and (node.value is None or isinstance(node.value, bool)):
            return node.value
        if isinstance(node, ast.Constant) and node.value == "fro":
            return "fro"
        if isinstance(node, ast.Name) and node.id == "inf":
            return "inf"
        if isinstance(node, ast.Attribute) and node.attr == "inf" and _is_prefix(node.value):
            return "inf"
        value = constant_value(self.expression(node, 0))
        if value is None:
            raise self.fail("this argument must be a constant", node)
        if max(abs(value.numerator), value.denominator).bit_length() > MAX_PARAM_BITS:
            message = f"an argument of more than {MAX_PARAM_BITS} bits (the limit MAX_PARAM_BITS)"
            raise LimitProblem(message, source=self.source, span=self.span(node))
        return int(value) if value.denominator == 1 else value

    def key(self, node: ast.expr) -> Param:
        if isinstance(node, ast.Tuple):
            return tuple(self.key_item(one) for one in node.elts)
        return (self.key_item(node),)

    def key_item(self, node: ast.expr) -> Param:
        if isinstance(node, ast.Slice):
            ends = [None if one is None else self.integer(one) for one in (node.lower, node.upper, node.step)]
            return slice(*ends)
        if isinstance(node, ast.Constant) and (node.value is None or node.value is ...):
            return "..." if node.value is ... else None
        if isinstance(node, ast.List):
            return tuple(self.integer(one) for one in node.elts)
        return self.integer(node)

    def integer(self, node: ast.expr) -> int:
        value = self.param(node)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.fail("an index is made of integers", node)
        return value


class _Arguments:
    """Sorts what stands in the brackets of one call into tensors and params."""

    def __init__(self, parser: _Parser, node: ast.Call, name: str, op: str, given: list[ast.expr], depth: int) -> None:
        self.parser, self.node, self.name, self.op, self.given, self.depth = parser, node, name, op, given, depth
        self.place = parser.span(node)

    def call(self) -> Node:
        if self.op in ("cat", "stack"):
            return self._joined()
        if self.op == "clamp":
            return self._clamped()
        args, params = signature(self.op)
        bound = self._bind(args, params)
        tensors = tuple(self._tensor(one, bound) for one in args)
        return Call(self.op, tensors, self._params(params, bound), self.place)

    def _bind(self, args: Sequence[str], params: Sequence[str]) -> dict[str, ast.expr]:
        """Return the argument for each name; a trailing shape or dims may be written without brackets, as in torch."""
        slots = [*args, *params]
        given = self.given
        if params and params[-1] in ("shape", "dims") and len(given) > len(slots):
            given = [*given[: len(slots) - 1], _as_tuple(given[len(slots) - 1 :])]
        if len(given) > len(slots):
            raise self.parser.fail(
                f"{self.name} takes {_amount(len(slots), 'argument')}, not {len(given)}", given[len(slots)]
            )
        bound = dict(zip(slots, given, strict=False))
        for one in self.node.keywords:
            self._keyword(one, slots, bound)
        missing = [slot for slot in slots if slot not in bound and slot in required(self.op)]
        if missing:
            shown = ["..."] * bool(bound) + [f"{one}=..." if one in params else one for one in missing]
            hint = f"write {self.name}({', '.join(shown)})"
            raise self.parser.fail(f"{self.name} needs {' and '.join(missing)}", self.place, hint)
        return bound

    def _keyword(self, one: ast.keyword, slots: list[str], bound: dict[str, ast.expr]) -> None:
        if one.arg is None:
            raise self.parser.fail("** for unpacking is not part of the language", one.value)
        name = PARAM_ALIASES.get(one.arg, one.arg) if one.arg not in slots else one.arg
        name = {"input": slots[0], "size": "shape"}.get(name, name)
        if name not in slots:
            closest = functions.nearest(one.arg, slots)
            hint = f"did you mean `{closest}`?" if closest else f"it takes {', '.join(slots)}"
            raise self.parser.unknown(f"{self.name} has no parameter `{one.arg}`", one, hint)
        if name in bound:
            raise self.parser.fail(f"{self.name} got {name} twice", one)
        bound[name] = one.value

    def _tensor(self, name: str, bound: dict[str, ast.expr]) -> Node:
        wants_condition = (self.op == WHERE and name == "condition") or self.op.startswith("logical")
        return (self.parser.condition if wants_condition else self.parser.real)(bound[name], self.depth)

    def _params(self, names: Sequence[str], bound: dict[str, ast.expr]) -> tuple[tuple[str, Param], ...]:
        return tuple((name, self.parser.param(bound[name])) for name in names if name in bound)

    def _joined(self) -> Node:
        bound = self._bind(("tensors",), ("dim",))
        tensors = bound["tensors"]
        if not isinstance(tensors, ast.List | ast.Tuple) or not tensors.elts:
            raise self.parser.fail(f"{self.name} joins a list of tensors", tensors, f"write {self.name}([a, b], dim=0)")
        parts = tuple(self.parser.real(one, self.depth) for one in tensors.elts)
        return Call(self.op, parts, self._params(("dim",), bound), self.place)

    def _clamped(self) -> Node:
        bound = self._bind(("x", "min", "max"), ())
        bounds = {n: one for n, one in bound.items() if not (isinstance(one, ast.Constant) and one.value is None)}
        if len(bounds) < 2:
            raise self.parser.fail(f"{self.name} needs min or max", self.place, f"write {self.name}(x, min=0)")
        op = "clamp" if len(bounds) == 3 else "clamp_min" if "min" in bounds else "clamp_max"
        order = [name for name in ("x", "min", "max") if name in bounds]
        return Call(op, tuple(self.parser.real(bounds[one], self.depth) for one in order), (), self.place)


def _is_condition(node: Node) -> bool:
    return isinstance(node, Call) and node.op in CONDITIONS


def _is_sort(node: ast.expr) -> TypeGuard[ast.Call]:
    if not isinstance(node, ast.Call):
        return False
    return getattr(node.func, "attr", None) == "sort" or getattr(node.func, "id", None) == "sort"


def _is_prefix(node: ast.expr) -> bool:
    while isinstance(node, ast.Attribute) and node.attr in _PREFIXES:
        node = node.value
    return isinstance(node, ast.Name) and node.id in _PREFIXES


def _as_tuple(nodes: list[ast.expr]) -> ast.Tuple:
    made = ast.Tuple(elts=nodes, ctx=ast.Load())
    first, last = nodes[0], nodes[-1]
    made.lineno, made.col_offset = first.lineno, first.col_offset
    made.end_lineno, made.end_col_offset = last.end_lineno, last.end_col_offset
    return made


def _attribute_hint(name: str) -> str | None:
    op = resolve(name, 1, False)
    return f"write .{name}() to call it" if op else "`.T` and `.mT` are the only attributes"


def _kind(value: object) -> str:
    return {str: "a string", bytes: "a string", bool: "a truth value", type(None): "None"}.get(type(value), "this")


def _amount(n: int, thing: str) -> str:
    return f"{n} {thing}{'s' * (n != 1)}"
