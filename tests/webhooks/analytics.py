"""An analytics service that is down, slow, and lies, while orders flow on a deployed local stack: nothing else moves, and at
last the service has every event, in order.

The variable WAYBILL_STACK names the description of the stack.
"""

import base64
import hashlib
import hmac
import json
import os
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from installation import Installation, until

# How long an order may take from submitting to reading, whatever the service does.
SOON = 60


class Analytics:
    """The service. It counts an event once, by its id, and goes by versions."""

    def __init__(self, address):
        self.mode, self.secret, self.seen, self.problems = "up", None, {}, []
        self.requests = 0
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, wait = service.receive(self.headers, body)
                time.sleep(wait)
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.send_header("Location", "http://169.254.169.254/latest/meta-data/")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(address, Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def receive(self, headers, body):
        self.requests += 1
        if self.mode == "down":
            return 503, 0
        if self.mode == "slow":
            return 504, 20
        if self.mode == "lying":
            return 307, 0
        if not genuine(self.secret, headers, body):
            self.problems.append(f"not genuine: {dict(headers)}")
            return 401, 0
        event = json.loads(body)
        stream, _, version = event["id"].rpartition("/")
        versions = self.seen.setdefault(stream, [])
        if int(version) > len(versions) + 1:
            self.problems.append(f"{event['id']} comes after {versions}")
        if int(version) == len(versions) + 1:
            versions.append(event["type"])
        return 204, 0


def genuine(secret, headers, body):
    signed_at = headers["webhook-timestamp"]
    text = f"{headers['webhook-id']}.{signed_at}.".encode() + body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signature = b"v1," + base64.b64encode(hmac.digest(key, text, hashlib.sha256))
    given = headers["webhook-signature"].encode().split()
    return abs(time.time() - int(signed_at)) <= 300 and any(hmac.compare_digest(signature, each) for each in given)


def main():
    here = Installation(os.environ["WAYBILL_STACK"])
    address = urllib.parse.urlsplit(here.stack["webhook_receiver"])
    analytics = Analytics((address.hostname, address.port))
    refused, problem = here.ask("POST", "/webhooks", {"url": "https://10.0.0.1/"}, here.operator, expected=(400,))
    assert "url" in json.dumps(problem), problem
    endpoint = here.operate("POST", "/webhooks", {
        "url": f"{here.stack['webhook_receiver']}/events", "description": "Analytics", "contexts": ["orders"]})
    analytics.secret = endpoint["secret"]
    path = f"/webhooks/{endpoint['id']}"

    streams = []
    for mode in ("up", "down", "slow", "lying"):
        analytics.mode, before = mode, analytics.requests
        for _ in range(4):
            began = time.monotonic()
            order, operation = here.submit_order()
            here.succeeded(operation)
            here.succeeded(here.send("ShipOrder", order, {"carrier": "DHL", "trackingNumber": "00340"}))
            until("the order is read", lambda: here.ask("GET", f"/orders/{order}", expected=(200, 404))[1].get("status") == "shipped")
            took = time.monotonic() - began
            assert took < SOON, f"while analytics is {mode}, an order takes {took:.0f} s"
            streams.append(f"demo/orders/{order}")
        if mode == "up":
            until("analytics has the orders", lambda: all(len(analytics.seen.get(stream, [])) == 2 for stream in streams))
            continue
        until(f"analytics is asked while it is {mode}", lambda: analytics.requests > before or failing(here, path))

    assert failing(here, path), here.operate("GET", path)
    listed = here.operate("GET", f"{path}/deliveries?limit=100")["items"]
    waiting = [item["stream"] for item in listed if item["status"] != "sent"]
    assert waiting, listed

    analytics.mode = "up"
    here.operate("POST", f"{path}/on")
    until("analytics has everything", lambda: all(len(analytics.seen.get(stream, [])) == 2 for stream in streams))
    assert not analytics.problems, analytics.problems
    for stream in streams:
        assert analytics.seen[stream] == ["OrderSubmitted", "OrderShipped"], analytics.seen[stream]
    until("nothing waits", lambda: here.operate("GET", path)["status"] == "on")

    # A secret is replaced without a failed request.
    second = here.operate("POST", f"{path}/secrets")["secret"]
    order, operation = here.submit_order()
    until("the older secret signs still", lambda: len(analytics.seen.get(f"demo/orders/{order}", [])) == 1)
    analytics.secret = second
    here.operate("DELETE", f"{path}/secrets")
    order, operation = here.submit_order()
    until("the newer secret signs", lambda: len(analytics.seen.get(f"demo/orders/{order}", [])) == 1)
    assert not analytics.problems, analytics.problems
    here.operate("DELETE", path)
    here.ask("GET", path, token=here.operator, expected=(404,))
    analytics.server.shutdown()


def failing(here, path):
    return here.operate("GET", path)["status"] == "failing"


if __name__ == "__main__":
    main()
