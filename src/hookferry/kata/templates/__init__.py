"""Templates in scripts: a subset of Twig, compiled once and rendered under a budget."""
