"""An explanation as a page that needs nothing else: MathML, the graph as SVG, light and dark, for phones and paper."""

from __future__ import annotations

from html import escape

from gradcheck.errors import printable
from gradcheck.explanation.formulas import lines
from gradcheck.explanation.formulas.lines import Line
from gradcheck.explanation.graphs.svg import picture
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

ROOT = "gradcheck-lesson"
"""The class that all rules of the style begin with, so that a notebook keeps its own."""
COLORED = frozenset({Tone.GOOD, Tone.BAD})
"""Tones that have a colour of their own."""

STYLE = """
.R { --ink: #1f2328; --dim: #59636e; --line: #d1d9e0; --page: #ffffff; --tint: #f6f8fa; --mark: #0969da;
  --good: #1a7f37; --bad: #b3141f; --other: #7d4e00;
  box-sizing: border-box; max-width: 54rem; margin: 0 auto; padding: 1.5rem 1rem 3rem; color: var(--ink);
  background: var(--page); font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
  overflow-wrap: break-word; }
@media (prefers-color-scheme: dark) {
  .R { --ink: #f0f6fc; --dim: #9198a1; --line: #3d444d; --page: #0d1117; --tint: #151b23; --mark: #4493f8;
    --good: #3fb950; --bad: #ff7b72; --other: #e3b341; }
}
.R h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 1rem; }
.R h2 { font-size: 1.2rem; margin: 2.5rem 0 .75rem; padding-bottom: .3rem; border-bottom: 1px solid var(--line); }
.R h3 { font-size: 1rem; margin: 1.5rem 0 .5rem; }
.R p { margin: .75rem 0; }
.R code, .R pre { font: .875em/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
.R code { white-space: pre-wrap; }
.R pre { margin: 1rem 0; padding: .75rem 1rem; background: var(--tint); border-radius: 6px; white-space: pre-wrap;
  overflow-wrap: anywhere; }
.R math { font-size: 1.1em; }
.R h2 math { font-size: .9em; }
.R .lines math { padding-block: .15rem; }
.R .scroll { overflow-x: auto; margin: 1rem 0; }
.R table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
.R th, .R td { padding: .35rem .75rem; border-bottom: 1px solid var(--line); text-align: left;
  vertical-align: baseline; white-space: nowrap; }
.R th:first-child, .R td:first-child { padding-left: 0; }
.R th { color: var(--dim); font-weight: 600; }
.R .right { text-align: right; }
.R td code { white-space: pre; }
.R .lines { margin: 1rem 0; display: grid; grid-template-columns: auto auto minmax(0, 1fr); column-gap: .5rem;
  row-gap: .5rem; align-items: baseline; }
.R .rest { overflow-x: auto; overflow-y: hidden; padding: .15rem 0; }
.R .why { grid-column: 3; color: var(--dim); font-size: .9rem; margin-top: .35rem; }
.R .why b { color: var(--mark); }
.R .meaning { padding: .75rem 1rem; background: var(--tint); border-left: 3px solid var(--mark);
  border-radius: 0 6px 6px 0; }
.R .note, .R .foot, .R .open { color: var(--dim); font-size: .875rem; }
.R .answer { font-weight: 600; }
.R .scroll pre { white-space: pre; overflow-wrap: normal; width: max-content; min-width: 100%; box-sizing: border-box; }
.R .good { color: var(--good); }
.R .bad { color: var(--bad); font-weight: 600; }
.R .other { color: var(--other); }
.R figure { margin: 1rem 0; overflow-x: auto; }
.R svg { display: block; margin: 0 auto; }
@media (max-width: 32rem) {
  .R { padding: 1rem .75rem 2rem; }
  .R h1 { font-size: 1.35rem; }
  .R table { font-size: .8rem; }
  .R th, .R td { padding: .35rem .4rem; }
}
@media print {
  .R { --ink: #000; --dim: #444; --line: #bbb; --page: #fff; --tint: #fff; --mark: #000; max-width: none; padding: 0;
    font-size: 10pt; }
  .R h2, .R h3 { break-after: avoid; }
  .R tr, .R .meaning { break-inside: avoid; }
  .R .scroll, .R .rest, .R figure { overflow: visible; }
  .R svg { max-width: 100%; height: auto; }
}
""".replace(".R ", f".{ROOT} ")


