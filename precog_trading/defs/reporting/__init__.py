"""What trading came to, as an asset."""
