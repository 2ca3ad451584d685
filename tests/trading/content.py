"""The content of the trading tables without what may differ between two equal histories.

Surrogate keys have gaps after a rollback and creation times are the wall clock's; everything else,
histories included, must be the same however often a run was killed.
"""

from typing import Any

import psycopg

_QUERIES = {
    "decisions": """
        SELECT to_jsonb(d) - '{decision_id,created_at,dagster_run_id,strategy_id,method_id}'::text[]
               - 'position_id', p.position_key
        FROM decisions AS d LEFT JOIN positions AS p USING (position_id)
        ORDER BY d.decision_key""",
    "edges": """
        SELECT to_jsonb(e) - '{edge_id,created_at,calculation_run_id,strategy_id,method_id}'::text[]
        FROM edges AS e ORDER BY e.edge_key, e.row_start_ts""",
    "orders": """
        SELECT to_jsonb(o)
               - '{order_id,decision_id,created_at,updated_at,strategy_id,method_id}'::text[]
               - 'position_id',
               d.decision_key
        FROM orders AS o JOIN decisions AS d USING (decision_id) ORDER BY o.client_order_id""",
    "order_events": """
        SELECT o.client_order_id, to_jsonb(v) - '{order_event_id,order_id,created_at}'::text[]
        FROM order_events AS v JOIN orders AS o USING (order_id)
        ORDER BY o.client_order_id, v.order_event_id""",
    "fills": """
        SELECT to_jsonb(f) - '{fill_id,order_id,created_at}'::text[], o.client_order_id
        FROM fills AS f JOIN orders AS o USING (order_id) ORDER BY f.venue_fill_id""",
    "trades": """
        SELECT to_jsonb(t) - '{trade_id,fill_id,position_id,decision_id,created_at}'::text[]
               - '{strategy_id,method_id}'::text[],
               f.venue_fill_id, p.position_key, d.decision_key
        FROM trades AS t JOIN fills AS f USING (fill_id)
        JOIN positions AS p ON p.position_id = t.position_id
        JOIN decisions AS d ON d.decision_id = t.decision_id
        ORDER BY f.venue_fill_id""",
    "positions": """
        SELECT to_jsonb(p) - '{position_id,created_at,updated_at,strategy_id,method_id}'::text[]
        || jsonb_build_object('strategy', s.strategy_name, 'method', me.method_name)
        FROM positions AS p JOIN strategies AS s USING (strategy_id)
        JOIN methods AS me USING (method_id) ORDER BY p.position_key""",
    "position_history": """
        SELECT p.position_key, h.version, h.changed_columns,
               h.row_data - '{position_id,created_at,updated_at,strategy_id,method_id}'::text[]
        FROM position_history AS h JOIN positions AS p USING (position_id)
        ORDER BY p.position_key, h.version""",
    "position_exits": """
        SELECT p.position_key, f.venue_fill_id,
               to_jsonb(x) - '{exit_id,position_id,trade_id,created_at}'::text[]
        FROM position_exits AS x JOIN positions AS p USING (position_id)
        JOIN trades AS t USING (trade_id) JOIN fills AS f USING (fill_id)
        ORDER BY f.venue_fill_id, x.exit_id""",
    "exit_attempts": """
        SELECT p.position_key, o.client_order_id,
               to_jsonb(a) - '{attempt_id,position_id,order_id,created_at}'::text[]
        FROM exit_attempts AS a JOIN positions AS p USING (position_id)
        JOIN orders AS o USING (order_id) ORDER BY o.client_order_id""",
    "circuit_breaker_events": """
        SELECT to_jsonb(b) - '{breaker_event_id,created_at,updated_at,alert_id}'::text[]
        FROM circuit_breaker_events AS b ORDER BY b.triggered_at, b.breaker_type""",
    "equity_points": """
        SELECT to_jsonb(q) - '{equity_point_id,created_at}'::text[]
        FROM equity_points AS q ORDER BY q.platform_id, q.event_ts""",
    "settlements": """
        SELECT to_jsonb(s) - '{settlement_id,created_at}'::text[]
        FROM settlements AS s ORDER BY s.market_id, s.revision""",
    "account_ledger": """
        SELECT to_jsonb(l) - '{entry_id,fill_id,position_id,settlement_id,created_at}'::text[],
               p.position_key
        FROM account_ledger AS l LEFT JOIN positions AS p USING (position_id)
        ORDER BY l.entry_key""",
    "account_balance": """
        SELECT to_jsonb(b) - '{balance_id,created_at}'::text[]
        FROM account_balance AS b ORDER BY b.platform_id, b.row_start_ts""",
    "strategies": """
        SELECT strategy_name, strategy_version, config, status FROM strategies ORDER BY 1, 2""",
    "methods": """
        SELECT method_name, method_version, config_hash, status FROM methods ORDER BY 1, 2""",
}


def contents(conn: psycopg.Connection) -> dict[str, list[tuple[Any, ...]]]:
    """Every trading table by name: its rows in a fixed order."""
    return {table: conn.execute(query).fetchall() for table, query in _QUERIES.items()}


def row_counts(conn: psycopg.Connection) -> dict[str, int]:
    """How many rows each trading table holds."""
    return {table: len(rows) for table, rows in contents(conn).items()}
