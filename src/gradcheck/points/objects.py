"""Python objects as values: numbers, nested lists, arrays, and whatever has ``tolist``."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from gradcheck.errors import LimitProblem, PointProblem
from gradcheck.points.cursor import Cursor
from gradcheck.points.limits import MAX_AT_LENGTH, MAX_ELEMENTS, MAX_NESTING, Session
from gradcheck.points.numbers import read_number
from gradcheck.points.value import Exact, frozen
from gradcheck.points.words import ragged
from gradcheck.program import Shape

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gradcheck.points.value import Floats


def from_object(obj: Any, session: Session) -> tuple[Shape, tuple[Exact, ...] | Floats]:
    """Return the shape and the numbers of an object.

    >>> from_object([[1, 0.5]], Session())
    ((1, 2), (Fraction(1, 1), Fraction(1, 2)))
    """
    shape = getattr(obj, "shape", None)
    if isinstance(shape, tuple):
        session.tensor(shape)
    if _is_array(obj):
        check_dtype(obj.dtype)
        return obj.shape, from_array(obj)
    flat: list[Exact] = []
    shape = _flatten(obj, flat, session)
    session.tensor(shape)
    return shape, _compact(flat)


def _is_array(obj: Any) -> bool:
    """Tell whether this is a NumPy array of numbers, without importing NumPy for what is none."""
    if type(obj).__module__ != "numpy":
        return False
    import numpy as np

    return isinstance(obj, np.ndarray) and obj.dtype.kind != "O"


def check_dtype(dtype: np.dtype[Any]) -> None:
    """Raise PointProblem for an array of what is no number, or wider than float64."""
    if dtype.kind not in "fiu" or dtype.itemsize > 8:
        raise PointProblem(f"a point is made of integers or floats up to float64, not {dtype.name}")


def from_array(array: NDArray[Any]) -> tuple[Exact, ...] | Floats:
    """Return the elements in row-major order; integers that float64 cannot hold stay exact.

    >>> import numpy
    >>> from_array(numpy.array([1, 2])), from_array(numpy.array([2**60 + 1]))
    (array([1., 2.]), (Fraction(1152921504606846977, 1),))
    """
    import numpy as np

    flat = np.asarray(array).ravel()
    if flat.dtype.kind in "iu" and max(abs(int(flat.min())), abs(int(flat.max()))) > 2**53:
        return tuple(map(Fraction, flat.tolist()))
    return frozen(flat)


def _flatten(obj: Any, flat: list[Exact], session: Session, depth: int = 0) -> Shape:
    """Append the numbers of nested lists to ``flat`` and return their shape."""
    if hasattr(obj, "tolist"):
        obj = _to_list(obj)
    if not isinstance(obj, list | tuple):
        flat.append(_to_exact(obj, session))
        return ()
    if depth >= MAX_NESTING:
        raise LimitProblem(f"a tensor has at most {MAX_NESTING} dimensions")
    if not obj:
        raise PointProblem("a tensor needs at least one element")
    shape = None
    for part in obj:
        other = _flatten(part, flat, session, depth + 1)
        if shape not in (None, other):
            raise PointProblem(ragged(shape or (), other))
        if len(flat) > MAX_ELEMENTS:
            raise LimitProblem(f"a tensor has at most {MAX_ELEMENTS:,} elements")
        shape = other
    return (len(obj), *(shape or ()))


def _to_list(obj: Any) -> object:
    try:
        return obj.tolist()
    except Exception as error:  # the user's object may raise anything: a sparse or meta tensor, for one
        raise PointProblem(f"a {type(obj).__name__} that gives no list of numbers") from error


def _to_exact(obj: object, session: Session) -> Exact:
    if isinstance(obj, str):
        return _number_text(obj, session)
    if isinstance(obj, bool) or not isinstance(obj, int | float | Fraction):
        raise PointProblem(f"a point is made of numbers, not {type(obj).__name__}")
    if isinstance(obj, float):
        if math.isnan(obj):
            raise PointProblem("nan is not a point")
        return float(obj)
    return session.exact(Fraction(obj))


def _number_text(text: str, session: Session) -> Exact:
    if len(text) > MAX_AT_LENGTH:
        raise LimitProblem(f"a number has at most {MAX_AT_LENGTH:,} characters")
    cursor = Cursor(text, session)
    number = read_number(cursor)
    if cursor.next():
        raise cursor.unreadable("expected the end")
    return number


def _compact(flat: list[Exact]) -> tuple[Exact, ...] | Floats:
    """Return many floats as an array, anything else as exact numbers."""
    if len(flat) > 1 and all(isinstance(n, float) for n in flat):
        import numpy as np

        return frozen(np.array(flat, dtype=np.float64))
    return tuple(n if isinstance(n, Fraction) or math.isinf(n) else Fraction(n) for n in flat)
