"""An explanation as Markdown for GitHub and GitLab: formulas for their MathJax, the graph for their Mermaid."""

from __future__ import annotations

import re
from collections.abc import Iterable

from gradcheck.errors import printable
from gradcheck.explanation.formulas import lines
from gradcheck.explanation.formulas.lines import Sign
from gradcheck.explanation.graphs.mermaid import mermaid
from gradcheck.explanation.model import Explanation
from gradcheck.report.lesson.blocks import (
    Block,
    Break,
    Code,
    Equation,
    Formulas,
    Heading,
    Inline,
    Maths,
    Rows,
    Sentence,
    Source,
    Story,
    Strong,
    Tree,
    Words,
)
from gradcheck.report.lesson.build import lesson
from gradcheck.report.lesson.story import story
from gradcheck.report.markdown import ACTIVE


def render(explanation: Explanation, *, hint: bool = False) -> str:
    """Return an explanation as Markdown.

    A formula within a line stands between ``$`` and backticks: between dollars alone GitHub takes its underscores for
    emphasis. https://docs.github.com/en/get-started/writing-on-github/working-with-advanced-formatting
    """
    return "\n".join(map(_block, lesson(explanation, hint=hint)))


def _block(block: Block) -> str:
    match block:
        case Heading(words, level):
            return f"{'#' * level} {_words(words)}\n"
        case Sentence(words, kind):
            return f"> {_words(words)}\n" if kind in ("answer", "meaning") else f"{_words(words)}\n"
        case Source(source):
            return _fence("python", "\n".join(map(printable, source.splitlines())))
        case Formulas(rows):
            return "\n".join(map(_group, _groups(rows)))
        case Rows():
            return _table(block)
        case Tree(graph):
            return _fence("mermaid", mermaid(graph).rstrip("\n"))
        case Story(run):
            return _fence("text", story(run))
        case Break():
            return ""


def _groups(rows: Iterable[Equation]) -> list[list[Equation]]:
    """Return the lines between which no words stand."""
    groups: list[list[Equation]] = []
    for row in rows:
        if not groups or row.why or groups[-1][-1].note:
            groups.append([])
        groups[-1].append(row)
    return groups


def _group(rows: list[Equation]) -> str:
    """Return lines below each other, with the rule above and the note below."""
    shown = [_equation(row, "&" if len(rows) > 1 else "") for row in rows]
    made = shown[0] if len(rows) == 1 else "\n".join(["\\begin{aligned}", " \\\\\n".join(shown), "\\end{aligned}"])
    why, aside, note = _words(rows[0].why), _words(rows[0].aside), _words(rows[-1].note)
    above = f"{why}. {aside}".removesuffix(" ") if why else ""
    return (f"{above}\n\n" if above else "") + _fence("math", made) + (f"\n{note}\n" if note else "")


def _equation(one: Equation, align: str) -> str:
    sign = lines.latex((Sign(one.sign),)) if one.right else ""
    return f"{lines.latex(one.left)} {align}{sign} {lines.latex(one.right)}".strip()


def _table(table: Rows) -> str:
    rule = tuple("---:" if column.right else "---" for column in table.columns)
    rows = [tuple(map(_words, row)) for row in (tuple(column.head for column in table.columns), *table.rows)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (rows[0], rule, *rows[1:]))


def _words(words: Words) -> str:
    return "".join(map(_inline, words))


def _inline(one: Inline) -> str:
    if isinstance(one, str):
        return _text(one)
    if isinstance(one, Code):
        text = printable(" ".join(one.text.split()))
        return f"<code>{_text(text)}</code>" if re.search(r"[|`\\]", text) or not text else f"`{text}`"
    if isinstance(one, Strong):
        return f"**{_text(one.text)}**"
    if isinstance(one, Maths):
        return f"$`{lines.latex(one.line)}`$" if one.line else ""
    return one.verdict.signed


def _text(text: str) -> str:
    """Return a text of which nothing is markup."""
    return ACTIVE.sub(lambda found: f"&#{ord(found[0])};", printable(" ".join(text.split("\n"))))


def _fence(language: str, text: str) -> str:
    """Return a block of code in a fence that is longer than any within."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}\n"
