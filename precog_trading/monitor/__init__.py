"""Watching what is held, and what a person may order meanwhile: halt, resume, re-arm, close."""
