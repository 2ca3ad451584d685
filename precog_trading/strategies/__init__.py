"""Strategies: small readable classes with typed configuration."""
