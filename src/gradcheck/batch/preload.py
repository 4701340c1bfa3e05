"""What the fork server loads once for all workers; import it in no other process.

Workers share the cores, so each keeps to one thread. The number is in the environment before the libraries load: a
pool of threads that is started and then forked is a pool of locks that nobody opens.
"""

from __future__ import annotations

import gc
import importlib
import os

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))
gc.disable()
importlib.import_module("gradcheck.case")
gc.freeze()  # what is loaded stays: no collection looks at it, and workers go on sharing its memory
gc.enable()
