"""A tenant's machine client of a deployed local stack, by HTTP."""

import json
import time
import urllib.error
import urllib.parse
import urllib.request

# What is waited for comes within this, on a slow machine and after redeliveries; if not, the rehearsal fails.
PATIENCE = 120


class Client:
    def __init__(self, described, tenant):
        self.url = described["api_url"]
        form = {"grant_type": "client_credentials", "scope": "waybill/submit waybill/read"}
        form |= described["tenants"][tenant]
        with urllib.request.urlopen(described["token_url"], urllib.parse.urlencode(form).encode()) as answer:
            self.token = json.load(answer)["access_token"]

    def submit(self, event):
        """Gives the operation's path."""
        status, headers, body = self.send("/commands", json.dumps(event).encode())
        assert status == 202, f"{event} was answered {status}: {body}"
        return headers["location"].removeprefix(self.url)

    def get(self, path):
        """Status, ETag and body."""
        status, headers, body = self.send(path)
        return status, headers.get("etag"), body

    def read(self, path):
        """A body that must be there."""
        status, _, body = self.send(path)
        assert status == 200, f"{path} was answered {status}: {body}"
        return body

    def outcome(self, operation):
        """An operation, as soon as nothing more becomes of it, and its read model has followed."""

        def is_over(operation):
            return operation["status"] not in ("accepted", "retrying")

        operation = wait_for(operation, lambda: self.read(operation), is_over)
        if "resource" in operation:
            href = operation["resource"]["href"].removeprefix(self.url)
            wait_for(href, lambda: self.get(href), lambda answer: answer[0] == 200)
        return operation

    def send(self, path, body=None):
        headers = {"authorization": f"Bearer {self.token}", "content-type": "application/cloudevents+json"}
        request = urllib.request.Request(f"{self.url}{path}", data=body, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return answer.status, answer.headers, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read().decode()


def wait_for(what, ask, is_wanted):
    """Asks until the answer is as wanted."""
    end = time.monotonic() + PATIENCE
    while not is_wanted(answer := ask()):
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {PATIENCE} s; last seen: {answer}")
        time.sleep(0.1)
    return answer
