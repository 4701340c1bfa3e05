"""What runs gradcheck elsewhere is executed here: the hook, the steps of the action, the examples of docs/ci.md."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from gradcheck import cli
from gradcheck.exits import Exit
from gradcheck.report.reporters import REPORTERS, RESULTS, names
from gradcheck.settings.table import Place, settings_of

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "ci.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
ACTION = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
WORKFLOW = yaml.safe_load((ROOT / "docs" / "workflow.yml").read_text("utf-8"))
(HOOK,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
STEPS = ACTION["runs"]["steps"]
SCRIPTS = {step["name"]: step["run"] for step in STEPS if "run" in step}
EXAMPLE = next(step for step in WORKFLOW["jobs"]["gradcheck"]["steps"] if "gradcheck" in step.get("uses", ""))


def bash(script: str, directory: Path, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Return what a script printed, and how it ended."""
    command = ["bash", "--noprofile", "--norc", *options, "-c", script]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        command, cwd=directory, env={**environment, **variables}, text=True, timeout=300,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip


def step(name: str, directory: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Return what a step of the action printed, and how it ended, run as GitHub does it."""
    return bash(SCRIPTS[name], directory, "-eo", "pipefail", **variables)


def files(kind: str) -> dict[str, str]:
    """Return the blocks of the page that are files: each begins with its name."""
    named = [(re.match(r"# (\S+)\n", text), text) for word, text in BLOCKS if word == kind]
    return {name[1]: text for name, text in named if name}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a directory with the files of the page."""
    for name, text in {**files("toml"), **files("python")}.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    return tmp_path


# --- options --------------------------------------------------------------------------------------


def written() -> Iterator[tuple[str, list[str]]]:
    """Yield the arguments of every `gradcheck batch` in the files, and where they stand."""
    for kind, text in BLOCKS:
        for line in re.findall(r"gradcheck batch ([^;'\n]*)", text):
            yield f"docs/ci.md, {kind}", shlex.split(line)
    yield "docs/ci.md, args", ACTION_OF_THE_PAGE["args"].split()
    yield "docs/workflow.yml", EXAMPLE["with"]["args"].split()
    yield "the hook", shlex.split(HOOK["entry"])[2:]
    yield "action.yml", re.findall(r"(--\S+ \w+)", SCRIPTS["Check the gradients"])[-1].split()


ACTION_OF_THE_PAGE = next(
    step["with"] for kind, text in BLOCKS if kind == "yaml" and "OWNER/gradcheck@" in text and "uses" in text
    for step in yaml.safe_load(text) if "with" in step
)  # fmt: skip
WRITTEN = list(written())


@pytest.mark.parametrize(("where", "words"), WRITTEN, ids=[f"{where}: {' '.join(words)}" for where, words in WRITTEN])
def test_every_option_is_one_of_the_command(where: str, words: list[str]) -> None:
    known = {one for parameter in get_command(cli.command("batch")).params for one in parameter.opts}
    assert {word for word in words if word.startswith("-")} <= known, where


def test_every_kind_of_file_is_read() -> None:
    assert len(WRITTEN) >= 10
    assert len(SCRIPTS) == 2


# --- the page -------------------------------------------------------------------------------------

CONSOLES = [text for kind, text in BLOCKS if kind == "console"]


def masked(text: str) -> str:
    """Return a text without seconds, versions, and the padding that depends on them."""
    text = re.sub(r"\d+\.\d+ ?s\b", "* s", text)
    return re.sub(r"torch \S+", "torch *", text)


@pytest.mark.parametrize("block", CONSOLES, ids=[text.splitlines()[0] for text in CONSOLES])
def test_the_page_shows_what_the_commands_print(block: str, project: Path) -> None:
    for command, output in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE):
        assert masked(bash(command, project).stdout) == masked(output)


def test_the_page_lists_the_exit_codes() -> None:
    section = PAGE.partition("## Exit codes")[2].partition("\n## ")[0]
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", section, re.MULTILINE)] == list(Exit)


def test_the_page_lists_the_formats() -> None:
    section = PAGE.partition("## Formats")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    listed = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert listed == names(RESULTS)
    told = re.findall(r"^\| `.*? \| (.*) \|$", section, re.MULTILINE)
    assert told == list(dict.fromkeys(REPORTERS[name].meaning for name in listed))


def test_the_page_lists_the_inputs_of_the_action() -> None:
    section = PAGE.partition("## GitHub")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(.*?)` \| .* \|(.*?)\|$", section, re.MULTILINE)
    assert {name: default.strip(" `") for name, default in rows} == {
        name: one["default"] for name, one in ACTION["inputs"].items()
    }


def test_the_page_lists_the_options_of_the_plugin() -> None:
    section = PAGE.partition("## pytest")[2].partition("\n## ")[0]
    names = [row.name for row in settings_of(Place.PYTEST)]
    options = ["--gradcheck", *(f"--gradcheck-{name}" for name in names)]
    keys = ["gradcheck_files", *(f"gradcheck_{name}" for name in names)]
    for wanted, column in ((options, r"^\| `(--[\w-]+)"), (keys, r"^\|[^|]*\| `(\w+)` \|")):
        assert sorted(re.findall(column, section, re.MULTILINE)) == sorted(wanted)


