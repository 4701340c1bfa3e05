"""The kinds of pairs that benchmarks/verdicts.py draws, each with a promise of its own."""
