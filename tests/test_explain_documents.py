"""Explanations as documents: whole texts, hostile programs, LaTeX that compiles, and pages in a real browser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from html import escape, unescape
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from markdown_it import MarkdownIt

from gradcheck.explanation import explain
from gradcheck.explanation.model import Explanation
from gradcheck.report.lesson.blocks import Heading, Rows, Sentence
from gradcheck.report.lesson.build import lesson
from gradcheck.report.lesson.html import ROOT, fragment
from gradcheck.report.lesson.html import render as render_html
from gradcheck.report.lesson.latex import formulas
from gradcheck.report.lesson.latex import render as render_latex
from gradcheck.report.lesson.markdown import render as render_markdown

LAB = {
    "polynomial": ("2*x**4+x**3+3*x**2+5*x+1", ("x=2",)),
    "layers": ("y = 3*x + 2\nz = 2*y**2\nout = mean(z)", ("x=[[1, 2, 3], [3, 2, 1]]",)),
}
"""The two programs of the lab."""
NETWORK = "h = relu(x @ w + b)\nloss = mse_loss(h, t)"
HOSTILE = "x**2 + μ*x  # <script>alert(1)</script> </pre> & \\end{document} ``` $x$ | %  \u202e 中\n"
OTHERS = {
    "network": (NETWORK, ("x=[[1, 2], [0.5, -1]]", "w=[[1, -1], [0.5, 2]]", "b=[0.1, 0.2]", "t=[[1, 2], [0, 1]]")),
    "overflow": ("log(1 + exp(x))", ("x=100",)),
    "used twice": ("y = x**2; z = sin(y)*x; z*3", ("x=0.5",)),
    "detached": ("h = detach(x)*x; out = sum(h + x**2)", ("x=[1, 2]",)),
    "powers of words": ("theta_1**loss - abs(x_in)*exp(-theta_1*loss/2)", ("theta_1=2", "loss=-1.5", "x_in=-3e-7")),
    "many elements": ("sum(x**3)", ("x=arange(40)",)),
    "long": ("+".join(f"{k}*x**{k}*sin({k}*x)" for k in range(1, 9)), ("x=0.7",)),
    "hostile": (HOSTILE, ("x=2", "μ=1")),
}
"""Programs that bring what the lab does not, and text that no format may take for markup."""
PROGRAMS = {**LAB, **OTHERS}
VISIBLE = {"polynomial": ("63", "93"), "layers": ("10", "16", "22", "140")}
"""Numbers of the lab that its pages must show."""
EVERY = pytest.mark.parametrize("name", PROGRAMS)


@cache
def explained(name: str) -> Explanation:
    program, at = PROGRAMS[name]
    return explain(program, at)


def golden_one(name: str) -> Explanation:
    """Return an explanation without what changes with versions, and without the graph, which has its own files."""
    return replace(explained(name), environment={}, graph=None)


# --- whole texts ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LAB)
@pytest.mark.parametrize(
    ("ending", "render"),
    [("html", render_html), ("tex", render_latex), ("md", render_markdown)],
    ids=["html", "latex", "markdown"],
)
def test_documents_in_whole_texts(
    name: str, ending: str, render: Callable[[Explanation], str], golden: Callable[[str, str], None]
) -> None:
    golden(f"explain-{name}.{ending}", render(golden_one(name)))


@EVERY
def test_a_document_follows_the_order_of_the_lesson(name: str) -> None:
    titles = [
        "".join(one for one in block.words if isinstance(one, str))
        for block in lesson(explained(name))
        if isinstance(block, Heading)
    ]
    order = [
        "Where",
        "The forward",
        ", step by step",
        "The chain rule",
        "What autograd",
        "The graph",
        "Tracking",
        "What the check",
    ]
    places = [next(k for k, one in enumerate(order) if one in title) for title in titles if "at the point" not in title]
    assert places == sorted(places)
    assert places[:2] == [0, 1]


@EVERY
def test_every_row_of_a_table_has_all_its_columns(name: str) -> None:
    for table in lesson(explained(name)):
        if isinstance(table, Rows):
            assert {len(table.columns)} == {len(row) for row in table.rows}
            assert table.rows


def test_accumulation_and_tracking_are_told() -> None:
    one = explain("x**2", ["x=2", "x=3"], accumulate=True)
    text = render_markdown(one)
    assert "## `x.grad` without zeroing" in text
    assert "| 2 | 3 | 6 | 10 | 10 | 0 |" in text
    assert "## Tracking switched off: `detach(x)`" in render_markdown(explained("detached"))


def test_a_derivative_that_holds_other_names_has_round_ds() -> None:
    assert r"\frac{\partial z}{\partial x}" in render_latex(explained("used twice"))
    assert r"\partial" not in render_latex(explained("polynomial"))


# --- pages ----------------------------------------------------------------------------------------

VOID = {"meta", "wbr", "br"}


class Reader(HTMLParser):
    """Reads a page: open elements, every attribute, and the text that is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.shown = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes += [(key, value or "") for key, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.shown += data if self.open and self.open[-1] != "style" else ""


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert not reader.open
    return reader


@EVERY
def test_a_page_needs_nothing_else(name: str) -> None:
    """Elements close in order; there is no script, no event, and no address but the names of XML."""
    page = render_html(explained(name))
    found = read(page)
    assert not found.elements & {"script", "link", "img", "iframe", "object", "base", "form"}
    assert not [key for key, _ in found.attributes if key.startswith("on") or key in ("src", "href")]
    assert {value for key, value in found.attributes if "://" in value and key not in ("title", "alttext")} <= {
        "http://www.w3.org/1998/Math/MathML", "http://www.w3.org/2000/svg",
    }  # fmt: skip
    assert not re.search(r"@import|url\(", page)


@EVERY
def test_every_formula_of_a_page_is_xml_with_its_text(name: str) -> None:
    page = render_html(explained(name))
    found = re.findall(r"<math .*?</math>", page, re.DOTALL)
    assert found
    for one in found:
        ElementTree.fromstring(one)
    assert all(unescape(one) for one in re.findall(r'<span title="(.*?)">', page))


def test_a_fragment_styles_nothing_but_itself() -> None:
    style = re.search(r"<style>(.*?)</style>", fragment(golden_one("layers")), re.DOTALL)
    assert style is not None
    selectors = re.findall(r"^\s*([^@{}]+?)\s*\{", re.sub(r"\{[^{}]*:[^{}]*\}", "{}", style[1]), re.MULTILINE)
    assert selectors
    assert all(one.strip().startswith(f".{ROOT}") for each in selectors for one in each.split(","))


@pytest.mark.parametrize("render", [render_html, fragment])
def test_no_text_of_a_program_is_markup(render: Callable[[Explanation], str]) -> None:
    found = read(render(explained("hostile")))
    assert "<script>alert(1)</script> </pre>" in found.shown
    assert "\u202e" not in found.shown


# --- Markdown -------------------------------------------------------------------------------------


@EVERY
def test_markdown_holds_no_html_but_code(name: str) -> None:
    tokens = MarkdownIt("commonmark").enable("table").parse(render_markdown(explained(name)))
    inline = [child for token in tokens for child in token.children or ()]
    assert {one.content for one in (*tokens, *inline) if one.type.startswith("html")} <= {"<code>", "</code>"}
    assert not [one for one in inline if one.type in ("link_open", "image", "em_open")]


@EVERY
def test_mathematics_in_markdown_is_code_to_other_readers(name: str) -> None:
    """GitHub and GitLab typeset it; whoever does not shows the source, untouched."""
    text = render_markdown(explained(name))
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    codes = [child.content for token in tokens for child in token.children or () if child.type == "code_inline"]
    assert set(re.findall(r"\$`(.+?)`\$", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))) <= set(
        codes
    )
    blocks = [token.content for token in tokens if token.type == "fence" and token.info == "math"]
    assert blocks
    assert all(block.count(r"\begin{") == block.count(r"\end{") for block in blocks)


