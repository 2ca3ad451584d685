"""Stage 1: games, their markets and quotes, from the source this home is filled from."""
