"""No warnings for a while: Python's filters belong to the whole process, so that threads share one change of them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Lock

_LOCK = Lock()
_BEFORE = ExitStack()
_inside = 0


@contextmanager
def quiet() -> Iterator[None]:
    """Run without warnings, which are for the authors of code: the first thread silences them, the last one ends it.

    ``warnings.catch_warnings`` alone would put back, in one thread, what another one had set in the meantime.

    >>> import warnings
    >>> with quiet():
    ...     warnings.warn("for the authors of code")
    """
    global _inside  # noqa: PLW0603 - the filters are the process's own
    with _LOCK:
        if not _inside:
            _BEFORE.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore")
        _inside += 1
    try:
        yield
    finally:
        with _LOCK:
            _inside -= 1
            if not _inside:
                _BEFORE.close()
