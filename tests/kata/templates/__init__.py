"""Templates: what they come to, what is refused, what bounds them."""
