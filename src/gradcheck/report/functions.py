"""The list of the language's functions, and the page of one: plain lines, there before rich would be loaded."""

from __future__ import annotations

import inspect
import json
import shutil
import textwrap
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import groupby, zip_longest
from typing import IO

from gradcheck import functions
from gradcheck.code import call_of
from gradcheck.corners import completed, written_out
from gradcheck.errors import NameProblem, quoted
from gradcheck.functions import ALIASES, Composite, Elementwise, Tensor, lookup
from gradcheck.functions.findings import findings
from gradcheck.functions.pages import PAGES, page_of, pages
from gradcheck.program import Param, param_text

HEAD = ("function", "meaning", "domain", "not differentiable at", "also called")
WIDTH, NARROW = 100, 80
"""Columns of the list and of a page, where nothing says how wide the window is."""
GAP = "  "
EVERYWHERE, NOWHERE, LINES = "everywhere", "nowhere", "see its page"


def write(name: str | None, file: IO[str], form: str = "table") -> None:
    """Write the table of all functions, or the page of one; raise NameProblem for a name that is none.

    ``form`` is table, json or markdown.
    """
    if form == "json":
        found = described(_known(name)) if name is not None else [described(one) for one in pages()]
        json.dump(found, file, indent=2, ensure_ascii=False)
        file.write("\n")
    elif form == "markdown":
        file.writelines(f"{line}\n" for line in _markdown([_known(name)] if name is not None else pages()))
    elif name is None:
        file.writelines(f"{line}\n" for line in _table(shutil.get_terminal_size((WIDTH, 24)).columns))
    else:
        room = min(shutil.get_terminal_size((NARROW, 24)).columns, WIDTH)
        file.writelines(f"{line}\n" for line in page(_known(name), room))


def _known(name: str) -> str:
    op = ALIASES.get(name, name)
    if op not in pages():
        closest = functions.nearest(name, functions.known_names())
        raise NameProblem(f"unknown function `{name}`", hint=f"did you mean `{closest}`?" if closest else None)
    return op


# --- one ------------------------------------------------------------------------------------------


def page(name: str, room: int = NARROW) -> Iterator[str]:
    """Yield the lines on one function: how it is called, what it means, its derivative, where there is none.

    >>> print(*page("relu"), sep="\\n")
    relu(x)
    <BLANKLINE>
      meaning                x above 0, else 0
      derivative             where(x > 0, 1, 0)
      defined                everywhere
      not differentiable at  x == 0
      torch runs             torch.relu(x)
      example                gradcheck 'relu(x)' --at x=0.2
    """
    found = told(name)
    called = signature(name)
    yield from textwrap.wrap(called, room, subsequent_indent=" " * (len(name) + 1), break_long_words=False)
    yield ""
    width = max(map(len, found))
    for word, text in found.items():
        lead = f"  {word.ljust(width)}{GAP}"
        free = max(room - len(lead), 20)
        lines = textwrap.wrap(text, free, break_on_hyphens=False, break_long_words=False)
        lines = lines if len(lines[0]) <= free else ["", *lines]  # a word that does not fit stands alone
        yield from (f"{lead if k == 0 else ' ' * len(lead)}{line}".rstrip() for k, line in enumerate(lines))


def told(name: str) -> dict[str, str]:
    """Return what a page says of a function, by the words that stand before it."""
    also = ", ".join(alias for alias, op in ALIASES.items() if op == name)
    return {
        "meaning": meaning(name),
        **({"definition": _definition(name)} if _definition(name) else {}),
        **derivatives(name),
        "defined": _domain(name) or EVERYWHERE,
        "not differentiable at": _kinks(name) or NOWHERE,
        **({"also called": also} if also else {}),
        **({"torch runs": torch_call(name)} if torch_call(name) else {}),
        **({"known findings": "; ".join(findings(name))} if findings(name) else {}),
        "example": example(name),
    }


def described(name: str) -> dict[str, str]:
    """Return the same for programs, with the function's name and how it is called.

    >>> described("relu")["torch runs"]
    'torch.relu(x)'
    """
    return {"name": name, "signature": signature(name), **told(name)}


def torch_call(name: str) -> str:
    """Return what is under test: the call of torch that the other lane runs; empty where it is none."""
    row = lookup(name)
    return call_of(name) if isinstance(row, Elementwise | Tensor | Composite) else ""


def signature(name: str) -> str:
    """Return how a function is called: what need not be given stands with its default.

    >>> signature("softplus"), signature("nll_loss")
    ('softplus(x, beta=1, threshold=20)', "nll_loss(x, target, weight=None, ignore_index=-100, reduction='mean')")
    """
    row = lookup(name)
    if row is None:
        return f"{name}(x)"
    params = getattr(row, "params", ())
    order = getattr(row, "order", ()) or (*row.args, *params)
    return f"{name}({', '.join(f'{one}{_default(row, one)}' for one in order)})"


def _default(row: functions.AnyRow, name: str) -> str:
    """Return the default of an argument with its sign, nothing where there is none."""
    if isinstance(row, Composite) and name in row.optional:
        return "=None"
    if isinstance(row, Composite) and name in row.defaults:
        return f"={_decimal(row.defaults[name])}"
    rule = getattr(row, "canonical", None) or getattr(row, "definition", None)
    if name not in getattr(row, "params", ()) or not callable(rule):
        return ""
    default = inspect.signature(rule).parameters[name].default
    return "" if default is inspect.Parameter.empty else f"={_decimal(default)}"


