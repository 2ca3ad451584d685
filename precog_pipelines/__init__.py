"""Floor 2: how facts become predictions; code location ``pipelines``. Never imports trading."""
