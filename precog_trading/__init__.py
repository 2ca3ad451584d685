"""Floor 3: decides, executes and accounts. Reads predictions from the database only."""