def _decimal(value: Param) -> str:
    """Return a default as torch's documentation writes it: 0.01, and no 1/100, where the decimals end."""
    if isinstance(value, Fraction) and Fraction(text := repr(float(value))) == value:
        return text.removesuffix(".0")
    return param_text(value)


def meaning(name: str) -> str:
    """Return what a function means."""
    row = lookup(name)
    return page_of(name).meaning or (row.summary if row is not None else "")


def _definition(name: str) -> str:
    """Return the lines of the language that a function is, where its row has such that say more than the meaning.

    They may depend on shapes: then they are those of the row's first sample.
    """
    row = lookup(name)
    if not isinstance(row, Composite):
        return ""
    if isinstance(row.definition, str):
        return "" if row.definition == meaning(name) else row.definition
    found = written_out(name)
    return f"of {sample(name)[0]}: {'; '.join(str(found).splitlines())}" if found else ""


NONE = "none: torch differentiates nothing by it"


def derivatives(name: str) -> dict[str, str]:
    """Return the derivative in words, or by each argument."""
    found, row = page_of(name), lookup(name)
    if not found.derivatives or row is None:
        return {"derivative": found.rule}
    if len(found.derivatives) == 1:
        return {"derivative": found.derivatives[0]}
    return {f"derivative by {by}": text or NONE for by, text in zip(row.args, found.derivatives, strict=True)}


def example(name: str) -> str:
    """Return a command that checks the function."""
    program, at = sample(name)
    return f"gradcheck {quoted(program)} --at {quoted(at)}"


def sample(name: str) -> tuple[str, str]:
    """Return a program with a function, and a point."""
    found, row = page_of(name), lookup(name)
    if found.example is not None:
        return found.example
    if isinstance(row, Elementwise):
        middle = row.samples[len(row.samples) // 2]
        values = ",".join(f"{by}={value}" for by, value in zip(row.args, middle, strict=True))
        return f"{name}({', '.join(row.args)})", values
    return f"{name}(x)", "x=0.7"


def _domain(name: str) -> str:
    row, found = lookup(name), completed(name)
    return row.domain if isinstance(row, Elementwise) and isinstance(row.domain, str) else found.domain


def _kinks(name: str) -> str:
    row, found = lookup(name), completed(name)
    return (row.kinks or found.kinks) if isinstance(row, Elementwise) else found.kinks


# --- all ------------------------------------------------------------------------------------------


def _table(room: int) -> Iterator[str]:
    """Yield the lines of the table of all functions."""
    rows = [HEAD, *map(_cells, pages())]
    widths = _widths(rows, room)
    head, *rest = (_lines(row, widths) for row in rows)
    yield from head
    yield "─" * (sum(widths) + len(GAP) * (len(widths) - 1))
    for lines in rest:
        yield from lines


def _widths(rows: Sequence[Sequence[str]], room: int) -> list[int]:
    """Return the widths of the columns: as much as they need, and the widest ones cut alike where that is too much."""
    needed = [max(map(len, column)) for column in zip(*rows, strict=True)]
    room -= len(GAP) * (len(needed) - 1)
    caps = range(max(needed), 1, -1)
    cap = next((one for one in caps if sum(min(width, one) for width in needed) <= room), 1)
    return [min(width, cap) for width in needed]


def _lines(row: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    """Yield the lines of one row, whose cells are folded."""
    folded = [textwrap.wrap(cell, width, break_on_hyphens=False) for cell, width in zip(row, widths, strict=True)]
    for parts in zip_longest(*folded, fillvalue=""):
        yield GAP.join(part.ljust(width) for part, width in zip(parts, widths, strict=True)).rstrip()


def _cells(name: str) -> tuple[str, str, str, str, str]:
    also = ", ".join(alias for alias, op in ALIASES.items() if op == name)
    row = lookup(name)
    if isinstance(row, Composite) and callable(row.definition) and name not in PAGES:
        return signature(name), meaning(name), LINES, LINES, also  # the list is there at once; pages open their lines
    return signature(name), meaning(name), _domain(name), _kinks(name), also


# --- for the manual -------------------------------------------------------------------------------

INTRODUCTION = """# Functions

Every function of the language, as `gradcheck functions` lists them, with the call of torch that is under test.
`gradcheck functions NAME` tells more of one: its definition, its derivative, and an example to run. Of the operations
that torch tests itself by, 404 of 424 with a closed real formula are here under torch's own name
([benchmarks](../benchmarks/README.md) names the others, with the reason).
"""


def _markdown(names: Sequence[str]) -> Iterator[str]:
    """Yield a table in Markdown for each family of functions."""
    yield INTRODUCTION
    families = sorted(((functions.family(name), name) for name in names), key=lambda one: (one[0].lower(), one[1]))
    for family, some in groupby(families, key=lambda one: one[0]):
        yield f"## {family}\n"
        yield "| function | meaning | where it is defined | not differentiable at | torch runs |"
        yield "|---|---|---|---|---|"
        for _, name in some:
            cells = (f"`{signature(name)}`", meaning(name), _domain(name), _kinks(name))
            run = torch_call(name)
            yield f"| {' | '.join(map(_cell, (*cells, f'`{run}`' if run else '')))} |"
        yield ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
