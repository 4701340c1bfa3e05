"""The dynamic graph: what it says of a run, and its drawings, which no text of a program can break."""

from __future__ import annotations

import itertools
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import StringIO
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from rich.console import Console

import strategies
from gradcheck.autograd import Saved
from gradcheck.case.inquiry import Inquiry
from gradcheck.case.one import Case
from gradcheck.errors import LaneProblem, LimitProblem, UsageProblem, printable
from gradcheck.explanation.graphs import DRAWINGS, DynamicGraph, drawing, dynamic_graph
from gradcheck.explanation.graphs import build as building
from gradcheck.explanation.graphs.dot import dot
from gradcheck.explanation.graphs.layout import Box, Layout, Link, Size, Stretch, layout
from gradcheck.explanation.graphs.mermaid import mermaid
from gradcheck.explanation.graphs.model import Grade, GraphEdge, GraphNode, Kind, Lanes, rows
from gradcheck.explanation.graphs.svg import picture, size
from gradcheck.formats import FORMATS
from gradcheck.parse import parse
from gradcheck.plan import Plan
from gradcheck.points import Point, parse_points, to_value
from gradcheck.program import Program
from gradcheck.report.lesson.tree import tree
from gradcheck.settings import DEFAULT_ULPS, Settings

PROGRAMS = {
    "polynomial": ("2*x**4+x**3+3*x**2+5*x+1", "x=2"),
    "layers": ("y = 3*x + 2; z = 2*y**2; out = mean(z)", "x=[[1,2,3],[3,2,1]]"),
    "softmax": (
        "p = softmax(z, dim=1); loss = -mean(sum(t*log(p), dim=1))", "z=[[1,2,3],[3,1,-2]] t=[[0,0,1],[1,0,0]]",
    ),
    "shared": ("s = sin(x); y = s*s + s/2", "x=0.5"),
    "overflow": ("log(1+exp(x))", "x=100"),
}  # fmt: skip
EVERY_PROGRAM = pytest.mark.parametrize("name", PROGRAMS)
EVERY_ENDING = pytest.mark.parametrize("ending", DRAWINGS)
HOSTILE = (
    '"; n9 [label="x"]',
    "]]></style><script>alert(1)</script>",
    "</title>&amp;&#0;&lt;",
    "\x1b[31m\x00\u202e\ud800\ufffe",
    "\\N \\G \\l \\",
    "a\nb\r\nc\u2028d",
    "`**b**` _i_ ~s~ [l](javascript:0) 1. one - two",
    "end; click n0 call alert() %% comment",
    "#quot; #35; ]]-->|x| :::bad",
    "変数 θ e\u0301 🙂",
    "[bold red]rich[/bold red] :smile:",
    "x" * 5000,
)
EVERY_HOSTILE = pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))


def graph(text: str, at: str, dtype: str = "float32", **options: object) -> DynamicGraph:
    program = parse(text)
    [point] = parse_points(at.split(), program.inputs)
    return drawn(program, point, dtype, **options)


def drawn(program: Program, point: Point, dtype: str = "float32", **options: object) -> DynamicGraph:
    chosen = Settings(**options)  # type: ignore[arg-type]
    wrt = program.inputs if chosen.wrt is None else chosen.wrt
    plan = Plan.make(program, {name: value.shape for name, value in point.items()}, wrt, ())
    case = Case(plan, point, dtype, chosen)
    return dynamic_graph(case, Inquiry(case, case.run()).run())


def node(made: DynamicGraph, label: str) -> GraphNode:
    [found] = [one for one in made.nodes if one.label == label]
    return found


def shown(made: DynamicGraph, width: int = 60, *, color: bool = False) -> str:
    file = StringIO()
    Console(file=file, width=width, force_terminal=color, color_system="standard" if color else None).print(
        tree(made, width)
    )
    return file.getvalue()


# --- what it says of a run ------------------------------------------------------------------------


