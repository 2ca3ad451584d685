"""The Kelly criterion for a binary contract with fees (trading-rules §4).

Source: Kelly, A New Interpretation of Information Rate (1956): maximise E[log wealth]. A contract
that costs k pays 1 with probability p̂; staking the share f of the bankroll leads to
1 + f·(1 - k)/k or 1 - f, whose expected logarithm is largest at (p̂ - k)/(1 - k).
"""

from decimal import Decimal

from precog_core.prices import ONE, ZERO


def kelly_share(probability: Decimal, cost: Decimal) -> Decimal:
    """f*, the share of the bankroll to stake; 0 when the contract costs its probability or more.

    ``cost`` is k = price + fee per contract, in dollars.
    """
    if probability <= cost:
        return ZERO
    return (probability - cost) / (ONE - cost)
