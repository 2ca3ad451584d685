"""Methods as a person handles them: create, release, compare, export, import, withdraw."""
