"""Faults of what Precog talks to: providers, mail, downloads, quotes, and a person who is away."""

import io
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from scripts.drill.bets import Fixture, decisions, quote
from scripts.drill.machine import SEASON
from scripts.drill.rig import REMIND_S, Rig, short
from tests.kalshi import payloads
from tests.kalshi.server import UNAVAILABLE

_COUNTS = (
    "SELECT (SELECT count(*) FROM games), (SELECT count(*) FROM markets),"
    " (SELECT count(*) FROM market_snapshots)"
)
_PROVIDER = "sources.games.provider"


def provider_down(rig: Rig) -> None:
    """nflverse and Kalshi answer 503, then answer again."""
    rig.precog("config", "set", _PROVIDER, "nflverse", "--reason", "drill")
    before = rig.query(_COUNTS)
    rig.break_it("nflverse and Kalshi answer 503")
    rig.files.status = 503
    rig.venue.script("/series/KXNFLGAME", *[UNAVAILABLE] * 50)
    try:
        status = rig.materialise("games", partition=SEASON)[1]
        rig.check(f"the download of games fails ({status})", status == "FAILURE")
        rig.see_alert("run_failed", "nflverse")
        for _ in range(2):
            rig.check("kalshi_markets fails", rig.materialise("kalshi_markets")[1] == "FAILURE")
        found = rig.see_alert("venue_outage")
        rig.wait(
            "the second outage is counted", lambda: (rig.alert("venue_outage") or [0] * 4)[3] >= 2
        )
        if found:
            rig.wait("one mail about it", lambda: rig.mails("venue_outage") == 1)
            rig.saw("one mail, however often it fails")
    finally:
        rig.files.status = 200
        rig.venue.forget_script("/series/KXNFLGAME")
    rig.seen.by_itself = "yes, with the next run; nothing was stored meanwhile"
    rig.check("no row was changed by the failed runs", rig.query(_COUNTS) == before)
    rig._began = time.monotonic()
    rig.check("games are read again", rig.materialise("games", partition=SEASON)[1] == "SUCCESS")
    rig.check("the venue is read again", rig.materialise("kalshi_markets")[1] == "SUCCESS")
    rig.recovered()
    rig.check("the same games as before", rig.query(_COUNTS) == before)


def _times(rig: Rig, alert_type: str) -> int:
    found = rig.alert(alert_type)
    return 0 if found is None else int(found[3])


