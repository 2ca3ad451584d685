"""What must hold for money: the sums, the history, attribution, and no look ahead."""

import dagster as dg

from precog_dagster.resources import PostgresResource
from precog_trading.defs.trading.assets import ENVIRONMENT


@dg.asset_check(
    asset="account_ledger",
    name="ledger_balanced",
    blocking=True,
    description=(
        "Cash + open cost + fees - gross realised = deposits, exactly, every position equals the "
        "fold of its fills, and attributed profits sum to the account's."
    ),
)
def ledger_balanced(postgres: PostgresResource) -> dg.AssetCheckResult:
    from precog_trading.ledger.audit import verify_ledger

    with postgres.database().transaction() as conn:
        audit = verify_ledger(conn, ENVIRONMENT)
    sums = {
        key: value if isinstance(value, bool | int) else str(value)
        for key, value in audit.as_dict().items()
        if key not in ("accounts", "problems", "environment", "balanced")
    }
    return dg.AssetCheckResult(
        passed=audit.balanced,
        metadata={**sums, "problems": dg.MetadataValue.json(list(audit.problems))},
    )


@dg.asset_check(
    asset="edges",
    name="one_current_row",
    blocking=True,
    description="One current valuation per key; versions of a key never overlap; prices and "
    "probabilities strictly between 0 and 1.",
)
def one_current_row(postgres: PostgresResource) -> dg.AssetCheckResult:
    return _counts(postgres, "edge_problems", {"doubled", "overlapping", "impossible"})


@dg.asset_check(
    asset="decisions",
    name="no_look_ahead",
    blocking=True,
    description="Every quote and prediction was known when it was decided on, and no model had "
    "seen the game.",
)
def no_look_ahead(postgres: PostgresResource) -> dg.AssetCheckResult:
    bad = {
        "without_quote",
        "quote_too_late",
        "prediction_too_late",
        "model_saw_the_game",
    }
    return _counts(postgres, "look_ahead", bad)


@dg.asset_check(
    asset="trades",
    name="attribution_complete",
    blocking=True,
    description="Every automated trade, order, position and result names strategy, model, "
    "decision, prediction and quote.",
)
def attribution_complete(postgres: PostgresResource) -> dg.AssetCheckResult:
    bad = {
        "trades",
        "orders",
        "positions",
        "decisions",
        "fills_without_trade",
        "unattributed_results",
    }
    return _counts(postgres, "unattributed", bad)


def _counts(postgres: PostgresResource, statement: str, bad: set[str]) -> dg.AssetCheckResult:
    """Passes when every count named in ``bad`` is zero; shows all counts."""
    from precog_trading.ledger.statements import one

    with postgres.database().transaction() as conn:
        row = one(conn, "performance", statement, environment=ENVIRONMENT) or {}
    return dg.AssetCheckResult(passed=not any(row[name] for name in bad), metadata=row)
