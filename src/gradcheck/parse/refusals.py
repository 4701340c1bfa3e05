"""What Python has and the language has not, with what to write instead."""

from __future__ import annotations

import ast

from gradcheck.errors import Option, Words

COMPREHENSION = ("a comprehension is not part of the language", "it goes over what is known: [x[k] for k in range(3)]")

REFUSED: dict[type[ast.AST], tuple[str, Words | None]] = {
    ast.BitXor: ("^ is no operator here", "write ** for a power, as in x**2"),
    ast.FloorDiv: ("// is no operator here", "write floor(a/b)"),
    ast.BoolOp: ("`and` and `or` do not work on tensors", "write & and |, with brackets around each comparison"),
    ast.Not: ("`not` does not work on tensors", "write ~ with brackets around the comparison"),
    ast.IfExp: ("`if` does not work on tensors", "write where(condition, a, b)"),
    ast.If: ("`if` does not work on tensors", "write where(condition, a, b)"),
    ast.Lambda: ("a function is no number", "give it a name, f = lambda x: ..., and call it"),
    ast.NamedExpr: (":= is not part of the language", "write the layer as its own statement: y = ...; z = ..."),
    ast.ListComp: COMPREHENSION,
    ast.SetComp: COMPREHENSION,
    ast.DictComp: COMPREHENSION,
    ast.GeneratorExp: COMPREHENSION,
    ast.JoinedStr: ("a string is not part of the language", None),
    ast.Starred: ("* for unpacking is not part of the language", None),
    ast.Dict: ("a dict is not part of the language", None),
    ast.Set: ("a set is not part of the language", None),
    ast.List: (
        "a list stands for tensors only in cat and stack",
        ("give tensors as inputs: ", Option("at", "x=[[1,2],[3,4]]")),
    ),
    ast.Tuple: ("a program has one output", "write one expression, or use stack or cat"),
    ast.Await: ("await is not part of the language", None),
    ast.Yield: ("yield is not part of the language", None),
    ast.While: ("a `while` ends when it likes, and is not part of the language", "write for k in range(3): ..."),
    ast.ClassDef: (
        "a class is not part of the language",
        "paste the lines of its forward, with its weights as inputs: w for self.w",
    ),
    ast.Try: ("`try` is not part of the language", "paste the lines inside of it alone"),
    ast.Raise: ("`raise` is not part of the language", "leave this line out"),
    ast.Global: ("`global` is not part of the language", "leave this line out"),
    ast.Nonlocal: ("`nonlocal` is not part of the language", "leave this line out"),
    ast.AsyncFunctionDef: ("async is not part of the language", "write def"),
}  # fmt: skip
"""By the kind of node: what is wrong with it, and what to write."""
