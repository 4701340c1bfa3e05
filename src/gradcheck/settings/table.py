"""The table of settings: one row for one thing that a run can be told, wherever it may be said.

The options of the commands, the keys of expression files and of a project's settings, the options of the pytest plugin,
the schemas, the page on settings and the line that runs a failure again are all made from these rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Flag, auto
from typing import Any

from gradcheck.apart import DEFAULT_TIMEOUT
from gradcheck.errors import GradcheckError, Option, UsageProblem, parts
from gradcheck.settings import kinds
from gradcheck.settings.kinds import Form, Kind
from gradcheck.settings.readers import number_of
from gradcheck.verdict import Verdict


class Place(Flag):
    """Where something may be said."""

    CHECK = auto()
    """The command `gradcheck PROGRAM`."""
    BATCH = auto()
    EXPLAIN = auto()
    NEST = auto()
    FILE = auto()
    """A check of an expression file."""
    PROJECT = auto()
    """The settings of a project, which a pull request can change."""
    PYTEST = auto()
    """The options and the configuration of pytest."""
    FIXTURE = auto()
    """The fixture of pytest."""


CHECK, BATCH, EXPLAIN, NEST, FILE, PROJECT, PYTEST, FIXTURE = Place
COMMANDS = CHECK | BATCH | EXPLAIN


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing that a run can be told, and where.

    ``name`` is its key, and after two dashes its option; ``shorts`` are other spellings of that. ``help`` says what it
    is, ``about`` the same where a file gives it, if other words fit better there. ``default`` is as the command line
    has it, ``off`` what lifts it there. ``field`` is the field of Settings that it sets. With ``again`` the line that
    checks an outcome again needs it: it changes what comes out, and the outcome itself does not say it. ``sample`` is
    a value other than the default, as the command line has it: tests see that it changes what comes out.
    """

    name: str
    kind: Kind
    at: Place
    help: str
    metavar: str = ""
    about: str = ""
    default: str | None = None
    off: str | None = None
    field: str | None = None
    again: bool = False
    shorts: tuple[str, ...] = ()
    sample: str = ""

    @property
    def describes(self) -> bool:
        """Return whether it says what is checked, and not how a report of it looks."""
        return self.field is not None or self.name == "at"

    @property
    def description(self) -> str:
        """Return what it is, in the words for files."""
        return self.about or self.help

    @property
    def option(self) -> str:
        """Return its option on the command line."""
        return f"--{self.name}" if len(self.name) > 1 else f"-{self.name}"

    @property
    def parameter(self) -> str:
        """Return its name as a parameter of Python."""
        return {"assert": "assertion"}.get(self.name, self.name.replace("-", "_"))

    def read(self, given: Any) -> Any:
        """Return what the command line gives, as what it means; None for what is not given, or lifted.

        Raises GradcheckError, whose message begins with the option.
        """
        if given is None or given in ([], (), self.off):
            return None
        if self.kind.form is Form.NUMBER and isinstance(number_of(given), str):
            raise UsageProblem((Option(self.name), f" is a number, not {given!r}"))
        try:
            return self.kind.on_the_command_line(given)
        except GradcheckError as problem:
            lifted = None if self.off is None else (Option(self.name, self.off), " is no limit")
            hint = problem.advice or lifted
            raise UsageProblem((Option(self.name), ": ", *parts(problem.words)), hint=hint) from None


