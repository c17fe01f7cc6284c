"""A page that uses our client, in a browser: an order by WebSocket and its outcome by push; and a command that waits for an
operator while the page is reloaded and the server cuts the connection. The page is of another origin than the API.

The page's own server stands for the shop's: it signs the page's visitor in.
"""

import argparse
import contextlib
import http.server
import json
import os
import pathlib
import sys
import threading
import time

from playwright.sync_api import expect, sync_playwright

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "console"))
from stack import PATIENCE, TENANT, Stack, fresh, wait_for

ORDER = {
    "customer": "C-1",
    "onAccount": True,
    "lines": [{"sku": "TEA", "quantity": 1, "unitPrice": {"amount": 1250, "currency": "EUR"}}],
}


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--browser", required=True)
    options.add_argument("--client", required=True, type=pathlib.Path, help="folder of the compiled client")
    given = options.parse_args()
    stack = Stack()
    with sync_playwright() as playwright, serving(stack, given.client) as url:
        # Chromium's sandbox does not work for root.
        browser = playwright.chromium.launch(executable_path=given.browser, args=[] if os.geteuid() else ["--no-sandbox"])
        page = browser.new_page()
        page.set_default_timeout(PATIENCE * 1000)
        expect.set_options(timeout=PATIENCE * 1000)
        errors, frames = [], Frames()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("websocket", frames.watch)
        page.goto(url)
        page.wait_for_function("window.shop")
        an_order_goes_in_and_its_outcome_comes_back(page, frames)
        what_is_open_outlives_a_reload_and_a_cut(page, stack)
        how_long_it_takes(page, stack)
        assert not errors, errors
        browser.close()
    print("ok")


def an_order_goes_in_and_its_outcome_comes_back(page, frames):
    # The first one goes by a request, and opens the connection.
    first = order(page)
    expect(page.locator(f"[id='{first}']")).to_have_text("succeeded")
    wait(page, "a connection", lambda: frames.opened)
    second = order(page)
    expect(page.locator(f"[id='{second}']")).to_have_text("succeeded")
    assert any(frame["action"] == "submit" for frame in frames.sent), frames.sent
    wait(page, "the outcome, pushed", lambda: second in frames.pushed())


def what_is_open_outlives_a_reload_and_a_cut(page, stack):
    # Past ingest, or its schema would refuse it.
    unreadable = json.loads(json.dumps(ORDER))
    unreadable["lines"][0]["quantity"] = "many"
    receipt = stack.queue(fresh("O"), unreadable)
    stack.wait_for_operation(receipt, "parked")
    page.evaluate("receipt => shop.follow(receipt)", receipt)
    line = page.locator(f"[id='{receipt}']")
    expect(line).to_contain_text("parked")

    page.reload()
    expect(line).to_contain_text("parked")
    # Twice: the first one may be the connection of the page before the reload.
    for _ in range(2):
        known = wait_for("a connection to cut", lambda: cut(stack, followers(stack, receipt)), bool)
        wait_for("another one that follows", lambda: set(followers(stack, receipt)) - known, bool)

    parked = stack.operate("GET", "/parked?context=orders&limit=100")["items"]
    [entry] = [item["id"] for item in parked if item.get("operation") == receipt]
    stack.operate("POST", f"/parked/{entry}/discard", {"reason": "the shop is closed"})
    expect(line).to_have_text("discarded: the shop is closed")


def how_long_it_takes(page, stack):
    """From an outcome to its frame in the browser; and how much of that had gone by when push was invoked, for which the
    local stack polls the table's stream."""
    started = int(time.time() * 1000)
    after = []
    for _ in range(40):
        line = page.locator(f"[id='{order(page)}']")
        expect(line).to_have_text("succeeded")
        after.append(int(line.get_attribute("data-after")))
    lags = wait_for("metrics of push", lambda: push_lags(stack, started), lambda lags: len(lags) >= 10)
    print(f"from outcome to frame: {quantiles(after)}; until push is invoked: {quantiles(lags)}")


def push_lags(stack, since):
    """What push has told of its lag, in milliseconds: the embedded metric format."""
    pages = stack.client("logs").get_paginator("filter_log_events").paginate(
        logGroupName=f"/aws/lambda/{stack.name}-push", startTime=since
    )
    texts = [event["message"] for page in pages for event in page["events"] if '"PushLag"' in event["message"]]
    told = [json.loads(text[text.index("{") :])["PushLag"] for text in texts]
    return [lag for lags in told for lag in (lags if isinstance(lags, list) else [lags])]


def quantiles(times):
    times = sorted(times)
    return f"p50 {times[len(times) // 2]:.0f} ms, p99 {times[-1 - len(times) // 100]:.0f} ms of {len(times)}"


def order(page):
    return page.evaluate("([id, data]) => shop.order(id, data)", [fresh("O"), ORDER])


def wait(page, what, holds):
    """Lets the browser work until it holds."""
    for _ in range(PATIENCE * 10):
        if holds():
            return
        page.wait_for_timeout(100)
    raise TimeoutError(f"{what}: not within {PATIENCE} s")


class Frames:
    """What goes over the page's WebSockets."""

    def __init__(self):
        self.opened = 0
        self.sent = []
        self.received = []

    def watch(self, socket):
        self.opened += 1
        socket.on("framesent", lambda text: self.sent.append(json.loads(text)))
        socket.on("framereceived", lambda text: self.received.append(json.loads(text)))

    def pushed(self):
        """Receipts of operations that the server has told of unasked."""
        unasked = [frame for frame in self.received if frame["type"] == "operations" and "id" not in frame]
        return [operation["id"] for frame in unasked for operation in frame["operations"]]


def followers(stack, receipt):
    """Connections that follow the operation: the table has texts of receipt, connection and its end."""
    items = stack.client("dynamodb").scan(TableName=stack.connections, ConsistentRead=True)["Items"]
    texts = [text.split(" ") for item in items for text in item.get("followers", {}).get("SS", [])]
    return [connection for followed, connection, _ in texts if followed == receipt]


def cut(stack, connections):
    """Cuts these connections, as a server does. Returns them all if one was still there."""
    gateway = stack.client("apigatewaymanagementapi", stack.websocket_url.replace("ws:", "http:", 1))
    was_there = False
    for connection in connections:
        with contextlib.suppress(gateway.exceptions.GoneException):
            gateway.delete_connection(ConnectionId=connection)
            was_there = True
    return set(connections) if was_there else set()


@contextlib.contextmanager
def serving(stack, client):
    """The shop's server: its page, our client, and a token for whoever is signed in."""
    page = pathlib.Path(__file__).with_name("page.html").read_bytes()

    class Shop(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            path = self.path.split("?")[0]
            if path.startswith("/waybill/"):
                self.answer("text/javascript", (client / pathlib.PurePosixPath(path).name).read_bytes())
            elif path == "/settings":
                self.answer("application/json", json.dumps({"url": stack.url}).encode())
            elif path == "/token":
                self.answer("text/plain", stack.token().encode())
            else:
                self.answer("text/html", page)

        def answer(self, media_type, body):
            self.send_response(200)
            self.send_header("content-type", media_type)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Shop)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()


if __name__ == "__main__":
    main()