# --- LaTeX ----------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX is installed")
@EVERY
def test_a_document_compiles_on_its_own(name: str, tmp_path: Path) -> None:
    (tmp_path / "lesson.tex").write_text(render_latex(explained(name)), encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "lesson.tex"]
    made = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False)
    assert made.returncode == 0, made.stdout[-3000:]
    assert "Missing character" not in made.stdout


@EVERY
def test_latex_is_ascii(name: str) -> None:
    assert render_latex(explained(name)).isascii()
    assert formulas(explained(name)).isascii()


def test_a_notebook_gets_one_displayed_formula() -> None:
    found = formulas(explained("layers"))
    assert found.startswith("$$\\begin{aligned}\n")
    assert found.endswith("\n\\end{aligned}$$")
    assert (
        r"\frac{d\,\mathrm{out}}{dx_{i, j}} &= \frac{d\,\mathrm{out}}{dy_{i, j}}\,\frac{dy_{i, j}}{dx_{i, j}}" in found
    )


# --- a real browser -------------------------------------------------------------------------------

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=5000")
DARK = "--blink-settings=preferredColorScheme=0"
MEASURE = """
const page = document.querySelector("iframe").contentDocument, root = page.documentElement;
const style = one => page.defaultView.getComputedStyle(one);
const inside = one => one.closest(".scroll, .rest, figure, svg");
const wide = [...page.querySelectorAll("main *")].filter(one => !inside(one) && !one.closest("math")
  && one.getBoundingClientRect().right > root.clientWidth + 1).map(one => one.outerHTML.slice(0, 200));
const flat = [...page.querySelectorAll("math")].filter(one => one.getBoundingClientRect().height < 5).length;
document.body.textContent = "MEASURED" + JSON.stringify({
  width: root.clientWidth, scroll: root.scrollWidth, wide, flat, text: page.body.innerText,
  ink: style(page.querySelector("main")).color, paper: style(root).backgroundColor,
  fraction: page.querySelector("mfrac")?.getBoundingClientRect().height ?? 0,
}) + "MEASURED";
"""


