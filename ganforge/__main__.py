"""`python -m ganforge` is the command line."""

from ganforge.cli import main

main()
