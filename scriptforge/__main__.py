"""`python -m scriptforge`, for where the `scriptforge` command is not on the path."""

from scriptforge.cli.app import main

if __name__ == "__main__":
    main()
