"""Where orders go: one port, one module per venue. Only the paper exchange exists so far."""
