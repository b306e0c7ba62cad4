"""What real gateways were seen to do and a well-behaved one would not."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from rebalancer.errors import ConfigError
from rebalancer.sim.exchange import Exchange
from rebalancer.sim.scenario import parse
from rebalancer.sim.vocabulary import ContractSpec, Fault, Opened, StatusChanged
from rebalancer.sim.world import Holding, Listing, Standing, World
from tests.support.exchange_play import ACCOUNT, Play, account, lines, market, new_york
from tests.support.sim_client import SPY_FIELDS, Client, Speaker, errors, names
from tests.support.sim_gateway import AAPL, small_world


def fault(kind: str, when: str = "+0", count: int = 1, **args: object) -> Fault:
    return Fault(kind, when, count, tuple((name, str(value)) for name, value in args.items()))


def speaker(*faults: Fault, world: World | None = None) -> Speaker:
    return Speaker(replace(world or small_world(), faults=faults))


def subscribe(client: Client, req_id: int) -> list[str]:
    return names(client.answers("reqMktData", req_id, *SPY_FIELDS, 0, "", 0, 0, ""))


# Money --------------------------------------------------------------------------------------


def test_a_split_changes_shares_and_prices_and_no_value() -> None:
    play = Play(
        market(
            accounts=account(1000, {AAPL: 10}),
            faults=(fault("split", "+5", symbol="AAPL", ratio=4),),
        )
    )
    before = play.value("NetLiquidation")
    play.wait(4.9)
    assert play.held() == 10
    play.wait(0.1)
    assert play.held() == 40
    assert play.exchange.quote(AAPL, play.now).last == Decimal("64.50")
    (held,) = play.exchange.positions(ACCOUNT)
    assert held.avg_cost == 25
    assert play.value("NetLiquidation") == before
    play.wait(100)
    assert play.held() == 40


def test_who_watches_positions_is_told_of_a_split() -> None:
    talk = speaker(fault("split", "+1", symbol="AAPL", ratio=2))
    client = talk.client()
    client.answers("reqPositions")
    talk.pass_time(1)
    (moved,) = [said for said in client.take() if said.name == "position"]
    assert "20" in moved.fields


def test_a_capped_order_says_so_and_fills() -> None:
    exchange = Exchange(
        market(faults=(fault("price_cap", "placeOrder", price="258.5"),)),
        new_york("2026-04-15 10:00"),
    )
    play = Play()
    play.exchange = exchange
    assert "orderStatus Filled 5/0" in play.buy(5, limit=270)
    (view,) = exchange.completed_orders()
    assert (view.cap_price, view.warning[:37]) == (
        Decimal("258.5"),
        "The price of your order is capped at ",
    )


# Contracts and hours ------------------------------------------------------------------------


def test_a_delisted_contract_is_held_and_not_found() -> None:
    gone = Listing(77, "AAPL", Decimal(258), local_symbol="AAPLOLD", delisted=True)
    world = market(
        listings=(*market().listings, gone),
        accounts=tuple(
            replace(spec, holdings=(Holding(77, Decimal(3), Decimal(200)),))
            for spec in account()
        ),
    )
    exchange = Exchange(world, new_york("2026-04-15 10:00"))
    (held,) = exchange.positions(ACCOUNT)
    assert exchange.contract(held.con_id).symbol == "AAPL"
    assert exchange.find(ContractSpec(con_id=77)) == ()
    (found,) = exchange.find(ContractSpec(symbol="AAPL"))
    assert found.con_id == AAPL


@pytest.mark.parametrize(
    ("extra", "zone", "hours"),
    [
        ("time_zone: ''", "", "20260415:0930-20260415:1600"),
        ("time_zone: EST5EDT", "EST5EDT", "20260415:0930-20260415:1600"),
        ("hours: short", "US/Eastern", "20260415:0930-1600"),
        ("calendar: BREAKS, hours: short", "Japan", "20260415:0900-1130,1230-1530"),
        ("calendar: NIGHT", "US/Central", "20260414:1700-20260415:1600"),
        ("calendar: NIGHT, hours: short", "US/Central", "20260415:1700-1600"),
    ],
)
def test_hours_are_spelled_as_the_scenario_says(extra: str, zone: str, hours: str) -> None:
    world = parse(
        "calendars: {BREAKS: {zone: Japan, regular: '09:00-11:30,12:30-15:30'},"
        " NIGHT: {zone: US/Central, regular: '17:00-16:00'}}\n"
        f"instruments: {{SPY: {{{extra}}}}}",
        "s.yaml",
    )
    exchange = Exchange(world, new_york("2026-04-15 10:00"))
    (spy,) = exchange.find(ContractSpec(symbol="SPY"))
    assert (spy.time_zone, spy.liquid_hours.split(";")[0]) == (zone, hours)


@pytest.mark.parametrize(
    ("at", "open_now"),
    [
        ("2026-04-12 17:30", False),  # Sunday, before 17:00 in Chicago
        ("2026-04-12 18:30", True),
        ("2026-04-13 12:00", True),
        ("2026-04-13 17:30", False),  # the hour's rest
        ("2026-04-13 19:00", True),
        ("2026-04-17 18:30", False),  # Friday evening belongs to Saturday
    ],
)
def test_a_session_over_midnight_trades_from_the_evening_on(at: str, open_now: bool) -> None:
    text = "calendars: {NIGHT: {zone: US/Central, regular: '17:00-16:00'}}\n"
    world = parse(f"{text}instruments: {{SPY: {{calendar: NIGHT}}}}", "s.yaml")
    play = Play(world, at)
    filled = "orderStatus Filled 1/0" in play.buy(1, "SPY", account="DU1000001")
    assert filled is open_now


@pytest.mark.parametrize("ranges", ["09:00-09:00", "09:00-11:00,17:00-16:00"])
def test_ranges_that_make_no_day_are_refused(ranges: str) -> None:
    with pytest.raises(ConfigError, match="from the evening before"):
        parse(f"calendars: {{X: {{zone: Japan, regular: '{ranges}'}}}}", "s.yaml")


# Orders of others ---------------------------------------------------------------------------


def test_orders_stand_from_the_start_and_belong_to_their_client() -> None:
    world = replace(
        small_world(),
        orders=(
            Standing("DU1000001", AAPL, "BUY", Decimal(5), Decimal(100), order_ref="by hand"),
            Standing(
                "DU1000001", AAPL, "BUY", Decimal(6), Decimal(100), client_id=7, order_id=50
            ),
        ),
        # They were there before any fault.
        faults=(fault("reject", "placeOrder", 1), fault("lost_ack", "placeOrder", 1)),
    )
    exchange = Exchange(world, new_york("2026-04-15 10:00"))
    shown = [(v.client_id, v.order_id, v.status, v.remaining) for v in exchange.open_orders()]
    assert shown == [(0, 1, "Submitted", 5), (7, 50, "Submitted", 6)]
    assert exchange.connect(7, exchange.now) == 51
    assert len(lines(exchange.cancel(7, 50, exchange.now))) == 3


def test_what_stands_is_part_of_the_state() -> None:
    world = replace(
        small_world(), orders=(Standing("DU1000001", AAPL, "BUY", Decimal(5), Decimal(100)),)
    )
    first = Exchange(world, new_york("2026-04-15 10:00"))
    again = Exchange.from_dict(world, first.to_dict())
    assert again.open_orders() == first.open_orders()


@pytest.mark.parametrize(
    ("order", "problem"),
    [
        ("{account: DU1, symbol: SPY}", "orders[0].account: found 'DU1'"),
        ("{symbol: SPX}", "orders[0].symbol: found 'SPX'"),
        ("{symbol: SPY}", "orders[0].quantity: found nothing; it is needed"),
        ("{side: BUY}", "orders[0].side: found an unknown key"),
        ("{quantity: 0}", "orders[0].quantity: found '0'"),
    ],
)
def test_a_wrong_standing_order_is_told(order: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(f"orders: [{order}]", "s.yaml")
    assert f"s.yaml:1: {problem}" in str(caught.value)


# The wire -----------------------------------------------------------------------------------


def test_ids_that_were_used_are_announced_once() -> None:
    talk = speaker(fault("id_rollback", "startApi", 2, to=1, used="yes"))
    client = talk.client()
    client.place(1)
    client.take()
    talk.hub.close(client.session)
    again = talk.client()
    assert [said[1] for said in again.greeting if said.name == "nextValidId"] == ["1"]
    again.place(1)
    assert errors(again.take()) == [("1", 103)]
    (told,) = again.answers("reqIds", 1)
    assert int(told[1]) > 1


def test_a_competing_session_may_leave_the_connection() -> None:
    talk = speaker(fault("competing_session", "+1", seconds="60", keep="yes"))
    client = talk.client()
    subscribe(client, 9)
    talk.pass_time(1)
    assert errors(client.take()) == [("9", 10197)]
    assert not client.closed
    assert subscribe(client, 10) == ["error"]
    assert names(client.answers("reqPositions"))[-1] == "positionEnd"
    talk.pass_time(60)
    assert "tickPrice" in subscribe(client, 11)


def test_delayed_data_may_come_without_a_word() -> None:
    client = speaker(fault("delayed_data", symbol="SPY", silent="yes")).client()
    said = client.answers("reqMktData", 9, *SPY_FIELDS, 0, "", 0, 0, "")
    assert errors(said) == []
    assert ("marketDataType", ("1", "9", "3")) in [(each.name, each.fields) for each in said]


def test_a_cancel_may_be_answered_with_10147_though_the_order_lives() -> None:
    play = Play(market(faults=(fault("cancel_refused", "cancelOrder", code=10147),)))
    play.buy(1, limit=100)
    assert play.cancel(1) == ["error 10147 OrderId 1 that needs to be cancelled is not found."]
    assert len(play.exchange.open_orders()) == 1
    assert len(play.cancel(1)) == 3


def test_completed_orders_may_come_unasked() -> None:
    talk = speaker(fault("unasked_completed", "reqCurrentTime"))
    client = talk.client()
    client.place(1)
    client.take()
    assert names(client.answers("reqCurrentTime")) == ["completedOrder", "currentTime"]
    assert names(client.answers("reqCurrentTime")) == ["currentTime"]


def test_reports_of_a_capped_order_carry_the_cap() -> None:
    world = market(faults=(fault("price_cap", "placeOrder", price="258.5", text="Capped."),))
    exchange = Exchange(world, new_york("2026-04-15 10:00"))
    play = Play()
    play.exchange = exchange
    play.buy(5, limit=100)
    (view,) = exchange.open_orders()
    assert Opened(view).view.warning == "Capped."
    assert StatusChanged(view).view.cap_price == Decimal("258.5")
