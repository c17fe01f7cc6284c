"""Waybill's functions and their peers, as processes with settings."""

from pathlib import Path

from processes import ACCOUNT, REGION, Function

TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:waybill-events"


class Programs:
    """Where the programs are, and what they run against."""

    def __init__(self, functions, peers, python, stub, sink):
        self.functions, self.peers, self.python, self.stub, self.sink = functions, peers, python, stub, sink
        self.queues = f"{stub.url}/{ACCOUNT}/waybill-"

    def waybill(self, name, binary, tls=False, **settings):
        # Of roots they read a few by default, Amazon's: here the stub's.
        roots = {"TRUSTED_ROOTS": "system", "SSL_CERT_FILE": str(self.stub.authority)} if tls else {}
        # Metrics have its name, as long as where it is installed.
        named = {"METRICS_FUNCTION": f"waybill-{binary}"}
        environment = {**self.settings(), **named, **settings, **roots}
        return Function(name, [self.functions / binary], environment, self.stub, self.sink, tls=tls)

    def handler(self, name, context, tls=False, **more):
        queue = {"QUEUE": f"{self.queues}{context}-commands.fifo"}
        dead = {"DEAD_LETTERS": f"{self.queues}{context}-dead-letters.fifo"}
        return self.waybill(name, "command-handler", tls, CONTEXT=context, **queue, **dead, **more)

    def publisher(self, tls=False):
        queues = {"QUEUE": f"{self.queues}publisher-retries", "DEAD_LETTERS": f"{self.queues}publisher-dead-letters"}
        return self.waybill("publisher", "publisher", tls, **queues)

    def updater(self, tls=False):
        queues = {"QUEUE": f"{self.queues}read-model-updates", "DEAD_LETTERS": f"{self.queues}read-model-dead-letters"}
        return self.waybill("updater", "read-model-updater", tls, **queues)

    def rust(self, name, peer, allocator="system", tls=False):
        program = self.peers / "rust/release" / f"{allocator}-allocator"
        return Function(name, [program], {"PEER": peer}, self.stub, self.sink, tls=tls)

    def node(self, name, handler, bundled=True, tls=False):
        folder = self.peers / "node"
        handler = folder / ("bundled" if bundled else "") / f"{handler}.mjs"
        program = ["node", folder / "runtime.mjs", handler]
        return Function(name, program, self.powertools(), self.stub, self.sink, folder, tls)

    def python_powertools(self, name, tls=False):
        folder = Path(__file__).with_name("peers") / "python"
        # Lambda's images come with compiled modules; -B only keeps the checkout clean.
        program = [self.python, "-B", folder / "runtime.py"]
        return Function(name, program, self.powertools(), self.stub, self.sink, folder, tls)

    def powertools(self):
        return {
            "POWERTOOLS_SERVICE_NAME": "policies",
            "POWERTOOLS_LOG_LEVEL": "WARN",
            "COMMAND_QUEUE": f"{self.queues}policies-commands.fifo",
            "EVENT_TOPIC": TOPIC,
        }

    def settings(self):
        """As template.yaml gives them. Limits are so high that nothing is refused, and redrive does not wait."""
        tables = ["events", "operations", "parked", "guards", "read-models", "timers", "registry", "jobs"]
        unlimited = ["TENANT_COMMANDS_PER_SECOND", "TENANT_COMMAND_BURST"]
        unlimited += ["STREAM_COMMANDS_PER_SECOND", "STREAM_COMMAND_BURST", "RATE"]
        return {
            **{f"{table.replace('-', '_').upper()}_TABLE": table for table in tables},
            **dict.fromkeys(unlimited, "4294967295"),
            "TABLE": "read-models",
            "QUEUES": self.queues,
            "EVENT_TOPIC": TOPIC,
            "RECEIPT_KEY_SECRET": f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:receipt-key",
            "PUBLIC_URL": "https://api.example",
            "OPERATION_RETENTION_DAYS": "90",
            "MAX_RECEIVES": "15",
            "MOST_ATTEMPTS": "10",
            "FIRST_BACK_OFF_SECONDS": "300",
            "LONGEST_BACK_OFF_SECONDS": "21600",
        }
