"""Engines beside torch as it is: compiled code, and batches of points by vmap."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from gradcheck import Settings, Verdict, check
from gradcheck.autograd import engines, numerics
from gradcheck.case import check_program
from gradcheck.errors import UsageProblem
from gradcheck.lane import AOT_EAGER, COMPILED, EAGER, ENGINES, INDUCTOR, VMAP
from gradcheck.numerics import FLAGS, needed, told
from gradcheck.outcome import Outcome, Run
from gradcheck.parse import parse
from gradcheck.points import parse_points
from gradcheck.report.json import document
from gradcheck.ways import Way
from shipped import FAMILIES, shipped

ROOT = Path(__file__).parent.parent
COMPILERS = (os.environ.get("CXX", "g++"), "g++", "clang++")
NEEDS_COMPILER = pytest.mark.skipif(
    not any(map(shutil.which, COMPILERS)), reason="inductor needs a C++ compiler, and there is none"
)


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """Fail a test after which threads of ours go on, or that changed the environment for compilers."""
    before, threads = variables(), running()
    yield
    assert variables() == before
    assert running() <= threads


def running() -> set[threading.Thread]:
    """Return the threads, but for the one that torch keeps to look up what it was built from."""
    return {one for one in threading.enumerate() if not one.name.startswith("ThreadPoolExecutor")}


def variables() -> dict[str, str]:
    """Return the environment, but for what pytest says in it, and what torch sets when its compiler is loaded."""
    return {name: one for name, one in os.environ.items() if "PYTEST" not in name and "TORCHINDUCTOR" not in name}


def by(*engines: str, way: str = "rev", dtype: str = "float64", **under_test: Any) -> Settings:
    """Return what asks for some engines in a way."""
    return Settings(engines=engines, ways=(Way.parse(way),), dtypes=(dtype,), under_test=under_test)


def engine(outcome: Outcome) -> str:
    return EAGER if outcome.lane is None else outcome.lane.engine


def by_engine(run: Run) -> dict[str, list[Outcome]]:
    """Return the outcomes of each engine, in the order of the points."""
    return {name: [one for one in run if engine(one) == name] for name in dict.fromkeys(map(engine, run))}


# --- programs of docs and expressions ---------------------------------------------------------------

LAB = [line for line in (ROOT / "docs" / "lab.txt").read_text("utf-8").splitlines() if line and line[0] != "#"]
PROGRAMS: list[tuple[str, tuple[str, ...]]] = [(text, ("x=0.5",)) for text in LAB]
PROGRAMS += [(one.program, one.at) for family in FAMILIES[::2] for one in shipped(family).checks[:1]]


@NEEDS_COMPILER
@pytest.mark.parametrize(("program", "at"), PROGRAMS[:10], ids=[text for text, _ in PROGRAMS[:10]])
def test_compiled_code_is_as_right_as_torch_as_it_is(program: str, at: tuple[str, ...]) -> None:
    """In one run, side by side; what the compiler makes may round otherwise, and no more than that."""
    parsed = parse(program)
    run = check_program(parsed, parse_points(at, parsed.inputs), Settings(engines=(EAGER, *COMPILED)))
    found = by_engine(run)
    assert list(found) == [EAGER, *COMPILED]
    assert [one.error for one in run if one.error is not None] == []
    for name in COMPILED:
        for one, plain in zip(found[name], found[EAGER], strict=True):
            assert one.verdict.right or one.verdict is plain.verdict, (name, one.point)
            assert one.value is not None
            assert plain.value is not None
            assert one.value.values.shape == plain.value.values.shape


def test_there_are_ten_programs_of_docs_and_expressions() -> None:
    assert len(PROGRAMS) >= 10
    assert LAB


# --- one compile ------------------------------------------------------------------------------------


def graphs() -> int:
    from torch._dynamo.utils import counters

    return counters["stats"]["unique_graphs"]


@pytest.mark.parametrize("way", ["rev", "fwd-rev"])
def test_many_points_and_directions_of_a_shape_take_one_compile(way: str) -> None:
    settings = by(AOT_EAGER, way=way)
    before = graphs()
    run = check("sum(x**3)", x=[[1.0, 2.0], [3.0, 4.0]][0], settings=settings)
    run_2 = check("sum(x**3)", x=[3.0, 4.0], settings=settings)
    assert graphs() - before == 1
    assert run.verdict is run_2.verdict is Verdict.AGREE


# --- refusals ---------------------------------------------------------------------------------------

Sine = Callable[[torch.Tensor], torch.Tensor]
REFUSED: dict[str, tuple[Settings, str]] = {
    "a second backward pass": (
        by(AOT_EAGER, way="double-backward"),
        "torch has no derivative double-backward by aot_eager here: "
        "torch.compile with aot_autograd does not currently support double backward",
    ),
    "Python that no compiler follows": (
        by(AOT_EAGER, sin=lambda x: (print(end=""), torch.sin(x))[1]),
        "torch has no derivative rev by aot_eager here: "
        "Dynamo does not know how to trace builtin operator `print` with argument types [] (has_kwargs True)",
    ),
    "a number read from a batch": (
        by(VMAP, sin=lambda x: torch.sin(x) if x.item() < 9 else x),
        "torch could not run sin: RuntimeError: vmap: It looks like you're calling .item() on a Tensor.",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_an_engine_refuses_is_an_error_in_one_line_and_its_place(name: str, capfd: Any) -> None:
    settings, message = REFUSED[name]
    [outcome] = check("sin(x)**2", x=0.5, settings=settings)
    assert outcome.verdict is Verdict.ERROR
    assert outcome.error is not None
    assert outcome.error.startswith(message)
    assert outcome.error.splitlines()[1].strip() == "sin(x)**2"
    assert len(outcome.error.splitlines()) <= 3
    assert capfd.readouterr() == ("", "")


@NEEDS_COMPILER
def test_a_compiler_that_is_not_there_is_an_error() -> None:
    from torch._inductor import config

    with config.patch({"cpp.cxx": (None, "no-such-compiler"), "force_disable_caches": True}):
        [outcome] = check("atan(x)*3", x=0.5, settings=by(INDUCTOR))
    assert outcome.verdict is Verdict.ERROR
    assert "C++ compiler" in (outcome.error or "")


def test_a_compiler_is_asked_once_what_it_refuses() -> None:
    def refused(tensors: tuple[torch.Tensor]) -> torch.Tensor:
        print(end="")
        return tensors[0]

    function = engines.compiled(refused, AOT_EAGER, "what this test compiles")
    problems = []
    for _ in range(2):
        with engines.own_compiler(AOT_EAGER), pytest.raises(engines.refusals(AOT_EAGER)) as raised:
            function((torch.ones(()),))
        problems.append(raised.value)
    assert problems[0] is problems[1]


# --- vmap -------------------------------------------------------------------------------------------

BATCHED = {
    "softmax(x, 0)*w": ("x=[0.5,-1.25,3],w=[1,2,-1]", "x=[1,2,3],w=[0,1,0]"),
    "mean(tanh(x*w)**2)": ("x=-1:2:5,w=0.5",),
    "x**3*exp(x)": ("x=0.5",),
    "where(x > 0, x, x**2)": ("x=-1:2:4",),
    "x@w": ("x=[[1,2]],w=[[0.5],[3]]", "x=[[3,4]],w=[[0.25],[1]]"),
}


@pytest.mark.parametrize("program", BATCHED)
@pytest.mark.parametrize("way", ["rev", "fwd", "rev-fwd", "double-backward"])
def test_a_batch_of_points_has_the_verdicts_of_each_point_alone(program: str, way: str) -> None:
    parsed = parse(program)
    points = parse_points(BATCHED[program], parsed.inputs)
    found = by_engine(check_program(parsed, points, by(EAGER, VMAP, way=way)))
    first, *_ = found.values()
    assert [one.verdict for one in found[VMAP]] == [one.verdict for one in first]
    assert all(one.error is None for one in found[VMAP])


class Doubled(torch.autograd.Function):
    """A sine whose rule for batches is twice too large."""

    @staticmethod
    def forward(x: torch.Tensor) -> torch.Tensor:
        return torch.sin(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[torch.Tensor], _: torch.Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, *cotangents: torch.Tensor) -> torch.Tensor:
        [x] = ctx.saved_tensors
        return cotangents[0] * torch.cos(x)

    @staticmethod
    def vmap(_: Any, in_dims: tuple[int | None], x: torch.Tensor) -> tuple[torch.Tensor, int | None]:
        return 2 * Doubled.apply(x), in_dims[0]  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("at", ["0.5", "0.5,1,2"])
def test_a_wrong_rule_for_batches_is_found_by_vmap_alone(at: str) -> None:
    settings = by(EAGER, VMAP, sin=Doubled)
    for one in check("sin(x)", at, settings=settings):
        assert one.verdict is (Verdict.AGREE if engine(one) == EAGER else Verdict.DISAGREE)


# --- what is left behind ----------------------------------------------------------------------------


@NEEDS_COMPILER
def test_nothing_that_a_compiler_wrote_outlives_the_command(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gradcheck", "sin(x)", "--at", "1", "--engine", "inductor", "--timeout", "0"]
    made = subprocess.run(
        command, env={**os.environ, "TMPDIR": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert (made.returncode, made.stderr) == (0, ""), made.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_a_process_that_was_killed_goes_with_the_next(tmp_path: Path) -> None:
    script = "from gradcheck.scratch import scratch; import os, sys; print(scratch(), flush=True); {}"
    folders = []
    for end in ("os.kill(os.getpid(), 9)", "os.kill(os.getpid(), 9)", "sys.exit()"):
        made = subprocess.run(
            [sys.executable, "-c", script.format(end)],
            env={**os.environ, "TMPDIR": str(tmp_path)}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        folders.append(Path(made.stdout.strip()))
        assert folders[-1].exists() is (end != "sys.exit()")
        assert not any(one.exists() for one in folders[:-1])
    assert list(tmp_path.iterdir()) == []


def test_every_engine_is_tried_here() -> None:
    assert {EAGER, VMAP, *COMPILED} == set(ENGINES)


# --- what decides numbers ---------------------------------------------------------------------------


def test_settings_that_decide_numbers_are_in_the_environment_and_told_where_they_are_unusual() -> None:
    usual = check("x**2", 1)
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        changed = check("x**2", 1)
    finally:
        torch.set_float32_matmul_precision(before)
    assert usual.environment["float32 matmul precision"] == "highest"
    assert document(changed)["environment"]["float32 matmul precision"] == "medium"
    assert " · float32 matmul precision medium" in str(changed)
    assert "matmul" not in str(usual)


def test_what_is_overlooked_on_cuda_and_by_inductor_is_told_always() -> None:
    for device, engine in (("cpu", INDUCTOR), ("cuda", EAGER)):
        flags = needed([f"{device}:0"], [engine])
        always = [f"{one.name} {one.default}" for one in flags if one.overlooked]
        assert always
        assert [*told({one.name: one.default for one in flags})] == always
        assert [*told({one.name: "else" for one in flags})] == [f"{one.name} else" for one in flags]
    assert [*told({one.name: one.default for one in needed(["cpu"], [EAGER])})] == []


def test_the_defaults_of_the_table_are_torchs() -> None:
    found = numerics(["cpu", "cuda"], ENGINES)
    assert {one.name: found[one.name] for one in FLAGS} == {one.name: one.default for one in FLAGS}


def test_the_page_on_gpus_names_every_setting() -> None:
    text = (ROOT / "docs" / "gpu.md").read_text("utf-8")
    for one in FLAGS:
        assert one.name in text or one.name.replace("reduced precision in", "...") in text, one.name


# --- devices ----------------------------------------------------------------------------------------


def test_devices_stand_side_by_side() -> None:
    run = check("x@w", x=[[1.0, 2.0]], w=[[0.5], [3.0]], device="cpu,cpu:0", engine="eager,vmap")
    assert [(one.device, engine(one), one.verdict) for one in run] == [
        (device, name, Verdict.AGREE) for name in (EAGER, VMAP) for device in ("cpu", "cpu:0")
    ]
    assert run.environment["device"] == "cpu, cpu:0"


def test_a_device_that_is_not_there_is_refused_beside_one_that_is() -> None:
    with pytest.raises(UsageProblem, match="torch cannot use the device 'abacus'"):
        check("x", 1, device="cpu,abacus")


def test_the_script_for_a_gpu_says_where_there_is_none() -> None:
    made = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "gpu.py"],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (made.returncode, made.stdout, made.stderr) == (0, "no GPU\n", "")