# fmt: off
SETTINGS = (
    # --- of one check ---
    Setting("name", kinds.NAME, FILE,
            "What the check is called in reports; the only one of this name in the file. Without it, the expression."),
    Setting("expression", kinds.PROGRAM, FILE,
            "The program: a formula, or layers name = expression, one a line or separated by ;. "
            "The last is the output."),
    Setting("at", kinds.POINTS, COMMANDS | FILE | PROJECT | PYTEST | FIXTURE,
            'Where: 2  1,2,3  x=1,y=2  "x=[[1,2],[3,4]]"  x=-2:2:9  "x=randn(2,3)"  x=@file.npy', "POINT",
            about="Where to check: a text as --at takes it, a table of inputs, or a list of such points.",
            sample="x=3,y=4"),
    Setting("dtype", kinds.DTYPES, CHECK | BATCH | FILE | PROJECT | PYTEST | FIXTURE,
            "float64, float32, bfloat16, float16, or several.", "DTYPE,...",
            about="The dtypes to check in: one or several.",
            default="float32", field="dtypes", sample="float64"),
    Setting("dtype", kinds.DTYPE, EXPLAIN,
            "float64, float32, bfloat16 or float16.", "DTYPE",
            default="float32", field="dtypes", sample="float64"),
    Setting("dtype", kinds.DTYPE, NEST,
            "float64, float32, bfloat16 or float16.", "DTYPE",
            default="float64"),
    Setting("order", kinds.ORDER, NEST, "All ways up to this order.", "N", default="2"),
    Setting("device", kinds.DEVICES, CHECK | BATCH | FILE | PROJECT | FIXTURE,
            "Where torch runs: cpu, cuda:0, or several side by side.", "DEVICE,...",
            default="cpu", field="device", again=True, sample="meta"),
    Setting("device", kinds.DEVICE, EXPLAIN,
            "Where torch runs: cpu, cuda:0.", "DEVICE",
            default="cpu", field="device", again=True, sample="meta"),
    Setting("wrt", kinds.WORDS, CHECK | EXPLAIN | FILE | FIXTURE,
            "Differentiate by these inputs only.", "INPUT,...",
            field="wrt", again=True, sample="y"),
    Setting("expect", kinds.GRADIENT, CHECK | FIXTURE,
            "The derivative you believe in; it is compared too.", "[INPUT=]EXPR",
            field="expect", again=True, sample="x=3*x"),
    Setting("ulps", kinds.TOLERANCE, CHECK | BATCH | FILE | PROJECT | FIXTURE,
            "Tolerance in ULP of the dtype; 16, in the half types 2.", "N",
            field="ulps", again=True, sample="0"),
    Setting("seed", kinds.SEED, COMMANDS | FILE | PROJECT | FIXTURE,
            "Seed of randn and rand.", "N",
            default="0", field="seed", again=True, sample="1"),
    Setting("assert", kinds.FLAG, CHECK | BATCH | PROJECT | PYTEST | FIXTURE,
            f"Fail on whatever is not shown to be right: {', '.join(sorted(one for one in Verdict if one.unproven))}.",
            field="assertion"),
    Setting("allow", kinds.VERDICTS, CHECK | BATCH | FILE | FIXTURE,
            "Let these verdicts pass.", "VERDICT,...",
            about="Verdicts that pass all the same; say why.",
            field="allow", sample="disagree"),
    Setting("nondet", kinds.REPEATS, CHECK | BATCH | FILE | FIXTURE,
            "Run torch N more times, and report what differs.", "N",
            default="0", field="nondet", again=True, sample="3"),
    Setting("way", kinds.WAYS, CHECK | BATCH | EXPLAIN | FILE | PROJECT | FIXTURE,
            "rev, fwd, fwd-rev (forward over reverse), ..., double-backward; all is those of order 1 and 2.", "WAY,...",
            about="Ways of differentiating: rev, fwd, fwd-rev (forward over reverse), ..., double-backward.",
            field="ways", again=True, sample="fwd"),
    Setting("order", kinds.ORDER, CHECK | BATCH | EXPLAIN | FILE | PROJECT | FIXTURE,
            "All ways of an order: 2 is the second derivative.", "N",
            field="order", sample="2"),
    Setting("engine", kinds.ENGINES, CHECK | BATCH | FILE | PROJECT | FIXTURE,
            "What runs torch's operations: eager, vmap (all points at once), aot_eager, inductor.", "ENGINE,...",
            default="eager", field="engines", again=True, sample="aot_eager"),
    Setting("cotangent", kinds.COTANGENT, CHECK | BATCH | FILE | FIXTURE,
            "That of an output of several elements: ones, random, @file; else ones, and what a random one shows.",
            "WHICH", field="cotangent", again=True, sample="random"),
    Setting("jacobian", kinds.FLAG, CHECK | BATCH | FILE | FIXTURE,
            "Take every element of the output by itself.", field="jacobian", again=True),
    Setting("boundaries", kinds.FLAG, CHECK | BATCH | FILE | PROJECT | FIXTURE,
            "Check where rules go wrong too: 0, ties, ends of domains, exponents, what saturates or overflows.",
            field="boundaries"),
    Setting("timeout", kinds.SECONDS, COMMANDS | FILE | PYTEST,
            "How long one check may take; 0 is no limit.", "SECONDS",
            about="Seconds that the check may take.",
            default=f"{DEFAULT_TIMEOUT:g}", off="0", sample="0.001"),
    Setting("source", kinds.REMARK, FILE, "Where the expression comes from: a citation."),
    Setting("why", kinds.REMARK, FILE, "Why an exception is right."),
    Setting("trust", kinds.FLAG, BATCH | PYTEST,
            "Let expression files read points and cotangents from files beside them."),
    Setting("exit-zero", kinds.FLAG, CHECK | BATCH, "Exit with 0 even where something fails."),

    # --- which checks of files run, and how ---
    Setting("workers", kinds.TEXT, BATCH | NEST, "Worker processes; auto is one for each core.", "N",
            default="auto", shorts=("-n",), sample="1"),
    Setting("k", kinds.TEXT, BATCH, "Only checks whose name matches: -k 'softmax and not float16'.", "EXPR",
            sample="relu"),
    Setting("exitfirst", kinds.FLAG, BATCH, "Stop at the first failure.", shorts=("-x",)),
    Setting("maxfail", kinds.SOME, BATCH, "Stop after N failures.", "N", sample="1"),
    Setting("lf", kinds.FLAG, BATCH, "Only what failed last time.", shorts=("--last-failed",)),
    Setting("collect-only", kinds.FLAG, BATCH, "List the checks and run none."),
    Setting("durations", kinds.COUNT, BATCH, "Name the N slowest checks.", "N", default="0", sample="1"),
    Setting("shard", kinds.TEXT, BATCH, "Only the I-th of N equal parts, the same on every machine.", "I/N",
            sample="2/2"),
    Setting("baseline", kinds.FILE, BATCH, "Fail only on what got worse since.", "FILE"),
    Setting("write-baseline", kinds.FILE, BATCH, "Write down how things are now.", "FILE"),

    # --- what is explained, and how ---
    Setting("freeze", kinds.WORDS, EXPLAIN, "Let these inputs have requires_grad=False.", "INPUT,...", sample="x"),
    Setting("accumulate", kinds.FLAG, EXPLAIN,
            "Run backward() at every point without zeroing, and follow what adds up."),
    Setting("steps", kinds.FLAG, EXPLAIN, "One step at a time: Enter goes on, q quits."),
    Setting("hint", kinds.FLAG, EXPLAIN,
            "Name the next rule before its result; without --steps, leave the results out."),
    Setting("graph", kinds.FILE, EXPLAIN, "Draw the dynamic graph to a file: .svg, .dot or .mmd.", "FILE"),

    # --- what is shown, and written where ---
    Setting("emit-repro", kinds.FILE, CHECK, "Write a script of torch alone that shows the worst failure.", "FILE"),
    Setting("all", kinds.FLAG, CHECK | BATCH | PROJECT, "Show every point and element, not only the worst."),
    Setting("format", kinds.TEXT, CHECK, "What to write; a table, unless the file's suffix says more.",
            sample="json"),
    Setting("format", kinds.TEXT, BATCH,
            "What to write: a table, or github where GITHUB_ACTIONS is true, unless the file's suffix says more.",
            sample="json"),
    Setting("format", kinds.TEXT, EXPLAIN,
            "What to write; for the terminal, unless the file's suffix says more.", sample="markdown"),
    Setting("format", kinds.TEXT, NEST, "What to write; a table, unless the file's suffix says more."),
    Setting("output", kinds.FILE, COMMANDS | NEST, "Write there, not to standard output.", "FILE", shorts=("-o",)),
    Setting("report", kinds.TEXTS, CHECK | BATCH, "Write one more report: junit=report.xml.", "FORMAT=FILE"),
    Setting("color", kinds.choice("colour", ("auto", "always", "never")), COMMANDS | NEST | PROJECT,
            "When to colour.",
            default="auto", sample="always"),
    Setting("quiet", kinds.FLAG, CHECK | BATCH | NEST, "Only what fails, and the summary.", shorts=("-q",)),
    Setting("verbose", kinds.LEVEL, CHECK | BATCH | PROJECT, "More: enclosures, and the gradient program.",
            shorts=("-v",)),
)  # fmt: skip
# fmt: on


def settings_of(place: Place) -> tuple[Setting, ...]:
    """Return the rows of what may be said in a place, in order.

    >>> [row.name for row in settings_of(Place.PYTEST)]
    ['at', 'dtype', 'assert', 'timeout', 'trust']
    """
    return tuple(row for row in SETTINGS if place in row.at)


def named(place: Place) -> dict[str, Setting]:
    """Return the same by their names."""
    return {row.name: row for row in settings_of(place)}


PROGRAMS = Place.CHECK | Place.EXPLAIN
"""The commands that take a program, which may begin with a minus."""


def valued() -> frozenset[str]:
    """Return the options of a command with a program that take the next word, whatever it begins with."""
    return _options(lambda form: form not in {Form.FLAG, Form.COUNT})


def flags() -> frozenset[str]:
    """Return those that stand alone."""
    return _options(lambda form: form in {Form.FLAG, Form.COUNT})


def _options(wanted: Callable[[Form], bool]) -> frozenset[str]:
    rows = [row for row in SETTINGS if row.at & PROGRAMS and wanted(row.kind.form)]
    return frozenset(word for row in rows for word in (row.option, *row.shorts))
