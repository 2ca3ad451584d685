"""Kalshi over REST: signed or public reads, within the rate limits, strictly parsed.

The decision a reader would question: nothing here guesses. A missing or malformed field raises,
a listing that was cut short says so, and an answer whose effect is not known is ``unknown``.
There is no way to place an order in this package yet; ``outcomes`` already says what a reply to
one would mean.

Start at ``client.KalshiClient``. Nothing is imported here, because the command line loads this
package each time and ``httpx`` only when Kalshi is asked.
"""
