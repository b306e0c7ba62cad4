"""Whatever bytes come, in whatever pieces: nothing is raised, nobody else is hurt."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rebalancer.sim.protocol.messages_in import REQUESTS
from rebalancer.sim.protocol.wire import FrameReader, frame, split
from tests.support.sim_client import SPY_FIELDS, Client, Speaker, names

_QUICK = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)
_ODD = st.sampled_from(
    [
        *("", "0", "1", "-1", "5", "2147483647", "99999999999", "1.7976931348623157E308"),
        *("NaN", "1e9", "x", "SPY", "AAPL", "STK", "BAG", "SMART", "USD", "DU1000001", "All"),
        *(
            "BUY",
            "SELL",
            "MKT",
            "LMT",
            "DAY",
            "GTC",
            "500",
            "0.001",
            "-7",
            "20260102",
            "\x80\u20ac",
        ),
    ]
)
_REQUEST = st.one_of(
    st.tuples(st.sampled_from(sorted(REQUESTS)), st.lists(_ODD, max_size=30)),
    st.tuples(st.integers(-5, 300), st.lists(_ODD, max_size=5)),
)


def _unhurt(speaker: Speaker, other: Client) -> None:
    speaker.pass_time(2)
    other.take()
    assert names(other.answers("reqCurrentTime")) == ["currentTime"]


def _well_formed(data: bytes) -> None:
    reader = FrameReader()
    reader.feed(data)
    for payload in reader.payloads():
        assert split(payload)[0].isdigit()


@_QUICK
@given(st.lists(st.binary(max_size=40), max_size=8))
def test_arbitrary_bytes_from_strangers(pieces: list[bytes]) -> None:
    speaker = Speaker()
    other, stranger = speaker.client(9), Client(speaker)
    for piece in pieces:
        stranger.raw(piece)
    stranger.take_bytes()
    _unhurt(speaker, other)


@_QUICK
@given(st.lists(st.binary(max_size=60), max_size=8))
def test_arbitrary_bytes_after_the_start(pieces: list[bytes]) -> None:
    speaker = Speaker()
    other, client = speaker.client(9), speaker.client(1)
    for piece in pieces:
        client.raw(piece)
    _well_formed(client.take_bytes())
    _unhurt(speaker, other)


@_QUICK
@given(st.lists(st.binary(max_size=60), max_size=8))
def test_frames_of_arbitrary_payload(payloads: list[bytes]) -> None:
    speaker = Speaker()
    other, client = speaker.client(9), speaker.client(1)
    for payload in payloads:
        client.raw(len(payload).to_bytes(4, "big") + payload)
    _well_formed(client.take_bytes())
    assert not client.closed
    _unhurt(speaker, other)


@_QUICK
@given(st.lists(_REQUEST, max_size=12))
def test_requests_with_arbitrary_fields(requests: list[tuple[int, list[str]]]) -> None:
    speaker = Speaker()
    other, client = speaker.client(9), speaker.client(1)
    for number, fields in requests:
        client.raw(frame((number, *fields)))
    _well_formed(client.take_bytes())
    _unhurt(speaker, other)


@_QUICK
@given(st.sampled_from(sorted(REQUESTS)), _ODD, st.integers(1, 12), st.lists(_ODD, max_size=9))
def test_nearly_right_requests(number: int, odd: str, place: int, rest: list[str]) -> None:
    speaker = Speaker()
    other, client = speaker.client(9), speaker.client(1)
    fields = [str(field) for field in (1, *SPY_FIELDS, *rest)]
    fields[min(place, len(fields) - 1)] = odd
    for head in ((number,), (number, "1"), (number, "8")):
        client.raw(frame((*head, *fields)))
    _well_formed(client.take_bytes())
    _unhurt(speaker, other)


_ORDER_FIELDS = st.sampled_from(
    [
        *("conId", "symbol", "secType", "exchange", "currency", "action", "totalQuantity"),
        *("orderType", "lmtPrice", "auxPrice", "tif", "account", "transmit", "parentId"),
        *("outsideRth", "goodAfterTime", "goodTillDate", "trailStopPrice", "trailingPercent"),
        *("whatIf", "allOrNone", "ocaGroup", "displaySize", "hidden", "algoStrategy"),
        *("scalePriceIncrement", "hedgeType", "deltaNeutral", "nConditions"),
    ]
)


@_QUICK
@given(st.lists(st.dictionaries(_ORDER_FIELDS, _ODD, max_size=5), min_size=1, max_size=6))
def test_orders_with_odd_fields(orders: list[dict[str, str]]) -> None:
    speaker = Speaker()
    other, client = speaker.client(9), speaker.client(1)
    for order_id, fields in enumerate(orders, start=1):
        client.place(order_id, **fields)
        speaker.pass_time(0.1)
    _well_formed(client.take_bytes())
    client.ask("reqGlobalCancel")
    _unhurt(speaker, other)
