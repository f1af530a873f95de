"""Floor 1: bytes on the wire, pure. Signing schemes and envelopes; no I/O."""