def test_a_graph_has_leaves_operations_and_what_flows_both_ways() -> None:
    made = graph("y = 2*x; y**3", "x=2")
    assert made == DynamicGraph(
        "y = 2*x; y**3",
        (
            GraphNode("n0", Kind.LEAF, "x", "x", "leaf", (), Lanes("2", "2"), Lanes("96", "96", 0.0)),
            GraphNode(
                "n1", Kind.OPERATION, "y = 2*x", "y = 2*x", "MulBackward0", (),
                Lanes("4", "4", 0.0), Lanes("48", "48", 0.0), ("2",),
            ),
            GraphNode(
                "n2", Kind.OUTPUT, "y**3", "y**3", "PowBackward0", (),
                Lanes("64", "64", 0.0), Lanes("1", "1", 0.0), ("y",),
            ),
        ),
        (GraphEdge("n0", "n1", 1, "96"), GraphEdge("n1", "n2", 0, "48")),
        "n2",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "saved"),
    [
        ("x + 1", ()),
        ("exp(x)", ("result",)),
        ("sin(x)", ("x",)),
        ("x*x", ("x",)),
        ("x*y", ("x", "y")),
        ("0.1*x", ("0.1",)),
        ("x/y", ("x", "y")),
        ("where(x > 1, x, y)", ("x > 1",)),
    ],
)
def test_what_is_saved_is_named_in_the_users_words(text: str, saved: tuple[str, ...]) -> None:
    made = graph(text, "x=2 y=3" if "y" in text else "x=2")
    assert made.nodes[-1].saved == saved


def test_a_saved_tensor_has_its_name_in_torch_its_shape_and_its_argument() -> None:
    program = parse("mul(3, x) + x*exp(x)")
    [point] = parse_points(["x=[1,2]"], program.inputs)
    case = Case(Plan.make(program, {"x": (2,)}, ("x",), ()), point, "float32", Settings())
    found = {one.call.op: (one.functions, one.saved) for one in case.backward(traced=True).operations}
    assert found["exp"] == (("ExpBackward0",), (Saved("result", (2,), None),))
    assert found["add"] == (("AddBackward0",), ())
    assert case.backward().operations == ()


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, x: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x, x + 1)
        return x.exp()

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, *grads: torch.Tensor) -> torch.Tensor:
        gradient: torch.Tensor = 2 * grads[0] * ctx.saved_tensors[0].exp()  # type: ignore[attr-defined]
        return gradient


def test_a_wrong_gradient_is_bad_where_it_arrives_and_its_cause_stands_where_it_arises() -> None:
    made = graph("z = 3*x; exp(z)*2", "x=[1,2]", under_test={"exp": Doubled.apply})
    culprit = node(made, "exp(z)")
    assert (culprit.function, culprit.saved) == ("DoubledBackward", ("z", "saved_tensors[1]"))
    assert (culprit.cause, culprit.bad, culprit.value.bad) == ("wrong-gradient", True, False)
    assert [one.bad for one in made.nodes] == [True, True, True, False]
    assert rows(culprit)[-1].text == "wrong-gradient"


def test_a_lost_gradient_is_bad_and_one_that_nobody_asked_for_is_none() -> None:
    lost = graph("x*3", "x=2", under_test={"mul": lambda a, b: (a * b).detach()})
    assert node(lost, "x").cotangent == Lanes("3", "none", None, bad=True)
    assert not lost.edges[0].tracked
    asked = graph("x*y", "x=2 y=3", wrt=("x",))
    assert (node(asked, "y").function, node(asked, "y").cotangent) == ("leaf, no gradient", None)
    assert [edge.tracked for edge in asked.edges] == [True, False]


def test_a_kink_is_no_fault() -> None:
    assert not any(one.bad for one in graph("relu(x) + 1", "x=0").nodes)


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("x", "leaf"),
        ("y = x; y", "leaf"),
        ("sqrt(2)*x", "leaf constant output"),
        ("y = x*2; 3", "leaf operation constant"),
        ("y = x*2; 2*pi", "leaf operation constant"),
        ("where(x > 0, x, 0)", "leaf operation output"),
    ],
)
def test_every_node_has_its_kind(text: str, kinds: str) -> None:
    made = graph(text, "x=2")
    assert " ".join(one.kind for one in made.nodes) == kinds
    assert made.output == made.nodes[0 if kinds == "leaf" else -1].id


