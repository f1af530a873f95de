"""Floor 1: what goes where, pure. Patterns and their index, filters, conditions, schemas."""