def corrupted_download(rig: Rig, games: Path) -> None:
    """The published file arrives cut off, garbled, as an HTML page; then whole."""
    whole = published(games)
    before = rig.query(_COUNTS)
    rig.precog("config", "set", _PROVIDER, "nflverse", "--reason", "drill")
    garbled = bytearray(whole)
    garbled[len(whole) // 3 : len(whole) // 3 + 400] = b"\x00" * 400
    bad = {
        "cut off in the middle": whole[: len(whole) // 2],
        "400 bytes garbled": bytes(garbled),
        "an HTML page": b"<html><body>Sorry, we are down</body></html>",
        "a score of 999": published(games, spoilt=True),
    }
    rig.break_it("the download is " + ", ".join(bad))
    try:
        for words, body in bad.items():
            rig.files.body = body
            run_id, status = rig.materialise("games", partition=SEASON)
            rig.check(f"{words}: refused ({status})", status == "FAILURE")
            rig.saw(f"{words}: {short(rig.client.failure(run_id), 110)}")
            rig.check("nothing of it was stored", rig.query(_COUNTS) == before)
    finally:
        rig.files.body = whole
    rig.see_alert("run_failed", "")
    rig.seen.by_itself = "yes, with the next good download"
    rig._began = time.monotonic()
    status = rig.materialise("games", "markets", "market_snapshots", partition=SEASON)[1]
    rig.check(f"the whole file is read ({status})", status == "SUCCESS")
    rig.recovered()
    rig.check("the same rows as before", rig.query(_COUNTS) == before)


def published(games: Path, spoilt: bool = False) -> bytes:
    """The games file as nflverse publishes it (Parquet)."""
    import polars as pl

    frame = pl.read_csv(games)
    if spoilt:
        frame = frame.with_columns(
            pl.when(pl.int_range(pl.len()) == 700).then(999).otherwise(pl.col("home_score"))
            .alias("home_score")
        )  # fmt: skip
    out = io.BytesIO()
    frame.write_parquet(out)
    return out.getvalue()


def mail_down(rig: Rig) -> None:
    """The mail server is away while somebody halts trading; then it is back."""
    rig.mail.stop()
    rig.break_it("the mail server is down; somebody halts trading")
    rig.precog("halt", "--reason", "drill: the mail is down")
    rig.see_alert("kill_switch")
    rig.wait("the file has it", lambda: _sent(rig, "file", "sent"))
    rig.wait("the terminal has it", lambda: _sent(rig, "console", "sent"))
    rig.wait("mail failed and is repeated", lambda: _sent(rig, "email", "failed") >= 2)
    [(error,)] = rig.query(
        "SELECT d.error FROM notification_deliveries AS d JOIN alerts USING (alert_id)"
        " WHERE channel = 'email' AND d.status = 'failed' ORDER BY delivery_id DESC LIMIT 1"
    )
    rig.saw(f"terminal and file at once; `precog alerts show`: email failed: {short(error, 90)}")
    rig.mail.start()
    rig._began = time.monotonic()
    rig.wait("the mail arrives", lambda: rig.mails("kill_switch") >= 1, 300)
    rig.recovered()
    rig.precog("resume", "--reason", "drill: the mail is back")


def nobody_answers(rig: Rig) -> None:
    """A critical alert that nobody takes is told again; once taken it is silent."""
    if not rig.alert("kill_switch"):
        rig.precog("halt", "--reason", "drill: nobody answers")
        rig.see_alert("kill_switch")
    rig.break_it("nobody acknowledges the critical alert")
    before = rig.mails("kill_switch")
    rig.wait("two reminders", lambda: rig.mails("kill_switch") >= before + 2, 240)
    rig.saw(f"the mail again every {REMIND_S} s (900 s unless set), also on the terminal")
    rig.check("`precog status` says halted", rig.status()["state"] == "halted")
    alert = rig.alert("kill_switch")
    if alert is None:
        return
    rig.precog("alerts", "ack", str(alert[0]), "--by", "drill", "--notes", "seen")
    time.sleep(20)
    told = rig.mails("kill_switch")
    time.sleep(2 * REMIND_S)
    rig.check("no reminder once it is taken", rig.mails("kill_switch") == told)
    sent = rig.number(
        "SELECT count(*) FROM notification_deliveries JOIN alerts USING (alert_id)"
        " WHERE alert_type = 'kill_switch' AND channel = 'email'"
        " AND notification_deliveries.status = 'sent'"
    )
    rig.check(f"{sent} mails in the log, {told} received", sent == told)
    rig.precog("resume", "--reason", "drill: somebody answered")
    rig.seen.by_itself = "no: `precog alerts ack` ends the reminders"
    rig.recovered()


def _sent(rig: Rig, channel: str, status: str) -> int:
    return rig.number(
        "SELECT count(*) FROM notification_deliveries AS d JOIN alerts USING (alert_id)"
        " WHERE alert_type = 'kill_switch' AND channel = %(channel)s AND d.status = %(status)s",
        channel=channel, status=status,
    )  # fmt: skip


def poisoned_quote(rig: Rig, crossed: Fixture, absurd: Fixture, good: Fixture) -> None:
    """Crossed and absurd prices by hand and from the venue; a sound quote beside them."""
    rig.break_it("poisoned quotes, by hand and from the venue")
    by_hand = {
        "a crossed book": ("0.60", "0.55"),
        "a price of 1.20": ("0.60", "1.20"),
        "half a cent": ("0.505", "0.52"),
        "no number": ("NaN", "0.52"),
    }
    for words, (bid, ask) in by_hand.items():
        done = rig.precog(
            "quotes", "add", "--ticker", crossed.ticker, "--bid", bid, "--ask", ask, check=False
        )
        rig.check(f"{words} is refused by hand", done.returncode != 0 and not _quotes(rig, crossed))
    rig.saw("`precog quotes add` refuses a crossed book, a price off the grid, NaN")

    event = _list_at_venue(rig, crossed)
    home = f"{event}-{crossed.home}"
    rig.check(
        "the venue's markets are read",
        rig.materialise("kalshi_markets", "fee_schedules")[1] == "SUCCESS",
    )
    for number in range(3):
        _book(rig, home, yes=f"0.7{number}", no="0.45")  # bid 0.7x, ask 0.55
        rig.materialise("kalshi_quotes")
        rig.wait(
            f"crossed book {number + 1} was looked at",
            lambda n=number: len(_reasons(rig, home, "book_invalid")) > n, 60,
        )  # fmt: skip
    stored = rig.number(
        "SELECT count(*) FROM market_snapshots JOIN markets USING (market_id)"
        " WHERE ticker = %(ticker)s AND yes_bid >= yes_ask", ticker=home,
    )  # fmt: skip
    rig.saw(
        f"the venue's crossed book: {stored} quotes kept as seen, decisions skipped `book_invalid`"
    )
    # Breakers are judged at the beginning of a tick: the next quote is the first that meets it.
    quote(rig, good)
    rig.see_alert("breaker_tripped", "data_quality")
    state = rig.status()
    rig.check("status shows the breaker", bool(state["breakers"]))
    rig.saw(f"`precog status`: {state['state']}, open breaker data_quality")
    rig.wait("an entry is refused while it is open", lambda: decisions(rig, good), 90)
    rig.check("no order", all(row[1] == "skipped" for row in decisions(rig, good)))
    rig.precog("breakers", "rearm", "data_quality", "--note", "drill: the book is sound again")

    quote(rig, absurd, below="0.40")
    rig.see_alert("edge_anomaly")
    rig.check("no order on it", all(row[1] == "skipped" for row in decisions(rig, absurd)))
    rig.saw("a price 40 cents from the model: skipped `edge_quarantined`, no order")
    orders = rig.number(
        "SELECT count(*) FROM orders JOIN markets USING (market_id)"
        " WHERE ticker = ANY (%(tickers)s)", tickers=[home, crossed.ticker, absurd.ticker],
    )  # fmt: skip
    rig.check("not one order was made on a poisoned quote", orders == 0)
    rig.seen.by_itself = (
        "quarantine yes; the breaker is re-armed by a person (`precog breakers rearm`)"
    )
    rig.recovered()
    rig.venue.events.clear()
    rig.venue.markets.clear()


def _list_at_venue(rig: Rig, fixture: Fixture) -> str:
    """The fixture as an event of the venue with its two markets."""
    day = fixture.kickoff.astimezone(ZoneInfo("America/New_York"))
    event = f"KXNFLGAME-{day:%y%b%d}{fixture.away}{fixture.home}".upper()
    close = datetime.now(UTC).replace(year=datetime.now(UTC).year + 1).isoformat()
    rig.venue.list_event(
        payloads.event(event),
        *(
            payloads.market(
                f"{event}-{team}", yes_sub_title=team, no_sub_title=team, close_time=close
            )
            for team in (fixture.away, fixture.home)
        ),
    )
    for team in (fixture.away, fixture.home):
        _book(rig, f"{event}-{team}", "0.45", "0.53")
    return event


def _book(rig: Rig, ticker: str, yes: str, no: str) -> None:
    rig.venue.books[ticker] = payloads.order_book([[yes, "900.00"]], [[no, "900.00"]])


def _quotes(rig: Rig, fixture: Fixture) -> int:
    return rig.number(
        "SELECT count(*) FROM market_snapshots JOIN markets USING (market_id)"
        " WHERE ticker = %(ticker)s", ticker=fixture.ticker,
    )  # fmt: skip


def _reasons(rig: Rig, ticker: str, reason: str) -> list[tuple[Any, ...]]:
    return rig.query(
        "SELECT DISTINCT decided_at FROM decisions JOIN markets USING (market_id)"
        " WHERE ticker = %(ticker)s AND skip_reason = %(reason)s", ticker=ticker, reason=reason,
    )  # fmt: skip
