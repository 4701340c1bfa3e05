"""An explanation as a LaTeX document that compiles on its own: only packages of every installation."""

from __future__ import annotations

from collections.abc import Iterable

from gradcheck.explanation.formulas import lines
from gradcheck.explanation.formulas.latex import LETTERS
from gradcheck.explanation.formulas.lines import Sign
from gradcheck.explanation.graphs.model import DynamicGraph, GraphNode, heading, rows
from gradcheck.explanation.model import Explanation
from gradcheck.report.explain_blocks import (
    Block,
    Code,
    Drawing,
    Equation,
    Equations,
    Heading,
    Inline,
    Maths,
    Paragraph,
    Source,
    Strong,
    Table,
    Words,
)
from gradcheck.report.explain_lesson import lesson
from gradcheck.verdict import Tone, Verdict

HEAD = r"""\documentclass[11pt,a4paper]{article}
\usepackage[margin=2.5cm]{geometry}
\usepackage{amsmath,amssymb,array,longtable}
\setlength{\parindent}{0pt}
\setlength{\parskip}{6pt plus 2pt}
\renewcommand{\labelitemi}{$\bullet$}
\raggedright
\begin{document}
"""
HEADINGS = {1: r"\section*", 2: r"\subsection*", 3: r"\subsubsection*"}
ESCAPES = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\char34{}",
}  # fmt: skip
CHECKS = {Tone.GOOD: r"$\checkmark$ ", Tone.BAD: r"$\times$ "}
SYMBOLS = {"·": r"$\cdot$", "×": r"$\times$", "…": r"\ldots{}", "≈": r"$\approx$", "✗": r"$\times$", "↑": r"$\uparrow$"}
"""Characters of our own sentences, and those of Greek; any other is its place in Unicode."""


def render_latex(explanation: Explanation) -> str:
    """Return an explanation as a document for pdflatex."""
    return f"{HEAD}{''.join(map(_block, lesson(explanation)))}\\end{{document}}\n"


def formulas(explanation: Explanation) -> str:
    """Return the derivations as one displayed formula, for a notebook."""
    rows = [row for block in lesson(explanation) if isinstance(block, Equations) for row in block.rows if row.right]
    made = (f"{lines.latex(row.left)} &{lines.latex((Sign(row.sign), *row.right))}".strip() for row in rows)
    return "$$\\begin{aligned}\n" + " \\\\\n".join(made) + "\n\\end{aligned}$$"


def _block(block: Block) -> str:
    match block:
        case Heading(words, level):
            return f"\n{HEADINGS[level]}{{{_words(words)}}}\n"
        case Paragraph(words, kind):
            return f"\n{_paragraph(_words(words), kind)}\n"
        case Source(source):
            return "\n" + r" \\".join(map(_source_line, source.splitlines())) + "\n"
        case Equations(rows):
            return "".join(map(_equation, rows))
        case Table():
            return _table(block)
        case Drawing(graph):
            return _graph(graph)


def _paragraph(text: str, kind: str) -> str:
    if kind == "meaning":
        return f"\\begin{{quote}}\\bfseries {text}\\end{{quote}}"
    return f"{{\\small {text}\\par}}" if kind == "note" else text


def _source_line(line: str) -> str:
    return f"\\texttt{{{_text(line).replace(' ', chr(92) + ' ')}}}" if line.strip() else r"\mbox{}"


def _equation(one: Equation) -> str:
    """Return a line that may break where any formula within a text may; its rule stands above it."""
    why, note = (f"\n{{\\small\\hspace*{{2em}}{_words(one)}\\par}}\n" if one else "" for one in (one.why, one.note))
    sign = (Sign(one.sign),) if one.right else ()
    made = lines.latex((*one.left, *sign, *one.right))
    return f"{why}\n\\hangindent=4em $\\displaystyle {made}$\n{note}"


def _table(table: Table) -> str:
    columns = "".join(_column(wide / sum(table.wide), k in table.right) for k, wide in enumerate(table.wide))
    head = _row((Strong(_plain(words)),) if words else () for words in table.header)
    body = "".join(map(_row, table.rows))
    return (
        f"\n{{\\small\\setlength{{\\tabcolsep}}{{4pt}}\\renewcommand{{\\arraystretch}}{{1.25}}\n\\begin{{longtable}}[l]{{@{{}}{columns}@{{}}}}\n"
        f"{head}\\hline\n\\endhead\n{body}\\end{{longtable}}}}\n"
    )


def _column(share: float, right: bool) -> str:
    side = "raggedleft" if right else "raggedright"
    return f">{{\\{side}\\arraybackslash}}p{{\\dimexpr {share:.3f}\\linewidth-2\\tabcolsep\\relax}}"


def _row(cells: Iterable[Words]) -> str:
    return f"{' & '.join(map(_words, cells))} \\\\\n"


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
    return f"{CHECKS.get(Verdict(one.verdict).tone, '')}{_text(one.verdict)}"


def _code(text: str) -> str:
    return f"\\texttt{{{_text(' '.join(text.split()))}}}"


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
