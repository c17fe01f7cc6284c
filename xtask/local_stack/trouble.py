"""Makes trouble on a local stack, as the demo's buttons ask for it: kills functions, cuts connections, changes how the
payment provider behaves. It serves on loopback, for pages of the stack's own API alone.

    GET  /                       {"provider": MODE}
    POST /provider?mode=MODE     {"provider": MODE}: the modes of the provider in tests/payment_provider
    POST /handlers               {"killed": N}: processes of command handlers
    POST /connections            {"sockets": N, "others": N}: connections of clients that follow something, and functions'
"""

import argparse
import contextlib
import http.server
import json
import os
import pathlib
import signal
import socket
import urllib.parse
import urllib.request

import boto3


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--stack", required=True, type=pathlib.Path, help="the JSON file that describe.py wrote")
    options.add_argument("--port", required=True, type=int)
    given = options.parse_args()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", given.port), Maker)
    server.trouble = Trouble(json.loads(given.stack.read_text()))
    server.serve_forever()


class Trouble:
    def __init__(self, stack):
        api = urllib.parse.urlsplit(stack["api_url"])
        self.origin = f"{api.scheme}://{api.netloc}"
        self.provider = "fine"
        self._provider_url = stack["payment_provider"]
        self._server = stack["server_pid"]
        self._handlers = {of["command_handler"] for of in stack["contexts"].values()}
        self._scissors = stack["scissors"]
        self._connections = stack["outputs"]["ConnectionsTable"]
        self._dynamodb = boto3.client("dynamodb", endpoint_url=stack["endpoint"])
        gateway = stack["outputs"]["WebSocketUrl"].replace("ws:", "http:", 1)
        self._gateway = boto3.client("apigatewaymanagementapi", endpoint_url=gateway)

    def set_provider(self, mode):
        body = json.dumps({"mode": mode}).encode()
        urllib.request.urlopen(urllib.request.Request(f"{self._provider_url}/mode", method="PUT", data=body)).close()
        self.provider = mode
        return {"provider": mode}

    def kill_handlers(self):
        killed = 0
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            # It may end meanwhile.
            with contextlib.suppress(OSError):
                if self._is_handler(process):
                    os.kill(int(process.name), signal.SIGKILL)
                    killed += 1
        return {"killed": killed}

    def _is_handler(self, process):
        variables = (process / "environ").read_bytes().split(b"\0")
        names = {f"AWS_LAMBDA_FUNCTION_NAME={name}".encode() for name in self._handlers}
        return not names.isdisjoint(variables) and self._server in ancestors(int(process.name))

    def cut_connections(self):
        host, port = self._scissors.rsplit(":", 1)
        with socket.create_connection((host, int(port))) as scissors:
            others = int(scissors.makefile().read().split()[0])
        cut = 0
        for connection in self._followers():
            with contextlib.suppress(self._gateway.exceptions.GoneException):
                self._gateway.delete_connection(ConnectionId=connection)
                cut += 1
        return {"sockets": cut, "others": others}

    def _followers(self):
        """Connections that follow an operation: the table has texts of receipt, connection and its end."""
        items = self._dynamodb.scan(TableName=self._connections, ConsistentRead=True)["Items"]
        return {text.split(" ")[1] for item in items for text in item.get("followers", {}).get("SS", [])}


def ancestors(pid):
    while pid > 1:
        # After the name, which may hold anything, in parentheses: the state, and the parent.
        pid = int(pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
        yield pid


class Maker(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self._answer(lambda trouble: {"provider": trouble.provider} if self._asked.path == "/" else None)

    def do_POST(self):
        makers = {
            "/provider": lambda trouble: trouble.set_provider(dict(urllib.parse.parse_qsl(self._asked.query))["mode"]),
            "/handlers": Trouble.kill_handlers,
            "/connections": Trouble.cut_connections,
        }
        self._answer(makers.get(self._asked.path, lambda _: None))

    @property
    def _asked(self):
        return urllib.parse.urlsplit(self.path)

    def _answer(self, make):
        trouble = self.server.trouble
        # Another site's page must not make trouble here.
        if self.headers.get("origin") != trouble.origin:
            return self._send(403, {"error": "only for the demo of this stack"})
        try:
            made = make(trouble)
        except (KeyError, OSError) as error:
            return self._send(400, {"error": str(error)})
        return self._send(404 if made is None else 200, made or {"error": "nothing is here"})

    def _send(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("access-control-allow-origin", self.server.trouble.origin)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    main()
