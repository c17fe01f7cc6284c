"""The dashboard of reports in a real browser, on the deployed local stack: somebody of the business watches orders come in.

Others may order meanwhile: what is counted here is at least what this story has ordered.
"""

import argparse
import contextlib
import datetime
import os
import re

from playwright.sync_api import expect, sync_playwright

from visitor import Visitor  # knows where the others are
from console import expect_no_sideways_scroll, order_of, press
from stack import TENANT, Stack, fresh, wait_for

ORDERS = 3
PIECES = 100
# In euros.
WORTH = ORDERS * PIECES * 12.5


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--browser", required=True, help="Chromium's executable")
    given = options.parse_args()
    stack = Stack()
    # What there is nothing of has no number yet.
    order(stack)
    with sync_playwright() as playwright:
        # Chromium's sandbox does not work for root.
        browser = playwright.chromium.launch(executable_path=given.browser, args=[] if os.geteuid() else ["--no-sandbox"])
        with contextlib.closing(Dashboard(stack, browser)) as dashboard:
            dashboard.sign_in(TENANT)
            on_one_day(orders_count_up_by_themselves, dashboard)
            on_one_day(a_day_is_read_by_keyboard_and_the_table_says_the_same, dashboard)
            the_range_is_chosen_and_kept(dashboard)
            a_phone_shows_everything_without_scrolling_sideways(dashboard)
            nothing_is_left_after_signing_out(dashboard)
            dashboard.expect_no_errors()
        browser.close()
    print("ok")


class Dashboard(Visitor):
    """A browser session with the dashboard."""

    def __init__(self, stack, browser):
        super().__init__(stack, browser, "dashboard")
        self.card = self.page.get_by_role("article", name="Orders", exact=True)
        self.chart = self.card.get_by_role("slider", name="Orders by day")

    def term(self, label):
        return self.card.locator("dl > div").filter(has=self.page.get_by_text(label, exact=True))

    def number(self, label):
        """Of all time."""
        return number(self.term(label).get_by_role("definition").first.inner_text())

    def drawn_today(self, label):
        """What the column of today stands for, by its height as it is on the screen and the axis beside it."""
        height, reach, highest = self.card.locator("svg").evaluate(
            """(drawing, name) => {
                 const title = [...drawing.querySelectorAll(".title")].find((title) => title.textContent === name);
                 const axis = [];
                 let node = title.nextElementSibling;
                 for (; node?.matches("line, [text-anchor=end]"); node = node.nextElementSibling) axis.push(node);
                 const lines = axis.filter((node) => node.matches("line")).map((line) => line.y1.baseVal.value);
                 const bottom = (column) => column.y.baseVal.value + column.height.baseVal.value;
                 const stands = (column) => Math.abs(bottom(column) - lines[0]) < 2;
                 const columns = [...drawing.querySelectorAll(".column")].filter(stands);
                 const [today] = columns.sort((one, other) => other.x.baseVal.value - one.x.baseVal.value);
                 return [today.getBBox().height, lines[0] - lines.at(-1), axis.at(-1).textContent];
               }""",
            f"{label} by day",
        )
        return height / reach * number(highest)

    def told(self, label):
        """What is read of the day that is chosen."""
        text = self.chart.get_attribute("aria-valuetext")
        entries = dict(entry.rsplit(" ", 1) for entry in text.split(": ", 1)[1].split("; ") if " " in entry)
        return number(entries.get(label, "0"))

    def cell(self, row, column):
        """What the table says; `row` counts from the top."""
        columns = self.card.get_by_role("columnheader").all_inner_texts()
        cells = self.card.get_by_role("row").nth(row + 1).locator("th, td")
        return number(cells.nth(columns.index(column)).inner_text())


# --- The story -------------------------------------------------------------------------------------------------------


def orders_count_up_by_themselves(dashboard):
    page, stack = dashboard.page, dashboard.stack
    expect(page.get_by_role("heading", level=1)).to_have_text("Reports")
    expect(dashboard.card).to_be_visible()
    counted, amount = dashboard.number("Submitted"), dashboard.number("Amount in EUR")
    drawn = wait_for("a column of today", lambda: dashboard.drawn_today("Amount in EUR"), lambda drawn: drawn > 0)
    page.evaluate("window.isTheSamePage = true")

    for _ in range(ORDERS):
        order(stack)
    wait_for("the orders", lambda: dashboard.number("Submitted"), lambda now: now >= counted + ORDERS)
    wait_for("what they cost", lambda: dashboard.number("Amount in EUR"), lambda now: now >= amount + WORTH)
    # As exact as a screen can be.
    wait_for("a higher column", lambda: dashboard.drawn_today("Amount in EUR"), lambda now: now > drawn + WORTH / 2)
    assert page.evaluate("window.isTheSamePage"), "the page has been loaded anew"
    wait_for(
        "what the API says",
        lambda: (dashboard.number("Submitted"), stack.get("/reports/orders")[1]["totals"]["submitted"]),
        are_equal,
    )


