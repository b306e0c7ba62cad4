"""What holds whatever clients, prices and time do."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from rebalancer.sim.exchange import Exchange
from rebalancer.sim.vocabulary import ContractSpec, OrderSpec, OrderView
from rebalancer.sim.world import AccountSpec, Listing
from tests.support.exchange_play import ACCOUNT, Play, account, market

CASH = Decimal(50_000)
SYMBOLS = ("AAPL", "BND")
HELD = {265598: 20, 900000011: 30}


@dataclass(frozen=True)
class Step:
    """Something that happens: a name for failing examples, and the deed."""

    name: str
    do: Callable[[Play], list[str]]

    def __repr__(self) -> str:
        return self.name


def placing(
    action: str, symbol: str, shares: int, offset: int, kind: str, tif: str, client: int
) -> Step:
    def do(play: Play) -> list[str]:
        base = {"AAPL": Decimal(258), "BND": Decimal(75)}[symbol]
        limit = base + Decimal(offset) / 100 if kind in {"LMT", "LOC"} else None
        stop = base + Decimal(offset) / 100 if kind == "STP" else None
        return play.place(
            action, shares, symbol, kind, limit=limit, stop=stop, tif=tif, client=client
        )

    return Step(f"{action} {shares} {symbol} {kind} {offset:+} {tif} by {client}", do)


steps = st.one_of(
    st.builds(
        placing,
        st.sampled_from(["BUY", "SELL"]),
        st.sampled_from(SYMBOLS),
        st.integers(1, 60),
        st.integers(-300, 300),
        st.sampled_from(["MKT", "LMT", "LMT", "STP", "MOC", "LOC"]),
        st.sampled_from(["DAY", "GTC", "IOC", "FOK", "OPG"]),
        st.integers(1, 2),
    ),
    st.builds(
        lambda n, client: Step(f"cancel {n} by {client}", lambda play: play.cancel(n, client)),
        st.integers(1, 8),
        st.integers(0, 2),
    ),
    st.builds(
        lambda symbol, cents: Step(
            f"{symbol} to {cents}",
            lambda play: play.move(
                symbol, {"AAPL": 258, "BND": 75}[symbol] + Decimal(cents) / 100
            ),
        ),
        st.sampled_from(SYMBOLS),
        st.integers(-400, 400),
    ),
    st.builds(
        lambda seconds: Step(f"wait {seconds}", lambda play: play.wait(seconds)),
        st.sampled_from([0, 1, 7, 600, 7_200, 86_400]),
    ),
)
stories = st.lists(steps, min_size=1, max_size=25)


def new_play(kind: str = "margin") -> Play:
    listings = (
        Listing(265598, "AAPL", Decimal("258.00"), liquidity=Decimal(25), refill=5),
        Listing(900000011, "BND", Decimal("75.00")),
    )
    spec: tuple[AccountSpec, ...] = account(CASH, HELD)
    if kind == "cash":
        spec = account(CASH, HELD, kind="cash")
    return Play(market(listings=listings, accounts=spec), start="2026-04-15 15:50")


def all_orders(exchange: Exchange) -> tuple[OrderView, ...]:
    return exchange.orders_by_ref("")


@settings(max_examples=60, deadline=None)
@given(stories)
def test_money_and_shares_are_conserved(story: list[Step]) -> None:
    play = new_play()
    for step in story:
        step.do(play)
    fills = play.exchange.fills
    cash, shares = (
        CASH,
        dict.fromkeys(HELD, Decimal(0)) | {k: Decimal(v) for k, v in HELD.items()},
    )
    for fill in fills:
        signed = fill.shares if fill.side == "BOT" else -fill.shares
        cash -= signed * fill.price + fill.commission
        shares[fill.con_id] += signed
    held = {p.con_id: p.quantity for p in play.exchange.positions(ACCOUNT)}
    assert held == {con_id: quantity for con_id, quantity in shares.items() if quantity}
    assert play.value("TotalCashBalance") == round(cash, 2)


@settings(max_examples=60, deadline=None)
@given(stories)
def test_what_is_filled_and_what_remains_is_the_order(story: list[Step]) -> None:
    play = new_play()
    for step in story:
        step.do(play)
        for view in all_orders(play.exchange):
            done = sum(f.shares for f in play.exchange.fills if f.perm_id == view.perm_id)
            assert view.filled == done
            assert view.filled + view.remaining == view.order.quantity
            assert (view.remaining == 0) == (view.status == "Filled")


@settings(max_examples=60, deadline=None)
@given(stories)
def test_nothing_fills_beyond_its_limit_or_off_the_tick(story: list[Step]) -> None:
    play = new_play()
    for step in story:
        step.do(play)
    orders = {view.perm_id: view.order for view in all_orders(play.exchange)}
    for fill in play.exchange.fills:
        assert fill.price % Decimal("0.01") == 0
        limit = orders[fill.perm_id].limit_price
        if limit is not None:
            assert fill.price <= limit if fill.side == "BOT" else fill.price >= limit


@settings(max_examples=60, deadline=None)
@given(stories)
def test_a_cash_account_never_goes_short(story: list[Step]) -> None:
    play = new_play("cash")
    for step in story:
        step.do(play)
        assert all(p.quantity > 0 for p in play.exchange.positions(ACCOUNT))


@settings(max_examples=60, deadline=None)
@given(stories, st.integers(0, 25))
def test_a_restart_in_the_middle_is_invisible(story: list[Step], at: int) -> None:
    steady, restarted = new_play(), new_play()
    for number, step in enumerate(story):
        if number == at:
            state = json.loads(json.dumps(restarted.exchange.to_dict()))
            restarted.exchange = Exchange.from_dict(restarted.exchange.world, state)
        assert step.do(steady) == step.do(restarted)
    assert steady.exchange.to_dict() == restarted.exchange.to_dict()


@settings(max_examples=60, deadline=None)
@given(stories, st.lists(st.integers(1, 40_000), max_size=6))
def test_how_often_the_time_is_looked_at_does_not_matter(
    story: list[Step], looks: list[int]
) -> None:
    seldom, often = new_play(), new_play()
    for step in story:
        step.do(seldom)
        step.do(often)
    seen = [line for look in looks for line in often.wait(look)]
    assert seldom.wait(sum(looks)) == seen
    assert seldom.exchange.to_dict() == often.exchange.to_dict()


@settings(max_examples=40, deadline=None)
@given(stories)
def test_the_next_wakeup_misses_nothing(story: list[Step]) -> None:
    play = new_play()
    for step in story:
        step.do(play)
    due = play.exchange.next_wakeup(play.now)
    assert due is not None
    assert due > play.now
    assert play.wait((due - play.now) / 2) == []


numbers = st.decimals(allow_nan=True, allow_infinity=True) | st.sampled_from(
    [Decimal(0), Decimal(1), Decimal("258.00"), Decimal("1e40"), Decimal(-1)]
)
words = st.text(max_size=12)
requests = st.builds(
    OrderSpec,
    action=st.sampled_from(["BUY", "SELL", ""]) | words,
    quantity=numbers,
    order_type=st.sampled_from(["MKT", "LMT", "STP", "STP LMT", "TRAIL", "LOC"]) | words,
    limit_price=st.none() | numbers,
    aux_price=st.none() | numbers,
    tif=st.sampled_from(["DAY", "GTC", "GTD", "OPG", "IOC", ""]) | words,
    account=st.sampled_from([ACCOUNT, ""]) | words,
    outside_rth=st.booleans(),
    what_if=st.booleans(),
    algo_strategy=st.sampled_from(["", "Adaptive"]) | words,
    parent_id=st.integers(-5, 5),
    oca_group=words,
    good_after=st.sampled_from(["", "20260416 10:00:00", "99991231 00:00:00 UTC"]) | words,
    good_till=st.sampled_from(["", "20260416-10:00:00", "20260416", "20269999"]) | words,
    all_or_none=st.booleans(),
    fields=st.just(()) | st.tuples(st.tuples(st.just("trailingPercent"), words)),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(requests, min_size=1, max_size=4), st.integers(-3, 10))
def test_no_request_can_break_the_exchange(orders: list[OrderSpec], order_id: int) -> None:
    play = new_play()
    contract = ContractSpec(con_id=265598)
    for number, order in enumerate(orders):
        assert isinstance(
            play.exchange.place(1, order_id + number, contract, order, play.now), tuple
        )
    play.wait(86_400)
    json.dumps(play.exchange.to_dict(), allow_nan=False)
