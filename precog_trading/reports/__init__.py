"""What trading came to, for people: summaries, tables and plots."""
