"""What is measured. Processes of a table live at the same time and take turns, so that all meet the same noise."""

import io
import json
import os
import random
import zipfile
from statistics import median

import inputs
from inputs import BATCH

HISTORIES = [10, 100, 1_000, 10_000]
# Until V8 has compiled what runs often.
NODE_WARM_UP, WARM_UP = 250, 10
LETTER_STREAMS, LETTERS_OF_EACH = 2_000, 5
# Short turns that each case has in a round.
TURNS = 8
# How long a call to AWS is assumed to take, as in docs/costs.md.
CALL_MS = 8


class Case:
    """One function with one kind of input, and what each round has measured: CPU microseconds per command or event."""

    def __init__(self, function, name, events, each, invocations):
        self.function, self.name, self.events, self.each, self.invocations = function, name, events, each, invocations
        self.cpu, self.turns, self.counted = [], [], {}

    def count(self, stub):
        """Counts its calls, units and bytes, and how long an invocation takes while each call takes `CALL_MS`."""
        stub.tell("reset")
        logged = self.function.sink.bytes()
        for turn in range(BATCH):
            self.function.invoke(self.events[turn % len(self.events)])
            self.function.check()
        logged = self.function.sink.bytes() - logged
        counted, handled = stub.tell("counted"), BATCH * self.each
        calls = counted["calls"]
        # As the stub sees it: what it has received was sent.
        amounts = {"sent": counted["received"], "received": counted["sent"], "calls": sum(calls.values())}
        amounts |= {"read units": counted["read"], "write units": counted["written"], "logged": logged}
        amounts |= {"published": calls.get("Publish", 0) + calls.get("PublishBatch", 0)}
        amounts |= {"queued": calls.get("SendMessage", 0) + calls.get("SendMessageBatch", 0)}
        self.counted = {name: amount / handled for name, amount in amounts.items()}
        stub.tell("latency", CALL_MS)
        waits = [self.function.invoke(self.events[turn % len(self.events)]) for turn in range(BATCH)]
        stub.tell("latency", 0)
        self.counted["wait"] = median(waits)

    def turn(self):
        """A part of a round."""
        invocations = max(1, self.invocations // TURNS)
        self.turns.append(self.function.measure(self.events, invocations) / self.each)

    def end_round(self):
        self.cpu.append(median(self.turns))
        self.turns = []

    def told(self):
        return {"cpu": self.cpu, "each": self.each, **self.counted}


def turns(cases):
    """Whose turn it is in a round: each time in another order. So those that are compared meet the same moments, and what comes
    first after a pause, and meets cold caches, is another one each time."""
    for _ in range(TURNS):
        yield from random.sample(cases, len(cases))


class Table:
    """Cases by function and name."""

    def __init__(self):
        self.cases, self.functions = {}, []

    def add(self, function, *kinds):
        """`kinds`: a name, its events, how many commands or events each has, and invocations a round."""
        self.functions.append(function)
        for name, events, each, invocations in kinds:
            self.cases[function.name, name] = Case(function, name, events, each, invocations)

    def start(self, stub):
        for function in self.functions:
            function.start()
            cases = [case for case in self.cases.values() if case.function is function]
            is_node = "node" in str(function.command[0])
            for case in cases:
                for turn in range(NODE_WARM_UP if is_node else WARM_UP):
                    function.invoke(case.events[turn % len(case.events)])
                case.count(stub)

    def round(self):
        for case in turns([*self.cases.values()]):
            case.turn()
        for case in self.cases.values():
            case.end_round()

    def stop(self):
        """Gives what was measured: by function its memory, and its cases by name."""
        told = {}
        for function in self.functions:
            cases = {name: case.told() for (of, name), case in self.cases.items() if of == function.name}
            told[function.name] = {"memory": function.memory(), **cases}
            function.stop()
        return told


def handlers(programs, made):
    """The command handler and its peers."""
    one, ten = ("1", made["handle 1"], 1, 160), ("10", made["handle 10"], BATCH, 40)
    stream = ("one stream", made["handle one stream"], BATCH, 60)
    fewer = [(name, events, each, invocations // 8) for name, events, each, invocations in (one, ten, stream)]
    few = [(name, events, each, invocations // 20) for name, events, each, invocations in (one, ten, stream)]
    table = Table()
    table.add(programs.handler("Waybill", "policies"), one, ten, stream)
    table.add(programs.handler("Waybill, LOG_LEVEL=warn", "policies", LOG_LEVEL="warn"), one, ten, stream)
    for allocator, told in [("system", ""), ("mimalloc", ", mimalloc")]:
        table.add(programs.rust(f"bare SDK{told}", "bare-sdk", allocator), one, ten)
        table.add(programs.rust(f"cqrs-es + dynamo-es{told}", "dynamo-es", allocator), one, ten)
    table.add(programs.rust("cqrs-es + dynamo-es, with a view", "dynamo-es-view"), one, ten)
    table.add(programs.node("Node Powertools", "handler", bundled=False), *fewer)
    table.add(programs.node("Node Powertools, bundled", "handler"), *fewer)
    table.add(programs.python_powertools("Python Powertools"), *few)
    orders = ("1", made["handle order"], 1, 160), ("10", made["handle 10 orders"], BATCH, 40)
    table.add(programs.handler("Waybill, new orders", "orders"), *orders)
    return table


def others(programs, made):
    """The functions beside the handler, and two peers."""
    table = Table()
    table.add(
        programs.waybill("ingest", "ingest"),
        ("one command", made["ingest 1"], 1, 80),
        ("one order", made["ingest order"], 1, 80),
        ("HTTP batch of 10", made["ingest 10"], BATCH, 40),
    )
    table.add(
        programs.publisher(),
        ("1 commit", made["publish 1"], 1, 80),
        ("10 commits", made["publish 10"], BATCH, 40),
        ("50 commits", made["publish 50"], 50, 16),
    )
    table.add(
        programs.updater(),
        ("1 event", made["update 1"], 1, 80),
        ("10 events of 10 streams", made["update 10"], BATCH, 40),
        ("10 events of one stream", made["update one stream"], BATCH, 40),
        ("1 new order", made["update order"], 1, 80),
        ("10 new orders", made["update 10 orders"], BATCH, 40),
    )
    table.add(
        programs.waybill("query", "query"),
        ("a document", made["read document"], 1, 80),
        ("an operation", made["read operation"], 1, 80),
    )
    table.add(programs.node("Node ingest, bundled", "ingest"), ("one command", made["ingest 1"], 1, 20))
    projected = ("1 event", made["update 1"], 1, 20), ("10 events of 10 streams", made["update 10"], BATCH, 8)
    table.add(programs.node("Node projector, bundled", "projector"), *projected)
    return table


def learn_peers(programs, made):
    """Has each peer write once, so that the stub learns what it stores."""
    peers = [programs.rust(peer, peer) for peer in ("bare-sdk", "dynamo-es", "dynamo-es-view", "dynamo-es-snapshot")]
    peers += [programs.node("handler", "handler"), programs.node("projector", "projector")]
    programs.stub.tell("learn", True)
    for function in peers:
        function.start()
        function.invoke(made["update 1" if function.name == "projector" else "handle 1"][0])
        function.stop()
    programs.stub.tell("learn", False)


def in_turns(table, stub, rounds):
    table.start(stub)
    for _ in range(rounds):
        table.round()
    return table.stop()


def histories(programs, made, rounds):
    """The handler and dynamo-es on streams of different lengths: by function, length and batch."""
    stub, results = programs.stub, {}
    peers = [("cqrs-es + dynamo-es", "dynamo-es"), ("with a snapshot of each event", "dynamo-es-snapshot")]
    functions = [programs.handler("Waybill", "policies"), *(programs.rust(name, peer) for name, peer in peers)]
    for function in functions:
        function.start()
        for length in HISTORIES:
            # dynamo-es reads all events, and takes as much longer.
            slower = max(1, length // 100) if function.name == peers[0][0] else 1
            one = Case(function, "1", made["handle 1"], 1, max(2, 160 // slower))
            ten = Case(function, "10", made["handle 10"], BATCH, max(1, 40 // slower))
            results[function.name, length] = [one, ten]
            stub.tell("history", length)
            for case in (one, ten):
                case.count(stub)
    for _ in range(rounds):
        for (_, length), cases in turns([*results.items()]):
            stub.tell("history", length)
            cases[0].function.invoke(made["handle 10"][0])
            for case in cases:
                case.turn()
        for cases in results.values():
            for case in cases:
                case.end_round()
    for function in functions:
        function.stop()
    stub.tell("history", BATCH)
    told = {function.name: {} for function in functions}
    for (name, length), cases in results.items():
        told[name][length] = {case.name: case.told() for case in cases}
    return told


def starts(programs, made, times):
    """From exec to the first `/next` and to the first answer, over plain HTTP and over TLS."""
    make = {
        "ingest": (lambda tls: programs.waybill("ingest", "ingest", tls), "ingest 1"),
        "handler": (lambda tls: programs.handler("handler", "policies", tls), "handle 1"),
        "publisher": (lambda tls: programs.publisher(tls), "publish 1"),
        "updater": (lambda tls: programs.updater(tls), "update 1"),
        "query": (lambda tls: programs.waybill("query", "query", tls), "read document"),
        "redrive": (lambda tls: programs.waybill("redrive", "redrive", tls), None),
        "bare SDK": (lambda tls: programs.rust("bare SDK", "bare-sdk", tls=tls), "handle 1"),
        "cqrs-es + dynamo-es": (lambda tls: programs.rust("dynamo-es", "dynamo-es", tls=tls), "handle 1"),
        "Node Powertools": (lambda tls: programs.node("node", "handler", False, tls), "handle 1"),
        "Node Powertools, bundled": (lambda tls: programs.node("node", "handler", True, tls), "handle 1"),
        "Python Powertools": (lambda tls: programs.python_powertools("python", tls), "handle 1"),
    }
    kinds = ("next ms", "next cpu", "answer ms", "answer cpu", "memory")
    results = {(name, tls): {kind: [] for kind in kinds} for name in make for tls in (False, True)}
    for _ in range(times):
        for (name, tls), noted in results.items():
            start, event = make[name]
            function = start(tls)
            function.start()
            noted["next ms"].append(function.start_ms)
            noted["next cpu"].append(function.start_cpu_ms)
            if event:
                noted["answer ms"].append(function.start_ms + function.invoke(made[event][0]))
                noted["answer cpu"].append(function.cpu_ms())
            noted["memory"].append(function.memory())
            function.stop()
    return {"plain": {name: noted for (name, tls), noted in results.items() if not tls},
            "tls": {name: noted for (name, tls), noted in results.items() if tls}}


def redrive(programs, message, times):
    """Runs over 10,000 dead letters: CPU microseconds, calls and bytes of one."""
    stub, results = programs.stub, []
    for _ in range(times):
        function = programs.waybill("redrive", "redrive")
        function.timeout_seconds = 600
        function.start()
        stub.tell("letters", inputs.letters(message, LETTER_STREAMS, LETTERS_OF_EACH))
        stub.tell("reset")
        cpu = function.measure([b'{"context":"policies"}'], 1)
        counted, count = stub.tell("counted"), LETTER_STREAMS * LETTERS_OF_EACH
        [report] = [queue for queue in json.loads(function.answer)["queues"] if queue["name"] == "policies"]
        if report["redriven"] != count or report["canary"] != "passed":
            raise RuntimeError(f"not all were sent back: {report}")
        per_letter = cpu, sum(counted["calls"].values()), counted["received"], counted["sent"]
        results.append([*(number / count for number in per_letter), function.memory()])
        function.stop()
    stub.tell("letters", None)
    names = ("cpu", "calls", "sent", "received", "memory")
    return {name: list(column) for name, column in zip(names, zip(*results))}


def sizes(programs):
    """Bytes of programs, and of their zips."""
    found = {}
    for name in ("ingest", "command-handler", "publisher", "read-model-updater", "query", "redrive"):
        found[f"Waybill's {name}"] = zipped([programs.functions / name])
    found["bare SDK, and cqrs-es + dynamo-es"] = zipped([programs.peers / "rust/release/system-allocator"])
    node = programs.peers / "node"
    found["Node Powertools handler, bundled"] = zipped([node / "bundled/handler.mjs"])
    found["Node Powertools handler, with its modules"] = zipped(files(node))
    found["Python Powertools handler, with its packages"] = zipped(files(programs.python.parent.parent / "lib"))
    return found


def files(folder):
    """All that is deployed of a folder: without build tools and what Python compiles."""
    left_out = ("esbuild", "bundled", "__pycache__", "pip", "setuptools")
    for path, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if name not in left_out and "@esbuild" not in name]
        yield from (os.path.join(path, name) for name in names)


def zipped(paths):
    buffer, plain = io.BytesIO(), 0
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in paths:
            plain += os.path.getsize(path)
            archive.write(path, str(path).lstrip("/"))
    return plain, buffer.tell()

