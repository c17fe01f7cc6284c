"""Tries a local stack as a client of the API does: a token, a command, its operation, and the order that it made.

Prints each request with its answer. Every run sends another command. The client's secret comes from the description
of the stack, which only its owner may read, and is not printed.
"""

import argparse
import base64
import json
import pathlib
import secrets
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

# How long an operation may take, and a read model after it. On the local stack it is a second or two.
PATIENCE = 60

FINAL = ("succeeded", "rejected", "discarded")


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--stack", required=True, type=pathlib.Path, help="the JSON file that describe.py wrote")
    options.add_argument("--command", required=True, type=pathlib.Path, help="a sample of SubmitOrder")
    options.add_argument("what", choices=["order", "token", "password", "user-password"])
    given = options.parse_args()
    stack = json.loads(given.stack.read_text())
    if given.what == "password":
        print(stack["operators"]["demo"]["password"])
    elif given.what == "user-password":
        print(stack["tenants"]["demo"]["user"]["password"])
    elif given.what == "token":
        print(token(stack["token_url"], stack["tenants"]["demo"], quiet=True))
    else:
        order(stack, json.loads(given.command.read_text()))


def order(stack, command):
    bearer = {"Authorization": f"Bearer {token(stack['token_url'], stack['tenants']['demo'])}"}
    number = secrets.token_hex(4)
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    command |= {"id": f"try-{number}", "subject": f"O-{number}", "time": now}
    body = json.dumps(command).encode()
    headers = bearer | {"Content-Type": "application/cloudevents+json"}
    commands = f"{stack['api_url']}/commands"
    _, _, head = call("POST", commands, [202], headers, body)
    operation = followed(urllib.parse.urljoin(commands, head["Location"]), bearer)
    if operation["status"] != "succeeded":
        sys.exit(f"the command was {operation['status']}: {json.dumps(operation)}")
    document = read(urllib.parse.urljoin(commands, operation["resource"]["href"]), bearer)
    print(f"\n{json.dumps(document, indent=2)}")


def token(url, client, quiet=False):
    """An access token of the tenant's machine client, which authenticates by its id and secret."""
    credentials = base64.b64encode(f"{client['client_id']}:{client['client_secret']}".encode()).decode()
    headers = {"Authorization": f"Basic {credentials}", "Content-Type": "application/x-www-form-urlencoded"}
    body = urllib.parse.urlencode({"grant_type": "client_credentials"}).encode()
    answer, _, _ = call("POST", url, [200], headers, body, quiet)
    return answer["access_token"]


def followed(location, bearer):
    """The operation, once its outcome is final or it waits for an operator."""
    until = time.monotonic() + PATIENCE
    while True:
        operation, _, _ = call("GET", location, [200], bearer)
        if operation["status"] in (*FINAL, "parked"):
            return operation
        if time.monotonic() > until:
            sys.exit(f"the operation is still {operation['status']} after {PATIENCE} s; see `cargo xtask logs`")
        time.sleep(0.5)


def read(href, bearer):
    """The document in the version that the command made. It is 404 until the read model is there."""
    until = time.monotonic() + PATIENCE
    while True:
        document, status, _ = call("GET", href, [200, 404], bearer)
        if status == 200:
            return document
        if time.monotonic() > until:
            sys.exit(f"there is no document after {PATIENCE} s: {json.dumps(document)}")
        time.sleep(0.5)


def call(method, url, expected, headers, body=None, quiet=False):
    """The answer's JSON, status and headers. Ends with what the server said if no such status was expected."""
    request = urllib.request.Request(url, data=body, headers=headers, method=method)
    # No proxy that the environment names: the local stack is on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=PATIENCE) as answer:
            status, head, text = answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as refusal:
        status, head, text = refusal.code, refusal.headers, refusal.read().decode()
    except OSError as error:
        sys.exit(f"{url} does not answer: {error}\nIs `cargo xtask up` still running?")
    if not quiet:
        print(f"{method:4} {url}\n     {status} {said(head, text)}", flush=True)
    if status not in expected:
        sys.exit(f"{method} {url} was to answer {expected[0]}, and answered {status}: {text}")
    try:
        return json.loads(text), status, head
    except ValueError:
        sys.exit(f"{method} {url} did not answer with JSON: {text}")


def said(head, text):
    """What is worth a line: where to go on, how far it has come, or what is wrong. No token."""
    if head.get("Location"):
        return f"Location: {head['Location']}"
    try:
        answer = json.loads(text)
        return answer.get("detail") or answer.get("status") or ""
    except (ValueError, AttributeError):
        return ""


if __name__ == "__main__":
    main()