def test_a_condition_has_no_exact_number_and_an_exact_zero_no_sign() -> None:
    condition = node(graph("where(x > 1, x, 0)", "x=2"), "x > 1")
    assert (condition.value, condition.cotangent) == (Lanes(None, "1"), None)
    zero = node(graph("(-x)*0", "x=[1,0.5]"), "(-x)*0")
    assert [(row.name, row.text) for row in rows(zero)][:2] == [("value", "[-0, -0]"), ("cotangent", "[1, 1]")]


def test_what_is_long_is_shortened() -> None:
    made = graph("softmax(sin(x) + cos(x) + tan(x) + log(x), dim=0)*(0.1 + 2)", "x=rand(1000)")
    last, inner = made.nodes[-1], made.nodes[-2]
    assert last.label == "…*(1/10 + 2)"
    assert last.text == "softmax(sin(x) + cos(x) + tan(x) + log(x), dim=0)*(0.1 + 2)"
    assert inner.label == "softmax(…, dim=0)"
    assert all(len(lanes.torch) <= building.MAX_NUMBERS + 2 for one in made.nodes for lanes in (one.value,))
    assert len(made.edges[-1].note) <= building.MAX_NOTE


def test_a_large_program_has_a_node_for_every_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "MAX_OPERATIONS", 3)
    made = graph("y = 3*x + 2; w = y; z = 2*w**2 + y; out = log(z - 1000)", "x=2")
    assert [one.label for one in made.nodes] == ["x", "y = 3*x + 2", "z = 2*w**2 + y", "out = log(z - 1000)"]
    assert [(edge.source, edge.target, edge.note) for edge in made.edges] == [
        ("n0", "n1", ""), ("n1", "n2", ""), ("n2", "n3", ""),
    ]  # fmt: skip
    assert [one.cause for one in made.nodes] == [None, None, None, "outside-domain"]
    monkeypatch.setattr(building, "MAX_NODES", 3)
    with pytest.raises(LimitProblem, match=r"^the graph of this program has 4 nodes; the limit \(MAX_NODES\) is 3$"):
        graph("y = 3*x + 2; w = y; z = 2*w**2 + y; out = log(z - 1000)", "x=2")


# --- drawings -------------------------------------------------------------------------------------


@EVERY_PROGRAM
@EVERY_ENDING
def test_a_drawing_is_the_golden_one(name: str, ending: str, golden: Callable[[str, str], None]) -> None:
    golden(f"graph-{name}{ending}", drawing(f"any{ending}")(graph(*PROGRAMS[name])))


@EVERY_PROGRAM
def test_the_tree_is_the_golden_one(name: str, golden: Callable[[str, str], None]) -> None:
    lines = shown(graph(*PROGRAMS[name])).splitlines()
    golden(f"graph-{name}.txt", "".join(f"{line.rstrip()}\n" for line in lines))


@EVERY_ENDING
def test_the_same_run_is_drawn_with_the_same_bytes(ending: str) -> None:
    one, other = (DRAWINGS[ending](graph(*PROGRAMS["softmax"])) for _ in range(2))
    assert one == other


def test_an_ending_that_says_nothing_is_refused() -> None:
    with pytest.raises(UsageProblem) as found:
        drawing("graph.pdf")
    assert str(found.value) == "no graph can be written to 'graph.pdf'\nlet its name end in one of .svg, .dot, .mmd"


def hostile(text: str) -> DynamicGraph:
    """Return a graph all of whose texts are the same."""
    lanes = Lanes(text, text + text, 99.0)
    nodes = [
        GraphNode(f"n{k}", kind, text, text, text, (2,), lanes, lanes, (text, text), cause=text if k % 2 else None)
        for k, kind in enumerate(Kind)
    ]
    edges = [GraphEdge(a.id, b.id, 0, text, tracked=k > 0, bad=k > 1) for k, (a, b) in enumerate(pairwise(nodes))]
    return DynamicGraph(text, tuple(nodes), tuple(edges), nodes[-1].id)


