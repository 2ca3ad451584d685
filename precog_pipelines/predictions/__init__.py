"""From approved models to probabilities in the database, where trading reads them.

The model of fold S predicts season S, also in hindsight: a back-filled prediction is the one that
would have been issued, and equals the walk-forward record that the model was judged by.
"""
