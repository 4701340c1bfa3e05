"""The verdicts in small: some programs of every kind that `benchmarks/verdicts.py` draws, and some planted faults."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
SEED = 7
COUNT = 5
COUNTS = {"reductions": 2, "vectors": 2, "ties": 2, "infinities": 3, "random": 4, "masks": 3, "ways": 2}
"""Programs of the kinds that cost most, each at some points in every dtype."""
FAULTS = {"row": 24, "unstable": 8, "overflowing": 6, "deep": 3, "valued": 6, "behind": 2}
"""Planted faults."""


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module


def kinds() -> list[str]:
    """Return the names of the kinds, as the benchmark's own table has them."""
    text = (BENCHMARKS / "verdicts.py").read_text(encoding="utf-8")
    table = text.partition("KINDS = {")[2].partition("\n}")[0]
    return [line.split('"')[1] for line in table.splitlines() if '": Kind(' in line]


def test_every_kind_is_found(benchmark: Any) -> None:
    assert kinds() == list(benchmark("verdicts").KINDS)
    assert sum(kind.share for kind in benchmark("verdicts").KINDS.values()) == benchmark("verdicts").ROUND


@pytest.mark.parametrize("kind", kinds())
def test_no_promise_of_a_kind_is_broken(benchmark: Any, kind: str) -> None:
    found = benchmark("verdicts").tally(SEED, 0, COUNTS.get(kind, COUNT), kind)
    assert found.programs == {kind: COUNTS.get(kind, COUNT)}
    assert found.kinds[kind] >= found.programs[kind]
    assert found.elements
    assert found.broken == []


@pytest.mark.parametrize("kind", FAULTS)
def test_planted_faults_are_found(benchmark: Any, kind: str) -> None:
    """All but those that lie within the rounding of their operation."""
    planted = benchmark("planted")
    found = planted.tally(SEED, 0, FAULTS[kind], kind)
    assert len(found.missed) == found.inside, found.missed
    assert sum(found.found.values()) >= planted.GOAL * sum(found.planted.values()) > 0
