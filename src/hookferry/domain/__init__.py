"""Floor 0: the nouns, as frozen structs. No I/O, no framework, no rule that needs another room."""
