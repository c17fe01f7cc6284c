"""The operator console in a real browser, on the deployed local stack: what a person does with it, and can see.

`cargo xtask test` runs this. Every story has a browser session of its own and makes the messages that it is about, so
it does not matter what others have left in the queues.
"""

import argparse
import contextlib
import json
import os
import pathlib
import re
import sys
import time
import traceback

from playwright.sync_api import Page, expect, sync_playwright

from stack import PATIENCE, TENANT, Stack, fresh, wait_for

# Were it ever taken for markup, it would run, and be seen: the policy's violation is an error on the browser's console.
MARKUP = '<img src="x" onerror="alert(1)">'

SENDERS_FAULT = "unreadable"

# What a browser itself says of an answer that is no success.
FAILED_ANSWER = re.compile(r"Failed to load resource: the server responded with a status of (\d+)")


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--browser", required=True, help="Chromium's executable")
    options.add_argument("--screenshots", required=True, type=pathlib.Path, help="folder for what failures looked like")
    given = options.parse_args()

    stack = Stack()
    given.screenshots.mkdir(parents=True, exist_ok=True)
    stories = [
        a_command_is_repaired_and_followed_until_it_succeeds,
        what_comes_back_leads_to_its_new_entry,
        a_message_is_discarded_by_keyboard_alone_and_who_is_late_is_told,
        a_group_is_discarded_as_it_was_listed,
        a_group_is_resubmitted_and_counted_by_outcome,
        dead_letters_are_listed_and_redriven_by_hand,
        an_edit_outlives_the_sign_in,
        a_failing_webhook_is_told_at_once_and_switched_off_and_on,
        what_became_of_a_command_is_found_by_its_order_and_by_its_receipt,
        a_dry_run_of_a_rebuild_is_begun_by_keyboard_and_followed_to_its_end,
        a_rebuild_is_cancelled,
        what_does_not_fit_is_found_and_mended_and_closes,
        a_verification_is_cancelled,
        the_flow_shows_what_has_just_become_of_orders,
        a_phone_shows_everything_without_scrolling_sideways,
    ]
    failed = 0
    with sync_playwright() as playwright:
        # Chromium's sandbox does not work for root.
        sandbox = [] if os.geteuid() else ["--no-sandbox"]
        browser = playwright.chromium.launch(executable_path=given.browser, args=sandbox)
        for story in stories:
            failed += not told(story, Console(stack, browser), given.screenshots)
        browser.close()
    sys.exit(f"{failed} of {len(stories)} stories failed" if failed else 0)


def told(story, console, screenshots):
    """Runs a story. Says whether it went well, and if not, all that there was to see."""
    name = story.__name__.replace("_", " ")
    started = time.monotonic()
    try:
        with contextlib.closing(console):
            try:
                story(console)
                console.expect_no_errors()
            except Exception:
                traceback.print_exc(file=sys.stdout)
                console.show(screenshots / f"{story.__name__}.png")
                raise
    except Exception:
        print(f"FAILED {name}", flush=True)
        return False
    print(f"ok     {name} ({time.monotonic() - started:.1f} s)", flush=True)
    return True


