"""What a symbol names: exactly one tradable contract, or an error that names them all."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest
from ib_async import Contract, ContractDetails, PriceIncrement

from rebalancer.errors import GatewayError, GatewayUnavailableError, UnknownInstrumentError
from rebalancer.gateway import contracts as module
from rebalancer.gateway import convert
from rebalancer.gateway.contracts import Contracts, parse_symbol
from tests.gateway.conftest import PUT, VWCE, Start, fault
from tests.support.sim_gateway import SPY


@pytest.mark.parametrize(
    ("spelled", "symbol", "exchange", "currency", "con_id"),
    [
        ("SPY", "SPY", "", "USD", 0),
        ("BRK B", "BRK B", "", "USD", 0),
        ("VWCE@IBIS2/EUR", "VWCE", "IBIS2", "EUR", 0),
        ("VWCE/EUR", "VWCE", "", "EUR", 0),
        ("MSFT@NASDAQ", "MSFT", "NASDAQ", "USD", 0),
        ("conid:756733", "", "", "", 756733),
    ],
)
def test_spellings(
    spelled: str, symbol: str, exchange: str, currency: str, con_id: int
) -> None:
    contract = parse_symbol(spelled)
    assert (contract.symbol, contract.primaryExchange) == (symbol, exchange)
    assert (contract.currency, contract.conId) == (currency, con_id)
    assert contract.exchange == "SMART"


@pytest.mark.parametrize(
    "spelled", ["", "spy", "SPY@", "SPY/", "SPY/EURO", "conid:", "conid:-1", "A;B"]
)
async def test_a_spelling_that_means_nothing_is_unknown(spelled: str, start: Start) -> None:
    desk = await start()
    with pytest.raises(UnknownInstrumentError, match="spell it like"):
        await desk.contracts.resolve((spelled,))


async def test_instruments_by_spelling(start: Start) -> None:
    desk = await start()
    found = await desk.contracts.resolve(("SPY", "VWCE@IBIS2/EUR", f"conid:{SPY}", "SPY"))
    assert set(found) == {"SPY", "VWCE@IBIS2/EUR", f"conid:{SPY}"}
    spy, vwce = found["SPY"], found["VWCE@IBIS2/EUR"]
    assert (spy.con_id, spy.symbol, spy.local_symbol) == (SPY, "SPY", "SPY")
    assert (spy.sec_type, spy.currency, spy.exchange) == ("STK", "USD", "SMART")
    assert (spy.primary_exchange, spy.min_tick) == ("ARCA", Decimal("0.01"))
    assert spy.trading_hours
    assert spy.liquid_hours
    assert spy.time_zone
    assert (vwce.con_id, vwce.currency, vwce.local_symbol) == (VWCE, "EUR", "VWCE")
    assert found[f"conid:{SPY}"].con_id == SPY


async def test_all_unknown_symbols_are_named_at_once(start: Start) -> None:
    desk = await start()
    with pytest.raises(UnknownInstrumentError) as caught:
        await desk.contracts.resolve(("SPY", "NOSUCH", "AAPL", "NEITHER@IBIS2/EUR"))
    assert "'NOSUCH': 200: No security definition" in str(caught.value)
    assert "'NEITHER@IBIS2/EUR'" in str(caught.value)
    assert "SPY" not in str(caught.value)


async def test_only_stocks_are_traded(start: Start) -> None:
    desk = await start()
    with pytest.raises(UnknownInstrumentError, match="is a OPT; only stocks"):
        await desk.contracts.resolve((f"conid:{PUT}",))


def details(con_id: int, exchange: str, magnifier: int = 1) -> ContractDetails:
    contract = Contract(
        conId=con_id,
        symbol="ABC",
        secType="STK",
        exchange="SMART",
        primaryExchange=exchange,
        currency="USD",
    )
    return ContractDetails(contract=contract, minTick=0.01, priceMagnifier=magnifier)


def test_an_ambiguous_symbol_names_its_choices() -> None:
    rows = [details(1, "NYSE"), details(2, "AMEX")]
    rows[1].contract.currency = "CAD"  # type: ignore[union-attr]
    with pytest.raises(
        UnknownInstrumentError, match="ambiguous; name one of ABC, ABC@AMEX/CAD"
    ):
        module._only("ABC", rows)


def test_one_contract_in_several_rows_is_one() -> None:
    rows = [details(1, "NYSE"), details(1, "NYSE")]
    assert module._only("ABC", rows).con_id == 1


def test_a_price_in_pence_is_told_by_its_magnifier() -> None:
    assert module._only("ABC", [details(1, "LSE", 100)]).magnifier == 100
    assert module._only("ABC", [details(1, "LSE", 0)]).magnifier == 1


async def test_contracts_are_read_once_for_all_who_ask(start: Start) -> None:
    desk = await start()
    before = desk.sent()
    await asyncio.gather(*(desk.contracts.resolve(("SPY", "AAPL")) for _ in range(24)))
    await desk.contracts.resolve(("AAPL", "SPY"))
    assert desk.sent() == before + 3  # two contracts and the market rule both have


@pytest.mark.parametrize(
    ("price", "step"),
    [
        ("0.50", "0.0001"),
        ("12", "0.005"),
        ("19.50", "0.005"),
        ("19.95", "0.01"),  # a limit above it may be on the other side of the edge
        ("20.20", "0.01"),
        ("120", "0.02"),
        ("5000", "0.02"),
    ],
)
async def test_the_price_step_is_that_of_the_price(price: str, step: str, start: Start) -> None:
    # The shape of the European tick size regime (MiFID II, RTS 11): coarser as prices grow.
    desk = await start()
    spy = (await desk.contracts.resolve(("SPY",)))["SPY"]
    ladder = [(0.0, 0.0001), (1.0, 0.0005), (10.0, 0.005), (20.0, 0.01), (100.0, 0.02)]
    desk.contracts._steps[spy.con_id] = convert.price_steps(
        [PriceIncrement(low, step) for low, step in ladder],
    )
    assert desk.contracts.stepped(spy, Decimal(price)).min_tick == Decimal(step)


async def test_without_price_steps_the_smallest_one_serves(
    start: Start,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "RULE_WITHIN", 0.05)
    desk = await start()
    desk.server.inject(fault("drop", "reqMarketRule", message="marketRule"))
    spy = (await desk.contracts.resolve(("SPY",)))["SPY"]
    assert desk.contracts.stepped(spy, Decimal(500)).min_tick == Decimal("0.01")


async def test_hours_are_read_again(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = await start()
    await desk.contracts.resolve(("SPY",))
    monkeypatch.setattr(module, "HOURS_AGE", 0.0)
    before = desk.sent()
    await desk.contracts.resolve(("SPY",))
    assert desk.sent() == before + 1


async def test_a_shared_lookup_survives_who_began_it(start: Start) -> None:
    desk = await start(latency=0.05)
    first = asyncio.create_task(desk.contracts.resolve(("SPY",)))
    await asyncio.sleep(0)
    second = asyncio.create_task(desk.contracts.resolve(("SPY",)))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second)["SPY"].con_id == SPY


async def test_an_unanswered_lookup_is_no_unknown_symbol(start: Start) -> None:
    desk = await start()
    desk.server.inject(fault("drop", "reqContractDetails", message="contractDetailsEnd"))
    impatient = Contracts(desk.connection, timeout=0.1)
    with pytest.raises(GatewayError, match="contract SPY: no full answer"):
        await impatient.resolve(("SPY",))
    assert (await impatient.resolve(("SPY",)))["SPY"].con_id == SPY


async def test_a_lost_connection_ends_a_lookup_at_once(start: Start) -> None:
    desk = await start()
    desk.server.inject(fault("disconnect", "reqContractDetails"))
    with pytest.raises(GatewayUnavailableError, match="closed the connection"):
        await desk.contracts.resolve(("SPY",))