def measured(page: str, width: int, dark: bool, folder: Path) -> dict[str, object]:
    """Return what a browser makes of a page in a window of some width; the frame is as narrow as a phone."""
    frame = f'<iframe style="border: 0" width="{width}" height="900" srcdoc="{escape(page)}"></iframe>'
    script = f"<script>document.querySelector('iframe').onload = () => {{ {MEASURE} }}</script>"
    (folder / "frame.html").write_text(f"<!DOCTYPE html><body>{frame}{script}</body>", encoding="utf-8")
    command = [str(BROWSER), *FLAGS, *([DARK] if dark else []), "--dump-dom", (folder / "frame.html").as_uri()]
    made = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    found: dict[str, object] = json.loads(unescape(made.stdout.split("MEASURED")[1]))
    return found


def brightness(color: object) -> int:
    return sum(map(int, re.findall(r"\d+", str(color))[:3]))


@pytest.mark.skipif(BROWSER is None, reason="no browser is installed")
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1200])
@pytest.mark.parametrize("name", LAB)
def test_a_page_reads_well(name: str, width: int, dark: bool, tmp_path: Path) -> None:
    """On a phone and on a desk: nothing runs out of the page, formulas are drawn, numbers are seen."""
    found = measured(render_html(explained(name)), width, dark, tmp_path)
    assert found["width"] == found["scroll"] == width
    assert found["wide"] == []
    assert found["flat"] == 0
    assert float(str(found["fraction"])) > 25, "a fraction is a line of text: there is no MathML"
    assert set(VISIBLE[name]) <= set(re.findall(r"\d+", str(found["text"])))
    assert (brightness(found["ink"]) > brightness(found["paper"])) is dark
    assert abs(brightness(found["ink"]) - brightness(found["paper"])) > 400


@pytest.mark.skipif(BROWSER is None, reason="no browser is installed")
@pytest.mark.parametrize("name", OTHERS)
def test_no_page_runs_out_of_a_phone(name: str, tmp_path: Path) -> None:
    found = measured(render_html(explained(name)), 390, False, tmp_path)
    assert found["width"] == found["scroll"] == 390
    assert found["wide"] == []


def test_what_is_not_shown_is_counted() -> None:
    notes = [block.words for block in lesson(explained("many elements")) if isinstance(block, Sentence)]
    assert ("24 more elements not shown.",) in notes