class Console:
    """A browser session with the console."""

    def __init__(self, stack, browser, **options):
        self.stack = stack
        self.url = f"{stack.url}/console"
        self.errors = []
        self.expected_failures = set()
        self._context = browser.new_context(**options)
        self._context.set_default_timeout(PATIENCE * 1000)
        expect.set_options(timeout=PATIENCE * 1000)
        self.page = self.new_page()

    def new_page(self) -> Page:
        """Another tab, in which nobody is signed in."""
        page = self._context.new_page()
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.errors.append(f"uncaught: {error}"))
        page.on("dialog", lambda dialog: self.errors.append(f"an alert: {dialog.message}") or dialog.dismiss())
        page.on("request", self._asked)
        self.page = page
        return page

    def sign_in(self, operator, at=""):
        """Goes to a place of the console and signs in there, on the identity provider's own page."""
        answer = self.page.goto(f"{self.url}{at}")
        policy = answer.header_value("content-security-policy") or ""
        assert "default-src 'none'" in policy and "unsafe" not in policy, f"the page's policy is {policy!r}"
        self.page.get_by_role("button", name="Sign in").click()
        self.enter(operator)
        expect(self.page.get_by_role("button", name="Sign out")).to_be_visible()

    def enter(self, operator):
        who = self.stack.operators[operator]
        self.page.get_by_label("Username").fill(who["username"])
        self.page.get_by_label("Password").fill(who["password"])
        self.page.get_by_role("button", name="Sign in").click()

    def group(self, command):
        """The link to a group of commands that cannot be read."""
        row = self.page.get_by_role("row").filter(has_text=SENDERS_FAULT)
        return row.get_by_role("link", name=command, exact=True)

    def open_message(self, order):
        """From a group's first page on, for others may have parked before."""
        link = self.page.get_by_role("link", name=order, exact=True)
        further = self.page.get_by_role("link", name="Next page")
        while True:
            expect(link.or_(further).first).to_be_visible()
            if link.is_visible():
                break
            listed = self.page.get_by_role("table").inner_text()
            further.click()
            expect(self.page.get_by_role("table")).not_to_have_text(listed, use_inner_text=True)
        link.click()
        expect(self.page.get_by_role("heading", level=1)).to_contain_text(order)

    def expect_status(self, text):
        expect(self.page.locator("#status")).to_have_text(text)

    def expect_alert(self, text):
        expect(self.page.locator("#alert")).to_contain_text(text)

    def expect_no_errors(self):
        assert not self.errors, f"the browser complained: {self.errors}"

    def show(self, screenshot):
        print(f"--- {self.page.url}, {self.page.title()!r}\n{self.page.locator('body').inner_text()}")
        print("--- the browser said", *(self.errors or ["nothing"]), sep="\n")
        self.page.screenshot(path=screenshot, full_page=True)
        print(f"--- {screenshot}")

    def close(self):
        self._context.close()

    def _heard(self, message):
        # The identity provider's page may be as it likes.
        if message.type not in ("error", "warning") or not message.location["url"].startswith(self.stack.url):
            return
        failed = FAILED_ANSWER.match(message.text)
        if not failed or int(failed[1]) not in self.expected_failures:
            self.errors.append(f"{message.type}: {message.text} ({message.location['url']})")

    def _asked(self, request):
        if not request.url.startswith((f"{self.stack.endpoint}/", "data:")):
            self.errors.append(f"a request to elsewhere: {request.url}")


def order_of(quantity):
    price = {"amount": 1250, "currency": "EUR"}
    return {"customer": fresh("C"), "lines": [{"sku": "TEA", "quantity": quantity, "unitPrice": price}]}


def park(stack, command="SubmitOrder", data=None):
    """A command that waits for a person. Returns its order and its operation."""
    order = fresh("O")
    operation = stack.queue(order, data or order_of(MARKUP), command)
    stack.wait_for_operation(operation, "parked")
    return order, operation


# --- The stories -----------------------------------------------------------------------------------------------------


