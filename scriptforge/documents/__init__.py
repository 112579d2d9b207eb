"""Documents: scripts in files other than plain text, read and written.

`document` defines the result of reading one, `kinds` lists all kinds of documents, and each other module
reads or writes one or several of them.
"""
