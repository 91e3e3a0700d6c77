"""`python -m audiogen` is the command `audiogen`."""

from audiogen.cli import main

main()
