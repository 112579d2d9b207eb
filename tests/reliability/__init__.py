"""Attacks on what scriptforge writes and reads: see `docs/measured/reliability.py`."""
