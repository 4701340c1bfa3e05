"""The entry point: exit codes for whatever happens, and a quick start and end."""

from __future__ import annotations

import gc
import os
import re
import sys
from io import StringIO
from typing import NoReturn

from gradcheck.apart import run_apart
from gradcheck.errors import GradcheckError, visible
from gradcheck.exits import Exit
from gradcheck.memory import DEFAULT_MEMORY, out_of_memory, tells_of_memory
from gradcheck.streams import guard


def main() -> NoReturn:
    """Run the command line on ``sys.argv`` and leave with its exit code."""
    # Loading torch makes a million objects that all stay: looking for garbage among them costs a third of the start.
    gc.disable()
    sys.stdin = sys.stdin or open(os.devnull, encoding="utf-8")  # noqa: SIM115 - Python has None for a closed stream
    guard()
    argv = sys.argv[1:]
    try:
        # These have workers of their own, and the signals that are for them.
        code = _whole(argv) if argv[:1] in (["batch"], ["nest"]) else run_apart(lambda: _whole(argv))
    except KeyboardInterrupt:
        code = _interrupted()
    os._exit(code)  # nothing is left to be saved, and taking torch down in order would cost as much as a check


def _whole(argv: list[str]) -> int:
    """Return the exit code of the command when all that it printed is out, and nothing of it is left."""
    try:
        code = run(argv)
    except Exception:  # GRADCHECK_TRACEBACK asks for it
        sys.excepthook(*sys.exc_info())
        code = Exit.INTERNAL
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            pass  # whoever read the output has seen enough
        except (OSError, ValueError):
            code = code or Exit.FAIL
    if "gradcheck.batch" in sys.modules:
        sys.modules["gradcheck.batch"].clean_up()
    if "gradcheck.scratch" in sys.modules:
        sys.modules["gradcheck.scratch"].remove(os.getpid())
    return code


def run(argv: list[str]) -> int:
    """Return the exit code of the command with these arguments."""
    try:
        return _dispatch(argv)
    except GradcheckError as problem:
        _complain(str(problem))
        return Exit.USAGE
    except KeyboardInterrupt:
        return _interrupted()
    except SystemExit as ended:  # typer's own way out, of completion
        return int(ended.code or 0)
    except BrokenPipeError:
        # Whoever read the output has seen enough; what is still buffered must not be flushed at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.PASS
    except Exception as problem:
        if os.environ.get("GRADCHECK_TRACEBACK"):
            raise
        return _unforeseen(problem)


def _unforeseen(problem: Exception) -> int:
    """Say what no part of gradcheck foresaw, and return the exit code: there may merely be no memory left."""
    words = f"{type(problem).__name__}: {problem}"
    if tells_of_memory(words):
        _complain(out_of_memory(DEFAULT_MEMORY))
        return Exit.FAIL
    _complain(
        f"internal error: {words}\nthis is a fault of gradcheck, not of your program; GRADCHECK_TRACEBACK=1 shows where"
    )
    return Exit.INTERNAL


def _complain(words: str) -> None:
    """Say what is wrong; no terminal obeys a character of it."""
    print(visible(f"gradcheck: {words}"), file=sys.stderr)


def _interrupted() -> int:
    _complain("interrupted")
    return Exit.INTERRUPTED


def _dispatch(argv: list[str]) -> int:
    """Return the exit code of a command; what is wrong with the words themselves is said by typer."""
    from gradcheck import cli

    if os.environ.get("_GRADCHECK_COMPLETE"):
        from gradcheck.cli.completion import complete

        return complete()
    if not argv:
        print(cli.overview(), file=sys.stderr)
        return Exit.USAGE
    if argv[0] in cli.COMMANDS:
        words = with_program_apart(argv[1:]) if cli.takes_program(argv[0]) else argv[1:]
        name, shown = argv[0], f"gradcheck {argv[0]}"
    else:
        name, words, shown = cli.CHECK, with_program_apart(argv), "gradcheck"
    project = cli.project_of(name)
    for remark in () if project is None else project.aside:
        _complain(f"{remark}; it is left alone here")
    try:
        code = cli.command(name)(words, prog_name=shown, obj=project, standalone_mode=False)
    except Exception as problem:
        if not hasattr(problem, "show"):
            raise
        said = StringIO()
        problem.show(said)
        print(visible(said.getvalue().rstrip("\n")), file=sys.stderr)
        return int(getattr(problem, "exit_code", Exit.USAGE))
    if code == Exit.INTERRUPTED:  # so typer returns Ctrl-C
        return _interrupted()
    return code if isinstance(code, int) else 0


def with_program_apart(argv: list[str]) -> list[str]:
    """Return the arguments with a program that begins with a minus behind ``--``, where no option is looked for.

    A word such as ``-ofile`` is the option with its file where there is a program, and else the program itself.

    >>> with_program_apart(["-x**2", "--at", "2"]), with_program_apart(["-omega**2", "--at", "2"])
    (['--at', '2', '--', '-x**2'], ['--at', '2', '--', '-omega**2'])
    >>> with_program_apart(["-omega.txt", "x**2", "--at", "2"])
    ['-omega.txt', 'x**2', '--at', '2']
    """
    from gradcheck.settings.table import flags, valued

    rest: list[str] = []
    doubtful: list[int] = []
    program = False
    words = iter(argv)
    for word in words:
        if word == "--":
            return [*rest, word, *words]
        if word in (*flags(), *valued(), "-h", "-V", "-") or re.match(r"[^-]|--[a-z]|$", word):
            program = program or word in ("", "-") or not word.startswith("-")
            rest.append(word)
            if word in valued():
                rest.extend([value for value in [next(words, None)] if value is not None])
        elif word.startswith("-o") or set(word[1:]) <= {"q", "v"}:
            doubtful += [len(rest)] if word.startswith("-o") else []
            rest.append(word)
        else:
            return [*rest, *words, "--", word]
    if doubtful and not program:
        word = rest.pop(doubtful[0])
        return [*rest, "--", word]
    return rest


if __name__ == "__main__":
    main()
