from __future__ import annotations

import asyncio

import pytest

from rebalancer.notify.notices import Level, Notice
from rebalancer.notify.outbox import Message, composed
from rebalancer.notify.services import Addressee, Service, secrets_of
from tests.support.http_service import HttpService


def _message(level: Level = "critical", text: str = "a < b & *c*") -> Message:
    return composed([Notice(level, "title", text, at=1_770_033_600.0)])


@pytest.mark.parametrize(
    ("level", "shown"), [("critical", "failure"), ("action", "warning"), ("routine", "info")]
)
async def test_a_message_goes_out_as_it_is(
    phone: HttpService, level: Level, shown: str
) -> None:
    assert await Service("phone", phone.json_url).send(_message(level)) == ""
    [body] = phone.got
    assert (body["title"], body["type"]) == ("title", shown)
    assert body["message"] == "a < b & *c*\n2026-02-02 12:00:00Z"


async def test_what_a_service_says_against_it_is_told_without_secrets(
    phone: HttpService,
) -> None:
    phone.status = 403
    said = await Service("phone", phone.ntfy_url("canary-topic")).send(_message())
    assert "error=403" in said
    assert "canary" not in said


async def test_two_services_do_not_wait_for_one_another(phone: HttpService) -> None:
    phone.answering.clear()
    slow = asyncio.create_task(Service("slow", phone.json_url + "?rto=10").send(_message()))
    await asyncio.sleep(0)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await asyncio.shield(slow)
    phone.answering.set()
    assert await slow == ""


def test_every_part_of_a_url_is_taken_for_a_secret() -> None:
    found = secrets_of("ntfy://us%40er:p%2Fword@host/topic?x=token")
    assert {"us%40er", "us@er", "p%2Fword", "p/word", "topic", "token"} <= set(found)
    assert list(found) == sorted(found, key=len, reverse=True)


def test_an_addressee_wants_its_levels_and_accounts() -> None:
    both = Addressee("a", frozenset({"critical"}), frozenset({"U1"}))
    assert both.wants("critical", "U1")
    assert both.wants("critical", "")
    assert not both.wants("critical", "U2")
    assert not both.wants("routine", "U1")
    assert Addressee("b", frozenset({"routine"})).wants("routine", "U2")
