"""The table: whole outputs against golden files, at several widths; `pytest --update-golden` writes them anew."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from typing import Any

import numpy as np
import pytest
import torch

from gradcheck import case
from gradcheck.case import check
from gradcheck.outcome import Run
from gradcheck.report import View
from gradcheck.report.table import write
from gradcheck.settings import Settings
from gradcheck.verdict import Verdict

Golden = Callable[[str, str], None]


def shifted(x: torch.Tensor) -> torch.Tensor:
    """Return silu with a wrong value and the right slope; far away the shift is lost in rounding."""
    return torch.where(x < 20, x * torch.sigmoid(x) + 0.01, torch.nn.functional.silu(x))


CASES: dict[str, tuple[str, list[str], Settings, View]] = {
    "polynomial": ("2*x**4+x**3+3*x**2+5*x+1", ["2"], Settings(), View()),
    "layers": ("y = 3*x + 2; z = 2*y**2; out = mean(z)", ["[[1,2,3],[3,2,1]]"], Settings(), View()),
    "layers-narrow": ("y = 3*x + 2; z = 2*y**2; out = mean(z)", ["[[1,2,3],[3,2,1]]"], Settings(), View(width=50)),
    "layers-verbose": ("y = exp(x @ w); sum(y)", ["x=[[1,2]]", "w=[[1],[2]]"], Settings(), View(verbose=1, width=70)),
    "many-points": ("x*exp(-x**2)", ["-3:3:41"], Settings(dtypes=("float32", "bfloat16")), View()),
    "many-points-all": ("x**3", ["-3:3:14"], Settings(dtypes=("float64",)), View(everything=True)),
    "many-elements": ("sum(x**2)", ["x=linspace(-1,1,40)"], Settings(), View()),
    "several-inputs": ("x**y*z", ["x=2,y=3,z=0.5"], Settings(), View()),
    "verdicts": ("where(x > 0, sqrt(x), 0*x) + relu(x) + log(x + 5)", ["-5,-4,0,4"], Settings(), View()),
    "lossy": ("(1 - cos(x))/x**2", ["1e-4"], Settings(), View()),
    "unstable": ("sin(1e6*x)", ["1.1"], Settings(), View()),
    "value": ("silu(x) + x", ["-1:1:15,30"], Settings(under_test={"silu": shifted}), View()),
    "value-tensor": ("y = silu(x); sum(y, dim=1)", ["[[1,2],[30,40]]"], Settings(under_test={"silu": shifted}), View()),
    "value-quiet": ("silu(x) + x", ["1,30"], Settings(under_test={"silu": shifted}), View(quiet=True)),
    "operation": ("where(silu(x) > 0, x, 2*x)", ["1,2,30"], Settings(under_test={"silu": shifted}), View()),
    "operation-quiet": ("where(silu(x) > 0, x, 0)", ["1,30"], Settings(under_test={"silu": shifted}), View(quiet=True)),
    "overflow": ("exp(x)", ["100"], Settings(), View()),
    "quiet": ("where(x > 0, sqrt(x), 0*x)", ["-4,4"], Settings(expect=("1",)), View(quiet=True)),
    "expected": ("x*y**2", ["x=3,y=2"], Settings(expect=("x=y**2", "y=x*y")), View()),
    "untracked": ("detach(x)*2 + y", ["x=1,y=2"], Settings(), View()),
    "programs-of-layers": ("u = x**2; v = exp(-u); v*x", ["0.5"], Settings(), View(verbose=1)),
    "two-tensor-points": ("sum(x*y)", ["x=[1,2],[3,4]", "y=2"], Settings(), View()),
    "nothing": ("2 + 3", [], Settings(), View()),
    "escapes": ("x # \x1b[31m [bold]red[/bold]", ["1"], Settings(), View()),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_table_is_the_golden_one(name: str, golden: Golden) -> None:
    program, at, settings, view = CASES[name]
    run = check(program, at, settings=settings)
    environment = {**run.environment, "torch": "*", "sympy": "*"}
    text = StringIO()
    write(replace(run, environment=environment), text, view)
    assert "\x1b" not in text.getvalue()
    golden(f"table-{name}.txt", text.getvalue())


def test_no_golden_file_is_left_without_a_case(golden_files: set[str]) -> None:
    assert golden_files == {f"table-{name}.txt" for name in CASES}


# --- what nobody looked at yet --------------------------------------------------------------------

SWEEPS = [
    ("abs(x)", "x=-1:1:41", "float32"),
    ("log(1 + exp(x))", "x=60:100:41", "float32"),
    ("relu(sin(x)) + sqrt(x)", "x=-1:8:91", "bfloat16"),
    ("where(x > 0, x*y, -3*x)", "x=-2:2:41,y=2", "float16"),
]


def shown(run: Run, **view: Any) -> str:
    text = StringIO()
    write(run, text, View(**view))
    return text.getvalue()


@pytest.fixture(params=SWEEPS)
def sweep(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a run of many points whose outcomes are made when somebody looks."""
    monkeypatch.setattr(case, "MAX_MADE", 0)
    program, at, dtype = request.param
    return check(program, at, settings=Settings(dtypes=(dtype,)))


def test_of_many_points_every_verdict_is_shown_and_the_rest_is_counted(sweep: Run) -> None:
    text = shown(sweep)
    rows = [line for line in text.splitlines() if re.search(r"\d +(✓|✗|·) \w+$|- +(✓|✗|·) \w+$", line)]
    (left,) = re.findall(r"(\d+) points not shown: (.*) \(--all", text)
    assert 0 < len(rows) <= 12
    found = Counter(row.split()[-1] for row in rows)
    for count, verdict in re.findall(r"(\d+) (\w+)", left[1]):
        found[verdict] += int(count)
    assert found == Counter({verdict.value: count for verdict, count in sweep.counts().items()})
    assert {row.split()[-1] for row in rows} >= {str(one) for one in sweep.counts()} - {"agree"}
    assert int(left[0]) + len(rows) // len(sweep[0].gradients) == len(sweep)


def test_a_narrow_window_has_a_row_on_one_line(sweep: Run) -> None:
    found = [line for line in shown(sweep, width=60).splitlines() if re.search(r"(✓|✗|·) \w+$", line)]
    assert len(found) in range(1, 13)
    assert all(re.match(r" *-?[\d.e-]+ ", line) and len(line) <= 60 for line in found)


@pytest.mark.parametrize("most", [0, 1_000])
def test_the_worst_failures_have_a_line_and_the_rest_is_counted(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(case, "MAX_MADE", most)
    for points in ({"at": "x=89:99:201"}, {"x": np.linspace(89, 99, 201)}):
        run = check("log(1 + exp(x))", settings=Settings(dtypes=("float32",)), **points)
        for everything in (False, True):
            lines = shown(run, quiet=True, everything=everything).splitlines()
            failing = [line for line in lines if line.startswith("✗ disagree at")]
            (*_, left) = [int(n) for n in re.findall(r"(\d+) more that fail", "\n".join(lines))] or [0]
            assert len(failing) + left == run.counts()[Verdict.DISAGREE] == 201
            assert (left == 0) == everything
