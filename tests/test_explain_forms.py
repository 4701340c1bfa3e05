"""One explanation in all its forms: the same numbers, signs and sentences, and no text that becomes markup."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from html import unescape
from html.parser import HTMLParser
from io import StringIO
from string import punctuation

import pytest
from markdown_it import MarkdownIt

from gradcheck.explanation import explain
from gradcheck.explanation.model import Explanation
from gradcheck.report import View
from gradcheck.report.lesson import html, latex, markdown, terminal
from gradcheck.report.lesson.blocks import Sentence
from gradcheck.report.lesson.build import lesson
from gradcheck.report.reporters import EXPLANATION, names

# The terminal leaves out by what an open derivative is; so no layer here is one without a name of its own.
PROGRAMS: dict[str, tuple[str, list[str]]] = {
    "polynomial": ("2*x**4+x**3+3*x**2+5*x+1", ["x=2"]),
    "decimals": ("0.1*x + 0.2*y", ["x=2,y=-3"]),
    "layers": ("y = 3*x + 2; z = 2*y**2; out = mean(z)", ["x=[[1,2,3],[3,2,1]]"]),
    "minus": ("-x**2 - 5/x - (3 - x)", ["x=-1.5"]),
    "towers": ("x**x + y**x", ["x=2,y=3"]),
    "overflow": ("log(1+exp(x))", ["x=100"]),
    "kink": ("abs(x) + 7*x", ["x=0"]),
    "softmax": ("p = softmax(x, dim=0); q = p[1]; -log(q)", ["x=[0.5,-1,2]"]),
    "matrices": ("y = x @ w; z = y**2; sum(z)", ["x=[[1,-2],[3,4]]", "w=[[1,0.5],[-1,1]]"]),
    "several": ("y = x**2; a = 3*y; b = y**2; out = a*b + sin(y)", ["x=2"]),
    "detached": ("detach(x)*x + 4*x", ["x=3"]),
    "nothing": ("no_grad(x)**2", ["x=3"]),
    "small": ("x*1e-12", ["x=3e-20"]),
    "many": ("sum(x**3)", ["x=arange(40)"]),
    "choice": ("where(x > 1, x**2, 2*x)", ["x=3"]),
}  # fmt: skip
EVERY = pytest.mark.parametrize("name", PROGRAMS)
WIDE = 2000
"""Columns in which no line of a terminal is broken."""


@cache
def explained(name: str) -> Explanation:
    """Return an explanation; each form draws the graph in a way of its own."""
    program, at = PROGRAMS[name]
    return replace(explain(program, at), graph=None)


# --- each form as the text that a reader sees -------------------------------------------------------


def of_terminal(one: Explanation) -> str:
    file = StringIO()
    terminal.write(one, file, View(color=False, width=WIDE))
    return file.getvalue()


class _Seen(HTMLParser):
    """What is seen of a page; the terms of a formula are apart."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen = ""

    def handle_starttag(self, tag: str, _attrs: list[tuple[str, str | None]]) -> None:
        self.open += [] if tag in ("meta", "wbr", "br") else [tag]
        self.seen += " " if tag not in ("b", "code", "span") else ""

    def handle_endtag(self, _tag: str) -> None:
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.seen += data if not {"style", "title"} & {*self.open} else ""


def of_html(one: Explanation) -> str:
    reader = _Seen()
    reader.feed(html.render(one))
    return reader.seen.replace("\u2212", "-")


def of_markdown(one: Explanation) -> str:
    text = re.sub(r"^\| (?:-+:? \| ?)+$", "", markdown.render(one), flags=re.MULTILINE)
    return of_mathematics(unescape(re.sub(r"</?code>", "", text)))


def of_latex(one: Explanation) -> str:
    body = latex.render(one).split(r"\begin{document}")[1]
    body = re.sub(r"\\begin\{longtable\}.*|\\setlength.*|\\(?:small|hangindent=2em|hangafter=0)", "", body)
    body = body.replace(r"\allowbreak{}", "")
    body = re.sub(r"\\fit\{[\d.]+\\linewidth\}|\\(?:sub)*section\*", "", body)
    return of_mathematics(unescaped(body))


def of_mathematics(text: str) -> str:
    return text.replace(r"\approx", "≈").replace("&=", "=").replace("{+}", "+").replace("{}", "")


FORMS: dict[str, Callable[[Explanation], str]] = {
    "terminal": of_terminal, "html": of_html, "latex": of_latex, "markdown": of_markdown,
}  # fmt: skip

