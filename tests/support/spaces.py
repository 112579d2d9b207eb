"""A search space for tests."""

SMALL_SPACE = """\
hidden_size = {choices = [8, 12, 16]}
embedding_size = 8
tied = false
batch_size = 4
sequence_length = 16
precision = "fp32"
learning_rate = {low = 1e-3, high = 3e-2, log = true}
"""
"""Models so small that a trial takes a fraction of a second."""
