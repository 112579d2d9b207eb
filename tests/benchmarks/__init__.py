"""Benchmarks of scriptforge, a module for each; `harness.py` and `results.py` hold what they share.

make bench                  all of them
make bench ONLY=training    one
"""
