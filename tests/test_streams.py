"""What leaves on the standard streams: in any encoding, for any format, and nothing that a terminal or a log obeys."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from xml.etree import ElementTree

import pytest

from gradcheck.exits import Exit
from gradcheck.streams import COMMANDS, JSON, TEXT, XML, Form, Stream, _ascii

PROGRAM = "where(θ > 0, sqrt(θ), 0*θ)"
ENCODINGS = ["ascii", "latin-1", "cp1252", "cp437", "utf-8", "utf-16-le"]


def gradcheck(encoding: str, *words: str) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    return subprocess.run(
        [sys.executable, "-m", "gradcheck", *words], env=environment, capture_output=True, check=False, timeout=120
    )


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_encoding_shows_a_whole_report(encoding: str) -> None:
    made = gradcheck(encoding, PROGRAM, "--at", "-4,4", "--format", "table")
    assert (made.returncode, made.stderr) == (Exit.FAIL, b"")
    lines = made.stdout.decode(encoding).splitlines()
    assert [word for line in lines if "agree" in line for word in line.split() if word in ("+", "x", "✓", "✗")]
    assert lines[-1].startswith("1 agree, 1 disagree ")


@pytest.mark.parametrize("form", ["json", "junit", "sarif", "markdown"])
def test_documents_are_whole_in_an_encoding_without_their_signs(form: str) -> None:
    raw = gradcheck("cp1252", PROGRAM, "--at", "-4", "--format", form).stdout
    if form in ("json", "sarif"):
        assert "θ" in json.dumps(json.loads(raw), ensure_ascii=False)
    if form == "junit":
        assert "θ" in "".join(ElementTree.fromstring(raw).itertext())
    assert raw.decode("cp1252").isascii() or form == "markdown"


def test_an_explanation_and_the_list_of_functions_come_in_any_encoding() -> None:
    for words in (
        ["explain", "y = θ**2; sum(y)", "--at", "[1,2]"],
        ["functions"],
        ["--help"],
        ["explain", "θ(", "--at", "1"],
    ):
        made = gradcheck("ascii", *words)
        assert made.returncode in (Exit.PASS, Exit.USAGE), made.stderr
        assert made.stdout + made.stderr


# --- the stream itself --------------------------------------------------------------------------------------------


def written(*texts: str, encoding: str = "utf-8", form: Form = TEXT, coloured: bool = False) -> str:
    raw = io.BytesIO()
    stream = Stream(io.TextIOWrapper(raw, encoding))
    with stream.taking(form, coloured=coloured):
        for text in texts:
            stream.write(text)
        stream.flush()
        return raw.getvalue().decode(encoding)


@pytest.fixture(autouse=True)
def _handler() -> None:
    import codecs

    codecs.register_error("gradcheck.ascii", _ascii)


HARMLESS = [
    (["::error::x\n"], ": :error::x\n"),
    (["  ::error::x\n\t::x"], "  : :error::x\n\t: :x"),
    (["a ::error::x\n"], "a ::error::x\n"),
    (["a", "::error::x\n"], "a::error::x\n"),
    (["  ", "::error::x\n"], "  : :error::x\n"),
    (["a\n", "::x", "\n", " ", "::y"], "a\n: :x\n : :y"),
    (["\u2003\xa0::x"], "\u2003\xa0: :x"),
    (["##[error]x ##vso[task] # ##"], "# #[error]x # #vso[task] # ##"),
    (["\x1b[31m\x00\x85\r\x9b"], "�[31m����"),
]


@pytest.mark.parametrize(("texts", "shown"), HARMLESS)
def test_a_text_is_harmless(texts: list[str], shown: str) -> None:
    assert written(*texts) == shown


def test_a_format_keeps_its_meaning() -> None:
    assert json.loads(written('"a ##[b"', form=JSON)) == "a ##[b"
    assert ElementTree.fromstring(written("<a>\n ::b ##[c</a>", form=XML)).text == "\n ::b ##[c"
    assert written("::error::x\n", form=COMMANDS) == "::error::x\n"
    assert written("\x1b[31mred\x1b[0m\x1b[2J", coloured=True) == "\x1b[31mred\x1b[0m�[2J"


def test_signs_without_a_spelling_are_written_by_number() -> None:
    assert written("✗ ─│┼ θ≈𝒳", encoding="ascii") == "x -|+ \\u03b8~\\ud835\\udcb3"
    assert json.loads(written('"θ𝒳"', encoding="ascii", form=JSON)) == "θ𝒳"
    assert written("\udcff", encoding="utf-8") == "\\udcff"
