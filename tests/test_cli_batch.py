"""The command `batch`, from real processes: exit codes, streams, selections, reports, and what goes wrong around it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gradcheck.exits import Exit

GOOD = """
[[check]]
name = "square"
expression = "x**2"
at = 3
[[check]]
name = "cube"
expression = "x**3"
at = 2
"""
BAD = """
[[check]]
name = "overflow"
expression = "log(1 + exp(x))"
at = 100
"""
SHAKY = """
[[check]]
name = "lost"
expression = "tanh(x)"
at = 8
"""
BROKEN = """
[[check]]
name = "fine"
expression = "x**2"
at = 1
[[check]]
name = "typo"
expression = "2x"
at = 1
"""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name, text in {"good": GOOD, "bad": BAD, "shaky": SHAKY, "broken": BROKEN}.items():
        (tmp_path / f"{name}.toml").write_text(text, "utf-8")
    (tmp_path / "empty").mkdir()
    return tmp_path


def batch(files: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gradcheck", "batch", *words],
        cwd=files, env={**os.environ, **environment}, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


CODES = [
    (["good.toml"], Exit.PASS),
    (["bad.toml", "good.toml"], Exit.FAIL),
    (["bad.toml", "--exit-zero"], Exit.PASS),
    (["bad.toml", "--allow", "disagree"], Exit.PASS),
    (["shaky.toml"], Exit.PASS),
    (["shaky.toml", "--assert"], Exit.FAIL),
    (["shaky.toml", "--assert", "--allow", "lossy"], Exit.PASS),
    (["broken.toml"], Exit.USAGE),
    (["nowhere.toml"], Exit.USAGE),
    (["empty"], Exit.USAGE),
    (["good.toml", "-k", "nothing"], Exit.NOTHING),
    (["good.toml", "-k", "and and"], Exit.USAGE),
    (["good.toml", "--shard", "3"], Exit.USAGE),
    (["good.toml", "-n", "none"], Exit.USAGE),
    (["good.toml", "--report", "junt=x.xml"], Exit.USAGE),
    (["good.toml", "--report", "junit"], Exit.USAGE),
    (["good.toml", "--output", "nowhere/x.txt"], Exit.USAGE),
    (["good.toml", "--allow", "wrong"], Exit.USAGE),
    (["good.toml", "--dtype", "float31"], Exit.USAGE),
    (["good.toml", "--baseline", "nowhere.json"], Exit.USAGE),
]


@pytest.mark.parametrize(("words", "code"), CODES, ids=[" ".join(words) for words, _ in CODES])
def test_every_ending_has_its_exit_code(words: list[str], code: Exit, files: Path) -> None:
    made = batch(files, *words)
    assert made.returncode == code, made.stdout + made.stderr
    assert "Traceback" not in made.stdout + made.stderr
    if code is Exit.USAGE:
        assert made.stdout + made.stderr


def test_a_broken_check_stops_no_other(files: Path) -> None:
    made = batch(files, "broken.toml", "good.toml", "--format", "jsonl")
    lines = [json.loads(line) for line in made.stdout.splitlines()]
    assert [line["check"]["name"] for line in lines if "check" in line] == ["fine", "square", "cube"]
    assert made.returncode == Exit.USAGE


def test_lines_of_programs_take_their_points_from_the_command_line(files: Path) -> None:
    (files / "lines.txt").write_text("x**2\n# a comment\nsin(x)*x\n", "utf-8")
    made = batch(files, "lines.txt", "--at", "2", "--dtype", "float64")
    assert made.returncode == Exit.PASS
    assert "2 checks: 2 passed" in made.stdout


def test_the_order_is_that_of_the_files_whatever_the_number_of_workers(files: Path) -> None:
    words = "good.toml", "bad.toml", "shaky.toml", "--format", "concise", "--assert"
    found = [batch(files, *words, "-n", workers) for workers in "12"]
    assert found[0].stdout == found[1].stdout
    assert found[0].stdout.count("\n") == 2


def test_the_first_failure_may_end_the_batch(files: Path) -> None:
    made = batch(files, "bad.toml", "good.toml", "-x", "-n", "1")
    assert made.returncode == Exit.FAIL
    assert "note: " in made.stdout


def test_what_failed_last_time_is_run_alone(files: Path) -> None:
    assert batch(files, "good.toml", "bad.toml").returncode == Exit.FAIL
    made = batch(files, "good.toml", "bad.toml", "--lf", "--collect-only")
    assert made.stdout == "bad.toml::overflow\n"


def test_checks_are_listed_without_being_run(files: Path) -> None:
    made = batch(files, "good.toml", "--collect-only")
    assert (made.returncode, made.stdout, made.stderr) == (
        Exit.PASS, "good.toml::square\ngood.toml::cube\n", "2 checks\n",
    )  # fmt: skip


def test_every_check_is_in_one_shard(files: Path) -> None:
    words = "good.toml", "bad.toml", "--collect-only"
    parts = [batch(files, *words, "--shard", f"{k}/2").stdout.splitlines() for k in (1, 2)]
    assert sorted([*parts[0], *parts[1]]) == ["bad.toml::overflow", "good.toml::cube", "good.toml::square"]


def test_a_table_on_the_terminal_and_more_reports_in_files(files: Path) -> None:
    made = batch(files, "bad.toml", "good.toml", "--report", "junit=out.xml", "--report", "sarif=out.sarif", "-q")
    assert made.returncode == Exit.FAIL
    assert "overflow" in made.stdout
    assert '<testsuites name="gradcheck" tests="3" failures="1"' in (files / "out.xml").read_text("utf-8")
    assert json.loads((files / "out.sarif").read_text("utf-8"))["version"] == "2.1.0"


def test_github_gets_annotations_and_a_summary_by_itself(files: Path) -> None:
    summary = files / "summary.md"
    made = batch(files, "bad.toml", GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=str(summary))
    assert made.returncode == Exit.FAIL
    assert made.stdout.startswith("::error file=bad.toml,line=4,endLine=4,col=23,endColumn=29,title=")
    assert "overflow" in summary.read_text("utf-8")
    table = batch(files, "bad.toml", "--format", "table", GITHUB_ACTIONS="true")
    assert "::error" not in table.stdout
    assert "\x1b" not in table.stdout


def test_a_baseline_lets_known_findings_pass(files: Path) -> None:
    assert batch(files, "bad.toml", "good.toml", "--write-baseline", "known.json").returncode == Exit.FAIL
    assert batch(files, "bad.toml", "good.toml", "--baseline", "known.json").returncode == Exit.PASS
    assert batch(files, "bad.toml", "shaky.toml", "--baseline", "known.json", "--assert").returncode == Exit.FAIL


def test_the_slowest_checks_are_named(files: Path) -> None:
    assert " s good.toml::" in batch(files, "good.toml", "--durations", "1").stdout


def test_points_in_files_need_trust(files: Path) -> None:
    (files / "point.json").write_text("[1, 2, 3]", "utf-8")
    (files / "far.toml").write_text('[[check]]\nexpression = "sum(x**2)"\nat = "x=@point.json"\n', "utf-8")
    refused = batch(files, "far.toml")
    assert refused.returncode == Exit.USAGE
    assert "--trust" in refused.stdout + refused.stderr
    assert batch(files, "far.toml", "--trust").returncode == Exit.PASS


# --- what happens around it -------------------------------------------------------------------------------


def test_who_reads_only_the_first_lines_gets_no_complaint(files: Path) -> None:
    line = f"{sys.executable} -m gradcheck batch good.toml bad.toml -v --all | head -1; echo ${{PIPESTATUS[0]}}"
    made = subprocess.run(["bash", "-c", line], cwd=files, capture_output=True, text=True, check=True, timeout=120)
    assert made.stderr == ""
    assert made.stdout.splitlines()[-1] in {"0", "1"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_told(files: Path) -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:
        made = subprocess.run(
            [sys.executable, "-m", "gradcheck", "batch", "good.toml"],
            cwd=files, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=120,
        )  # fmt: skip
    assert made.returncode == Exit.USAGE
    assert made.stderr == "gradcheck: cannot write the report: No space left on device\n"


def test_a_report_that_cannot_be_written_is_told_before_anything_runs(files: Path) -> None:
    begin = time.monotonic()
    made = batch(files, "good.toml", "--report", "junit=nowhere/out.xml")
    assert made.stderr == "gradcheck: cannot write nowhere/out.xml: No such file or directory\n"
    assert made.returncode == Exit.USAGE
    assert time.monotonic() - begin < 30


def test_an_interrupted_batch_reports_what_is_done(files: Path) -> None:
    many = [f'[[check]]\nexpression = "sum(sin(x)*{k + 1})"\nat = "x=randn(2000)"' for k in range(3_000)]
    (files / "many.toml").write_text("\n".join(many), "utf-8")
    with subprocess.Popen(
        [sys.executable, "-m", "gradcheck", "batch", "many.toml", "-n", "1", "--report", "junit=part.xml"],
        cwd=files, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    ) as made:  # fmt: skip
        time.sleep(8)
        made.send_signal(signal.SIGINT)
        begin = time.monotonic()
        out, err = made.communicate(timeout=60)
        assert time.monotonic() - begin < 15
    assert made.returncode == Exit.INTERRUPTED, out + err
    assert "interrupted" in out + err
    assert "Traceback" not in out + err
    assert (files / "part.xml").exists()