def render(explanation: Explanation, *, hint: bool = False) -> str:
    """Return an explanation as a page of its own: no script, nothing from elsewhere."""
    title = escape(printable(explanation.program.source.replace("\n", "; ")))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>The gradient of {title}</title>\n"
        "<style>html { background: #ffffff; } body { margin: 0; }"
        " @media (prefers-color-scheme: dark) { html { background: #0d1117; } }</style>\n"
        f"</head>\n<body>\n{fragment(explanation, 'main', hint=hint)}</body>\n</html>\n"
    )


def fragment(explanation: Explanation, element: str = "div", *, hint: bool = False) -> str:
    """Return an explanation as one element with a style of its own, for a notebook."""
    body = "".join(f"{_block(block)}\n" for block in lesson(explanation, hint=hint))
    return f'<{element} class="{ROOT}">\n<style>{STYLE}</style>\n{body}</{element}>\n'


def _block(block: Block) -> str:
    match block:
        case Heading(words, level):
            return f"<h{level}>{_words(words)}</h{level}>"
        case Sentence(words, kind):
            return f'<p class="{kind}">{_words(words)}</p>'
        case Source(source):
            return f"<pre><code>{_text(source)}</code></pre>"
        case Formulas(rows):
            return f'<div class="lines">{"".join(map(_equation, rows))}</div>'
        case Rows():
            return f'<div class="scroll" tabindex="0">{_table(block)}</div>'
        case Tree(graph):
            return f"<figure>{picture(graph)}</figure>"
        case Story(run):
            return f'<div class="scroll" tabindex="0"><pre>{_text(story(run))}</pre></div>'
        case Break():
            return ""


def _equation(one: Equation) -> str:
    """Return a line in three columns; the rule stands above its right side, a note below."""
    sign = f"<math><mo>{escape(one.sign)}</mo></math>" if one.right else ""
    rule = f"{_words(one.why)}{'<br>' if one.aside else ''}{_words(one.aside)}"
    why, note = (f'<div class="why">{each}</div>' if each else "" for each in (rule, _words(one.note)))
    left, right = (_maths(side, displayed=True) for side in (one.left, one.right))
    return f'{why}<div>{left}</div><div>{sign}</div><div class="rest">{right}</div>{note}'


def _table(table: Rows) -> str:
    head = "".join(_cell("th", k, column.head, table) for k, column in enumerate(table.columns))
    rows = "".join(
        f"<tr>{''.join(_cell('td', k, words, table) for k, words in enumerate(row))}</tr>" for row in table.rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _cell(element: str, k: int, words: Words, table: Rows) -> str:
    right = ' class="right"' if table.columns[k].right else ""
    return f"<{element}{right}>{_words(words)}</{element}>"


def _words(words: Words) -> str:
    return "".join(map(_inline, words))


def _inline(one: Inline) -> str:
    if isinstance(one, str):
        return _text(one)
    if isinstance(one, Code):
        return f"<code>{_text(one.text)}</code>"
    if isinstance(one, Strong):
        return f"<b>{_text(one.text)}</b>"
    if isinstance(one, Maths):
        return _maths(one.line)
    tone = one.verdict.tone if one.verdict.tone in COLORED else "other"
    return f'<span class="{tone}">{one.verdict.signed}</span>'


def _maths(line: Line, *, displayed: bool = False) -> str:
    """Return a line of mathematics, with its text for a pointer that rests on it and for a browser without MathML.

    One that is ``displayed`` may break between its terms.
    """
    if not line:
        return ""
    spoken = _text(lines.text(line))
    head = '<math xmlns="http://www.w3.org/1998/Math/MathML" displaystyle="true"'
    first, *rest = lines.mathml(line)
    pieces = [f'{head} alttext="{spoken}">{first}</math>', *(f"{head}>{piece}</math>" for piece in rest)]
    return f'<span title="{spoken}">{("<wbr>" if displayed else "").join(pieces)}</span>'


def _text(text: str) -> str:
    """Return a text of which nothing is markup."""
    return escape("\n".join(map(printable, text.split("\n"))))
