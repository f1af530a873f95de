"""Floor 5: the HTTP doors. Thin: they decode, authorize, call the engine, encode."""
