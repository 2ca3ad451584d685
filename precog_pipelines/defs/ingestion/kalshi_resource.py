"""The Dagster resource that opens Kalshi: only when it is enabled, and within its share."""

from typing import TYPE_CHECKING, Literal

import dagster as dg
import psycopg

from precog_core.errors import PrecogError
from precog_core.kalshi.config import KalshiConfig, kalshi_config

if TYPE_CHECKING:
    from precog_core.kalshi.client import KalshiClient

Use = Literal["live", "history"]
NOT_ENABLED = (
    "Kalshi is not enabled, so nothing was asked; `precog kalshi check` shows whether it can be "
    "reached, PRECOG__KALSHI__ENABLED=true or `enabled: true` in $PRECOG_HOME/config/kalshi.yaml "
    "switches it on"
)


class KalshiResource(dg.ConfigurableResource):
    """Public market data; holds no key and needs none.

    A backfill and the live quotes run in two processes, which cannot see each other's requests:
    each gets its share of the rate.
    """

    def open(self, conn: psycopg.Connection, use: Use) -> "KalshiClient":
        """A client under the settings of this home. Raises PrecogError while not enabled."""
        from precog_core.kalshi.client import KalshiClient

        config = kalshi_config(conn)
        if not config.enabled:
            raise PrecogError(NOT_ENABLED)
        return KalshiClient.connect(shared(config, use))


def shared(config: KalshiConfig, use: Use) -> KalshiConfig:
    """``config`` with the part of the rate that ``use`` may take."""
    share = config.history.rate_share
    part = share if use == "history" else 1 - share
    return config.model_copy(update={"rate_fraction": config.rate_fraction * part})


@dg.definitions
def kalshi_resources() -> dg.Definitions:
    """Binds the resource; a module with definitions of its own may hold no assets."""
    return dg.Definitions(resources={"kalshi": KalshiResource()})