def a_command_is_repaired_and_followed_until_it_succeeds(console):
    page, stack = console.page, console.stack
    console.expected_failures = {403, 422}
    order, operation = park(stack)

    console.sign_in("demo")
    expect(page).to_have_title(re.compile("^Overview"))
    expect(page.get_by_text("Only platform operators see the dead letters.")).to_be_visible()
    console.group("SubmitOrder").first.click()
    console.open_message(order)
    expect(page).to_have_title(re.compile(f"^SubmitOrder for {order}"))

    # What it is, what went wrong, what the schema says: as text, and first in plain words.
    expect(page.locator(".lead")).to_have_text(
        "This release cannot read the command: its data does not match its schema."
    )
    expect(page.get_by_text("Failed", exact=True).locator("xpath=following-sibling::dd")).to_have_text("once")
    editor, complaints = page.get_by_label("Data", exact=True), page.locator(".complaints")
    expect(page.get_by_label("The error")).to_contain_text("expected a nonzero u32")
    expect(page.get_by_text(operation, exact=True)).to_be_visible()
    data = json.loads(editor.input_value())
    assert data["lines"][0]["quantity"] == MARKUP, data
    page.get_by_text("The message, verbatim").click()
    expect(page.get_by_role("group", name="The message, verbatim")).to_contain_text("<img src=")
    page.get_by_text("The schema", exact=True).click()
    expect(page.get_by_role("group", name="The schema")).to_contain_text("A customer orders these lines")
    expect(page.locator("img")).to_have_count(0)
    complaints.get_by_role("button", name="/lines/0/quantity").first.click()
    expect(editor).to_be_focused()
    selected = editor.evaluate("editor => editor.value.slice(editor.selectionStart, editor.selectionEnd)")
    assert json.loads(selected) == MARKUP, selected

    # The main button is one that may work.
    as_it_is = page.get_by_role("button", name="Resubmit as it is")
    expect(as_it_is).not_to_have_class("primary")
    expect(page.get_by_text("Resubmitted as it is, it would be set aside again")).to_be_visible()

    # No JSON, then JSON that breaks the schema. What is said of that covers nothing, and goes with its cause.
    editor.fill('{\n  "customer": C-7\n}')
    expect(page.get_by_text("Not JSON. Line 2, column 15")).to_be_visible()
    resubmit = page.get_by_role("button", name="Resubmit with the repaired data")
    resubmit.click()
    console.expect_alert("The data is not JSON yet")
    expect(resubmit).not_to_have_class("primary")
    alert, scrolling = page.locator("#alert").bounding_box(), page.locator("#page").bounding_box()
    assert alert["y"] + alert["height"] <= scrolling["y"], f"the alert {alert} covers the page {scrolling}"
    editor.fill(json.dumps(order_of(0)))
    expect(page.locator("#alert")).to_be_empty()
    expect(resubmit).to_have_class("primary")
    resubmit.click()
    expect(page.get_by_role("heading", name="What the schema says of your repair")).to_be_focused()
    expect(complaints.get_by_role("button", name="/lines/0/quantity")).to_be_visible()
    assert stack.get(f"/operations/{operation}")[1]["status"] == "parked"

    editor.fill(json.dumps(order_of(2)))
    expect(page.locator("#alert")).to_be_empty()
    page.get_by_label("Reason, for the history").fill("a number, not markup")
    resubmit.click()
    expect(page.locator(".stage")).to_have_text("Resubmitted, and it succeeded.")
    expect(page.locator(".history")).to_contain_text("with repaired data")
    expect(page.locator(".history")).to_contain_text("a number, not markup")
    stack.wait_for_operation(operation, "succeeded")
    assert stack.wait_for_order(order)["total"] == {"amount": 2500, "currency": "EUR"}

    page.get_by_text("The message before this repair").click()
    expect(page.get_by_role("group", name="The message before this repair")).to_contain_text("<img src=")

    with page.expect_request("**/oauth2/revoke") as revoked:
        page.get_by_role("button", name="Sign out").click()
    assert "token=" in revoked.value.post_data, "the refresh token is not given back"
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    assert page.evaluate("sessionStorage.length + localStorage.length") == 0, "something is kept"


def what_comes_back_leads_to_its_new_entry(console):
    page, stack = console.page, console.stack
    console.expected_failures = {403}
    command = fresh("Unheard")
    order, operation = park(stack, command)
    console.sign_in("demo")
    console.group(command).click()
    console.open_message(order)
    page.get_by_role("button", name="Resubmit as it is").click()
    expect(page.locator(".stage")).to_contain_text("Resubmitted, and set aside again.")
    assert stack.get(f"/operations/{operation}")[1]["status"] == "parked"
    page.get_by_role("link", name="See where it waits now.").click()
    expect(page.locator(".stage")).to_contain_text("Waits for a person.")
    expect(page.get_by_text("Parked once before")).to_be_visible()
    page.get_by_role("link", name=f"{command}, unreadable").click()
    expect(page.get_by_text("Parked once before")).to_be_visible()


def a_message_is_discarded_by_keyboard_alone_and_who_is_late_is_told(console):
    stack = console.stack
    console.expected_failures = {403, 409}
    # A type of its own makes a group of its own.
    command = fresh("Unheard")
    order, operation = park(stack, command)

    late = console.page
    console.sign_in("demo")
    console.group(command).click()
    console.open_message(order)

    page = console.new_page()
    console.sign_in("demo")
    expect(console.group(command)).to_be_visible()
    press(page, "Enter", console.group(command))
    press(page, "Enter", page.get_by_role("link", name=order, exact=True))
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    discard = page.get_by_role("button", name="Discard…")
    press(page, "Enter", discard)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(discard).to_be_focused()
    press(page, "Enter", discard)
    press(page, "Enter", page.get_by_role("button", name="Discard", exact=True))
    expect(page.get_by_role("dialog")).to_be_visible()
    expect(page.get_by_role("dialog").get_by_role("textbox")).to_be_focused()
    page.keyboard.type("ordered twice")
    press(page, "Enter", page.get_by_role("button", name="Discard", exact=True))
    console.expect_status("Discarded.")
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    expect(page.locator(".history")).to_contain_text("ordered twice")
    stack.wait_for_operation(operation, "discarded")

    console.page = late
    late.get_by_role("button", name="Resubmit as it is").click()
    console.expect_alert("discarded")
    expect(late.locator(".stage")).to_contain_text("Discarded")


