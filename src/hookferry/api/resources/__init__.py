"""One module per resource of CONTRACT's table: its addresses, and how it is shown."""
