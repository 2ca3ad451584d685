"""What could have been known about a game before it began: registry, builder, matrix."""