def a_group_is_discarded_as_it_was_listed(console):
    page, stack = console.page, console.stack
    console.expected_failures = {403}
    command = fresh("Unheard")
    listed = [park(stack, command) for _ in range(3)]

    console.sign_in("demo")
    console.group(command).click()
    page.get_by_role("button", name="Discard all…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("status")).to_contain_text("These are 3 messages.")
    afterwards, _ = park(stack, command)
    dialog.get_by_role("textbox").fill("nobody knows this command")
    dialog.get_by_role("button", name="Discard 3 messages").click()
    expect(dialog.get_by_role("status")).to_have_text("3 of 3 discarded.")
    dialog.get_by_role("button", name="Close").click()

    expect(page.get_by_role("link", name=afterwards, exact=True)).to_be_visible()
    for order, operation in listed:
        expect(page.get_by_role("link", name=order, exact=True)).to_have_count(0)
        stack.wait_for_operation(operation, "discarded")


def a_group_is_resubmitted_and_counted_by_outcome(console):
    page, stack = console.page, console.stack
    console.expected_failures = {403}
    command = fresh("Unheard")
    orders = [park(stack, command)[0] for _ in range(2)]
    console.sign_in("demo")
    console.group(command).click()
    page.get_by_role("button", name="Resubmit all…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Resubmit 2 messages").click()
    expect(dialog.get_by_role("status")).to_have_text("2 resubmitted: 2 set aside again.")
    dialog.get_by_role("link", name=orders[0]).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(orders[0])
    expect(page.get_by_text("Parked once before")).to_be_visible()


def dead_letters_are_listed_and_redriven_by_hand(console):
    page, stack = console.page, console.stack
    order = fresh("O")
    operation = stack.bury(order, order_of(1))
    # A platform operator has to name a tenant.
    console.expected_failures = {400}

    console.sign_in("platform")
    expect(page.get_by_role("table", name="Depths of the dead-letter queues")).to_be_visible()
    page.get_by_role("link", name="orders", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Dead letters of orders")
    expect(page.get_by_role("columnheader", name="What comes next")).to_be_visible()
    expect(page.get_by_text("the store could not be reached").first).to_be_visible()
    page.get_by_role("link", name="Overview").click()
    dialog = page.get_by_role("dialog")
    # After a dry run nothing has happened yet. A few rounds, for a run sends one ahead, and it may not be ours.
    for round in range(5):
        page.get_by_role("button", name="Redrive orders…").click()
        expect(dialog.get_by_role("status")).to_contain_text("A dry run: nothing has been done yet.")
        expect(dialog.get_by_role("row", name="orders")).to_be_visible()
        if round == 0:
            assert stack.get(f"/operations/{operation}")[1]["status"] != "succeeded"
        if dialog.get_by_role("button", name="Redrive now").is_visible():
            dialog.get_by_role("button", name="Redrive now").click()
            expect(dialog.get_by_role("status")).to_contain_text("Done.")
        dialog.get_by_role("button", name="Close").click()
        try:
            stack.wait_for_operation(operation, "succeeded", patience=PATIENCE / 5)
            break
        except TimeoutError:
            continue
    stack.wait_for_operation(operation, "succeeded", patience=1)
    stack.wait_for_order(order)


def an_edit_outlives_the_sign_in(console):
    page, stack = console.page, console.stack
    console.expected_failures = {400, 401, 403}
    order, operation = park(stack)
    console.sign_in("demo")
    console.group("SubmitOrder").first.click()
    console.open_message(order)
    editor, repaired = page.get_by_label("Data", exact=True), json.dumps(order_of(3))
    editor.fill(repaired)

    # As if the tokens had been withdrawn.
    page.evaluate(
        """() => {
          const tokens = JSON.parse(sessionStorage["waybill.console.tokens"]);
          sessionStorage["waybill.console.tokens"] = JSON.stringify({ ...tokens, access: "withdrawn", refresh: "withdrawn" });
        }"""
    )
    page.get_by_role("button", name="Resubmit with the repaired data").click()
    console.expect_alert("Your sign-in has expired")
    page.get_by_role("button", name="Sign in again").click()
    console.enter("demo")
    expect(page.get_by_role("heading", level=1)).to_contain_text(order)
    expect(editor).to_have_value(repaired)
    page.get_by_role("button", name="Resubmit with the repaired data").click()
    expect(page.locator(".stage")).to_have_text("Resubmitted, and it succeeded.")
    stack.wait_for_operation(operation, "succeeded")


def a_failing_webhook_is_told_at_once_and_switched_off_and_on(console):
    page, stack = console.page, console.stack
    console.expected_failures = {400, 403}
    name, order = fresh("Ledger"), fresh("O")
    settings = {"url": f"{stack.webhook_receiver}/ledger", "description": name, "contexts": ["orders"]}
    endpoint = stack.operate("POST", "/webhooks", settings)
    path = f"/webhooks/{endpoint['id']}"
    try:
        stack.queue(order, order_of(1))
        wait_for("a failing webhook", lambda: stack.operate("GET", path), lambda shown: shown["status"] == "failing")

        console.sign_in("demo")
        expect(page.locator(".trouble")).to_contain_text("failing")
        page.get_by_role("link", name="See which.").click()
        row = page.get_by_role("row").filter(has_text=name)
        expect(row).to_contain_text("Failing, began")
        row.get_by_role("link", name=name).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(name)
        stream = page.get_by_role("row").filter(has_text=f"orders/{order}")
        expect(stream.get_by_role("cell").nth(1)).to_have_text(re.compile("[1-9]"))
        assert endpoint["secret"].removeprefix("whsec_") not in page.content()

        page.get_by_role("button", name="Retry").click()
        console.expect_status("What is held or waits is due now.")
        page.get_by_role("button", name="Switch off…").click()
        page.get_by_role("dialog").get_by_role("textbox").fill("the ledger\nmoves house")
        page.get_by_role("button", name="Switch off", exact=True).click()
        console.expect_status("Switched off.")
        expect(page.get_by_role("heading", level=1)).to_be_focused()
        expect(page.locator("dl")).to_contain_text("the ledger moves house")
        assert stack.operate("GET", path)["off"]["because"] == "the ledger moves house"
        expect(page.get_by_role("button", name="Retry")).to_have_count(0)

        # A platform operator names the tenant.
        tenants, platform = page, console.new_page()
        platform.set_viewport_size({"width": 360, "height": 740})
        console.sign_in("platform")
        platform.get_by_label("Tenant").fill("demo")
        platform.get_by_role("button", name="Show webhooks").click()
        expect(platform.get_by_role("heading", level=1)).to_have_text("Webhooks of demo")
        expect(platform.get_by_role("row").filter(has_text=name)).to_contain_text("the ledger moves house")
        expect_no_sideways_scroll(platform, "the webhooks")
        platform.get_by_role("link", name=name).click()
        expect(platform.get_by_role("button", name="Switch on")).to_be_visible()
        expect_no_sideways_scroll(platform, "a webhook")

        console.page = tenants
        tenants.get_by_role("button", name="Switch on").click()
        console.expect_status("Switched on. What it has missed is sent now.")
        expect(tenants.locator("dl")).not_to_contain_text("the ledger moves house")
        assert stack.operate("GET", path)["status"] != "off"
    finally:
        stack.operate("DELETE", path)


def what_became_of_a_command_is_found_by_its_order_and_by_its_receipt(console):
    page, stack = console.page, console.stack
    # Dead letters are for platform operators.
    console.expected_failures = {403}
    order = fresh("O")
    # On account, so that no payment follows.
    operation = stack.queue(order, {**order_of(1), "onAccount": True})
    stack.wait_for_operation(operation, "succeeded")
    stack.wait_for_order(order)

    console.sign_in("demo")
    search = page.get_by_label("Operation, or the id of what it changed")
    search.fill(f" {order} ")
    press(page, "Enter", search)
    # Its only command is shown at once.
    expect(page.get_by_role("heading", level=1)).to_have_text(f"SubmitOrder for {order}")
    assert page.url.endswith(f"#/traces/{operation}"), page.url
    trace = page.get_by_role("list", name="What became of it, and what followed")
    expect(trace).to_contain_text("Succeeded")
    expect(trace).to_contain_text("1 OrderSubmitted")
    expect(trace).to_contain_text("orders: at version 1")
    page.get_by_text("A query for the logs").click()
    expect(page.get_by_role("group", name="A query for the logs")).to_contain_text(operation[10:30])

    parked = park(stack)
    page.goto(f"{console.url}#/")
    search.fill(parked[1])
    page.get_by_role("button", name="Find").click()
    expect(trace).to_contain_text("Waits for a person")
    page.get_by_role("link", name="Repair, resubmit or discard it").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(parked[0])
    page.get_by_role("link", name=parked[1]).click()
    expect(trace).to_contain_text("Waits for a person")

    page.goto(f"{console.url}#/traces?search={fresh('O')}")
    expect(page.get_by_text("Nothing was found.")).to_be_visible()


def a_dry_run_of_a_rebuild_is_begun_by_keyboard_and_followed_to_its_end(console):
    page, stack = console.page, console.stack
    console.expected_failures = {400, 403}
    order = fresh("O")
    stack.queue(order, order_of(1))
    stack.wait_for_order(order)

    console.sign_in("platform")
    press(page, "Enter", page.get_by_role("link", name="See the rebuilds, or begin one"))
    heading, stage = page.get_by_role("heading", level=1), page.locator(".stage")
    expect(heading).to_have_text("Rebuilds")
    page.get_by_label("Collection").select_option("orders")
    expect(page.get_by_label("Dry run")).to_be_checked()
    press(page, "Enter", page.get_by_role("button", name="Begin the dry run"))
    expect(heading).to_have_text("Dry run of orders")
    expect(heading).to_be_focused()
    # It begins within a minute, or when whoever was killed at work has lost its lease.
    expect(stage).to_contain_text("Finished. It was a dry run: nothing was written.", timeout=2 * PATIENCE * 1000)
    expect(page.locator("#status")).to_contain_text("Finished.")
    expect(page.locator("dl").first).to_contain_text("8 of 8 done")
    documents = page.get_by_text("Documents that are right", exact=True).locator("xpath=following-sibling::dd")
    expect(documents).to_have_text(re.compile("[1-9]"))

    page.set_viewport_size({"width": 360, "height": 740})
    expect_no_sideways_scroll(page, "a rebuild")
    page.get_by_role("link", name="Rebuilds").click()
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name="Dry run of orders", exact=True)).first
    expect(row).to_contain_text("Finished")
    expect_no_sideways_scroll(page, "the rebuilds")

    page = console.new_page()
    console.sign_in("demo")
    expect(page.get_by_text("Only platform operators see the dead letters.")).to_be_visible()
    expect(page.get_by_role("link", name="See the rebuilds, or begin one")).to_have_count(0)
    page.goto(f"{console.url}#/rebuilds")
    expect(page.get_by_text("Only platform operators rebuild read models.")).to_be_visible()


