"""The page in a real browser, before a real processor that trades at the simulated gateway."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from decimal import Decimal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

from rebalancer.core.reconcile import Difference, Shown
from rebalancer.queue import moves
from tests.api.server import OPERATOR, READER
from tests.api.stage import (
    ASKED,
    DEADLINE,
    LOOKED_AT,
    OFF,
    STOPPED,
    TRADED,
    WAITING,
    Stage,
    chromium,
    stage,
)
from tests.support.redis_server import redis_server

pytestmark = [pytest.mark.redis_server, pytest.mark.chromium]

#: WCAG 2.2 A and AA, and what axe's authors hold for good practice.
RULES = {"resultTypes": ["violations"]}


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with (
        redis_server(tmp_path_factory.mktemp("redis")) as redis,
        stage(tmp_path_factory.mktemp("page"), redis) as running,
    ):
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=DEADLINE * 1000)
    with sync_playwright() as playwright, chromium(playwright) as running:
        yield running


@pytest.fixture
def page(stand: Stage, browser: Browser) -> Iterator[Page]:
    """The page of somebody who has logged in; at its end no script has failed."""
    failed: list[str] = []
    with stand.visit(browser) as context:
        found = context.new_page()
        found.on("pageerror", lambda error: failed.append(str(error)))
        found.on("console", lambda line: failed.append(line.text) if _ours(line.text) else None)
        yield found
    assert failed == []


@pytest.fixture(autouse=True)
def _tidy(stand: Stage) -> Iterator[None]:
    yield
    stand.tidy()


def _ours(line: str) -> bool:
    """What breaks the rules of the page, such as its Content-Security-Policy."""
    return "Content Security Policy" in line or "Uncaught" in line


def opened(page: Page, place: str = "/") -> Page:
    page.goto(place)
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    return page


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).first.click()


def confirm(page: Page, name: str) -> None:
    page.get_by_role("dialog").get_by_role("button", name=name, exact=True).click()
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_logs_in_and_out_with_the_token(stand: Stage, browser: Browser) -> None:
    with browser.new_context(base_url=stand.server.url) as context:
        page = context.new_page()
        page.goto("/")
        page.get_by_label("Token").fill("wrong-" + "w" * 40)
        press(page, "Log in")
        expect(page.get_by_role("alert")).to_contain_text("The token is not one of ours.")
        expect(page.get_by_role("alert")).to_contain_text("rebalancer api token")
        page.get_by_label("Token").fill(OPERATOR)
        press(page, "Log in")
        expect(page.get_by_role("link", name=TRADED).first).to_be_visible()
        [cookie] = context.cookies()
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
        assert page.evaluate("Object.values(localStorage).join()") == ""
        press(page, "Log out")
        expect(page.get_by_label("Token")).to_be_visible()
        assert context.cookies() == []


def test_who_may_only_read_is_shown_no_switch(stand: Stage, browser: Browser) -> None:
    with browser.new_context(base_url=stand.server.url) as context:
        page = context.new_page()
        page.goto("/")
        page.get_by_label("Token").fill(READER)
        press(page, "Log in")
        expect(page.get_by_role("link", name=TRADED).first).to_be_visible()
        for name in ("Halt", "Preview", "Rebalance"):
            expect(page.get_by_role("button", name=name, exact=True)).to_have_count(0)


def test_a_rebalance_is_seen_as_it_happens(stand: Stage, page: Page) -> None:
    opened(page, f"/#/account/{TRADED}")
    press(page, "Rebalance")
    confirm(page, "Rebalance")
    orders = page.get_by_role("region", name="Orders, one by one")
    expect(orders.get_by_role("row", name=re.compile("BND"))).to_have_count(2)
    expect(orders.get_by_text("filled").first).to_be_visible()
    story = page.get_by_label("Story")
    for step in ("Accepted", "Started", "Planned", "Orders", "Order ended", "Completed"):
        expect(story.get_by_text(step, exact=True).first).to_be_visible()
    expect(page.locator(".title .pill")).to_have_text("completed")
    # The record of the run has come in as well, with what was paid.
    expect(page.get_by_label("Result")).to_contain_text("$")
    [run, *_] = stand.api.get("/runs", params={"account": TRADED}).json()["items"]
    assert (run["status"], run["orders"]) == ("completed", run["filled"])
    assert f"#/run/{run['event_id']}" in page.url
    page.get_by_role("link", name=TRADED).first.click()
    weights = page.get_by_role("region", name="Holdings, symbol by symbol")
    expect(
        weights.get_by_role("img", name=re.compile("VTI is .*within its band"))
    ).to_be_visible()


def test_lines_that_overtake_their_story_are_not_lost(stand: Stage, page: Page) -> None:
    event_id = stand.signal(WAITING)
    stand.until("delayed", event_id)
    opened(page)

    def answer_late(route: Route) -> None:
        told = route.fetch()
        stand.tidy()  # drops the plan, and its event with it
        stand.until("removed", event_id)
        route.fulfill(response=told)

    page.route(f"**/runs/{event_id}", answer_late, times=1)
    page.goto(f"/#/run/{event_id}")
    story = page.get_by_label("Story")
    for step in ("Accepted", "Waits for approval", "Rejected", "Removed"):
        expect(story.get_by_text(step, exact=True)).to_be_visible()


def test_a_preview_shows_the_plan_and_sends_nothing(stand: Stage, page: Page) -> None:
    before = len(stand.sim.call(lambda sim: sim.exchange.fills))
    opened(page)
    card = page.get_by_role("article").filter(has=page.get_by_role("heading", name=LOOKED_AT))
    card.get_by_role("button", name="Preview").click()
    plan = page.get_by_role("region", name=f"Preview for {LOOKED_AT}")
    expect(plan.get_by_role("row", name=re.compile("VXUS Buy"))).to_be_visible()
    expect(page.get_by_text("nothing was sent")).to_be_visible()
    assert len(stand.sim.call(lambda sim: sim.exchange.fills)) == before


def test_a_plan_is_approved_by_its_hash_and_trades(stand: Stage, page: Page) -> None:
    opened(page)
    card = page.get_by_role("article").filter(has_text=f"{ASKED} asks")
    plan = page.get_by_role("region", name=f"Plan for {ASKED}")

    first = stand.signal(ASKED)
    expect(plan.get_by_role("row", name=re.compile("VTI Sell"))).to_be_visible()
    press(page, "Reject")
    confirm(page, "Reject")
    stand.until("declined", first)
    expect(card).to_have_count(0)

    # Somebody else drops the plan while it is looked at.
    second = stand.signal(ASKED)
    press(page, "Approve this plan")
    stand.tidy()
    stand.until("declined", second)
    page.get_by_role("dialog").get_by_role("button", name="Approve").click()
    expect(page.get_by_role("alert")).to_contain_text(f"No plan of {ASKED} waits")
    press(page, "Cancel")

    third = stand.signal(ASKED)
    stand.until("proposed", third)
    [waiting] = stand.api.get("/approvals").json()["items"]
    expect(card).to_contain_text(waiting["plan_hash"])
    press(page, "Approve this plan")
    expect(page.get_by_role("dialog")).to_contain_text(waiting["plan_hash"])
    expect(
        page.get_by_role("dialog").get_by_role("row", name=re.compile("VTI Sell"))
    ).to_be_visible()
    confirm(page, "Approve")
    stand.until("completed", third)
    [run] = stand.api.get("/runs", params={"account": ASKED, "limit": 1}).json()["items"]
    assert (run["event_id"], run["filled"]) == (third, run["orders"])
    expect(
        page.locator(f'a[href="#/run/{third}"]').filter(has_text="Completed")
    ).to_be_visible()


def test_halted_and_resumed_by_keyboard_alone(stand: Stage, browser: Browser) -> None:
    with browser.new_context(base_url=stand.server.url) as context:
        page = context.new_page()
        page.goto("/")
        expect(page.get_by_label("Token")).to_be_focused()
        page.keyboard.type(OPERATOR)
        page.keyboard.press("Enter")
        expect(page.get_by_role("button", name="Halt", exact=True).first).to_be_visible()
        _tab_to(page, "Halt")
        page.keyboard.press("Enter")
        expect(page.get_by_label("Reason")).to_be_focused()
        page.keyboard.press("Enter")  # without a reason nothing happens
        assert stand.api.get("/halts").json()["items"] == []
        page.keyboard.type("wrong weights")
        page.keyboard.press("Enter")
        expect(page.get_by_text("Trading is halted")).to_be_visible()
        [halt] = stand.api.get("/halts").json()["items"]
        assert (halt["scope"], halt["reason"]) == ("all", "wrong weights")
        _tab_to(page, "Resume")
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog")).to_contain_text("wrong weights")
        page.keyboard.press("Enter")
        expect(page.get_by_text("Trading is halted")).to_have_count(0)
        assert stand.api.get("/halts").json()["items"] == []


def _tab_to(page: Page, name: str) -> None:
    """Go on by Tab until the button has the focus; after a dialog it has it already."""
    for _ in range(40):
        if page.evaluate("document.activeElement.textContent") == name:
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"no way to {name} by Tab")


def test_one_account_or_one_symbol_is_halted(stand: Stage, page: Page) -> None:
    opened(page, f"/#/account/{STOPPED}")
    page.locator(".title").get_by_role("button", name="Halt").click()
    page.get_by_label("Reason").fill("audit")
    page.get_by_label("Cancel orders that work already").check()
    confirm(page, "Halt")
    expect(page.get_by_label("Halts")).to_contain_text(f"{STOPPED} is halted audit")
    press(page, "Halt")
    page.get_by_label("What").select_option("symbol")
    page.get_by_label("Reason").fill("split")
    page.get_by_role("dialog").get_by_role("button", name="Halt").click()
    expect(page.get_by_role("alert")).to_contain_text("Name the symbol.")
    page.get_by_label("Symbol").fill("gld")
    confirm(page, "Halt")
    expect(page.get_by_label("Halts")).to_contain_text("GLD is halted split")
    halts = {one["scope"]: one for one in stand.api.get("/halts").json()["items"]}
    assert set(halts) == {f"account:{STOPPED}", "symbol:GLD"}
    assert halts[f"account:{STOPPED}"]["cancel_open"] is True
    page.get_by_label("Halts").get_by_role("button", name="Resume").first.click()
    confirm(page, "Resume")
    expect(page.get_by_label("Halts")).not_to_contain_text(STOPPED)


def test_what_was_given_up_tells_why_and_is_requeued(stand: Stage, page: Page) -> None:
    lost = "U7777777"
    event_id = stand.signal(lost)
    stand.until("dead", event_id)
    opened(page, "/#/queue")
    card = page.get_by_role("article").filter(has_text=lost)
    expect(card).to_contain_text("is not in accounts.yaml")
    card.get_by_role("button", name="Requeue").click()
    confirm(page, "Requeue")
    stand.until("requeued", event_id)
    expect(page.get_by_role("status").filter(has_text="back in the queue")).to_be_visible()


def test_a_held_account_shows_both_sides(stand: Stage, page: Page) -> None:
    shown = Shown(
        7, "RB.x.1.SPY", STOPPED, 3, "SPY", 1, "BUY", Decimal(9), Decimal(4), working=True
    )
    found = Difference("unknown", "RB.x.1.SPY", None, (shown,))
    stand.run(moves.hold(STOPPED, [found], reason="the books differ", now=time.time()))
    opened(page)
    card = page.get_by_role("article").filter(has_text=f"{STOPPED} is held")
    expect(card).to_contain_text("the books differ")
    row = card.get_by_role("row", name=re.compile("RB.x.1.SPY"))
    expect(row).to_contain_text("nothing")
    expect(row).to_contain_text(f"BUY 9 SPY of {STOPPED} by client 3, working, 4 filled")
    card.get_by_role("button", name="Accept and go on").click()
    page.get_by_label("Reason").fill("bought by hand")
    confirm(page, "Accept and go on")
    expect(card).to_have_count(0)


def test_names_from_outside_are_text(stand: Stage, page: Page) -> None:
    canary = "<img src=x onerror=\"window.hit='yes'\"><script>window.hit='yes'</script>"
    picture = {
        "net_liquidation": "1000",
        "currency": canary,
        "total_cash": "1",
        "positions": [{"symbol": canary, "quantity": "1", "price": "1", "value": "1"}],
    }
    stand.run(moves.save_snapshot(STOPPED, picture, now=time.time()))
    # Of another shape than ours: it hides its own card, and nothing else.
    stand.run(moves.save_snapshot(OFF, {"positions": 7}, now=time.time()))
    stand.run(moves.note(canary, {"x": canary}, now=time.time(), account_id=canary))
    stand.run(moves.alert(canary, canary, now=time.time(), remedy=canary, event_id=canary))
    stand.run(moves.halt(f"symbol:{canary}", now=time.time(), reason=canary))
    stand.until("dead", stand.signal("U7777778", data={"note": canary}))
    opened(page)
    for place in ("/", f"/#/account/{STOPPED}", "/#/queue", "/#/history"):
        opened(page, place)
        expect(page.get_by_label("Halts")).to_contain_text(canary)
        assert page.locator("#page img, #page script").count() == 0
    assert page.evaluate("window.hit") is None
    opened(page)
    expect(page.get_by_text("This cannot be shown.")).to_have_count(1)
    expect(page.get_by_role("link", name=TRADED).first).to_be_visible()


def test_a_line_that_breaks_is_told_and_nothing_is_missed(stand: Stage, page: Page) -> None:
    opened(page)
    stand.server.end()
    try:
        expect(page.get_by_text("Disconnected")).to_be_visible()
        missed = stand.signal(LOOKED_AT, "print-equity")
        stand.until("completed", missed)
    finally:
        stand.server.start()
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    link = page.locator(f'a[href="#/run/{missed}"]')
    expect(link.filter(has_text="Completed")).to_be_visible()


@pytest.mark.parametrize("width", [1280, 375])
def test_everybody_can_read_it(stand: Stage, browser: Browser, width: int) -> None:
    story = stand.rebalanced(TRADED)
    stand.until("proposed", stand.signal(WAITING))
    stand.run(moves.halt("symbol:GLD", now=time.time(), reason="split"))
    look = {"viewport": {"width": width, "height": 812}, "reduced_motion": "reduce"}
    with stand.visit(browser, **look) as context:
        page = context.new_page()
        page.add_init_script(
            "window.shift = 0; new PerformanceObserver(list => list.getEntries().forEach("
            "one => { if (!one.hadRecentInput) window.shift += one.value; }))"
            ".observe({type: 'layout-shift', buffered: true});"
        )
        opened(page)
        assert page.evaluate("window.shift") < 0.1
        for place in ("/", f"/#/account/{TRADED}", f"/#/run/{story}", "/#/queue", "/#/history"):
            opened(page, place)
            expect(page.get_by_text("Loading…")).to_have_count(0)
            _accessible(page, width)
        press(page, "Halt")
        _accessible(page, width)


def _accessible(page: Page, width: int) -> None:
    for scheme, rules in (("light", RULES), ("dark", {**RULES, "runOnly": ["color-contrast"]})):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        assert Axe().run(page, options=rules).response["violations"] == [], page.url
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_light_or_dark_is_remembered(page: Page) -> None:
    opened(page)
    ground = "getComputedStyle(document.body).backgroundColor"
    before = page.evaluate(ground)
    press(page, "Light or dark")
    after = page.evaluate(ground)
    assert after != before
    page.reload()
    assert page.evaluate(ground) == after
