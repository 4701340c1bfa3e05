"""Command lines, settings and expression files of strangers, drawn by a seed: `python fuzz/outside.py [KIND]`.

Each case runs in a process of its own, within a repository of its own, beside files that are none of its business.
Whatever it is, the command ends with an exit code for users, without a traceback, control characters or commands of a
log; a refusal takes less than five seconds, nothing takes more than two GiB, and nothing beside the repository changes.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # a process that has threads is not forked

SECONDS = 5.0
"""CPU seconds that a refusal may take."""
LIMIT = 60
"""CPU seconds after which a case is killed."""
MEMORY = 2 * 2**20
"""KiB."""
CODES = {0, 1, 2, 5}

ATOMS = ["x", "y", "z", "1", "2.5", "pi", "e", "inf", "1e400", "0.1", "x[0]", "θ", "x1", "nan", "0x1p-3", "1_000", "T"]
CALLS = [
    "sin",
    "exp",
    "log",
    "sqrt",
    "softplus",
    "relu",
    "sum",
    "mean",
    "softmax",
    "cumsum",
    "amax",
    "norm",
    "prod",
    "var",
    "sort",
    "elu",
    "leaky_relu",
    "clamp_max",
    "where",
    "maximum",
    "atan2",
    "cat",
    "stack",
    "reshape",
    "nothing",
    "sinc",
    "logsumexp",
    "transpose",
    "matmul",
    "round",
    "hardtanh",
    "gelu",
    "logsigmoid",
    "detach",
    "std",
    "remainder",
    "flip",
]
ODD = [
    "\x1b[31m",
    "\n::error::x",
    " ::warning::x",
    "##[error]x",
    "\x07",
    "\u202e",
    "\u2028",
    "\udcff",
    "\r",
    "\t",
    "\x9b2J",
    "é",
    "%0A",
]
POINTS = [
    "1",
    "-1",
    "0",
    "x=1",
    "x=2,y=3",
    "[1,2,3]",
    "x=[[1,2],[3,4]]",
    "x=-2:2:9",
    "0:1:100000",
    "x=randn(2,3)",
    "1e400",
    "inf",
    "-inf",
    "nan",
    "x=@secret.json",
    "x=@../secret.json",
    "x=@pipe.json",
    "x=@link.npy",
    "1/0",
    "2**99999",
    "",
    "x=1,x=2",
    "[[1],[2,3]]",
    "randn(3000000)",
    "[" * 40,
    "x=",
    "1,",
    "x=1e-400",
    "zeros(3)",
    "x=arange(0)",
    "0b1",
]
KEYS = [
    "exit-zero",
    "allow",
    "lf",
    "last-failed",
    "baseline",
    "output",
    "report",
    "emit-repro",
    "write-baseline",
    "graph",
    "timeout",
    "nondet",
    "at",
    "dtype",
    "device",
    "ulps",
    "seed",
    "assert",
    "all",
    "color",
    "verbose",
    "quiet",
    "format",
    "trust",
    "help",
    "version",
    "program",
    "paths",
    "wrt",
    "expect",
    "tool",
    "x",
    "\\u001b[31m",
    "\\n::error::x",
]
VALUES = [
    "true",
    "false",
    "1",
    "-1",
    "0x" + "f" * 2000,
    "1e999",
    "nan",
    "inf",
    '""',
    '"x"',
    '"float64"',
    '"../outside.txt"',
    "[]",
    "[1, 2]",
    '["kink", "disagree"]',
    "{}",
    "{a = 1}",
    "1979-05-27",
    '"\\u001b[2J"',
    '"\\n::error::x"',
    '"@../secret.json"',
    '"cuda:0"',
    '"hpu"',
    "[[[[1]]]]",
    '"x=[1,2]"',
    '"concise=../outside.txt"',
    '"1/0"',
    "'''\n::error::x'''",
]


@dataclass(frozen=True)
class Case:
    """A command, and the files of its repository."""

    words: list[str]
    files: dict[str, str] = field(default_factory=dict)


def program(draw: random.Random, depth: int = 3) -> str:
    """Draw a formula, which may be none."""
    if depth == 0 or draw.random() < 0.2:
        return draw.choice(ATOMS)
    parts = [program(draw, depth - 1) for _ in range(draw.choice([1, 1, 2, 2, 3]))]
    shape = draw.random()
    if shape < 0.5:
        more = draw.choice(
            ["", "", "", ", dim=0", ", 1", ", alpha=inf", ", p=inf", ", keepdim=True", ", dim=-7", ", None"]
        )
        return f"{draw.choice(CALLS)}({', '.join(parts)}{more})"
    if shape < 0.9:
        return f"({draw.choice([' + ', '*', '/', '**', ' - ', '@', ' > ', '%']).join(parts)})"
    if shape < 0.95:
        return f"y = {parts[0]}; {parts[-1]}"
    return parts[0] + draw.choice(
        [*ODD, "(", "]", ";", "'", "lambda: 1", ".T", "[1:]", ".sum()", " if x else y", "!", "x" * 300]
    )


def command(draw: random.Random) -> Case:
    """Draw a command line."""
    word = draw.choice(["", "", "", "explain", "functions", "batch", "selftest"])
    words = [word] if word else []
    if word == "selftest":
        return Case([*words, draw.choice(["-k", "--format", "--bogus"]), draw.choice(["no such fault", *ODD])])
    words += ["--collect-only"] if word == "batch" else []
    words.append(
        program(draw)
        if word != "batch"
        else draw.choice(["a.toml", "missing.toml", "*.toml", ".", "link.txt", "-", *ODD])
    )
    options = {
        "--at": POINTS,
        "--dtype": ["float16", "bfloat16", "float64,float32", "float31", *ODD],
        "--ulps": ["1", "-1", "nan", *ODD],
        "--device": ["cpu", "hpu", "cuda", "meta", *ODD],
        "--seed": ["0", "-1", "9" * 30],
        "--format": ["json", "junit", *ODD],
        "--wrt": ["x", "y", ",", *ODD],
        "--expect": ["1", "x=2*x", "2x", *ODD],
        "--allow": ["kink", "wrong", *ODD],
        "--output": ["out.txt", "link.txt", "../outside/new.txt", "nowhere/x", *ODD],
        "-k": ["a and", "(", *ODD],
        "--timeout": ["10", "-1", "nan", "0.001"],
        "--emit-repro": ["r.py", "link.txt", *ODD],
        "--report": ["junit=r.xml", "x=y", *ODD],
        "--baseline": ["b.json", "link.txt", "pipe.json", *ODD],
        "--nondet": ["1", "-1"],
        "--color": ["never", *ODD],
        "--shard": ["1/2", "3/2", *ODD],
        "--graph": ["g.svg", "g.xyz", "link.txt", *ODD],
        "--freeze": ["x", *ODD],
    }
    if word != "batch" and draw.random() < 0.8:
        words += ["--at", draw.choice(POINTS)]
    for option in draw.sample(list(options), draw.choice([0, 0, 1, 1, 2])):
        words += [option, draw.choice(options[option])]
    words += draw.sample(
        ["-q", "-v", "--all", "--assert", "--exit-zero", "--no-assert", f"--{draw.choice(ODD)}"], draw.choice([0, 0, 1])
    )
    if word in {"", "explain"} and "--timeout" not in words:
        words += ["--timeout", "5"]
    return Case(words)


def settings(draw: random.Random) -> Case:
    """Draw a file of settings."""
    lines = [f"{_key(draw)} = {draw.choice(VALUES)}" for _ in range(draw.choice([1, 1, 2, 3]))]
    name = draw.choice(["gradcheck.toml", "pyproject.toml"])
    head = draw.choice(["[tool.gradcheck]\n", "tool.gradcheck = 1\n", "[tool]\n"]) if name == "pyproject.toml" else ""
    text = head + "\n".join(lines)
    if draw.random() < 0.1:
        text = draw.choice(["a = [", "\x00", "[" * 3000, "#" * 1_000_001, '"' * 50, "a.b." * 5000 + "c = 1"]) + text
    return Case(
        draw.choice([["x**2", "--at", "3"], ["explain", "x**2", "--at", "1"], ["batch", "a.toml", "--collect-only"]]),
        {name: text},
    )


def _key(draw: random.Random) -> str:
    key = draw.choice(KEYS)
    return f'"{key}"' if not key.replace("-", "").isalnum() else key


def file(draw: random.Random) -> Case:
    """Draw an expression file, which may be large."""
    kind = draw.random()
    if kind < 0.2:
        text = "".join(
            f"{program(draw)}{draw.choice(['', '', draw.choice(ODD)])}\n" for _ in range(draw.choice([1, 10, 3000]))
        )
        return Case(["batch", "f.txt", "--collect-only", "--at", draw.choice(POINTS)], {"f.txt": text})
    if kind < 0.35:
        return Case(["batch", "f.toml", "--collect-only"], {"f.toml": _large(draw)})
    keys = [
        "name",
        "at",
        "dtype",
        "ulps",
        "allow",
        "expect",
        "why",
        "timeout",
        "wrt",
        "seed",
        "device",
        "source",
        "nondet",
    ]
    text = "[define]\n" + f'"f(x)" = {_toml(program(draw))}\n' * draw.choice([0, 1])
    for _ in range(draw.choice([1, 3, 40])):
        lines = [
            f"{draw.choice([*keys, _key(draw)])} = {draw.choice([*VALUES, _toml(draw.choice(POINTS))])}"
            for _ in range(draw.choice([0, 1, 2]))
        ]
        text += (
            "[[check]]\n"
            + "\n".join([f"expression = {_toml(program(draw))}", f"at = {_toml(draw.choice(POINTS))}", *lines])
            + "\n"
        )
    at = draw.randrange(len(text))
    if draw.random() < 0.3:
        text = (
            text[:at]
            + draw.choice(["\x00", '"', "[", "]", "\n", "\x1b", "::", "'''", "\udcff"])
            + text[at + draw.randrange(5) :]
        )
    return Case(["batch", "f.toml", "--collect-only", *draw.choice([[], ["--trust"], ["-k", "x"]])], {"f.toml": text})


def _toml(text: str) -> str:
    return (
        '"'
        + "".join(c if c.isalnum() or c in " +-*/()=<>[],.@:_%;" else f"\\U{min(ord(c), 0xD7FF):08x}" for c in text)
        + '"'
    )


def _doubled(k: int) -> str:
    return f'"f{k}(x)" = "f{k + 1}(x) + f{k + 1}(x)"\n'


def _large(draw: random.Random) -> str:
    head = "[[check]]\nexpression = '{}'\nat = {}\n"
    many = draw.choice([1_000, 50_000])
    return draw.choice(
        [
            lambda: head.format("sum(x)", f"[{'0.125,' * many * 10}]"),
            lambda: head.format("x", "'0:1:100000'") * 20,
            lambda: head.format("x*y", "['x=0:1:300', 'y=0:1:300']") * 9,
            lambda: head.format("2x", 1) * many,
            lambda: head.format("sum(x)", "'randn(2000000)'") * 90,
            lambda: head.format("sin(" * 90 + "x" + ")" * 90, 1) * (many // 10),
            lambda: head.format("+".join(["x"] * 3000), 1) * (many // 50),
            lambda: "".join(f"[a{k}]\n" for k in range(many * 8)),
            lambda: f"[define]\n{''.join(map(_doubled, range(900)))}{head.format('f0(x)', 1)}",
            lambda: "# x\n" * many * 20,
            lambda: "a = " + "[" * many,
            lambda: head.format("x", "'1e4000:1:1000'") * 400,
        ]
    )()[: 5 * 2**20]


KINDS: dict[str, Callable[[random.Random], Case]] = {"commands": command, "settings": settings, "files": file}

# --- running them -------------------------------------------------------------------------------------------------


def run(case: Case, place: Path) -> list[str]:
    """Return what is wrong with how a case ends."""
    tree = _prepare(case, place)
    before = _snapshot(place)
    streams = {name: os.memfd_create(name) for name in ("out", "err")}
    child = os.fork()
    if child == 0:
        _work(case, tree, *streams.values())
    _, status, usage = os.wait4(child, 0)
    texts = {name: os.pread(file, 2**24, 0).decode("utf-8", "replace") for name, file in streams.items()}
    for one in streams.values():
        os.close(one)
    found = [*_codes(status, texts), *_shown(texts, "github" in case.words)]
    seconds = usage.ru_utime + usage.ru_stime
    if os.waitstatus_to_exitcode(status) == 2 and seconds > SECONDS:
        found.append(f"the refusal took {seconds:.1f} s")
    if usage.ru_maxrss > MEMORY:
        found.append(f"it took {usage.ru_maxrss // 1024} MiB")
    if (after := _snapshot(place)) != before:
        found.append(f"beside the repository changed {sorted(set(after.items()) ^ set(before.items()))[:3]}")
    return found


def _prepare(case: Case, place: Path) -> Path:
    shutil.rmtree(place, ignore_errors=True)
    tree = place / "repository"
    (tree / ".git").mkdir(parents=True)
    (place / "outside").mkdir()
    (place / "secret.json").write_text("[1, 2]", "utf-8")
    (tree / "a.toml").write_text('[[check]]\nname = "a"\nexpression = "x"\nat = 1\n', "utf-8")
    for name in ("link.txt", "link.npy"):
        (tree / name).symlink_to(place / "secret.json")
    os.mkfifo(tree / "pipe.json")
    for name, text in case.files.items():
        (tree / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    return tree


def _snapshot(place: Path) -> dict[str, tuple[int, int]]:
    """Return what lies beside the repository; what the words themselves name there may be written."""
    kept = (
        path for path in place.rglob("*") if not path.is_relative_to(place / "repository") and path.name != "new.txt"
    )
    return {str(path): (path.lstat().st_size, path.lstat().st_mtime_ns) for path in kept if path.is_file()}


def _work(case: Case, tree: Path, out: int, err: int) -> None:
    import resource

    code = 99
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(err, 2)
        os.chdir(tree)
        resource.setrlimit(resource.RLIMIT_CPU, (LIMIT, LIMIT))
        from gradcheck import __main__ as command_line
        from gradcheck.streams import guard

        sys.stdout, sys.stderr = (open(one, "w", encoding="utf-8", closefd=False) for one in (1, 2))  # noqa: SIM115
        guard()
        code = command_line.run_apart(lambda: command_line._whole(case.words))
    finally:
        os._exit(code)


def _codes(status: int, texts: dict[str, str]) -> Iterator[str]:
    code = os.waitstatus_to_exitcode(status)
    if code not in CODES:
        yield f"it ended with {code}: {texts['err'][:300]!r}"
    if "Traceback" in "".join(texts.values()):
        yield "there is a traceback"


def _shown(texts: dict[str, str], commands: bool) -> Iterator[str]:
    for name, text in texts.items():
        if found := re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", text):
            yield f"standard {name} holds {found[0]!r}"
        if not commands and re.search(r"^\s*::", text, re.MULTILINE):
            yield f"a line of standard {name} is a command"


def main() -> None:
    """Run so many cases of each kind, and end with 1 where anything is wrong."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("kinds", nargs="*", default=list(KINDS), metavar="KIND", help=", ".join(KINDS))
    options.add_argument("--count", type=int, default=1_000)
    options.add_argument("--seed", type=int, default=0)
    asked = options.parse_args()
    import gradcheck.case
    import gradcheck.cli
    import gradcheck.explanation
    import gradcheck.report.table  # noqa: F401 - loaded once, for all that are forked

    wrong = 0
    with tempfile.TemporaryDirectory() as scratch:
        for kind in asked.kinds:
            start = time.monotonic()
            for k in range(asked.seed, asked.seed + asked.count):
                case = KINDS[kind](random.Random(f"{kind} {k}"))
                for problem in run(case, Path(scratch) / "place"):
                    wrong += 1
                    print(
                        f"{kind} {k}: {problem}\n  {case.words!r}\n  {[text[:300] for text in case.files.values()]!r}",
                        flush=True,
                    )
            print(
                f"{kind}: {asked.count} of seed {asked.seed} in {time.monotonic() - start:.0f} s, {wrong} wrong so far",
                flush=True,
            )
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