def a_rebuild_is_cancelled(console):
    page = console.page
    console.expected_failures = {400}
    console.sign_in("platform", "#/rebuilds")
    heading, tenant = page.get_by_role("heading", level=1), fresh("T")
    page.get_by_label("Tenant").fill(tenant)
    # So slow that it is not done before it is cancelled.
    page.get_by_label("Events a second, at most").fill("1")
    page.get_by_label("Dry run").uncheck()
    page.get_by_role("button", name="Begin the rebuild").click()
    expect(heading).to_have_text(f"Rebuild of all collections for {tenant}")
    expect(page.get_by_role("progressbar", name="Segments done")).to_be_visible()

    cancel = page.get_by_role("button", name="Cancel the rebuild…")
    press(page, "Enter", cancel)
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(cancel).to_be_focused()
    press(page, "Enter", cancel)
    press(page, "Enter", page.get_by_role("button", name="Cancel the rebuild", exact=True))
    console.expect_status("Cancelled. What it had written stays.")
    expect(heading).to_be_focused()
    expect(cancel).to_have_count(0)
    page.get_by_role("link", name="Rebuilds").click()
    row = page.get_by_role("row").filter(has_text=tenant)
    expect(row).to_contain_text("Cancelled")


def what_does_not_fit_is_found_and_mended_and_closes(console):
    page, stack = console.page, console.stack
    console.expected_failures = {400, 403}
    order = fresh("O")
    stream = f"{TENANT}/orders/{order}"
    # On account, so that nothing follows that would write the document again.
    stack.queue(order, {**order_of(1), "onAccount": True})
    stack.wait_for_order(order)
    customer = stack.bend(order)

    console.sign_in("platform")
    press(page, "Enter", page.get_by_role("link", name="See the verifications, or begin one"))
    heading, stage = page.get_by_role("heading", level=1), page.locator(".stage")
    expect(heading).to_have_text("Verifications")
    page.get_by_label("What", exact=True).select_option("A stream")
    page.get_by_label("Stream", exact=True).fill(stream)
    press(page, "Enter", page.get_by_role("button", name="Begin the verification"))
    expect(heading).to_have_text(f"Verification of {stream}")
    expect(heading).to_be_focused()
    # It begins within a minute, or when whoever was killed at work has lost its lease.
    expect(stage).to_contain_text("Finished.", timeout=2 * PATIENCE * 1000)
    expect(stage).to_contain_text("It has found 1 that does not fit.")

    page.get_by_role("link", name="Document bent").click()
    expect(heading).to_have_text("Findings")
    expect(page.get_by_role("heading", name="The document says something that its events do not say.")).to_be_visible()
    row, link = page.get_by_role("row").filter(has_text=stream), page.get_by_role("link", name=stream, exact=True)
    expect(row).to_contain_text("it differs in /customer")

    page.get_by_role("button", name=f"Ignore…: {stream}", exact=True).click()
    page.get_by_label("Reason, shown with the finding").fill("a test's own hands")
    press(page, "Enter", page.get_by_role("dialog").get_by_role("button", name="Ignore", exact=True))
    console.expect_status("Ignored.")
    expect(link).to_have_count(0)
    page.get_by_label("State").select_option("Ignored")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(heading).to_have_text("Findings, ignored")
    expect(row).to_contain_text("a test's own hands")
    link.click()
    expect(heading).to_have_text(f"Document bent: {stream}")
    finding = page.url
    page.get_by_role("button", name="Open again").click()
    console.expect_status("It is open again.")

    press(page, "Enter", page.get_by_role("button", name="Make the document anew"))
    console.expect_status("Asked for. The finding closes with the next verification that finds it mended.")
    expect(heading).to_be_focused()
    page.set_viewport_size({"width": 360, "height": 740})
    expect_no_sideways_scroll(page, "a finding")
    wait_for(
        f"order {order} of {customer}",
        lambda: stack.get(f"/orders/{order}"),
        lambda answer: answer[0] == 200 and answer[1]["customer"] == customer,
        2 * PATIENCE,
    )
    page.get_by_role("button", name="Verify again").click()
    expect(heading).to_have_text(f"Verification of {stream}")
    expect(stage).to_contain_text("All that was judged fits.", timeout=2 * PATIENCE * 1000)
    expect_no_sideways_scroll(page, "a verification")
    page.goto(finding)
    expect(stage).to_contain_text("Closed.")
    expect(page.get_by_role("button", name="Make the document anew")).to_have_count(0)

    page = console.new_page()
    console.sign_in("demo")
    expect(page.get_by_text("Only platform operators see the dead letters.")).to_be_visible()
    expect(page.get_by_role("link", name="See the findings")).to_have_count(0)
    page.goto(f"{console.url}#/findings")
    expect(page.get_by_text("Only platform operators see what a verification has found.")).to_be_visible()
    page.goto(f"{console.url}#/verifications")
    expect(page.get_by_text("Only platform operators verify.")).to_be_visible()


