"""The command line: one file a command, each of which parses, calls one function and renders.

    app.py        the table of commands
    edge.py       where whatever stops the work becomes two lines and an exit code
    output.py     what reaches the terminal, and how
    options.py    the options that several commands share

Only this room prints, exits or reads the terminal. Its modules import nothing heavy at the top: a command
imports what it works with inside its body.
"""
