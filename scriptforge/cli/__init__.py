"""The command line: one module per command, which parses options, calls the library and prints the result.

    app.py        the table of commands
    errors.py     the error boundary: two lines and an exit code
    signals.py    Ctrl-C and SIGTERM, at any moment
    output.py     writing to the terminal, and the options that several commands share

Only this package prints, exits or reads the terminal. Its modules import nothing heavy at the top: a command
imports what it needs inside its body.
"""