def a_day_is_read_by_keyboard_and_the_table_says_the_same(dashboard):
    page, card, chart = dashboard.page, dashboard.card, dashboard.chart
    readout = card.locator(".readout")
    page.mouse.move(0, 0)
    expect(readout).to_be_hidden()
    press(page, "End", chart)
    expect(chart).to_have_attribute("aria-valuetext", re.compile(f"^{day_name(today())}: .*Submitted [1-9]"))
    expect(readout).to_contain_text(day_name(today()))
    expect(readout).to_contain_text("Submitted")
    page.keyboard.press("ArrowLeft")
    expect(readout).to_contain_text(day_name(today() - datetime.timedelta(days=1)))
    page.keyboard.press("Home")
    expect(chart).to_have_attribute("aria-valuenow", "0")
    expect(readout).to_contain_text(day_name(today() - datetime.timedelta(days=29)))
    page.keyboard.press("Escape")
    expect(readout).to_be_hidden()
    page.keyboard.press("End")

    press(page, "Enter", card.locator("summary"))
    expect(card.get_by_role("rowheader").nth(2)).to_have_text(day_name(today()))
    for label in ("Submitted", "Amount in EUR"):
        wait_for("all time", lambda: (dashboard.cell(0, label), dashboard.number(label)), are_equal)
        wait_for("today", lambda: (dashboard.cell(2, label), dashboard.told(label)), are_equal)
    expect(readout).to_be_hidden()


def the_range_is_chosen_and_kept(dashboard):
    page, chart = dashboard.page, dashboard.chart
    radio = page.get_by_role("group", name="Days shown").get_by_role("radio", name="30 days")
    expect(radio).to_be_checked()
    expect(chart).to_have_attribute("aria-valuemax", "29")
    page.get_by_role("group", name="Days shown").get_by_text("90 days").click()
    expect(chart).to_have_attribute("aria-valuemax", "89")
    assert page.url == f"{dashboard.url}#days=90", page.url
    page.get_by_role("radio", name="90 days").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("radio", name="7 days", exact=True)).to_be_checked()
    expect(chart).to_have_attribute("aria-valuemax", "6")
    page.go_back()
    expect(page.get_by_role("radio", name="90 days")).to_be_checked()
    expect(chart).to_have_attribute("aria-valuemax", "89")
    page.reload()
    expect(page.get_by_role("radio", name="90 days")).to_be_checked()
    expect(chart).to_have_attribute("aria-valuemax", "89")


def a_phone_shows_everything_without_scrolling_sideways(dashboard):
    page = dashboard.page
    page.set_viewport_size({"width": 360, "height": 740})
    for summary in page.locator("summary:visible").all():
        summary.click()
    expect(dashboard.card.get_by_role("table")).to_be_visible()
    dashboard.chart.click()
    expect(dashboard.card.locator(".readout")).to_be_visible()
    expect_no_sideways_scroll(page, "the dashboard")
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth"), "the dashboard is wider than the screen"


def nothing_is_left_after_signing_out(dashboard):
    page = dashboard.page
    with page.expect_request("**/oauth2/revoke") as revoked:
        page.get_by_role("button", name="Sign out").click()
    assert "token=" in revoked.value.post_data, "the refresh token is not given back"
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    expect(page.get_by_role("article")).to_have_count(0)
    assert page.evaluate("sessionStorage.length + localStorage.length") == 0, "something is kept"


def on_one_day(step, dashboard):
    """Takes a step; once more, if midnight has come between."""
    day = today()
    try:
        return step(dashboard)
    except (AssertionError, TimeoutError):
        if today() == day:
            raise
    dashboard.page.reload()
    step(dashboard)


def order(stack):
    """On account, so that no payment follows, and it stays submitted."""
    order = fresh("O")
    stack.queue(order, {**order_of(PIECES), "onAccount": True})
    stack.wait_for_order(order)


def today():
    return datetime.datetime.now(datetime.UTC).date()


def day_name(day):
    return f"{day:%a}, {day:%b} {day.day}"


def number(text):
    """What a person reads: 1,234 and €12.50, and 2.5K at an axis."""
    times = {"K": 1_000, "M": 1_000_000}.get(text[-1], 1)
    return float(re.sub(r"[^\d.-]", "", text)) * times


def are_equal(pair):
    return pair[0] == pair[1]


if __name__ == "__main__":
    main()