def a_verification_is_cancelled(console):
    page = console.page
    console.expected_failures = {400}
    console.sign_in("platform", "#/verifications")
    heading, tenant = page.get_by_role("heading", level=1), fresh("T")
    page.get_by_label("What", exact=True).select_option("A tenant")
    page.get_by_label("Tenant", exact=True).fill(tenant)
    page.get_by_label("Items a second, at most").fill("1")
    page.get_by_role("button", name="Begin the verification").click()
    expect(heading).to_have_text(f"Verification of {tenant}")

    cancel = page.get_by_role("button", name="Cancel the verification…")
    press(page, "Enter", cancel)
    press(page, "Enter", page.get_by_role("button", name="Cancel the verification", exact=True))
    console.expect_status("Cancelled. What it had found stays.")
    expect(heading).to_be_focused()
    expect(cancel).to_have_count(0)
    page.get_by_role("link", name="Verifications").click()
    expect(page.get_by_role("row").filter(has_text=tenant)).to_contain_text("Cancelled")


def the_flow_shows_what_has_just_become_of_orders(console):
    page, stack = console.page, console.stack
    # Webhooks are a tenant's, and the flow is not.
    console.expected_failures = {400, 403}
    console.sign_in("platform")
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
    heading = page.get_by_role("heading", name="orders", exact=True)
    orders = page.get_by_role("listitem").filter(has=heading)
    minutes = page.get_by_role("group", name="orders, by minute")

    def drawing(of):
        return orders.get_by_role("img", name=re.compile(f"^{of}: "))

    def read(key):
        """The minute to which a key leads, and how many it says were accepted, succeeded and were parked."""
        minutes.press(key)
        words = orders.locator("[aria-live]").text_content()
        at, told = words.split(" UTC: ")
        counts = [re.search(rf"\b{of} ([\d,]*\d)", told)[1] for of in ("accepted", "succeeded", "parked")]
        return at, [int(count.replace(",", "")) for count in counts]

    began, _ = read("End")

    def counted():
        """Since the story began. Of the whole hour, as much may have fallen out meanwhile as has come."""
        page.get_by_role("button", name="Refresh").click()
        # The API tells the same for twenty seconds.
        page.wait_for_timeout(2000)
        expect(page.get_by_role("main")).not_to_have_attribute("aria-busy", "true")
        at, counts = read("End")
        for _ in range(60):
            if at == began:
                return counts
            at, more = read("ArrowLeft")
            counts = [one + another for one, another in zip(counts, more)]
        # Kept from the minute before.
        return [0, 0, 0]

    before = counted()
    for _ in range(3):
        operation = stack.submit(fresh("O"), {**order_of(1), "onAccount": True})
        stack.wait_for_operation(operation, "succeeded")
    park(stack)
    more = [before[0] + 3, before[1] + 3, before[2] + 1]
    wait_for(f"{more} or more in the flow", counted, lambda now: all(map(int.__ge__, now, more)))
    for of in ("Accepted", "Succeeded", "Parked"):
        expect(drawing(of)).to_have_attribute("aria-label", re.compile(f"^{of}: [1-9][\\d,]* in the last hour"))
    expect(drawing("In the queue")).to_have_attribute("aria-label", re.compile(r"^In the queue: [\d,]+ now"))
    expect(orders).to_contain_text(re.compile(r"[\d,]+ parked · [\d,]+ waits? for a person"))
    expect(page.locator(".stage.trouble").filter(has_text="orders")).to_contain_text(re.compile("needs? a look"))

    # By keyboard, minute by minute.
    press(page, "ArrowLeft", minutes)
    expect(heading.locator("xpath=..").get_by_text(re.compile(r"UTC: accepted \d+, succeeded \d+"))).to_have_count(1)

    page = console.new_page()
    console.sign_in("demo")
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
    expect(page.get_by_text("Only platform operators see the dead letters.")).to_be_visible()
    expect(page.get_by_role("heading", name="Flow", exact=True)).to_have_count(0)


