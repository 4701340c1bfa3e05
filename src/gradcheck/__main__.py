"""The entry point: exit codes for whatever happens, and a quick start and end."""

from __future__ import annotations

import gc
import os
import re
import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line on ``sys.argv`` and leave with its exit code."""
    # Loading torch makes a million objects that all stay: looking for garbage among them costs a third of the start.
    gc.disable()
    sys.stdin = sys.stdin or open(os.devnull, encoding="utf-8")  # noqa: SIM115 - Python has None for a closed stream
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    code = run(sys.argv[1:])
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            pass  # whoever read the output has seen enough
        except (OSError, ValueError):
            code = code or 1
    if "gradcheck.batch" in sys.modules:
        sys.modules["gradcheck.batch"].clean_up()
    # Nothing is left to be saved, and taking torch down in order would cost as much as a check.
    os._exit(code)


def run(argv: list[str]) -> int:
    """Return the exit code of the command with these arguments."""
    from gradcheck.errors import GradcheckError
    from gradcheck.settings import Exit

    try:
        return _dispatch(argv)
    except SystemExit as leave:
        code = leave.code if isinstance(leave.code, int) else int(leave.code is not None)
        if code == Exit.INTERRUPTED:  # typer turns Ctrl-C into a silent exit
            print("gradcheck: interrupted", file=sys.stderr)
        return code
    except GradcheckError as problem:
        print(f"gradcheck: {problem}", file=sys.stderr)
        return Exit.USAGE
    except KeyboardInterrupt:
        print("gradcheck: interrupted", file=sys.stderr)
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has seen enough; what is still buffered must not be flushed at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.PASS
    except OSError as problem:
        print(f"gradcheck: cannot write the report: {problem.strerror or problem}", file=sys.stderr)
        return Exit.USAGE
    except Exception as problem:
        if os.environ.get("GRADCHECK_TRACEBACK"):
            raise
        print(
            f"gradcheck: internal error: {type(problem).__name__}: {problem}\n"
            "this is a fault of gradcheck, not of your program; GRADCHECK_TRACEBACK=1 shows where",
            file=sys.stderr,
        )
        return Exit.INTERNAL


def _dispatch(argv: list[str]) -> int:
    from gradcheck import cli

    if argv and argv[0] in cli.COMMANDS:
        words = with_program_apart(argv[1:]) if argv[0] in cli.PROGRAMS else argv[1:]
        app, name = cli.COMMANDS[argv[0]], f"gradcheck {argv[0]}"
    else:
        app, words, name = cli.checker, with_program_apart(argv), "gradcheck"
    app(words, prog_name=name, default_map=cli.settings_for(app))
    return 0


def with_program_apart(argv: list[str]) -> list[str]:
    """Return the arguments with a program that begins with a minus behind ``--``, where no option is looked for.

    >>> with_program_apart(["-x**2", "--at", "2"])
    ['--at', '2', '--', '-x**2']
    """
    rest: list[str] = []
    words = iter(argv)
    for word in words:
        if word == "--":
            return [*rest, word, *words]
        if word in FLAGS or word == "-" or re.match(r"[^-]|--[a-z]|$", word):
            rest.append(word)
            if word in VALUED:
                rest.extend([value for value in [next(words, None)] if value is not None])
        elif word.startswith("-o") or set(word[1:]) <= {"q", "v"}:
            rest.append(word)
        else:
            return [*rest, *words, "--", word]
    return rest


VALUED = frozenset({
    "--at", "--dtype", "--device", "--wrt", "--expect", "--ulps", "--seed", "--format", "--output", "-o", "--color",
    "--allow", "--nondet", "--emit-repro", "--report", "--freeze", "--graph",
})  # fmt: skip
"""Options that take the next word, whatever it begins with."""
FLAGS = frozenset({"-q", "-v", "-h", "-o"})

if __name__ == "__main__":
    main()
