"""From the journal in a real Redis to real HTTP services, through the real notifier."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rebalancer.errors import ConfigError
from rebalancer.notify import follower, outbox
from rebalancer.queue import keys, measures, moves
from rebalancer.queue.move import command
from tests.notify.conftest import Office, eventually
from tests.support.http_service import HttpService, http_service
from tests.support.http_service import eventually as blocking
from tests.support.redis_server import RedisServer, free_port, redis_server
from tests.support.tcp_proxy import tcp_proxy

pytestmark = pytest.mark.redis_server


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "PAUSE", 0.05)
    monkeypatch.setattr(outbox, "FIRST_RETRY", 0.05)
    monkeypatch.setattr(outbox, "LAST_RETRY", 0.2)
    monkeypatch.setattr(follower, "WAIT", 0.3)
    monkeypatch.setattr(follower, "RETRY", 0.1)


def sent_to_the_phone(office: Office) -> float:
    """What the figures say; they are written after the acknowledgement."""
    found = office.queue.run(measures.measured())
    return float(found.get("rebalancer_notifications_total phone sent", 0))


async def test_what_happens_is_told_once_and_acknowledged(
    office: Office, phone: HttpService
) -> None:
    office.alert("before anybody followed")
    office.configure({"phone": phone.ntfy_url("mine")})
    async with office.notifier():
        await eventually(lambda: office.reader() is not None)
        office.alert("IB Gateway is gone", remedy="rebalancer doctor")
        await eventually(lambda: phone.got)
        await eventually(office.all_acknowledged)
        await eventually(lambda: sent_to_the_phone(office) == 1)
    assert [(body["topic"], body["title"]) for body in phone.got] == [
        ("mine", "IB Gateway is gone")
    ]
    assert "To do: rebalancer doctor" in phone.got[0]["message"]


async def test_what_happened_while_no_notifier_ran_is_told_at_the_next_start(
    office: Office, phone: HttpService
) -> None:
    office.configure({"phone": phone.json_url})
    async with office.notifier():
        await eventually(lambda: office.reader() is not None)
    office.alert("in the night")
    async with office.notifier():
        await eventually(lambda: phone.titles == ["in the night"])
        await eventually(office.all_acknowledged)


async def test_services_get_their_levels_and_accounts(
    office: Office, phone: HttpService
) -> None:
    with http_service() as mail:
        office.configure(
            {"phone": phone.json_url, "mail": mail.json_url},
            phone=", levels: [critical, action], accounts: [U1]",
            mail=", levels: routine",
        )
        async with office.notifier():
            await eventually(lambda: office.reader() and office.reader("mail"))
            office.alert("U1 is held", "U1")
            await eventually(lambda: len(phone.got) == 1)
            office.alert("U2 is held", "U2")
            office.alert("U1 waits for approval", "U1", level="action")
            office.alert("good to know", "U1", level="routine")
            office.alert("for everybody")
            await eventually(office.all_acknowledged)
            await eventually(lambda: office.all_acknowledged("mail"))
        said = " ".join(str(body) for body in phone.got)
        assert all(each in said for each in ("U1 is held", "U1 waits", "for everybody"))
        assert "U2" not in said
        assert "good to know" not in said
        assert mail.titles == ["good to know"]


async def test_a_service_that_is_down_holds_up_no_other_and_gets_all_later(
    office: Office, phone: HttpService
) -> None:
    with http_service() as mail, http_service() as chat:
        mail.status = 503
        chat.answering.clear()  # takes the request and says nothing
        office.configure(
            {"phone": phone.json_url, "mail": mail.json_url, "chat": chat.json_url}
        )
        async with office.notifier():
            await eventually(lambda: office.reader("chat") and office.reader("mail"))
            await eventually(office.reader)
            office.alert("first")
            await eventually(lambda: mail.tries >= 3)
            await eventually(lambda: chat.tries >= 1)
            for n in range(9):
                office.alert(f"storm {n}")
            await eventually(office.all_acknowledged)
            assert not office.all_acknowledged("mail")
            mail.status = 200
            chat.answering.set()
            await eventually(lambda: office.all_acknowledged("mail"))
            await eventually(lambda: office.all_acknowledged("chat"))
    assert all("storm 8" in str(service.got) for service in (phone, mail, chat))
    found = office.queue.run(measures.measured())
    assert found["rebalancer_notifications_total mail failed"] >= 3


async def test_what_no_service_took_for_too_long_is_given_up_and_that_is_told(
    office: Office, phone: HttpService
) -> None:
    office.configure({"phone": phone.json_url}, "gather_seconds: 0.05, give_up_hours: 0.0002")
    phone.status = 500
    async with office.notifier():
        await eventually(office.reader)
        office.alert("too late")
        gone = "rebalancer_notifications_total phone dropped"
        await eventually(lambda: office.queue.run(measures.measured()).get(gone) == 1)
        phone.status = 200
        await eventually(lambda: phone.titles)
        await eventually(office.all_acknowledged)
    assert phone.titles == ["Notices were given up"]


async def test_entries_that_were_forgotten_unread_are_told_of(
    office: Office, phone: HttpService
) -> None:
    office.configure({"phone": phone.json_url})
    async with office.notifier():
        await eventually(office.reader)
    for n in range(5):
        office.alert(f"alert {n}")
    office.queue.run(command("XTRIM", keys.JOURNAL, "MAXLEN", "2", parse=int))
    async with office.notifier():
        await eventually(lambda: "Notices are missing" in str(phone.got))
        await eventually(office.all_acknowledged)
    said = str(phone.got)
    assert "alert 3" in said
    assert "alert 4" in said


async def test_pending_entries_that_were_forgotten_are_told_of(
    office: Office, phone: HttpService
) -> None:
    office.configure({"phone": phone.json_url})
    phone.status = 500
    async with office.notifier():
        await eventually(office.reader)
        office.alert("never told")
        await eventually(lambda: phone.tries)
    office.queue.run(command("XTRIM", keys.JOURNAL, "MAXLEN", "0", parse=int))
    phone.status = 200
    async with office.notifier():
        await eventually(lambda: phone.titles)
        await eventually(lambda: (r := office.reader()) is not None and r.pending == 0)
    assert phone.titles == ["Notices are missing"]


@pytest.mark.parametrize("how", ["drop", "stall"])
async def test_a_lost_reply_of_redis_loses_no_notice(
    office: Office, phone: HttpService, server: RedisServer, how: str
) -> None:
    office.configure({"phone": phone.json_url})
    with tcp_proxy(server.port) as proxy:
        async with office.notifier(f"redis://127.0.0.1:{proxy.port}/0"):
            await eventually(office.reader)
            for n in range(4):
                proxy.lose_next_reply(how)  # type: ignore[arg-type]
                office.alert(f"alert {n}")
                await eventually(lambda n=n: f"alert {n}" in str(phone.got))  # type: ignore[misc]
            await eventually(office.all_acknowledged)


async def test_a_redis_that_lost_everything_is_followed_anew(
    office: Office, phone: HttpService
) -> None:
    office.configure({"phone": phone.json_url})
    async with office.notifier():
        await eventually(office.reader)
        office.alert("before")
        await eventually(lambda: phone.titles == ["before"])
        office.queue.run(command("FLUSHALL", parse=bool))
        office.alert("after")
        await eventually(lambda: phone.titles == ["before", "after"])
        await eventually(office.all_acknowledged)


async def test_a_redis_that_does_not_answer_is_told_directly(
    tmp_path: Path, office: Office, phone: HttpService
) -> None:
    office.configure({"phone": phone.json_url}, "silence_seconds: 0.2, repeat_seconds: 0.05")
    with redis_server(tmp_path / "redis") as redis:
        async with office.notifier(redis.url):
            await eventually(lambda: redis.alive)
            redis.kill()
            await eventually(lambda: "Redis does not answer" in phone.titles)
            redis.start()
            await eventually(lambda: "Redis is back" in phone.titles)


async def test_a_silent_program_is_told_once_and_a_restart_does_not_repeat_it(
    office: Office, phone: HttpService
) -> None:
    office.configure({"phone": phone.json_url}, "silence_seconds: 0.4, gather_seconds: 0.05")
    office.queue.run(moves.heartbeat_daemon("processor", {}, now=time.time()))
    async with office.notifier():
        await eventually(lambda: phone.titles == ["The processor is silent"])
        await eventually(office.all_acknowledged)
    async with office.notifier():
        future = time.time() + 3600
        await eventually(lambda: _info(office).get("silent") == ["processor"])
        office.queue.run(moves.heartbeat_daemon("processor", {}, now=future))
        await eventually(lambda: len(phone.titles) == 2)
    assert phone.titles == ["The processor is silent", "The processor is back"]


def _info(office: Office) -> dict[str, object]:
    found = office.queue.run(moves.daemons()).get("notify")
    return dict(found.info) if found else {}


async def test_a_service_that_is_no_more_is_forgotten(
    office: Office, phone: HttpService
) -> None:
    office.configure({"phone": phone.json_url})
    async with office.notifier():
        await eventually(office.reader)
    office.configure({"other": phone.json_url})
    async with office.notifier():
        await eventually(lambda: office.reader("other"))
        await eventually(lambda: office.reader("phone") is None)


# A process of its own --------------------------------------------------------------------


def _start(office: Office) -> subprocess.Popen[bytes]:
    with (office.folder / "log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "rebalancer", "notify"],
            env={
                "REBALANCER_CONFIG": str(office.folder / "rebalancer.yaml"),
                "REBALANCER_REDIS_URL": office.redis_url,
                "PYTHONPATH": str(Path(__file__).parents[2]),
                "NOTIFY_SOCKET": str(office.folder / "systemd"),
            },
            stderr=log,
        )


def test_killed_while_it_tells_the_next_process_tells_it(
    office: Office, phone: HttpService
) -> None:
    office.configure({"phone": phone.json_url})
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(office.folder / "systemd"))
        systemd.settimeout(15)
        first = _start(office)
        heard = {systemd.recv(4096).partition(b"=")[0] for _ in range(3)}
        assert heard == {b"READY", b"STATUS", b"WATCHDOG"}
    blocking(office.reader)
    phone.answering.clear()
    office.alert("told when it was killed")
    phone.until(lambda: phone.tries == 1)
    first.kill()
    first.wait()
    reader = office.reader()
    assert reader is not None
    assert reader.pending == 1
    phone.answering.set()
    second = _start(office)
    phone.until(lambda: len(phone.got) == 2)
    blocking(office.all_acknowledged)
    second.send_signal(signal.SIGTERM)
    assert second.wait(10) == 0
    # At least once: the service had taken it, and nobody had heard that it did.
    assert phone.titles == ["told when it was killed"] * 2
    third = _start(office)
    office.alert("nothing comes twice after that")
    phone.until(lambda: "nothing comes twice" in str(phone.got))
    blocking(office.all_acknowledged)
    third.kill()
    third.wait()
    assert len(phone.got) == 3


@pytest.mark.parametrize("url", ["", "bogus://canary-secret/"])
async def test_a_service_without_a_usable_url_is_refused(office: Office, url: str) -> None:
    office.configure({"phone": url})
    with pytest.raises(ConfigError, match="notify service phone") as refused:
        async with office.notifier():
            pass
    assert "canary" not in str(refused.value)


async def test_a_port_where_nobody_listens_is_one_more_failure(office: Office) -> None:
    office.configure({"phone": f"ntfy://127.0.0.1:{free_port()}/canary-topic"})
    async with office.notifier():
        await eventually(office.reader)
        office.alert("unheard")
        failed = "rebalancer_notifications_total phone failed"
        await eventually(lambda: office.queue.run(measures.measured()).get(failed, 0) >= 1)
        await eventually(lambda: "services" in _info(office))
    assert "canary" not in str(_info(office))