def a_phone_shows_everything_without_scrolling_sideways(console):
    page, stack = console.page, console.stack
    data = order_of(MARKUP)
    data["lines"][0]["sku"] = "a-very-long-word-" * 40
    order, operation = park(stack, data=data)
    page.set_viewport_size({"width": 360, "height": 740})
    console.expected_failures = {400}

    console.sign_in("platform")
    expect(page.get_by_role("table", name="Depths of the dead-letter queues")).to_be_visible()
    expect_no_sideways_scroll(page, "the overview")
    # Cards are still a table to who cannot see them.
    expect(page.get_by_role("columnheader", name="Reason")).to_have_count(1)
    console.group("SubmitOrder").first.click()
    expect(page.get_by_role("columnheader", name="Subject")).to_have_count(1)
    expect_no_sideways_scroll(page, "a group")
    console.open_message(order)
    for summary in page.locator("summary").all():
        summary.click()
    expect_no_sideways_scroll(page, "a message")
    page.get_by_role("button", name="Discard…").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    expect_no_sideways_scroll(page, "a dialog")
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("link", name=operation).click()
    expect(page.get_by_role("list", name="What became of it, and what followed")).to_contain_text("Waits for a person")
    expect_no_sideways_scroll(page, "a trace")


def expect_no_sideways_scroll(page, what):
    excess = page.evaluate(
        """() => [document.documentElement, document.getElementById("page"), ...document.querySelectorAll("dialog[open]")]
                   .map((element) => element.scrollWidth - element.clientWidth)"""
    )
    assert max(excess) <= 0, f"{what} is wider than the screen by {max(excess)} pixels"


def press(page, key, target):
    """Goes by Tab to where the target is, and presses the key there. A button at work would not hear it."""
    expect(target).to_be_visible()
    expect(target).to_be_enabled()
    for _ in range(200):
        if target.evaluate("target => target === document.activeElement"):
            page.keyboard.press(key)
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{target} cannot be reached by Tab")


if __name__ == "__main__":
    main()
