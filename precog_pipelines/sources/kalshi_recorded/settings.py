"""The half spread assumed around recorded trades: one number, kept with trading's assumptions."""

from decimal import Decimal

import psycopg
from pydantic import BaseModel, Field

from precog_core.config import load_section


class _Assume(BaseModel):
    candle_half_spread: Decimal = Field(default=Decimal("0.01"), gt=0, lt=Decimal("0.5"))


class _Replay(BaseModel):
    assume: _Assume = _Assume()


class _Trading(BaseModel):
    """What is read here of ``config/trading.yaml``; trading itself judges the whole file."""

    replay: _Replay = _Replay()


def candle_half_spread(conn: psycopg.Connection | None = None) -> Decimal:
    """``trading.replay.assume.candle_half_spread`` in dollars."""
    return load_section("trading", _Trading, conn).replay.assume.candle_half_spread