@EVERY_HOSTILE
def test_no_text_breaks_a_picture(text: str) -> None:
    written = picture(hostile(text))
    root = ET.fromstring(written)
    allowed = {"svg", "style", "rect", "g", "title", "path", "polygon", "text"}
    assert {one.tag.removeprefix("{http://www.w3.org/2000/svg}") for one in root.iter()} == allowed
    texts = {one.text for one in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {printable(text), f"↑ {printable(text)}"} <= texts
    written.encode("utf-8")


def test_a_picture_needs_nothing_outside_it_and_says_what_it_shows() -> None:
    written = picture(graph(*PROGRAMS["overflow"]))
    root = ET.fromstring(written)
    assert root.get("role") == "img"
    assert root.get("aria-label") == "the graph of log(1+exp(x)): 4 nodes, 4 of them wrong, errors up to inf ULP"
    assert "prefers-color-scheme: dark" in written
    assert re.findall(r"(https?:\S*|url\(\S*|@import\S*|href\S*|<script|\bon\w+=)", written) == [
        'http://www.w3.org/2000/svg"'
    ]


STRING = r'"(?:[^"\\]|\\l|\\\\)*"'
DOT_LINE = re.compile(
    rf"  (?:label={STRING}|(?:node|edge) \[[^\]\n]*\]"
    rf"|n\d+ \[label={STRING}, tooltip={STRING}, style=\w+, color=\"#\w{{6}}\", penwidth=\d\]"
    rf"|n\d+ -> n\d+ \[label={STRING}, fontcolor=\"#\w{{6}}\", style=\w+\]);"
)
MERMAID_LABEL = r'"(?:[\w ,.()=:/·…↑→✗]|#\d+;|<br>)*"'
MERMAID_LINE = re.compile(
    rf"  (?:n\d+(?:\(\[{MERMAID_LABEL}\]\)|\[{MERMAID_LABEL}\]|\[\[{MERMAID_LABEL}\]\]):::\w+"
    rf"|n\d+ (?:-->|-\.->)(?:\|{MERMAID_LABEL}\|)? n\d+|classDef \w+ [\w#:,. -]+)"
)


@EVERY_HOSTILE
def test_no_text_breaks_dot(text: str) -> None:
    first, *lines, last = dot(hostile(text)).splitlines()
    assert (first, last) == ("digraph gradcheck {", "}")
    assert [line for line in lines if not DOT_LINE.fullmatch(line)] == []


@pytest.mark.skipif(shutil.which("dot") is None, reason="graphviz is not installed")
@EVERY_HOSTILE
def test_graphviz_draws_what_was_written(text: str) -> None:
    written = dot(hostile(text)).encode()
    made = subprocess.run(["dot", "-Tsvg"], input=written, capture_output=True, check=True).stdout
    root = ET.fromstring(made)
    texts = [one.text for one in root.iter("{http://www.w3.org/2000/svg}text")]
    assert _plain(text) in [_plain(one or "") for one in texts]


def _plain(text: str) -> str:
    """Return a text as it reads, whatever its blanks."""
    return " ".join(printable(text.replace("\xa0", " ")).split())


@EVERY_HOSTILE
def test_no_text_breaks_mermaid(text: str) -> None:
    first, *lines = mermaid(hostile(text)).splitlines()
    assert first == "flowchart TD"
    assert [line for line in lines if not MERMAID_LINE.fullmatch(line)] == []


@EVERY_PROGRAM
def test_every_drawing_has_every_node_and_edge(name: str) -> None:
    made = graph(*PROGRAMS[name])
    root = ET.fromstring(picture(made))
    groups = [one for one in root.iter() if "node" in one.get("class", "").split()]
    lines = [one for one in root.iter() if "edge" in one.get("class", "").split()]
    assert (len(groups), len(lines)) == (len(made.nodes), len(made.edges))
    for text in (mermaid(made), dot(made)):
        assert len(re.findall(r"^  n\d+\W*\[", text, re.MULTILINE)) == len(made.nodes)
        assert len(re.findall(r"^  n\d+ -", text, re.MULTILINE)) == len(made.edges)
    assert all(one.label in shown(made, 200) for one in made.nodes)


# --- the tree -------------------------------------------------------------------------------------


@EVERY_HOSTILE
def test_no_text_breaks_the_tree(text: str) -> None:
    written = shown(hostile(text), 200)
    assert all(line.isprintable() for line in written.splitlines())
    assert printable(text)[:50] in written


@pytest.mark.parametrize("width", [20, 40, 60, 200])
def test_a_tree_keeps_to_the_window_and_shows_every_node_once(width: int) -> None:
    made = graph("y = " + "sin(" * 30 + "x" + ")" * 30 + "; y*y + x", "x=0.5")
    written = shown(made, width)
    assert max(map(len, written.splitlines())) <= width
    assert written.count("SinBackward0") == 30
    assert written.count("leaf") == 1
    assert ("↓ sin" in written) == (width < 200)


def test_errors_are_coloured_and_marked() -> None:
    written = shown(graph(*PROGRAMS["overflow"]), color=True)
    assert "\x1b[1;31minf\x1b[0m" in written
    assert "✗ value inf" in shown(graph(*PROGRAMS["overflow"]))


@pytest.mark.parametrize(
    ("lanes", "grade"),
    [
        (Lanes("1", "1"), Grade.GOOD),
        (Lanes("1", "1", 16.0), Grade.GOOD),
        (Lanes("1", "1.1", 17.0), Grade.OFF),
        (Lanes("1", "2", 1e6, bad=True), Grade.BAD),
    ],
)
def test_a_number_is_graded_by_its_error(lanes: Lanes, grade: Grade) -> None:
    one = GraphNode("n0", Kind.LEAF, "x", "x", "leaf", (), Lanes("1", "1"), lanes)
    assert (lanes.grade, one.grade, one.error) == (grade, grade, lanes.error)
    assert replace(one, cause="overflow").grade is Grade.BAD


@pytest.mark.parametrize("dtype", DEFAULT_ULPS)
@pytest.mark.parametrize("ulps", [None, 0.0, 1.0, 1e9])
def test_a_number_is_off_beyond_the_tolerance_of_the_check(dtype: str, ulps: float | None) -> None:
    made = graph("log(exp(x)*3)*sin(x)/7", "x=[0.7,1.3,2.9]", dtype, ulps=ulps)
    tolerance = Settings(ulps=ulps).tolerance(dtype)
    found = [one for each in made.nodes for one in (each.value, each.cotangent) if one is not None and not one.bad]
    assert {one.grade is Grade.OFF for one in found if one.error and one.error > tolerance} <= {True}
    assert {one.grade for one in found if one.error is None or one.error <= tolerance} <= {Grade.GOOD}
    assert ulps != 0.0 or any(one.grade is Grade.OFF for one in found)


@pytest.mark.parametrize("dtype", DEFAULT_ULPS)
def test_below_the_normal_range_less_is_more_than_half_of_the_digits(dtype: str) -> None:
    """A number with two digits has lost half of them at 2 ULP: what half is depends on the number."""
    least = FORMATS[dtype].smallest_normal * 2.0 ** -(FORMATS[dtype].precision - 4)
    own = {"mul": lambda a, b: torch.mul(a, b) * 1.5}
    made = graph("2*x", f"x={least!r}", dtype, under_test=own)
    assert [one.value.bad for one in made.nodes if one.kind is Kind.OUTPUT] == [True]


# --- the layout -----------------------------------------------------------------------------------


def check_layout(sizes: dict[str, Size], links: list[Link], made: Layout) -> None:
    """Demand that nothing lies on anything else, and that edges begin and end at their boxes."""
    boxes = made.boxes
    labels = [route.label for route in made.routes if route.label.width]
    assert {name: Size(box.width, box.height) for name, box in boxes.items()} == sizes
    for one, other in itertools.combinations([*boxes.values(), *labels], 2):
        assert not overlap(one, other)
    assert all(box.x >= -0.01 and box.x + box.width <= made.size.width + 0.01 for box in [*boxes.values(), *labels])
    for link, route in zip(links, made.routes, strict=True):
        first, last = route.stretches[0], route.stretches[-1]
        source, target = boxes[link.source], boxes[link.target]
        assert first.top == source.y + source.height
        assert last.bottom == target.y
        assert source.x <= first.x <= source.x + source.width
        assert target.x <= last.x <= target.x + target.width
        assert all(upper.bottom < lower.top for upper, lower in pairwise(route.stretches))
        assert not any(crosses(box, stretch) for box in boxes.values() for stretch in gaps(route.stretches))
        straight = [Box(x, top, 0.0, bottom - top) for x, top, bottom in route.stretches]
        assert not any(overlap(box, line) for box in boxes.values() for line in straight)


def overlap(one: Box, other: Box) -> bool:
    beside = one.x + one.width <= other.x + 0.01 or other.x + other.width <= one.x + 0.01
    return not beside and not (one.y + one.height <= other.y + 0.01 or other.y + other.height <= one.y + 0.01)


def gaps(stretches: tuple[Stretch, ...]) -> Iterator[tuple[float, float]]:
    """Yield from where to where an edge is curved."""
    return ((upper.bottom, lower.top) for upper, lower in pairwise(stretches))


def crosses(box: Box, gap: tuple[float, float]) -> bool:
    """Return whether a box reaches into the height of a curve, wherever that runs."""
    return box.y + 0.01 < gap[1] and gap[0] + 0.01 < box.y + box.height


@st.composite
def networks(draw: st.DrawFn) -> tuple[dict[str, Size], list[Link]]:
    lengths = st.floats(1, 300).map(lambda length: round(length, 1))
    sizes = {f"n{k}": Size(draw(lengths), draw(lengths)) for k in range(draw(st.integers(1, 12)))}
    names = list(sizes)
    label = st.one_of(st.just(Size(0, 0)), st.builds(Size, lengths, st.just(15.0)))
    pairs = draw(
        st.lists(st.tuples(st.sampled_from(range(len(names))), st.sampled_from(range(len(names)))), max_size=40)
    )
    return sizes, [Link(names[a], names[b], draw(label)) for a, b in pairs if a < b]


@given(networks())
def test_nothing_lies_on_anything_else(network: tuple[dict[str, Size], list[Link]]) -> None:
    sizes, links = network
    check_layout(sizes, links, layout(sizes, links))


@given(strategies.cases())
@settings(max_examples=20)
def test_the_graph_of_any_program_is_drawn_without_overlaps(case: strategies.Case) -> None:
    point = {name: to_value(array, name) for name, array in case.point.items()}
    try:
        made = drawn(case.program, point)
    except LaneProblem:
        assume(False)
    sizes = {one.id: size(one) for one in made.nodes}
    links = [Link(edge.source, edge.target, Size(8.0 * len(edge.note), 16.0)) for edge in made.edges]
    check_layout(sizes, links, layout(sizes, links))
    ET.fromstring(picture(made))
    assert all(MERMAID_LINE.fullmatch(line) for line in mermaid(made).splitlines()[1:])


def test_edges_that_need_not_cross_do_not() -> None:
    sizes = dict.fromkeys("abcdef", Size(10, 10))
    none = Size(0, 0)
    made = layout(sizes, [Link("a", "f", none), Link("b", "e", none), Link("c", "d", none)])
    tops, bottoms = ([made.boxes[name].x for name in names] for names in ("abc", "fed"))
    assert sorted(range(3), key=tops.__getitem__) == sorted(range(3), key=bottoms.__getitem__)


def test_a_large_graph_is_laid_out_too() -> None:
    sizes = {f"n{k}": Size(100, 50) for k in range(300)}
    links = [Link(f"n{k}", f"n{k + 1 + k % 3}", Size(30, 15)) for k in range(296)]
    check_layout(sizes, links, layout(sizes, links))
