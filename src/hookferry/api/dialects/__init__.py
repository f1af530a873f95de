"""Doors in other products' words, on the same core: names are mapped here, no rule lives here."""
