"""The working precision: FLINT has one for the whole process, so that one thread at a time evaluates with its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

import flint

_LOCK = RLock()


@contextmanager
def working_precision(bits: int) -> Iterator[None]:
    """Evaluate balls with ``bits`` bits, and put the precision back as it was, whatever is raised.

    ``flint.ctx`` belongs to no thread (python-flint 0.9.0: what one sets, all see). Other threads wait here until the
    evaluation ends; they could not have run beside it, for python-flint keeps Python's own lock.

    >>> import flint
    >>> with working_precision(200):
    ...     flint.ctx.prec
    200
    """
    with _LOCK, flint.ctx.workprec(bits):
        yield
