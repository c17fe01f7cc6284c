"""Two local stacks, a shop and a supplier, which settings alone connect: an order in the one becomes a command in the other, and
what becomes of it there an event back.

The variables WAYBILL_STACK and WAYBILL_NEIGHBOUR name the descriptions of the stacks.
"""

import base64
import hashlib
import hmac
import os
import time

from installation import TENANT, Installation, fresh, until


def main():
    shop, supplier = (Installation(os.environ[name]) for name in ("WAYBILL_STACK", "WAYBILL_NEIGHBOUR"))
    orders = tells(shop, supplier, "OrderSubmitted", as_partner="buyer")
    shipments = tells(supplier, shop, "OrderShipped", as_partner="supplier")

    order, operation = shop.submit_order()
    shop.succeeded(operation)
    until("the supplier has the order", lambda: status(supplier, order) == "submitted")
    supplier.succeeded(supplier.send("ShipOrder", order, {"carrier": "DHL", "trackingNumber": "00340"}))
    until("the shop's order is shipped", lambda: status(shop, order) == "shipped")

    history = shop.ask("GET", f"/orders/{order}/history")[1]
    assert [event["type"] for event in history] == ["OrderSubmitted", "OrderShipped"], history
    for installation, endpoint in ((shop, orders), (supplier, shipments)):
        assert installation.operate("GET", endpoint)["status"] == "on"
        installation.operate("DELETE", endpoint)


def tells(sender, receiver, kind, as_partner):
    """The sender's orders tell the receiver of such events; gives the endpoint's path."""
    source = f"{sender.url}/contexts/orders"
    endpoint = sender.operate("POST", "/webhooks", {
        "url": f"{receiver.url}/events/{TENANT}", "contexts": ["orders"], "types": [kind]})
    partner = {"name": as_partner, "types": [kind], "sources": [source], "secrets": [endpoint["secret"]]}
    receiver.register("partners", partners=[partner])
    # A function may know the partners of before for a minute. What it refuses meanwhile comes again much later.
    until(f"the {as_partner} is known", lambda: is_known(receiver, endpoint["secret"]))
    return f"/webhooks/{endpoint['id']}"


def is_known(receiver, secret):
    """Whether what is signed so is looked at. Nothing follows from what this sends."""
    body, name, moment = b"{}", fresh("probe"), str(int(time.time()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signature = hmac.new(key, f"{name}.{moment}.".encode() + body, hashlib.sha256).digest()
    headers = {"Content-Type": "application/cloudevents+json", "webhook-id": name, "webhook-timestamp": moment,
               "webhook-signature": f"v1,{base64.b64encode(signature).decode()}"}
    answer = receiver.ask("POST", f"/events/{TENANT}", body, headers=headers, expected=(400, 401, 403, 422))[1]
    return answer["status"] != 401


def status(installation, order):
    return installation.ask("GET", f"/orders/{order}", expected=(200, 404))[1].get("status")


if __name__ == "__main__":
    main()
