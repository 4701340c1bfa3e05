"""What `benchmarks/mutants.py` is made of: changes of the source, who calls what, and a process for each change."""
