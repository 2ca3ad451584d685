"""One batch of quotes from waiting to done: load the state, decide, persist, execute, account."""
