"""Probability model versions: the immutable rows of ``probability_models`` that code refers to.

A version is a promise about parameters. Registering the same version twice with equal parameters is
normal (every run does it, several at once); with different parameters it is refused, because rows
that name the version would silently change their meaning.
"""

import json
from collections.abc import Mapping
from typing import Any, Literal

import psycopg
from psycopg.types.json import Jsonb

from precog_core.database.queries import load_queries
from precog_core.errors import PrecogError

ModelType = Literal["elo", "regression", "ml", "ensemble", "matrix"]


def ensure_model(
    conn: psycopg.Connection,
    *,
    name: str,
    version: str,
    model_type: ModelType,
    league: str | None,
    config: Mapping[str, Any],
    category: str = "sports",
    created_by: str = "precog",
    notes: str | None = None,
) -> int:
    """The ``model_id`` of a version, created as draft if absent; safe when several runs race.

    ``config`` must survive JSON unchanged. Raises PrecogError when the version exists with another
    type, league or config.
    """
    queries = load_queries("probability_models")
    wanted = json.loads(json.dumps(config, sort_keys=True))
    queries.insert_model(
        conn,
        name=name,
        version=version,
        model_type=model_type,
        category=category,
        league=league,
        config=Jsonb(wanted),
        created_by=created_by,
        notes=notes,
    )
    model_id, found_type, found_league, found_config = queries.select_model(
        conn, name=name, version=version
    )
    found = {"type": found_type, "league": found_league, "config": found_config}
    expected = {"type": model_type, "league": league, "config": wanted}
    if found != expected:
        differing = ", ".join(sorted(key for key in expected if found[key] != expected[key]))
        raise PrecogError(
            f"model {name} {version} already exists with another {differing}; versions never "
            "change: restore the old parameters, or raise the version in the configuration"
        )
    return int(model_id)


def find_model(conn: psycopg.Connection, name: str, version: str) -> int | None:
    """The ``model_id`` of a version, or None when it was never registered."""
    row = load_queries("probability_models").select_model(conn, name=name, version=version)
    return None if row is None else int(row[0])
