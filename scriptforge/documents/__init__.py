"""Documents: scripts in files that are no plain text, read and written.

`document` says what one is, each other module reads or writes a kind; `kinds` knows them all.
"""
