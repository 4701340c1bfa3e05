"""Source text to Python's syntax tree, with the slips that people make in formulas answered in their own words."""

from __future__ import annotations

import ast
import keyword
import re
import textwrap
from collections.abc import Callable

from gradcheck import functions
from gradcheck.errors import EXPRESSION, GradcheckError, LimitProblem, Option, Span, SyntaxProblem
from gradcheck.functions import ALIASES
from gradcheck.quiet import quiet

MAX_TEXT_LENGTH = 500_000
"""Characters of a program."""
MAX_NESTING = 100
"""Brackets, calls and signs inside each other."""
MAX_LITERAL_LENGTH = 1_000
"""Characters of one number."""


def prepare(text: str) -> str:
    """Return the text without common indentation, after the checks that need no grammar.

    >>> prepare("\\n    y = x\\n    y**2\\n")
    'y = x\\ny**2'
    """
    if len(text) > MAX_TEXT_LENGTH:
        raise LimitProblem(
            f"the program has {len(text):,} characters; the limit (MAX_TEXT_LENGTH) is {MAX_TEXT_LENGTH:,}"
        )
    lines = re.sub(r"\r\n?", "\n", text)  # Python's parser counts a lone return as a line too
    source = textwrap.dedent(lines).strip(" \t\r\n;\f")
    if not re.sub(r"#.*", "", source).strip(" \t\r\n;\f"):
        raise SyntaxProblem("the program is empty", hint=("write an expression, as in ", Option(EXPRESSION, "x**2")))
    _check_signs(source)
    _check_brackets(source)
    for match in re.finditer(rf"[\w.]{{{MAX_LITERAL_LENGTH + 1},}}", source):
        raise LimitProblem(
            f"a number or name of {len(match[0]):,} characters; "
            f"the limit (MAX_LITERAL_LENGTH) is {MAX_LITERAL_LENGTH:,}",
            source=source, span=Span(match.start(), match.start() + 1),
        )  # fmt: skip
    return source


_OPENING = re.compile("#[^\n]*|\"\"\"|'''|[\"']")
_CLOSING = {
    '"""': re.compile(r'(?:[^\\]|\\.)*?"""', re.DOTALL), "'''": re.compile(r"(?:[^\\]|\\.)*?'''", re.DOTALL),
    '"': re.compile(r'(?:[^"\\\n]|\\.)*"', re.DOTALL), "'": re.compile(r"(?:[^'\\\n]|\\.)*'", re.DOTALL),
}  # fmt: skip
"""What stands behind each way of opening a string, up to its end."""


def without_strings(source: str) -> str:
    """Return a text with blanks for what stands in its strings and comments; an open string is left as it is.

    >>> without_strings("x  # (a)"), without_strings("y = '[' + z")
    ('x       ', 'y =     + z')
    """
    pieces, done = [], 0
    while (opening := _OPENING.search(source, done)) is not None:
        end = opening.end()
        if opening[0] in _CLOSING:
            closing = _CLOSING[opening[0]].match(source, end)
            if closing is None:
                break
            end = closing.end()
        pieces += [source[done : opening.start()], re.sub(r"[^\n]", " ", source[opening.start() : end])]
        done = end
    return "".join([*pieces, source[done:]])


_SIGNS = {
    "·": "*", "×": "*", "⋅": "*", "∙": "*", "÷": "/", "−": "-", "–": "-", "²": "**2", "³": "**3", "√": "sqrt(...)",
    "≤": "<=", "≥": ">=", "≠": "!=", "∞": "inf",
}  # fmt: skip
"""Signs of printed formulas, with what is written here instead."""


def _check_signs(source: str) -> None:
    """Answer the signs of printed formulas; some of them are letters to Python, and would make up names."""
    for match in re.finditer(f"[{''.join(_SIGNS)}]", without_strings(source)):
        raise SyntaxProblem(
            f"{match[0]} is no sign of the language",
            source=source, span=Span(match.start(), match.end()), hint=f"write {_SIGNS[match[0]]}",
        )  # fmt: skip


def _check_brackets(source: str) -> None:
    """Refuse unbalanced and too deeply nested brackets before Python's parser sees them."""
    closing = {")": "(", "]": "[", "}": "{"}
    opened: list[int] = []
    for match in re.finditer(r"[()\[\]{}]", without_strings(source)):
        sign, at = match[0], match.start()
        if sign in closing.values():
            opened.append(at)
            if len(opened) > MAX_NESTING:
                raise too_deep(source, Span(at, at + 1))
        elif sign in closing:
            if not opened or source[opened[-1]] != closing[sign]:
                raise SyntaxProblem(f"this {sign} closes nothing", source=source, span=Span(at, at + 1))
            opened.pop()
    if opened:
        at = opened[-1]
        raise SyntaxProblem(f"this {source[at]} is never closed", source=source, span=Span(at, at + 1))


def too_deep(source: str, span: Span) -> LimitProblem:
    """Return the answer to a text that nests beyond MAX_NESTING.

    >>> too_deep("((x))", Span(0, 5)).code
    'limit'
    """
    return LimitProblem(
        f"nested more than {MAX_NESTING} deep (the limit MAX_NESTING)",
        source=source, span=span, hint="name the parts as layers: y = ...; z = ...",
    )  # fmt: skip


