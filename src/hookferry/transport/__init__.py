"""Floor 2: the outgoing HTTP client, and the guard that judges every address it calls."""
