"""The command line: a thin door. Commands that need the ledger talk to the running server."""

from hookferry.cli.main import main

__all__ = ["main"]