def test_the_links_of_the_page_lead_somewhere() -> None:
    links = re.findall(r"\]\((?!http)(.*?)\)", PAGE)
    assert links
    assert all((ROOT / "docs" / link).exists() for link in links)


# --- the hook -------------------------------------------------------------------------------------


def test_the_hook_takes_expression_files_and_no_others() -> None:
    pattern = re.compile(HOOK["files"])
    assert [name for name in ("expressions/a.toml", "expressions/b/c.txt") if not pattern.search(name)] == []
    for name in ("pyproject.toml", "expressions/README.md", "docs/expressions/a.toml", "expressions/a.toml.orig"):
        assert not pattern.search(name)


def test_the_page_shows_the_hook_as_it_is() -> None:
    shown = [
        hook for kind, text in BLOCKS if kind == "yaml" and "hooks:" in text
        for repository in yaml.safe_load(text)["repos"] for hook in repository["hooks"]
    ]  # fmt: skip
    assert len(shown) == 2
    for hook in shown:
        assert (hook["id"], hook["files"]) == (HOOK["id"], HOOK["files"])
    (own,) = (hook for hook in shown if "entry" in hook)
    assert own["entry"].startswith(HOOK["entry"])
    assert own["require_serial"] is HOOK["require_serial"]


def test_no_release_without_the_command_is_pinned() -> None:
    """What stands behind @ or rev is a placeholder, which the page explains."""
    pinned = re.findall(
        r"(?:OWNER/gradcheck@|rev: )(\S+?)[\"\s]", PAGE + (ROOT / "docs" / "workflow.yml").read_text("utf-8")
    )
    assert len(pinned) >= 4
    assert set(pinned) == {"REF"}
    assert "## What to put for OWNER and REF" in PAGE


def test_the_hook_is_one_line_on_success_and_fails_on_failure(project: Path) -> None:
    good = "[[check]]\nname = '{0}'\nexpression = 'x**2'\nat = 3\n"
    for name in ("one", "it's two"):
        (project / f"{name}.toml").write_text(good.format(name.replace("'", "")), "utf-8")
    passed = bash(f"""{HOOK["entry"]} one.toml "it's two.toml" """, project)
    assert (passed.returncode, len(passed.stdout.splitlines())) == (0, 1)
    failed = bash(f"{HOOK['entry']} one.toml expressions/losses.toml", project)
    assert (failed.returncode, len(failed.stdout.splitlines())) == (1, 2)


# --- the action -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_script_is_bash_that_holds_no_text_of_a_workflow(name: str) -> None:
    assert subprocess.run(["bash", "-n", "-c", SCRIPTS[name]], check=False).returncode == 0
    assert "${{" not in SCRIPTS[name]


@pytest.mark.parametrize("one", STEPS, ids=[one["name"] for one in STEPS])
def test_every_script_names_its_shell(one: dict[str, Any]) -> None:
    assert one.get("shell") == ("bash" if "run" in one else None)


def test_every_input_is_read_and_described() -> None:
    assert set(re.findall(r"inputs\.([\w-]+)", yaml.safe_dump(STEPS))) == set(ACTION["inputs"])
    assert all(one["description"] and "default" in one for one in ACTION["inputs"].values())


def test_the_example_gives_inputs_that_there_are() -> None:
    for given in (EXAMPLE["with"], ACTION_OF_THE_PAGE):
        assert set(given) <= set(ACTION["inputs"])


def test_the_action_annotates_and_ends_as_the_command_does(project: Path) -> None:
    summary = project / "summary.md"
    made = step(
        "Check the gradients", project,
        WORDS="--assert -k 'mean or softplus' expressions\n 'known/soft'*.toml", GITHUB_STEP_SUMMARY=str(summary),
    )  # fmt: skip
    assert made.returncode == 1
    error, *rest, last = made.stdout.splitlines()
    place = "file=expressions/losses.toml,line=15,endLine=15,col=23,endColumn=29"
    assert error.startswith(f"::error {place},title=disagree%3A softplus::")
    assert rest == ["::notice title=gradcheck::1 with a failing verdict expected"]
    assert last.startswith("3 checks: 2 passed, 1 failed")
    assert "2 passed, 1 failed" in summary.read_text("utf-8")


ENDINGS = {"expressions -k mean": 0, "nowhere": 2, "expressions -k nothing": 5, "": 2, "it's": 1}


@pytest.mark.parametrize("words", ENDINGS)
def test_the_action_fails_unless_something_was_checked_and_passed(words: str, project: Path) -> None:
    assert step("Check the gradients", project, WORDS=words).returncode == ENDINGS[words]


def test_the_action_installs_what_it_is_told_to(tmp_path: Path) -> None:
    """Let a stand-in for Python say what it was called with: an installation takes minutes."""
    (tmp_path / "python").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n', "utf-8")
    (tmp_path / "python").chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    made = step("Install gradcheck", tmp_path, PATH=path, REQUIREMENT="gradcheck @ file:///a b")
    assert made.stdout.splitlines()[:3] == ["-m", "pip", "install"]
    assert made.stdout.splitlines()[-1] == "gradcheck @ file:///a b"