TEXT = {
    r"\textbackslash{}": "\\", r"\{": "{", r"\}": "}", r"\$": "$", r"\&": "&", r"\#": "#", r"\%": "%", r"\_": "_",
    r"\textasciicircum{}": "^", r"\textasciitilde{}": "~", r"\textless{}": "<", r"\textgreater{}": ">",
    r"\textbar{}": "|", r"\char34{}": '"', r"\ ": " ",
}  # fmt: skip
"""What LaTeX prints for its commands of text: The TeXbook, chapter 7, and the LaTeX companion, 7.2."""
COMMANDS = re.compile("|".join(map(re.escape, sorted(TEXT, key=len, reverse=True))))


def unescaped(text: str) -> str:
    return COMMANDS.sub(lambda found: TEXT[found[0]], text)


# --- what they say ----------------------------------------------------------------------------------


def numbers(text: str) -> Counter[str]:
    return Counter(re.findall(r"\d+(?:\.\d+)?", re.sub(r"e([+-]?)0*(\d+)\b", r" 10 \1\2", text)))


def signs(text: str) -> Counter[str]:
    """Return how often things are equal, and nearly so; words and headings have none."""
    return Counter(
        re.findall("[=≈]", re.sub(r"requires_grad=False|keepdim=True|dim=|[<>!]=", "", text).replace("==", "="))
    )


def test_there_are_no_other_forms() -> None:
    assert {*FORMS} == {*names(EXPLANATION)}


@EVERY
@pytest.mark.parametrize("form", ["html", "latex", "markdown"])
def test_every_form_has_the_same_numbers(name: str, form: str) -> None:
    here, there = (numbers(FORMS[one](explained(name))) for one in ("terminal", form))
    assert here == there


@EVERY
@pytest.mark.parametrize("form", ["html", "latex", "markdown"])
def test_every_form_calls_the_same_numbers_equal(name: str, form: str) -> None:
    here, there = (signs(FORMS[one](explained(name))) for one in ("terminal", form))
    assert here == there


@EVERY
@pytest.mark.parametrize("form", FORMS)
def test_every_form_has_every_sentence(name: str, form: str) -> None:
    one = explained(name)
    page = " ".join(FORMS[form](one).split())
    words = [part for block in lesson(one) if isinstance(block, Sentence) for part in block.words]
    said = [piece.strip() for part in words if isinstance(part, str) for piece in part.split("·")]
    assert said
    assert [piece for piece in said if piece not in page] == []


@pytest.mark.parametrize("form", FORMS)
def test_a_hint_is_told_in_every_form(form: str) -> None:
    made = {"terminal": terminal, "html": html, "latex": latex, "markdown": markdown}[form]
    file = StringIO()
    if form == "terminal":
        terminal.write(explained("polynomial"), file, View(color=False), hint=True)
    page = file.getvalue() or made.render(explained("polynomial"), hint=True).split("</style>")[-1]
    assert "power rule" in page
    assert "93" not in page


# --- nothing of a text is markup --------------------------------------------------------------------

HOSTILE = f"x**2  # {punctuation.replace('#', '')} ## `` ``` <b> &amp; \\end $x$ _a_ **b** [c](d) | e"


def test_no_character_of_a_program_is_a_command_of_latex() -> None:
    page = latex.render(explain(HOSTILE, x=2))
    lines = page.replace(r"\allowbreak{}", "").splitlines()
    [line] = [line for line in lines if line.startswith(r"\texttt{x**2")]
    assert unescaped(line.removeprefix(r"\texttt{").removesuffix("}")) == HOSTILE
    bare = COMMANDS.sub("", line.removeprefix(r"\texttt{").removesuffix("}"))
    assert not set(bare) & set('\\{}$&#%_^~"')


def test_no_character_of_a_program_is_markup_of_a_page() -> None:
    assert HOSTILE in of_html(explain(HOSTILE, x=2))


def test_no_character_of_a_program_is_markup_in_markdown() -> None:
    tokens = MarkdownIt("commonmark").enable("table").parse(markdown.render(explain(HOSTILE, x=2)))
    [program] = [token.content for token in tokens if token.type == "fence" and token.info == "python"]
    assert program.rstrip("\n") == HOSTILE


def test_derivatives_that_differ_are_spoken_differently() -> None:
    page = html.render(explained("several"))
    spoken = set(re.findall(r'alttext="(d [^"=]*)"', page))
    assert {"d y/d x", "d a/d y", "d b/d y", "d out/d y"} <= spoken
    assert "D[out]" not in page
