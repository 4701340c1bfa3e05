"""Names."""

FORMULAS: dict[str, str] = {}
TORCH: frozenset[str] = frozenset()
