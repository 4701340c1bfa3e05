"""Files as values: ``.npy`` and ``.json``."""

from __future__ import annotations

import json
import stat
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from gradcheck.errors import FileProblem, GradcheckError, LimitProblem, Option
from gradcheck.points.limits import MAX_FILE_BYTES, MAX_NESTING, Files, Session
from gradcheck.points.numbers import literal
from gradcheck.points.objects import check_dtype, from_array, from_object
from gradcheck.points.value import Exact
from gradcheck.points.words import about, short
from gradcheck.program import Shape
from gradcheck.quiet import quiet
from gradcheck.tree import refuse_link

if TYPE_CHECKING:
    from gradcheck.points.value import Floats


def from_file(name: str, session: Session) -> tuple[Shape, tuple[Exact, ...] | Floats]:
    """Return the numbers of a file; whatever is wrong with it becomes one line."""
    if session.files is Files.NONE:
        raise FileProblem("a point of an expression file reads no other file", hint=("allow it with ", Option("trust")))
    if "\0" in name:
        raise FileProblem(f"cannot read `{short(name)}`: no such file or directory")
    read = {".npy": _from_npy, ".json": _from_json}.get(Path(name).suffix.lower())
    if read is None:
        raise FileProblem(f"cannot read `{short(name)}`: a point is an .npy or .json file")
    try:
        path = session.directory / name
        if session.files is Files.INSIDE and not path.resolve().is_relative_to(session.directory.resolve()):
            raise FileProblem("outside the directory of the expression file")
        refuse_link(path)
        if session.files is Files.INSIDE:
            refuse_link(path, session.directory)
        _check_file(path)
        return read(path, session)
    except GradcheckError as error:
        raise about(f"`{short(name)}`", error) from None
    except OSError as error:
        raise FileProblem(f"cannot read `{short(name)}`: {(error.strerror or 'input/output error').lower()}") from None
    except RecursionError:
        raise LimitProblem(f"`{short(name)}`: a tensor has at most {MAX_NESTING} dimensions") from None
    except Exception:  # the parsers of both formats raise whatever strange bytes provoke
        raise FileProblem(f"cannot read `{short(name)}`: it is not a valid {Path(name).suffix.lower()} file") from None


def _check_file(path: Path) -> None:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise FileProblem("not a file")
    if status.st_size > MAX_FILE_BYTES:
        raise LimitProblem(f"a file has at most {MAX_FILE_BYTES:,} bytes; this one has {status.st_size:,}")


def _from_npy(path: Path, session: Session) -> tuple[Shape, tuple[Exact, ...] | Floats]:
    from numpy.lib import format as npy

    headers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    with path.open("rb") as file, quiet():  # headers from Python 2 are read with a warning
        shape, _, dtype = headers[npy.read_magic(file)](file)
        session.tensor(shape)  # before the data is read, so that a header cannot ask for terabytes
        check_dtype(dtype)
        file.seek(0)
        return shape, from_array(npy.read_array(file, allow_pickle=False))


def _from_json(path: Path, session: Session) -> tuple[Shape, tuple[Exact, ...] | Floats]:
    def number(text: str) -> Fraction:
        return -literal(text[1:], session) if text.startswith("-") else literal(text, session)

    with path.open("rb") as file:
        return from_object(json.loads(file.read(MAX_FILE_BYTES), parse_float=number, parse_int=number), session)
