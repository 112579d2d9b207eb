"""How much of a text is copied from the training text, and from where."""
