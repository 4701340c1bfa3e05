"""An explanation as a LaTeX document that compiles on its own: only packages of every installation."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from gradcheck.explanation.formulas import lines
from gradcheck.explanation.formulas.latex import LETTERS, below_each_other
from gradcheck.explanation.formulas.lines import Sign
from gradcheck.explanation.graphs.model import DynamicGraph, GraphNode, heading, rows
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
from gradcheck.verdict import Tone

HEAD = r"""\documentclass[11pt,a4paper]{article}
\usepackage[margin=2.5cm]{geometry}
\usepackage[fleqn]{amsmath}
\usepackage{amssymb,array,graphicx,longtable}
\setlength{\mathindent}{0pt}
\allowdisplaybreaks
\newsavebox{\measured}
\newcommand{\fit}[2]{\sbox{\measured}{$\displaystyle #2$}\ifdim\wd\measured>#1\resizebox{#1}{!}{\usebox{\measured}}\else
  \usebox{\measured}\fi}
\newcommand{\cell}[1]{\raisebox{0pt}[\dimexpr\height+3pt\relax][\dimexpr\depth+3pt\relax]{\fit{\linewidth}{#1}}}
\setlength{\parindent}{0pt}
\setlength{\parskip}{6pt plus 2pt}
\renewcommand{\labelitemi}{$\bullet$}
\setlength{\lineskiplimit}{2pt}
\setlength{\lineskip}{4pt}
\raggedright
\begin{document}
"""
WIDE, WIDEST = 0.72, 0.85
"""Shares of a line that a right side may fill, beside a left side and without one."""
MAX_WIDE = 52
"""Signs of a right side in one line, where it can be broken."""
MAX_ROW = 80
"""Signs of formulas in a whole line of a table."""
BREAKS = frozenset("/,;()=")
"""Characters of code after which a line may break."""
HEADINGS = {1: r"\section*", 2: r"\subsection*", 3: r"\subsubsection*"}
ESCAPES = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\char34{}",
}  # fmt: skip
CHECKS = {Tone.GOOD: r"$\checkmark$ ", Tone.BAD: r"$\times$ "}
SYMBOLS = {
    "·": r"$\cdot$",
    "×": r"$\times$",
    "…": r"\ldots{}",
    "≈": r"$\approx$",
    "✗": r"$\times$",
    "✓": r"$\checkmark$",
    "←": r"$\leftarrow$",
    "─": "-",
    "↑": r"$\uparrow$",
}
"""Characters of our own sentences, and those of Greek; any other is its place in Unicode."""


def render(explanation: Explanation, *, hint: bool = False) -> str:
    """Return an explanation as a document for pdflatex."""
    return f"{HEAD}{''.join(map(_block, lesson(explanation, hint=hint)))}\\end{{document}}\n"


def formulas(explanation: Explanation) -> str:
    """Return the derivations as one displayed formula, for a notebook."""
    rows = [row for block in lesson(explanation) if isinstance(block, Formulas) for row in block.lines if row.right]
    made = (f"{lines.latex(row.left)} &{lines.latex((Sign(row.sign), *row.right))}".strip() for row in rows)
    return "$$\\begin{aligned}\n" + " \\\\\n".join(made) + "\n\\end{aligned}$$"


def _block(block: Block) -> str:
    match block:
        case Heading(words, level):
            return f"\n{HEADINGS[level]}{{{_words(words)}}}\n"
        case Sentence(words, kind):
            return f"\n{_paragraph(_words(words), kind)}\n"
        case Source(source):
            return "\n" + r" \\".join(map(_source_line, source.splitlines())) + "\n"
        case Formulas(rows):
            return _formulas(rows)
        case Rows():
            return _table(block)
        case Tree(graph):
            return _graph(graph)
        case Story(run):
            return "\n{\\footnotesize " + r" \\".join(map(_source_line, story(run).splitlines())) + "\\par}\n"
        case Break():
            return ""


def _paragraph(text: str, kind: str) -> str:
    if kind == "meaning":
        return f"\\begin{{quote}}\\bfseries {text}\\end{{quote}}"
    return f"{{\\small {text}\\par}}" if kind == "note" else text


def _source_line(line: str) -> str:
    return f"\\texttt{{{_breakable(line).replace(' ', chr(92) + ' ')}}}" if line.strip() else r"\mbox{}"


def _breakable(code: str) -> str:
    """Return code that may break where no blank is."""
    return "".join(_character(c) + r"\allowbreak{}" * (c in BREAKS) for c in code)


def _formulas(rows: Sequence[Equation]) -> str:
    """Return lines whose signs stand below each other, each with its rule above and its note below."""
    made = [part for row in rows for part in _equation(row)]
    ended = [part if part.startswith(r"\intertext") else rf"{part} \\" for part in made]
    return "\n\\begin{align*}\n" + "\n".join(ended).removesuffix(r" \\") + "\n\\end{align*}\n"


def _equation(one: Equation) -> Iterator[str]:
    """Yield the lines of an equation; what is too wide goes on below, or is made smaller where it cannot be broken."""
    if one.why:
        aside = rf"\newline {_words(one.aside)}" if one.aside else ""
        yield rf"\intertext{{\small\hangindent=2em\hangafter=0 {_words(one.why)}{aside}}}"
    left, sign = lines.latex(one.left), lines.latex((Sign(one.sign),))
    note = rf"\qquad\text{{{_words(one.note)}}}" if one.note else ""
    if not one.right:
        yield f"{left} & {note}"
        return
    width = rf"{WIDEST if not left else WIDE}\linewidth"
    first, *rest = (rf"\fit{{{width}}}{{{chunk}}}" for chunk in lines.latex_lines(one.right, MAX_WIDE))
    *made, last = [f"{left} &{sign} {first}", *(rf"&\quad {chunk}" for chunk in rest)]
    yield from (*made, last + note)


def _table(table: Rows) -> str:
    whole = sum(column.wide for column in table.columns)
    shares = [column.wide / whole for column in table.columns]
    columns = "".join(_column(share, column.right) for share, column in zip(shares, table.columns, strict=True))
    head = _row([(Strong(_plain(column.head)),) for column in table.columns], shares)
    body = "".join(_row(row, shares) for row in table.rows)
    return (
        f"\n{{\\small\\setlength{{\\tabcolsep}}{{4pt}}\\renewcommand{{\\arraystretch}}{{1.25}}\n\\begin{{longtable}}[l]{{@{{}}{columns}@{{}}}}\n"
        f"{head}\\hline\n\\endhead\n{body}\\end{{longtable}}}}\n"
    )


def _column(share: float, right: bool) -> str:
    side = "raggedleft" if right else "raggedright"
    return f">{{\\{side}\\arraybackslash}}p{{\\dimexpr {share:.3f}\\linewidth-2\\tabcolsep\\relax}}"


def _row(cells: Iterable[Words], shares: Sequence[float]) -> str:
    return f"{' & '.join(map(_cell, cells, shares))} \\\\\n"


def _cell(words: Words, share: float) -> str:
    """Return a cell; a formula in it keeps away from those above and below, and is broken between its terms."""
    if len(words) != 1 or not isinstance(words[0], Maths):
        return re.sub("Backward", r"\\allowbreak{}Backward", _words(words))
    made = lines.latex_lines(words[0].line, int(share * MAX_ROW))
    return rf"\cell{{{made[0] if len(made) == 1 else below_each_other(made)}}}"


def _plain(words: Words) -> str:
    return "".join(one if isinstance(one, str) else one.text for one in words if isinstance(one, str | Code))


def _graph(graph: DynamicGraph) -> str:
    """Return the graph as a list, in the order in which torch ran it."""
    labels = {node.id: node.label for node in graph.nodes}
    items = (_node(node, [labels[one] for one in graph.arguments(node.id)]) for node in graph.nodes)
    return f"\n\\begin{{itemize}}\n{''.join(items)}\\end{{itemize}}\n"


def _node(node: GraphNode, reads: list[str]) -> str:
    facts = [_text(f"{row.name} {row.text}") for row in rows(node)]
    source = f"; reads {', '.join(map(_code, reads))}" if reads else ""
    return f"\\item {_code(node.label)} ({_text(heading(node))}): {', '.join(facts)}{source}\n"


def _words(words: Words) -> str:
    return "".join(map(_inline, words))


def _inline(one: Inline) -> str:
    if isinstance(one, str):
        return _text(one)
    if isinstance(one, Code):
        return _code(one.text)
    if isinstance(one, Strong):
        return f"\\textbf{{{_text(one.text)}}}"
    if isinstance(one, Maths):
        return f"$\\displaystyle {lines.latex(one.line)}$" if one.line else ""
    return f"{CHECKS.get(one.verdict.tone, '')}{_text(one.verdict)}"


def _code(text: str) -> str:
    return f"\\texttt{{{_breakable(' '.join(text.split()))}}}"


def _text(text: str) -> str:
    """Return a text of which nothing is a command, in the characters that every font has."""
    return "".join(map(_character, text))


def _character(c: str) -> str:
    if c in ESCAPES:
        return ESCAPES[c]
    if c in LETTERS:
        return f"${LETTERS[c]}$"
    if c in SYMBOLS:
        return SYMBOLS[c]
    if c == "\n":
        return " "
    return c if c.isascii() and c.isprintable() else f"[U+{ord(c):04X}]"
