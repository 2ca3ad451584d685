"""The paper exchange on books made by hand: the golden case of the rule book, and every refusal."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from precog_core.prices import Action, Side
from precog_trading.exchanges.paper import Book, Level, PaperExchange
from precog_trading.exchanges.port import OrderOutcome, OrderTicket
from precog_trading.rules.fees import FeeSchedule, FeeUnknown

SENT = datetime(2019, 9, 8, 15, tzinfo=UTC)
SCHEDULE = FeeSchedule(
    fee_schedule_id=7, fee_type="quadratic", taker_rate=Decimal("0.07"), maker_rate=Decimal(0),
    multiplier=Decimal(1), rounding_increment=Decimal("0.0001"),
)  # fmt: skip
TICKET = OrderTicket(
    client_order_id="c0ffee", environment="paper", platform_id="simulated", market_id=1,
    side=Side.YES, action=Action.BUY, limit_price=Decimal("0.58"), quantity=Decimal(1000),
    time_in_force="ioc", sent_at=SENT,
)  # fmt: skip


def levels(*pairs: tuple[str, str]) -> tuple[Level, ...]:
    return tuple(Level(Decimal(price), Decimal(size)) for price, size in pairs)


GOLDEN = Book(SENT, SENT, "simulated", (), levels(("0.43", "430"), ("0.42", "1500")))


@dataclass
class Shelf:
    """One book and one schedule, whatever is asked."""

    stored: Book | None
    schedule: FeeSchedule | None = SCHEDULE

    def book(self, ticket: OrderTicket) -> Book | None:
        return self.stored

    def fee_schedule(self, ticket: OrderTicket) -> FeeSchedule | None:
        return self.schedule


def submit(
    ticket: OrderTicket, book: Book | None = GOLDEN, schedule: FeeSchedule | None = SCHEDULE
) -> OrderOutcome:
    return PaperExchange(Shelf(book, schedule)).submit(ticket)


def test_section_10_golden_case_walks_two_levels() -> None:
    done = submit(TICKET)
    assert done.status == "filled"
    assert [(f.price, f.quantity, f.fee) for f in done.fills] == [
        (Decimal("0.57"), Decimal(430), Decimal("7.3776")),
        (Decimal("0.58"), Decimal(570), Decimal("9.7197")),
    ]
    assert sum(f.price * f.quantity for f in done.fills) == Decimal("575.70")
    assert all(f.is_taker and f.fee_schedule_id == 7 for f in done.fills)
    assert [f.venue_fill_id for f in done.fills] == ["paper-c0ffee-1", "paper-c0ffee-2"]
    assert done.closed_at == SENT


def test_the_same_order_again_has_the_same_ids_and_prices() -> None:
    assert submit(TICKET) == submit(TICKET)


def test_a_mirrored_no_order_fills_at_the_same_cost() -> None:
    mirrored = Book(SENT, SENT, "simulated", GOLDEN.no_bids, ())
    no = submit(replace(TICKET, side=Side.NO), mirrored)
    yes = submit(TICKET)
    assert [(f.price, f.quantity, f.fee) for f in no.fills] == [
        (f.price, f.quantity, f.fee) for f in yes.fills
    ]


def test_the_remainder_of_an_ioc_order_is_canceled() -> None:
    done = submit(replace(TICKET, limit_price=Decimal("0.57")))
    assert done.status == "canceled"
    assert done.filled_quantity == 430


def test_nothing_is_bought_above_the_limit() -> None:
    done = submit(replace(TICKET, limit_price=Decimal("0.56")))
    assert (done.status, done.fills) == ("canceled", ())


def test_fill_or_kill_fills_whole_or_not_at_all() -> None:
    whole = submit(replace(TICKET, time_in_force="fok", quantity=Decimal(1930)))
    assert (whole.status, whole.filled_quantity) == ("filled", 1930)
    more = submit(replace(TICKET, time_in_force="fok", quantity=Decimal(1931)))
    assert (more.status, more.fills, more.error_code) == ("canceled", (), "not_filled_whole")


def test_a_sale_meets_the_bids_of_its_own_side_down_to_its_limit() -> None:
    book = Book(SENT, SENT, "simulated", levels(("0.56", "10"), ("0.55", "10"), ("0.53", "9")), ())
    done = submit(
        replace(TICKET, action=Action.SELL, limit_price=Decimal("0.54"), quantity=Decimal(25)), book
    )
    assert done.status == "canceled"
    assert [(f.price, f.quantity) for f in done.fills] == [
        (Decimal("0.56"), Decimal(10)),
        (Decimal("0.55"), Decimal(10)),
    ]


def test_reduce_only_is_capped_at_what_is_held() -> None:
    book = Book(SENT, SENT, "simulated", levels(("0.56", "100")), ())
    sale = replace(
        TICKET, action=Action.SELL, limit_price=Decimal("0.50"), quantity=Decimal(40),
        reduce_only=True, held_quantity=Decimal(15),
    )  # fmt: skip
    done = submit(sale, book)
    assert (done.status, done.filled_quantity) == ("canceled", 15)
    none = submit(replace(sale, held_quantity=Decimal(0)), book)
    assert (none.status, none.error_code) == ("rejected", "nothing_to_reduce")


def test_post_only_is_rejected_when_it_would_cross() -> None:
    crossing = submit(replace(TICKET, post_only=True, time_in_force="gtc"))
    assert (crossing.status, crossing.error_code) == ("rejected", "would_cross")


@pytest.mark.parametrize("post_only", [True, False])
def test_an_order_good_till_canceled_rests_below_the_book(post_only: bool) -> None:
    below = replace(
        TICKET, post_only=post_only, time_in_force="gtc", limit_price=Decimal("0.50"),
        expires_at=SENT + timedelta(seconds=30),
    )  # fmt: skip
    assert (submit(below).status, submit(below).closed_at) == ("resting", None)
    late = replace(GOLDEN, observed_at=SENT + timedelta(seconds=31))
    assert submit(below, late).status == ("canceled"), "its time was over when the book was seen"


def test_a_resting_order_takes_what_crosses_first() -> None:
    done = submit(replace(TICKET, time_in_force="gtc", limit_price=Decimal("0.57")))
    assert (done.status, done.filled_quantity) == ("resting", 430)


def test_a_reduce_only_order_rests_for_no_more_than_is_held() -> None:
    book = Book(SENT, SENT, "simulated", levels(("0.57", "400")), ())
    sale = replace(
        TICKET, action=Action.SELL, limit_price=Decimal("0.55"), time_in_force="gtc",
        reduce_only=True, held_quantity=Decimal(15),
    )  # fmt: skip
    done = submit(sale, book)
    assert (done.status, done.filled_quantity) == ("canceled", 15), "all that may be sold is sold"


def test_without_a_book_the_order_is_canceled() -> None:
    done = submit(TICKET, None)
    assert (done.status, done.error_code, done.closed_at) == ("canceled", "no_book", SENT)


def test_without_a_known_fee_nothing_is_bought() -> None:
    assert submit(TICKET, schedule=None).error_code == "fee_unknown"
    flat = replace(SCHEDULE, fee_type="flat")
    assert submit(TICKET, schedule=flat).status == "rejected"


def test_a_later_book_fills_at_its_own_time() -> None:
    seen = SENT + timedelta(seconds=40)
    book = replace(GOLDEN, observed_at=seen, known_at=seen + timedelta(seconds=1))
    fill = submit(TICKET, book).fills[0]
    assert (fill.executed_at, fill.known_at) == (seen, seen + timedelta(seconds=1))


def test_a_rebate_above_the_fee_is_refused_rather_than_booked_negative() -> None:
    exchange = PaperExchange(
        Shelf(Book(SENT, SENT, "simulated", (), levels(*[("0.9995", "1")] * 9))),
        account_precision=Decimal("0.01"),
    )
    with pytest.raises(FeeUnknown, match="account_precision"):
        exchange.submit(replace(TICKET, quantity=Decimal(9)))


@given(
    st.lists(
        st.tuples(st.integers(1, 99), st.integers(1, 500)),
        min_size=1, max_size=6, unique_by=lambda pair: pair[0],
    ),
    st.integers(1, 99),
    st.integers(1, 2000),
)  # fmt: skip
def test_never_more_than_the_book_never_beyond_the_limit_never_more_than_wanted(
    bids: list[tuple[int, int]], limit: int, wanted: int
) -> None:
    book = Book(
        SENT, SENT, "simulated", (),
        tuple(Level(Decimal(price) / 100, Decimal(size)) for price, size in bids),
    )  # fmt: skip
    limit_price = Decimal(limit) / 100
    done = submit(replace(TICKET, limit_price=limit_price, quantity=Decimal(wanted)), book)
    offered = sum(size for price, size in bids if 100 - price <= limit)
    assert done.filled_quantity == min(wanted, offered)
    assert (done.status == "filled") == (done.filled_quantity == wanted)
    assert all(fill.price <= limit_price for fill in done.fills)
    prices = [fill.price for fill in done.fills]
    assert prices == sorted(prices)
