"""The demo in a real browser, on the deployed local stack: a visitor orders, makes trouble, and sees how it heals."""

import argparse
import contextlib
import json
import os
import re

from playwright.sync_api import expect, sync_playwright
from visitor import Visitor  # knows where the others are
from console import expect_no_sideways_scroll, press
from stack import TENANT, Stack


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--browser", required=True, help="Chromium's executable")
    given = options.parse_args()
    stack = Stack()
    with sync_playwright() as playwright:
        # Chromium's sandbox does not work for root.
        browser = playwright.chromium.launch(executable_path=given.browser, args=[] if os.geteuid() else ["--no-sandbox"])
        with contextlib.closing(Shop(stack, browser)) as shop:
            shop.sign_in(TENANT)
            try:
                an_order_is_placed_by_keyboard_and_told_of_by_push(shop)
                what_is_killed_and_cut_heals(shop)
                a_payment_outlives_an_outage_and_a_reload(shop)
            finally:
                shop.provider("Works")
            a_phone_shows_everything_without_scrolling_sideways(shop)
            nothing_is_left_after_signing_out(shop)
            shop.expect_no_errors()
        browser.close()
    print("ok")


class Shop(Visitor):
    """A browser session with the demo."""

    def __init__(self, stack, browser):
        super().__init__(stack, browser, "demo")
        self.sent = []
        self.page.on("websocket", lambda socket: socket.on("framesent", lambda text: self.sent.append(json.loads(text))))
        # Whoever asks while connections are cut.
        self.expected_failures = {500, 502, 503}

    def _asked(self, request):
        if not request.url.startswith(self.stack.trouble):
            super()._asked(request)

    @property
    def slips(self):
        return self.page.get_by_role("region", name="Your orders").locator(".slip")

    def order(self):
        """Places an order, and gives its id and its slip."""
        before = self.slips.count()
        self.page.get_by_role("button", name="Place the order").click()
        expect(self.slips).to_have_count(before + 1)
        order = self.slips.first.get_attribute("id")
        return order, self.page.locator(f"[id='{order}']")

    def provider(self, mode):
        radio = self.page.get_by_role("radio", name=mode)
        if not radio.is_checked():
            radio.check(force=True)
            expect(self.log.get_by_role("listitem").first).to_contain_text(f"The payment provider: {mode.lower()}.")

    @property
    def log(self):
        return self.page.get_by_role("log")

    def step(self, name):
        behind = self.page.get_by_role("region", name="Behind the counter")
        return behind.get_by_role("listitem").filter(has=self.page.locator("strong", has_text=name)).first


def an_order_is_placed_by_keyboard_and_told_of_by_push(shop):
    # The first one opens the connection, so its outcome may come before there is any.
    press(shop.page, "Enter", shop.page.get_by_role("button", name="Place the order"))
    expect(shop.slips.first).to_contain_text("paid and confirmed")
    expect(shop.page.locator("#link")).to_have_text("Push is connected")
    _, slip = shop.order()
    expect(slip).to_contain_text("paid and confirmed")
    expect(shop.step("Push")).to_contain_text("has told this page")
    expect(shop.step("Read model")).to_contain_text("shows the order: confirmed")
    assert any(frame["action"] == "submit" for frame in shop.sent), shop.sent
    for event in ("OrderSubmitted", "ChargeRequested", "ChargeSucceeded", "OrderConfirmed"):
        expect(slip.get_by_role("list", name="What has happened to the order")).to_contain_text(event)


def what_is_killed_and_cut_heals(shop):
    before = shop.slips.count()
    # So many that some are under way, and followed, when it happens.
    shop.page.get_by_role("button", name="Rush hour").click()
    expect(shop.slips).to_have_count(before + 10)
    shop.page.get_by_role("button", name="Kill the handlers").click()
    expect(shop.log).to_contain_text(re.compile("Killed: [1-9]"))
    shop.page.get_by_role("button", name="Cut the connections").click()
    expect(shop.log).to_contain_text(re.compile("Cut: [1-9][0-9]* WebSockets that follow an order, and [1-9]"))
    expect(shop.slips.filter(has_text="paid and confirmed")).to_have_count(before + 10)


def a_payment_outlives_an_outage_and_a_reload(shop):
    shop.provider("Down")
    order, slip = shop.order()
    expect(slip).to_contain_text("taken; payment under way")
    expect(shop.step("provider")).to_contain_text("asked again until it answers")
    shop.page.reload()
    expect(slip).to_contain_text("taken; payment under way")
    expect(shop.page.get_by_role("radio", name="Down")).to_be_checked()
    shop.provider("Works")
    expect(slip).to_contain_text("paid and confirmed")
    document = shop.stack.wait_for_order(order)
    assert (document["customer"], document["status"]) == ("C-demo", "confirmed"), document


def a_phone_shows_everything_without_scrolling_sideways(shop):
    shop.page.set_viewport_size({"width": 360, "height": 740})
    for button in ("Place the order", "Kill the handlers"):
        shop.page.get_by_role("button", name=button).scroll_into_view_if_needed()
        expect_no_sideways_scroll(shop.page, "the demo on a phone")
    shop.page.set_viewport_size({"width": 1280, "height": 900})


def nothing_is_left_after_signing_out(shop):
    shop.page.get_by_role("button", name="Sign out").click()
    expect(shop.page.get_by_role("button", name="Sign in")).to_be_visible()
    assert shop.page.evaluate("sessionStorage.length + localStorage.length") == 0, "something is kept"


if __name__ == "__main__":
    main()
