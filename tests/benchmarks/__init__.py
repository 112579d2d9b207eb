"""What scriptforge is measured by: each module is one benchmark, `harness.py` is what they share.

make bench                  all of them
make bench ONLY=training    one
"""
