"""Dagster's own tables in PostgreSQL, over connections that stay open.

Dagster opens a connection for every statement of a run, and each one costs PostgreSQL a new
process: filling a home took 1,290 of them. Here the three stores of an instance share one pool. A
connection is tried before it is used, so a restarted PostgreSQL costs nobody an error.
"""

from collections.abc import Mapping
from typing import Any

from dagster._config.config_schema import UserConfigSchema
from dagster._serdes import ConfigurableClassData
from dagster_postgres import (
    DagsterPostgresStorage,
    PostgresEventLogStorage,
    PostgresRunStorage,
    PostgresScheduleStorage,
)
from dagster_postgres.utils import create_pg_engine, pg_url_from_config
from sqlalchemy import Engine

_KEPT_OPEN = 2


class PooledStorage(DagsterPostgresStorage):
    """``storage`` of ``dagster.yaml``; its configuration is that of Dagster's ``postgres``."""

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        return DagsterPostgresStorage.config_type()

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "PooledStorage":
        return cls(
            pg_url_from_config(config_value),
            config_value.get("should_autocreate_tables", True),
            inst_data=inst_data,
        )

    def __init__(
        self,
        postgres_url: str,
        should_autocreate_tables: bool = True,
        inst_data: ConfigurableClassData | None = None,
    ) -> None:
        super().__init__(postgres_url, should_autocreate_tables, inst_data)
        engine = create_pg_engine(
            postgres_url,
            isolation_level="AUTOCOMMIT",
            pool_size=_KEPT_OPEN,
            max_overflow=-1,
            pool_pre_ping=True,
        )
        self._run_storage = _Runs(postgres_url, engine)
        self._event_log_storage = _Events(postgres_url, engine)
        self._schedule_storage = _Schedules(postgres_url, engine)


class _Runs(PostgresRunStorage):
    def __init__(self, postgres_url: str, engine: Engine) -> None:
        super().__init__(postgres_url, should_autocreate_tables=False)
        self._engine = engine

    def dispose(self) -> None:
        """An instance ends: close what the three of them kept open."""
        super().dispose()
        self._engine.dispose()


class _Events(PostgresEventLogStorage):
    def __init__(self, postgres_url: str, engine: Engine) -> None:
        super().__init__(postgres_url, should_autocreate_tables=False)
        self._engine = engine


class _Schedules(PostgresScheduleStorage):
    def __init__(self, postgres_url: str, engine: Engine) -> None:
        super().__init__(postgres_url, should_autocreate_tables=False)
        self._engine = engine
