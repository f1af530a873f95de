"""``python -m hookferry.cli``, where the program is not on the path."""

from hookferry.cli import main

main()
