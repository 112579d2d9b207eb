"""The writing room: a server on this machine, and the page on which a person and a model write together."""