def syntax_tree(source: str) -> ast.Module:
    """Return Python's tree of a prepared text; raise a GradcheckError that says what is wrong and what to write.

    >>> type(syntax_tree("sin(x)").body[0].value).__name__
    'Call'
    """
    foreign = re.search(r"[\x00\ud800-\udfff]", source)
    if foreign:
        message = "the text holds a character that no program can hold"
        raise SyntaxProblem(message, source=source, span=Span(*foreign.span()))
    try:
        with quiet():  # Python warns of 1or2; the whitelist answers it
            return ast.parse(source)
    except SyntaxError as problem:
        raise _explained(source, problem) from None
    except (RecursionError, MemoryError):
        raise too_deep(source, Span(0, 1)) from None


_SLIPS = {
    "expected ':'": ("a : is missing", "end the line of a block with it"),
    "expected an indented block": ("the lines of a block are indented", "put four blanks before each of them"),
    "unexpected indent": ("this line is indented, and stands in no block", "let it begin where the line before does"),
    "unindent does not match": ("this line begins where no other does", "let it begin where its block does"),
}
"""What Python's parser says of blocks, with what to write."""
_HINTS: tuple[tuple[str, Callable[[re.Match[str]], tuple[str, str]]], ...] = (
    (r"^(?:>>>|\.\.\.) ", lambda _: ("this is a prompt of Python, and no part of the text", "leave it out")),
    (r"(?<![\w.)])([^\W\d]\w*\([\w, ]*\))\s*=(?!=)[ \t]*([^;\n]*)",
     lambda m: ("no function can be defined here",
                f"write {m[2].strip()} alone: names that are never assigned are the inputs")),
    (r"(?<![\w.])((?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*([^\W\d]\w*)",
     lambda m: (f"a * is missing between {m[1]} and {m[2]}", f"write {m[1]}*{m[2]}")),
    (r"\b([^\W\d]\w*)\s+((?:\d+\.?\d*|[^\W\d]\w*))\b",
     lambda m: (f"something is missing between {m[1]} and {m[2]}",
                f"write {m[1]}({m[2]})" if functions.lookup(ALIASES.get(m[1], m[1])) else f"write {m[1]}*{m[2]}")),
    (r"([)\]])\s*([\w(]\w*)", lambda m: (f"an operator is missing between {m[1]} and {m[2]}", f"write {m[1]}*{m[2]}")),
)  # fmt: skip
"""Slips that people make in formulas, tried in order at the place of a syntax error."""


def _explained(source: str, problem: SyntaxError) -> GradcheckError:
    """Return a syntax error in the user's words, with the span and what to write instead."""
    at = min(_offset(source, problem), max(len(source) - 1, 0))
    if (slip := _slip(source, problem, at)) is not None:
        return slip
    for match in re.finditer(r"\b[a-z]+\b|\b(?:True|False|None)\b", source):
        if not match.start() - 1 <= at <= match.end() + 1:
            continue
        if keyword.iskeyword(match[0]) and match[0] not in ("and", "or", "not", "if", "else", "in", "is"):
            return SyntaxProblem(
                f"`{match[0]}` is a word of Python's own and cannot be a name here",
                source=source, span=Span(match.start(), match.end()), hint=f"call it {match[0]}_",
            )  # fmt: skip
    if "digits" in (problem.msg or ""):
        return LimitProblem(f"a number longer than {MAX_LITERAL_LENGTH:,} digits (the limit MAX_LITERAL_LENGTH)")
    return SyntaxProblem("this is no expression", source=source, span=Span(at, at + 1), hint=_first_hint(source, at))


def _slip(source: str, problem: SyntaxError, at: int) -> SyntaxProblem | None:
    """Return the error about a slip that people make, None where it is none of these."""
    line = source.rfind("\n", 0, at) + 1
    for said, (message, hint) in _SLIPS.items():
        if (problem.msg or "").startswith(said):
            return SyntaxProblem(message, source=source, span=Span(at, at + 1), hint=hint)
    for pattern, answer in _HINTS:
        for match in re.finditer(pattern, source, re.MULTILINE):
            if match.start() < line or not match.start() - 1 <= at <= match.end():
                continue
            words = [word for word in match.groups() if word and keyword.iskeyword(word)]
            if words:
                break
            message, hint = answer(match)
            return SyntaxProblem(message, source=source, span=Span(match.start(), match.end()), hint=hint)
    return None


def _first_hint(source: str, at: int) -> str | None:
    if source[at : at + 1] in ("=", ":", "!"):
        return "a statement is name = expression; a comparison is written == or <, inside where(...)"
    return None


def _offset(source: str, problem: SyntaxError) -> int:
    lines = source.split("\n")
    row = min(max((problem.lineno or 1) - 1, 0), len(lines) - 1)
    return sum(len(line) + 1 for line in lines[:row]) + max((problem.offset or 1) - 1, 0)
