"""From frozen datasets to judged models: datasets, estimators, walk-forward, evaluation, promotion.

The statistics are pure functions over frames; reading, writing and logging happen at the edges
(``runs``, ``evaluation``, ``promotion``), so that a test can hold every number by itself.
"""
