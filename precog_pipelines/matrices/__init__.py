"""Probability matrices: how often a side in a given state of the game went on to win."""
