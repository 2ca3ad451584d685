"""Why a trade or a decision came to be: the chain of facts behind it, every hash recomputed."""
