"""Which test calls which function, and how long it takes: recorded once for a test file, and again when it changes."""

from __future__ import annotations

import ast
import pickle
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from math import inf
from pathlib import Path
from random import Random
from time import process_time
from types import CodeType, ModuleType

import pytest
from _pytest.runner import runtestprotocol

from mutation.changes import entered
from mutation.process import OPTIONS, ROOT, in_parallel

RECORDS = ROOT / ".mutants"

SECONDS = 600
"""The limit of one test file while it is recorded."""

EACH = 12.0
"""Seconds after which the parameters of a test that are left are not looked at: they are like those before."""

SEEN: set[str] = set()
"""The functions that ran since it was emptied."""


@dataclass
class Calls:
    """What one test did."""

    seconds: float
    """Infinite where it was not tried, or does not pass."""
    functions: frozenset[str]
    """Path and qualified name of every function of the package that ran, a lambda's with its line."""


@dataclass
class Recorder:
    """A pytest plugin that notes the functions of the package that every test calls, and keeps those that pass."""

    tests: dict[str, Calls] = field(default_factory=dict)
    spent: dict[str, float] = field(default_factory=dict)
    passed: bool = True

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Take the parameters of a test in an order in which the first are like all."""
        Random(0).shuffle(items)
        items.sort(key=_kind)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool:
        """Watch one test from its beginning to its end, unless its like have taken long enough."""
        kind = _kind(item)
        if kind not in self.spent:
            _forget()
        self.tests[item.nodeid] = Calls(inf, frozenset())
        if self.spent.setdefault(kind, 0.0) > EACH:
            return True
        self.passed = True
        SEEN.clear()
        start = process_time()
        runtestprotocol(item, nextitem=nextitem)
        seconds = process_time() - start
        self.spent[kind] += seconds
        if self.passed:
            self.tests[item.nodeid] = Calls(seconds, frozenset(SEEN))
        return True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Leave out what does not pass even without a change."""
        self.passed = self.passed and report.outcome == "passed"


def _kind(item: pytest.Item) -> str:
    """Return the name of a test without its parameters."""
    return item.nodeid.split("[")[0]


def _forget() -> None:
    """Empty the package's caches: what is remembered is not called."""
    for name, module in list(sys.modules.items()):
        if name.startswith("gradcheck"):
            for one in vars(module).values():
                getattr(one, "cache_clear", int)()


class Watched(MetaPathFinder):
    """Loads the package with a note at the beginning of every function."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where a module of the package is, and nothing for another name."""
        spec = PathFinder.find_spec(name, path) if name.partition(".")[0] == "gradcheck" else None
        if spec is not None and spec.origin is not None:
            spec.loader = _Noting(name, spec.origin)
        return spec


class _Noting(SourceFileLoader):
    def get_code(self, _name: str) -> CodeType:
        return compile(_noting(Path(self.path)), self.path, "exec")

    def exec_module(self, module: ModuleType) -> None:
        vars(module)["__seen__"] = SEEN.add
        super().exec_module(module)


def _noting(file: Path) -> ast.Module:
    tree = ast.parse(file.read_bytes())
    _note(tree, str(file.relative_to(ROOT)), ())
    return ast.fix_missing_locations(tree)


def _note(node: ast.AST, path: str, scope: tuple[str, ...]) -> None:
    """Put a note into every function below a node."""
    for child in ast.iter_child_nodes(node):
        _note(child, path, (*scope, *entered(child)))
    if isinstance(node, ast.FunctionDef | ast.Lambda):
        said = ast.Call(ast.Name("__seen__", ast.Load()), [ast.Constant(f"{path}: {'.'.join(scope[:-1])}")], [])
        if isinstance(node, ast.Lambda):
            node.body = ast.BoolOp(ast.Or(), [said, node.body])
        else:
            node.body.insert(ast.get_docstring(node) is not None, ast.Expr(said))


def recorded(files: list[Path], jobs: int) -> dict[str, Calls]:
    """Return what every passing test of some files calls; what is not known yet is recorded now."""
    RECORDS.mkdir(exist_ok=True)
    missing = [(file.name, partial(_record, file), SECONDS) for file in files if not _kept(file).exists()]
    for name, _ in in_parallel(missing, jobs):
        print(f"recorded which functions {name} calls", flush=True)
    found: dict[str, Calls] = {}
    for file in filter(Path.exists, map(_kept, files)):
        found |= pickle.loads(file.read_bytes())
    return found


def _kept(file: Path) -> Path:
    return RECORDS / f"{file.stem}-{sha256(file.read_bytes()).hexdigest()[:12]}.pickle"


def _record(file: Path) -> int:
    sys.meta_path.insert(0, Watched())
    recorder = Recorder()
    pytest.main(["-q", *OPTIONS, str(file)], plugins=[recorder])
    _kept(file).write_bytes(pickle.dumps(recorder.tests))
    return 0
