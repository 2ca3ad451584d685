"""``config/system.yaml``: how the installation itself behaves."""

from typing import Annotated, Literal

import psycopg
from pydantic import BaseModel, ConfigDict, Field

from precog_core.config import load_section


class LoggingConfig(BaseModel):
    """What is logged and how long it is kept."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    level: Literal["debug", "info", "warning", "error"] = "info"
    max_file_mb: Annotated[int, Field(ge=1, le=1000)] = 20
    retention_d: Annotated[int, Field(ge=1, le=365)] = 7


class RetentionConfig(BaseModel):
    """How long what may be forgotten is kept."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    runs_d: Annotated[int, Field(ge=1, le=3650)] = 30


class SystemConfig(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    logging: LoggingConfig = LoggingConfig()
    retention: RetentionConfig = RetentionConfig()


def system_config(conn: psycopg.Connection | None = None) -> SystemConfig:
    """The settings in force. Raises PrecogError naming file and key."""
    return load_section("system", SystemConfig, conn)
