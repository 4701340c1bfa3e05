"""How much of PyTorch's own list of operations is in the language? `python benchmarks/coverage.py`.

The list is that of torch's tests, of which those count that autograd supports and that are a closed real formula. One
is covered where its own name is a row, so that torch's own function runs; the reason for every one left out is printed.
"""

from __future__ import annotations

import argparse
import sys
import unittest
from collections import defaultdict
from fnmatch import fnmatchcase
from types import ModuleType

from gradcheck.functions import ALIASES
from gradcheck.functions.pages import pages

REASONS = {
    "complex numbers": "fft.* cdouble cfloat chalf complex view_as_complex view_as_real polar imag angle istft stft "
                       "linalg.eig linalg.eigvals",
    "draws numbers": "bernoulli normal nn.functional.dropout* nn.functional.alpha_dropout "
                     "nn.functional.feature_alpha_dropout nn.functional.fractional_max_pool* pca_lowrank svd_lowrank "
                     "nn.functional.rrelu native_dropout_backward",
    "no function of the mathematics: it changes dtype or layout": "bfloat16 double float half to to_sparse nextafter "
                                                                    "frexp zero_ nn.functional.one_hot",
    "inside torch, and nothing that people call": "_* torch.ops.* max_pool2d_with_indices_backward "
                                                   "sparse.sampled_addmm native_batch_norm masked.*",
    "an operator of Python": "__*__",
}  # fmt: skip
"""Why an operation does not count, with patterns of names."""
OTHERWISE = {"__getitem__": "index", "__radd__": "add", "__rdiv__": "div", "__rmatmul__": "matmul",
             "__rmod__": "remainder", "__rmul__": "mul", "__rpow__": "pow", "__rsub__": "sub"}  # fmt: skip


def operations() -> list[str]:
    """Return the names of torch's operations that autograd supports."""
    # torch's tests import a library for expected outputs that nothing here needs.
    stub = ModuleType("expecttest")
    stub.TestCase = unittest.TestCase  # type: ignore[attr-defined]
    sys.modules.setdefault("expecttest", stub)
    from torch.testing._internal.common_methods_invocations import op_db

    return sorted({one.name for one in op_db if one.supports_autograd})


def reason(name: str) -> str | None:
    """Return why an operation does not count; None where it does."""
    for why, patterns in REASONS.items():
        if any(fnmatchcase(name, one) for one in patterns.split()) and name not in OTHERWISE:
            return why
    return None


def main() -> int:
    """Print the coverage, and return 1 where it is less than is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--least", type=float, default=0.0, help="percent that must be covered")
    asked = parser.parse_args()
    rows = {*pages(), *OTHERWISE.values()}
    covered, missing, other = list[str](), list[str](), defaultdict[str, list[str]](list)
    for name in operations():
        own = OTHERWISE.get(name, name.rpartition(".")[2])
        if own in rows or ALIASES.get(own) in rows:
            covered.append(name)
        elif (why := reason(name)) is not None:
            other[why].append(name)
        else:
            missing.append(name)
    count = len(covered) + len(missing)
    share = 100 * len(covered) / count
    print(f"{len(covered)} of {count} operations under their own names ({share:.1f} %)")
    print(f"missing ({len(missing)}): {', '.join(missing)}")
    for why, names in other.items():
        print(f"not counted, {why} ({len(names)}): {', '.join(names)}")
    return int(share < asked.least)


if __name__ == "__main__":
    sys.exit(main())
