"""The tables of verdicts and causes are the one place that names them: schemas and pages say what these say."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import pytest

from gradcheck.blame import Cause
from gradcheck.corpus.schema import SCHEMAS as MADE
from gradcheck.report import diagnostic, tones
from gradcheck.verdict import Passes, Tone, Verdict

ROOT = Path(__file__).parent.parent
SCHEMAS = Path(str(files("gradcheck") / "schema"))
QUOTED = r'"[\w-]+"'


def listed(words: list[str], indent: str) -> str:
    """Return words as the list of a schema, five a line where there are many."""
    quoted = [f'"{word}"' for word in words]
    lines = [", ".join(quoted[k : k + 5]) for k in range(0, len(quoted), 5)]
    return (
        f"[{', '.join(quoted)}]"
        if len(words) <= 10
        else f"[\n{indent}  " + f",\n{indent}  ".join(lines) + f"\n{indent}]"
    )


def schema(text: str) -> str:
    """Return a schema with the words of the tables wherever it has a list of verdicts or causes."""
    for words in ([*Verdict], [*Cause]):
        found = rf'( *)("\w+": (?:\{{)?(?:"enum": )?)\[\s*"{words[0]}",\s*"{words[1]}",[^\]]*\]'
        for at in reversed(list(re.finditer(found, text))):
            text = f"{text[: at.start()]}{at[1]}{at[2]}{listed(words, at[1])}{text[at.end() :]}"
    count = '{"$ref": "#/$defs/count"}'
    counts = ",\n".join(f'        "{verdict}": {count}' for verdict in Verdict)
    return re.sub(rf"( *{QUOTED}: {re.escape(count)},?\n)+", lambda _: f"{counts}\n", text)


def readme(text: str) -> str:
    """Return the README with the table of verdicts."""
    rows = "".join(f"| `{one}` | {one.sentence} | {one.passes.exit} |\n" for one in Verdict)
    return re.sub(r"(\| verdict \| meaning \| exit \|\n\|---\|---\|---\|\n)(\|.*\n)+", lambda at: at[1] + rows, text)


def verdicts(text: str) -> str:
    """Return the page of verdicts and causes with what the tables say of each, below its title."""
    meanings = {f"verdict `{one}`": f"{one.meaning}. Exit code {one.passes.exit}." for one in Verdict}
    meanings |= {f"cause `{one}`": one.sentence for one in Cause}
    for title, words in meanings.items():
        said = (words[0].upper() + words[1:]).replace("``", "`")
        before, heading, after = text.partition(f"### The {title}\n\n")
        text = f"{before}{heading}{said}\n{after.partition(chr(10))[2]}" if heading else text
    return text


def ci(text: str) -> str:
    """Return the page on builds with the verdicts that fail an assertion."""
    *most, last = (f"`{verdict}`" for verdict in Verdict if verdict.unproven)
    return re.sub(r"(most builds want: )[^.]*", lambda at: f"{at[1]}{', '.join(most)} and {last}", text)


WRITTEN = [
    *((path, schema) for path in sorted(SCHEMAS.glob("*.json")) if path.name.partition(".")[0] not in MADE),
    (ROOT / "README.md", readme),
    (ROOT / "docs" / "ci.md", ci),
    (ROOT / "docs" / "verdicts.md", verdicts),
]


@pytest.mark.parametrize(("path", "written"), WRITTEN, ids=[path.name for path, _ in WRITTEN])
def test_schemas_and_pages_say_what_the_tables_say(path: Path, written: object, request: pytest.FixtureRequest) -> None:
    assert callable(written)
    text = path.read_text("utf-8")
    if request.config.getoption("--update-golden"):
        path.write_text(written(text), "utf-8")
    assert path.read_text("utf-8") == written(text)


def test_every_verdict_and_every_cause_stands_in_what_is_written() -> None:
    texts = {path.name: path.read_text("utf-8") for path, _ in WRITTEN}
    for word in Verdict:
        assert f"| `{word}` |" in texts["README.md"]
        assert texts["report.schema.json"].count(f'"{word}"') >= 3
        assert f"The verdict `{word}`" in texts["verdicts.md"]
    for cause in Cause:
        assert f"The cause `{cause}`" in texts["verdicts.md"]


@pytest.mark.parametrize("verdict", Verdict)
def test_a_row_does_not_contradict_itself(verdict: Verdict) -> None:
    assert verdict.sentence.endswith(".")
    assert not verdict.meaning.endswith(".")
    assert verdict.right or verdict.passes is not Passes.ALWAYS
    assert verdict.fails == (verdict.tone is Tone.BAD)
    assert verdict.blamed or not verdict.mended
    assert verdict in tones.STYLES
    assert verdict.signed.endswith(f" {verdict}")


def test_rules_of_verdicts_are_no_causes() -> None:
    assert not {diagnostic.code_of(verdict) for verdict in Verdict if verdict.passes is not Passes.ALWAYS} & {*Cause}
