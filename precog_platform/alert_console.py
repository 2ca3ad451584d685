"""The console channel of alerts: the terminal in which `precog up` runs.

The sensor that delivers everywhere else has no terminal, so whoever has one serves this channel.
"""

from datetime import datetime

from rich.console import Console

from precog_core.alerts.channels import console_channel
from precog_core.alerts.config import alerts_config
from precog_core.alerts.delivery import Delivered, deliver
from precog_core.database import Database

TELL_EVERY_S = 5.0


def tell_alerts(database: Database, console: Console) -> Delivered:
    """Print what the console is owed, a line per alert, and write the deliveries."""

    def write(line: str) -> None:
        now = datetime.now().astimezone()
        console.print(f"{now:%H:%M:%S} {line}", markup=False, highlight=False, soft_wrap=True)

    with database.transaction() as conn:
        config = alerts_config(conn)
    return deliver(database, {"console": console_channel(write)}, config)
