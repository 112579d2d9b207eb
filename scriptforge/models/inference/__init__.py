"""Models laid out for reading token by token, a module for each kind; `linear` has what all of them share."""
