"""Floor 2: the ledger. ``ports`` says what a ledger does; each engine has a folder of its own."""
