"""Floor 1: what goes where, pure. Patterns and the subscription index."""
