"""The command: exit codes, streams, options, and one clear message for whatever is wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from gradcheck import cli
from gradcheck.__main__ import run, with_program_apart
from gradcheck.cli.output import check_writable
from gradcheck.cli.values import OTHER, plain
from gradcheck.exits import Exit
from gradcheck.report import batch_json

LAB = "2*x**4+x**3+3*x**2+5*x+1"
LAYERS = "y = 3*x + 2; z = 2*y**2; out = mean(z)"

CODES = [
    ([LAB, "--at", "2"], Exit.PASS),
    ([LAYERS, "--at", "[[1,2,3],[3,2,1]]"], Exit.PASS),
    (["-x**2", "--at", "2"], Exit.PASS),
    (["-5*x", "--at", "-2:2:5"], Exit.PASS),
    (["-(x+1)*x", "--at=-2"], Exit.PASS),
    (["--at", "-2", "--dtype", "float64", "-q", "--", "-x"], Exit.PASS),
    (["x*y", "--at", "x=1,y=2", "--wrt", "y"], Exit.PASS),
    (["x**3", "--at", "2", "--expect", "3*x**2"], Exit.PASS),
    (["x**3", "--at", "2", "--expect", "3*x"], Exit.FAIL),
    (["where(x > 0, sqrt(x), 0*x)", "--at", "-4"], Exit.FAIL),
    (["log(1 + exp(x))", "--at", "100"], Exit.FAIL),
    (["exp(x)", "--at", "100"], Exit.PASS),
    (["exp(x)", "--at", "100", "--assert"], Exit.FAIL),
    (["exp(x)", "--at", "100", "--assert", "--allow", "overflow"], Exit.PASS),
    (["log(x)", "--at", "-1"], Exit.PASS),
    (["log(x)", "--at", "-1", "--assert"], Exit.FAIL),
    (["log(x)", "--at", "-1", "--assert", "--allow", "undefined"], Exit.PASS),
    (["tanh(x)", "--at", "8"], Exit.PASS),
    (["tanh(x)", "--at", "8", "--assert"], Exit.FAIL),
    (["tanh(x)", "--at", "8", "--assert", "--allow", "lossy,undefined"], Exit.PASS),
    (["tanh(x)", "--at", "8", "--assert", "--allow", "unstable"], Exit.FAIL),
    (["sign(sin(pi))*x", "--at", "1", "--assert"], Exit.FAIL),
    (["relu(x)", "--at", "0", "--assert"], Exit.PASS),
    (["detach(x)*2", "--at", "1", "--assert"], Exit.PASS),
    (["log(1 + exp(x))", "--at", "100", "--allow", "disagree"], Exit.PASS),
    (["x**2", "--at", "3", "--nondet", "2"], Exit.PASS),
    (["*".join("x" * 500), "--at", "1.01"], Exit.PASS),
    (["logsigmoid(atan(x/x/sign(0)))", "--at", "1"], Exit.PASS),
    (["x.prod(keepdim=True)[0]", "--at", "[2,3]"], Exit.PASS),
    (["sin(cumsum(x, 0))", "--at", "1"], Exit.PASS),
    (["elu(x, alpha=inf)", "--at", "-1"], Exit.PASS),
    (["softplus(x, beta=1e30, threshold=inf)", "--at", "1"], Exit.FAIL),
    (["leaky_relu(x, inf)", "--at", "2"], Exit.PASS),
    *(
        ([f"{bounded}", "--at", "1", "--dtype", "float16", "--assert"], Exit.PASS)
        for bounded in (
            "clamp_max(x, 1e8)",
            "clamp_min(x, -1e8)",
            "clamp(x, -1e300, 1e300)",
            "hardtanh(x, -1e8, 1e8)",
            "minimum(x, 1e8)",
        )
    ),
    (["elu(x, alpha=None)", "--at", "1"], Exit.USAGE),
    (["x", "--at", "1", "--device", "hpu"], Exit.USAGE),
    (["x", "--at", "1", "--device", "privateuseone"], Exit.USAGE),
    (["explain", "x", "--at", "1", "--device", "no such: device"], Exit.USAGE),
    (["x", "--at", "1", "-o", "a\0b"], Exit.USAGE),
    (["x", "--at", "x=@a\0b.npy"], Exit.USAGE),
    (["x", "--at", "1", "--emit-repro", "a\0b"], Exit.USAGE),
    (["x", "--at", "1", "--report", "junit=a\0b"], Exit.USAGE),
    (["x", "--at", "1", "--timeout", "-1"], Exit.USAGE),
    (["x", "--at", "1", "--timeout", "nan"], Exit.USAGE),
    (["2 + 3"], Exit.NOTHING),
    (["2x", "--at", "1"], Exit.USAGE),
    (["x", "--assert"], Exit.USAGE),
    (["x", "--at", "1", "--dtype", "float31"], Exit.USAGE),
    (["x", "--at", "1", "--device", "nowhere"], Exit.USAGE),
    (["x", "--at", "1", "--bogus"], Exit.USAGE),
    (["x", "--at", "1", "--format", "yaml"], Exit.USAGE),
    (["x", "--at", "1", "--ulps", "-1"], Exit.USAGE),
    (["x", "--at", "1", "--allow", "wrong"], Exit.USAGE),
    (["x", "--at", "1", "--nondet", "-1"], Exit.USAGE),
    (["x", "--at", "1", "--wrt", "y"], Exit.USAGE),
    (["x", "y", "--at", "1"], Exit.USAGE),
    (["functions"], Exit.PASS),
    (["functions", "tanh"], Exit.PASS),
    (["functions", "tanhh"], Exit.USAGE),
    (["--help"], Exit.PASS),
    (["functions", "--help"], Exit.PASS),
]


@pytest.mark.parametrize(("argv", "code"), CODES, ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_every_ending_has_its_exit_code(argv: list[str], code: Exit, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(argv) == code
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    if code is Exit.USAGE:
        assert not out
        assert err


MESSAGES = [
    (["2x", "--at", "1"], "gradcheck: a * is missing between 2 and x\n  2x\n  ^^\nwrite 2*x\n"),
    (["x*y", "--at", "x=1"],
     "gradcheck: the program needs a point for x and y; missing: y\n  x=1\n  ^^^\nadd --at y=...\n"),
    (["x", "--at", "1", "--dtype", "float31"], "gradcheck: --dtype: 'float31' is no dtype\ndid you mean `float32`?\n"),
    (["x", "--at", "1", "--allow", "kink,wrong"],
     "gradcheck: --allow: 'wrong' is no verdict\n"
     "choose from agree, untracked, kink, overflow, undefined, undecided, unstable, lossy, disagree, error\n"),
    (["x", "--at", "1", "--wrt", "y"], "gradcheck: the program has no input y to differentiate by\nchoose from x\n"),
    (["x+y", "--at", "x=[1,2]", "--at", "y=[1,2,3]"],
     "gradcheck: these shapes do not broadcast: 2 and 3\n  x+y\n  ^^^\n"),
    (["a + x @ x", "--at", "x=ones(2,3)", "--at", "a=1"],
     "gradcheck: cannot multiply 2 x 3 by 2 x 3: 3 columns on the left, 2 rows on the right\n"
     "  a + x @ x\n      ^^^^^\n"),
    (["x", "--at", "1", "--expect", "q"], "gradcheck: --expect reads q, which is no input of the program\nit has x\n"),
    (["x*y", "--at", "x=1,y=1", "--expect", "y"],
     "gradcheck: --expect does not say which derivative it is: the program has 2 inputs\n"
     "write --expect x=..., or choose one with --wrt x\n"),
    (["sum(x)", "--at", "ones(2)", "--expect", "[1]"],
     "gradcheck: a list stands for tensors only in cat and stack\n  [1]\n  ^^^\n"
     "give tensors as inputs: --at 'x=[[1,2],[3,4]]'\n"),
    (["x.max(0)", "--at", "[1,2]"],
     "gradcheck: max returns several tensors\n  x.max(0)\n  ^^^^^^^^\n"
     "max(...)[0] is values; or a, b = max(...)\n"),
    (["x.max(0.5)", "--at", "[1,2]"],
     "gradcheck: torch's max takes no number beside a tensor\n  x.max(0.5)\n  ^^^^^^^^^^\n"
     "write maximum(x, y) for the maximum of two\n"),
    (["x.max(0).indices", "--at", "[1,2]"],
     "gradcheck: indices are whole numbers, and have no derivative\n  x.max(0).indices\n  ^^^^^^^^^^^^^^^^\n"),
    (["torch.linalg.norm(x, 2)", "--at", "[[1,2],[3,4]]"],
     "gradcheck: the matrix norm of order 2 is one of singular values, and no formula of the elements\n"
     "  torch.linalg.norm(x, 2)\n  ^^^^^^^^^^^^^^^^^^^^^^^\n"),
    (["einsum('ij,j', x)", "--at", "[1,2]"],
     "gradcheck: the equation has 2 terms, and there is 1 tensor\n  einsum('ij,j', x)\n  ^^^^^^^^^^^^^^^^^\n"),
    (["einsum(x, x)", "--at", "[1,2]"],
     "gradcheck: equation is a text\n  einsum(x, x)\n         ^\nwrite it in quotes\n"),
    (["einsum('i')", "--at", "[1,2]"],
     "gradcheck: einsum needs tensors\n  einsum('i')\n  ^^^^^^^^^^^\nwrite einsum('...', a, b)\n"),
    (["addmm(x, x, x)", "--at", "[1,2]"],
     "gradcheck: addmm takes a matrix and a matrix, not 2 and 2\n  addmm(x, x, x)\n  ^^^^^^^^^^^^^^\n"),
    (["kthvalue(x, 3)[0]", "--at", "[1,2]"],
     "gradcheck: k is a whole number from 1 to 2, the number of elements\n"
     "  kthvalue(x, 3)[0]\n  ^^^^^^^^^^^^^^^^^\n"),
    (["quantile(x, 2)", "--at", "[1,2]"],
     "gradcheck: q is a number from 0 to 1, or a list of such\n  quantile(x, 2)\n  ^^^^^^^^^^^^^^\n"),
    (["var(x, unbiased=2)", "--at", "[1,2]"],
     "gradcheck: unbiased is True or False\n  var(x, unbiased=2)\n                  ^\n"),
    (["x[1:0].sum()", "--at", "[1,2]"],
     "gradcheck: this tensor is empty (0): there is nothing in it to differentiate by\n  x[1:0].sum()\n  ^^^^^^\n"),
    (["std(x, correction=1/2)", "--at", "[1,2]"],
     "gradcheck: correction must be an integer; write correction=0 for the variance of a whole population\n"
     "  std(x, correction=1/2)\n  ^^^^^^^^^^^^^^^^^^^^^^\n"),
    (["x·y", "--at", "1"], "gradcheck: · is no sign of the language\n  x·y\n   ^\nwrite *\n"),
    (["x", "--at", "1", "--expect", "1", "--expect", "2"], "gradcheck: --expect is given twice for x\n"),
    (["2 + 3"], "nothing was checked: the program has no input to differentiate by\n"),
    (["x", "--at", "1", "-o", "/no/such/folder/report"],
     "gradcheck: cannot write /no/such/folder/report: No such file or directory\n"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("argv", "message"), MESSAGES, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_what_is_wrong_is_said_in_full(argv: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    run(argv)
    assert capsys.readouterr().err == message


HOSTILE = [
    "", " ", "#", "(x", "x)", "[x", "9**9**9**9", "(3*x)**1e9", "__import__('os')", "x.__class__", "lambda *x: x",
    "[x for x in y]", "x[" * 200 + "0" + "]" * 200, "1e99999999",
    "(y := x)", "f'{x}'", "x if y else z", "x; import os", "open('f')", "eval('1')", "x\x00", "\ud800", "x" * 2_000,
    "(" * 100_000 + "x" + ")" * 100_000, "-" * 100_000 + "x", "x" + ".exp()" * 100_000, "+".join("x" * 300_000),
    "0." + "1" * 100_000,
]  # fmt: skip


@pytest.mark.parametrize("program", HOSTILE, ids=lambda program: repr(program[:20]))
def test_hostile_text_is_refused_at_once(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    start = time.process_time()
    assert run([program, "--at", "1"]) == Exit.USAGE
    assert time.process_time() - start < 2
    out, err = capsys.readouterr()
    assert not out
    assert len(err) < 1_000


def test_the_same_bytes_come_out_twice(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["softmax(x @ w, dim=1).log().mean()", "--at", "x=randn(4,3)", "--at", "w=randn(3,5)", "--seed", "1"]
    outputs = [(run(argv), capsys.readouterr().out) for _ in range(2)]
    assert outputs[0] == outputs[1]
    assert "seed 1" in outputs[0][1]


def test_a_report_is_written_whole_or_not_at_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "report.json"
    assert run([LAB, "--at", "2", "--format", "json", "-o", str(target)]) == Exit.PASS
    assert not capsys.readouterr().out
    before = target.read_text()
    assert json.loads(before)["exit_code"] == Exit.PASS

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(batch_json, "write", fail)
    assert run([LAB, "--at", "3", "--format", "json", "-o", str(target)]) == Exit.USAGE
    assert "No space left" in capsys.readouterr().err
    assert target.read_text() == before
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


@pytest.mark.parametrize("name", [cli.CHECK, "explain"])
def test_every_option_that_takes_a_value_is_known_where_programs_that_begin_with_a_minus_are(name: str) -> None:
    for one in get_command(cli.command(name)).params:
        option: Any = one
        for word in option.opts if option.param_type_name == "option" else ():
            alone = option.is_flag or option.count
            assert with_program_apart([word, "-1"]) == ([word, "--", "-1"] if alone else [word, "-1"])


@pytest.mark.parametrize(
    ("argv", "apart"),
    [
        (["-x", "--at", "2"], ["--at", "2", "--", "-x"]),
        (["--at", "-2", "-x"], ["--at", "-2", "--", "-x"]),
        (["-qv", "x"], ["-qv", "x"]),
        (["-", "--at", "2"], ["-", "--at", "2"]),
        (["--", "-q"], ["--", "-q"]),
        (["-v", "-vx", "--at=1"], ["-v", "--at=1", "--", "-vx"]),
    ],
)
def test_a_program_may_begin_with_a_minus(argv: list[str], apart: list[str]) -> None:
    assert with_program_apart(argv) == apart


# --- real processes -------------------------------------------------------------------------------


def gradcheck(*argv: str, text: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gradcheck", *argv], input=text, capture_output=True, text=True, check=False,
        env={**os.environ, **environment},
    )  # fmt: skip


def test_a_process_reads_standard_input_and_ends_with_the_code() -> None:
    passed = gradcheck("-", "--at", "2", text=LAB)
    assert (passed.returncode, passed.stderr) == (Exit.PASS, "")
    assert "8*x**3 + 3*x**2 + 6*x + 5" in passed.stdout
    assert gradcheck("-", "--at", "-4", text="where(x > 0, sqrt(x), 0*x)").returncode == Exit.FAIL


def test_a_closed_pipe_ends_quietly() -> None:
    command = f'{sys.executable} -m gradcheck "x" --at x=0:1:5000 --all | head -1'
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 1


def test_closed_standard_streams_are_no_fault() -> None:
    for closed in (">&-", "2>&-", "<&-"):
        done = subprocess.run(["bash", "-c", f"{sys.executable} -m gradcheck x --at 1 {closed}"], check=False)
        assert done.returncode == Exit.PASS, closed


def test_ctrl_c_ends_at_once_with_130() -> None:
    command = [sys.executable, "-m", "gradcheck", "x", "--at", "x=0:1:90000", "--dtype", "float64,float32"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
    assert (process.returncode, out, err) == (Exit.INTERRUPTED, "", "gradcheck: interrupted\n")


@pytest.mark.parametrize("name", [cli.CHECK, *cli.COMMANDS])
def test_plain_values_become_what_typer_makes_of_them(name: str) -> None:
    command: Any = get_command(cli.command(name))
    context = command.make_context(name, [], resilient_parsing=True)
    converted = 0
    for parameter in command.params:
        annotation = parameter.type_descriptor.annotation
        several = parameter.multiple or parameter.nargs == -1
        words: tuple[object, ...] = ("", "2", " x ", "json", "JSON", "é\x1b", ["1", "2"], ("a",), None, 2, True)
        for value in (*words, parameter.default):
            found = plain(annotation, value, several)
            if found is not OTHER:
                own = type(parameter).get_runtime_param(parameter).coerce(value, param=parameter, ctx=context)
                assert (found, type(found)) == (own, type(own)), (parameter.name, value)
                converted += 1
    assert converted > len(command.params)


def test_colour_follows_the_options_and_the_environment() -> None:
    plain = gradcheck(LAB, "--at", "2", NO_COLOR="", FORCE_COLOR="")
    assert "\x1b[" not in plain.stdout
    assert "\x1b[" in gradcheck(LAB, "--at", "2", "--color", "always").stdout
    assert "\x1b[" not in gradcheck(LAB, "--at", "2", "--color", "never", FORCE_COLOR="1").stdout
    assert "\x1b[" not in gradcheck("--help", GITHUB_ACTIONS="true").stdout


# --- assertions, and failures to take along ---------------------------------------------------------------


def test_an_assertion_prints_one_line_a_failure_and_the_summary(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["where(x > 0, sqrt(x), 0*x)", "--at", "-4,0,4", "--assert"]) == Exit.FAIL
    out, err = capsys.readouterr()
    *lines, summary = out.splitlines()
    assert lines == [
        "✗ disagree at x = -4 in float32: autograd nan, exact 0: nan-from-masked-branch at sqrt(x)",
        "✗ undefined at x = 0 in float32: autograd nan, exact -: nan-from-masked-branch at sqrt(x)",
    ]
    assert summary.startswith("1 agree, 1 undefined, 1 disagree · ")
    assert not err


def test_an_assertion_that_holds_prints_the_summary_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([LAB, "--at", "2", "--assert"]) == Exit.PASS
    out, _ = capsys.readouterr()
    assert out.startswith("1 agree · worst 0 ULP · ")
    assert len(out.splitlines()) == 1


def test_a_script_of_the_failure_is_written_and_shows_it(tmp_path: Path) -> None:
    path = tmp_path / "repro.py"
    made = subprocess.run(
        [sys.executable, "-m", "gradcheck", "log(1 + exp(x))", "--at", "100", "-q", "--emit-repro", str(path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert made.returncode == Exit.FAIL
    shown = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, check=True)
    assert [line.split()[-1] for line in shown.stdout.splitlines()[1:]] == ["nan", "1"]


def test_where_nothing_fails_no_script_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "repro.py"
    assert run(["x**2", "--at", "1", "-q", "--emit-repro", str(path)]) == Exit.PASS
    assert capsys.readouterr().err == f"nothing fails: {path} is not written\n"
    assert not path.exists()


def test_a_script_that_cannot_be_written_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "nowhere" / "repro.py"
    assert run(["log(1 + exp(x))", "--at", "100", "-q", "--emit-repro", str(path)]) == Exit.USAGE
    assert capsys.readouterr().err == f"gradcheck: cannot write {path}: No such file or directory\n"


def test_a_fault_of_gradcheck_itself_has_its_own_code_and_no_traceback() -> None:
    broken = (
        "import sys, gradcheck.case as case\n"
        "from gradcheck.__main__ import run\n"
        "def broken(*_): raise RuntimeError('no such luck')\n"
        "case.check_program = broken\n"
        "sys.exit(run(['x**2', '--at', '1']))\n"
    )
    made = subprocess.run([sys.executable, "-c", broken], capture_output=True, text=True, check=False)
    assert made.returncode == Exit.INTERNAL
    assert not made.stdout
    assert made.stderr == (
        "gradcheck: internal error: RuntimeError: no such luck\n"
        "this is a fault of gradcheck, not of your program; GRADCHECK_TRACEBACK=1 shows where\n"
    )


def test_a_link_stays_and_its_target_is_written(tmp_path: Path) -> None:
    target, link = tmp_path / "target.json", tmp_path / "link.json"
    target.write_text("old", "utf-8")
    link.symlink_to(target)
    assert run(["x", "--at", "1", "--format", "json", "-o", str(link)]) == Exit.PASS
    assert link.is_symlink()
    assert json.loads(target.read_text("utf-8"))["exit_code"] == 0


def test_a_pipe_is_written_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE, text=True) as reader:
        assert run(["x", "--at", "1", "--format", "json", "-o", str(pipe)]) == Exit.PASS
        out, _ = reader.communicate(timeout=30)
    assert json.loads(out)["exit_code"] == 0
    assert pipe.is_fifo()


PLACES = [
    (["-o", "."], "gradcheck: cannot write .: it is a directory\n"),
    (["--report", "json=r.txt", "-o", "r.txt"], "gradcheck: two reports go to the same file: {}/r.txt\n"),
    (["--wrt", ","], "gradcheck: --wrt: this list is empty\nleave it out, or name one\n"),
]


@pytest.mark.parametrize(("words", "said"), PLACES)
def test_places_that_make_no_sense_are_told(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["x", "--at", "1", *words]) == Exit.USAGE
    assert capsys.readouterr().err == said.format(os.path.realpath(tmp_path))


def test_a_reader_that_leaves_does_not_change_the_exit_code() -> None:
    for program, code in (("x**2", "0"), ("log(1 + exp(x))", "1")):
        line = f"{sys.executable} -m gradcheck '{program}' --at x=0:100:5000 --all | head -1; echo ${{PIPESTATUS[0]}}"
        made = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True)
        assert (made.stdout.splitlines()[-1], made.stderr) == (code, "")


def test_a_program_may_begin_like_the_option_of_the_output(tmp_path: Path) -> None:
    """Where there is another word for the program, it is that option with its file."""
    assert run(["-omega**2", "--at", "2", "-o", str(tmp_path / "report.txt")]) == Exit.PASS
    for words in (["--at", "2"], ["--at=2", "-q"]):
        assert with_program_apart(["-omega**2", *words]) == [*words, "--", "-omega**2"]
        for program in ("x**2", "-"):
            assert with_program_apart(["-omega.txt", program, *words]) == ["-omega.txt", program, *words]
            assert with_program_apart([*words, program, "-omega.txt"]) == [*words, program, "-omega.txt"]
        assert with_program_apart(["-omega.txt", "-x**2", *words]) == ["-omega.txt", *words, "--", "-x**2"]


DEVICES = [Path("/dev/null"), Path("/dev/stdout")]


@pytest.mark.skipif(os.geteuid() == 0 or not all(map(Path.exists, DEVICES)), reason="root may write everything")
@pytest.mark.parametrize("path", DEVICES, ids=str)
def test_a_device_in_a_directory_of_the_system_is_written(path: Path) -> None:
    made = gradcheck("x**2", "--at", "3", "-o", str(path))
    assert made.returncode == Exit.PASS, made.stderr


def test_a_device_is_asked_for_itself_and_a_file_for_its_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Path] = []

    def may(path: str | Path, _: int) -> bool:
        asked.append(Path(path))
        return True

    monkeypatch.setattr(os, "access", may)
    check_writable([Path("/dev/null"), Path("new.txt")])
    assert asked == [Path("/dev/null"), Path.cwd()]


def test_what_cannot_be_read_is_no_report_that_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("gradcheck.case.check_program", fail)
    assert run(["x**2", "--at", "3"]) == Exit.INTERNAL
    assert "report" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [["x**2", "--at", "3"], ["x**2"], ["functions"], ["explain", "x", "--at", "1"]], ids=str
)
def test_a_full_disk_is_told_by_every_command(words: list[str]) -> None:
    with open("/dev/full", "w") as full:
        made = subprocess.run(
            [sys.executable, "-m", "gradcheck", *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (made.returncode, made.stderr) == (
        Exit.USAGE,
        "gradcheck: cannot write the report: No space left on device\n",
    )


def test_a_working_directory_that_is_gone_is_told(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    line = f"mkdir {gone} && cd {gone} && rmdir {gone} && {sys.executable} -m gradcheck 'x**2' --at 3"
    made = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    assert made.returncode == Exit.USAGE
    assert made.stderr.startswith("gradcheck: the working directory is gone\n")
