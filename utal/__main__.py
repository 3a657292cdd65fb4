"""`python -m utal`: the same as the command `utal`."""

from utal.cli.main import main

main()
