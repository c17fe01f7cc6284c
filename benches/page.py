"""docs/performance.md, made of what was measured."""

from statistics import median, quantiles

HEAD = """# Performance

<!-- `cargo xtask bench` writes this page. -->

    cargo xtask bench

measures what Waybill's functions take, beside programs that do similar work, and writes this page. The programs are in
`benches/`. What a command costs in dollars is on [its own page](costs.md).

**Nothing here ran on AWS.** Functions and peers ran as processes on one machine, against a stub that answers at once.
So the page compares programs. It does not tell how long a command takes on Lambda: networks and CPU shares decide that.
The processor is of {architecture}. By default, `template.yaml` deploys to arm64.

- Measured on {date}: {processor}, {cores} cores; {kernel}; {rustc}, {node}, {python}.
- A function has one core. The stub, the driver and the reader of logs have another one.
- A driver plays Lambda's Runtime API. CPU is the process's CPU clock between two waits for the next invocation. It
  counts all threads, the runtime's client, logs and metrics.
- Inputs are real: ingest made the messages, the handler the commits, the publisher the events. A stream has ten events,
  unless the table says otherwise.
- All processes of a table live at the same time. In each of {rounds} rounds they take eight short turns, each time in another
  order, of which the median counts. A figure is the median of the rounds, with the quartiles in brackets. A ratio is the
  median of the ratios of each round.
- Other work on the machine shows in all figures. The load was {load before:.1f} before and {load after:.1f} after.
  Ratios suffer less than times.
- Peers are ours, written as their documentation shows. They promise less: none has an outbox, and Powertools repeats a
  command whose answer was lost. Node and Python run in a loop that is shorter than Lambda's.
- The Rust peers are built as Waybill is, but with `panic = "abort"`. They have the system's allocator. Where a row says
  mimalloc, they have Waybill's.
"""

# Profiles are not made in each run.
IN_THE_WAY = """What stands in the way of those that are not met:

- **CPU.** What is left is mostly the SDK. `callgrind` counted instructions in November 2026, without SHA-256's rounds, for
  which processors have instructions of their own. With ten streams, 64 % are within the SDK's calls (17 % sign), 9 % read
  the batch, 5 % decide, 4 % make records, and 2 % write log lines. With one stream, these are 27, 27, 13, 12 and 6 %. The
  bare SDK, which does no more than the calls, takes {bare:.1f} × less CPU than bundled Node Powertools.
- **Start.** The handler executes 3.3 million instructions until `/next`, by `callgrind`: about a millisecond. The rest is the
  kernel's, which starts the program and maps its pages. So this figure follows the machine's pace, more than others do.
- **Dollars.** The commit and the operation's record are one transaction, for which DynamoDB takes twice the units of two
  puts: that is ${transaction:.2f} of each single command, in a million, and as much in HTTP batches, whose writes alone exceed
  their goal. Two puts would need another proof that a command takes effect once ([architecture.md](architecture.md)).
  Besides, push asks after each batch of outcomes whether anybody is connected: a request of Lambda and a read unit of each
  single command, $0.35. `Live=false` saves it. With a `PublishWindow` and a `SubscriberWindow` of a second, single
  commands cost ${window} where ten come in a second.
- **Write units.** Two are the commit, two the operation's record, and one is each document: the sample's policy is in
  its own and in its customer's overview. A context with one read model takes five.
"""

HELD = """What does not depend on the machine is held by tests:

- Calls, write units and bytes of logs of a command: `tests/costs`.
- Allocations of a command: `tests/allocations`.
- Twenty updaters bring 5,000 events a second into one collection, with less than a tenth of their tries refused, while
  transactions hold their items for 8 ms: `functions/read-model-updater/tests/contention.rs`, in simulated time.
- While three calls in a hundred fail, 99 commands in a hundred have their outcome within two seconds:
  `tests/recovery/latency.rs`, in simulated time.
- Redrive makes less than half a call for a dead letter: `tests/recovery/volume.rs`.
"""


def write(results):
    sections = [goals, handlers, histories, others, way, dollars, starts, admission, fold, redrive, sizes]
    head = HEAD.format(rounds=results["rounds"], **results["machine"])
    return "\n".join([head, *(section(results) for section in sections), section("Held by tests", HELD)])


# Figures


def spread(values, digits=0):
    """The median and the quartiles."""
    lower, _, upper = quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3
    return f"{median(values):,.{digits}f} ({lower:,.{digits}f} – {upper:,.{digits}f})"


def ratio(values, others):
    """The median of the ratios of each round."""
    return median(value / other for value, other in zip(values, others))


def times(values, others):
    return f"{ratio(values, others):.2f}×"


def table(head, rows):
    """A row is a list of cells; all but the first are aligned to the right."""
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines) + "\n"


def section(title, *parts):
    return "\n".join([f"## {title}\n", *parts])


def printed(text, title):
    """The rows of a table that a benchmark has printed below a head that begins with `title`."""
    lines = [[cell.strip() for cell in line.strip("| ").split("|")] for line in text.splitlines() if line[:1] == "|"]
    rules = [at for at, line in enumerate(lines) if line[0].startswith("--")]
    for rule, next_rule in zip(rules, [*rules[1:], len(lines) + 1]):
        if lines[rule - 1][0] == title:
            return lines[rule + 1 : next_rule - 1]
    raise ValueError(f"there is no table of {title}")


def costs(results, heading):
    """The rows of the table below a heading of docs/costs.md, which has one."""
    _, below = results["costs"].split(f"\n## {heading}\n", 1)
    lines = [line for line in below.split("\n## ")[0].splitlines() if line[:1] == "|"]
    return [[cell.strip(" *") for cell in line.strip("|").split("|")] for line in lines]


# Sections


def goals(results):
    cpu = lambda name, kind: results["handlers"][name][kind]["cpu"]
    ours, bundled = "Waybill", "Node Powertools, bundled"
    flat = flatness(results["histories"]["Waybill"])
    start = {name: noted["next cpu"] for name, noted in results["starts"]["plain"].items()}
    [order] = [row for row in printed(results["in process"], "command") if row[0] == "SubmitOrder"]
    admitted = float(order[2])
    against = lambda one, other, kind: ratio(cpu(one, kind), cpu(other, kind))
    [spent] = [row for row in costs(results, "A million commands") if row[0] == "in all"]
    [window] = [row for row in costs(results, "What windows save") if row[0].startswith("in all")]
    single = used(*ways(results)["Waybill, one at a time"])

    def at_most(name, measured, goal, unit="×"):
        return name, f"≤ {goal:g} {unit}", f"{measured:.3f} {unit}", measured <= goal

    def at_least(name, measured, goal):
        return name, f"≥ {goal:g} ×", f"{measured:.1f} ×", measured >= goal

    rows = [
        at_most("handler's CPU, of the bare SDK's, ten streams", against(ours, "bare SDK", "10"), 1.3),
        at_most("handler's CPU, of cqrs-es + dynamo-es's, ten streams", against(ours, "cqrs-es + dynamo-es", "10"), 1.0),
        at_least("CPU of bundled Node Powertools, of the handler's, ten streams", against(bundled, ours, "10"), 12),
        at_least("the same, one stream", against(bundled, ours, "one stream"), 45),
        ("handler's CPU with 100 to 10,000 events, of that with 10", "± 5 %", f"{flat:+.1f} % at most", abs(flat) <= 5),
        at_most("handler, CPU from exec to `/next`", median(start["handler"]), 3.5, "ms"),
        at_least("CPU of bundled Node Powertools, of that", ratio(start[bundled], start["handler"]), 60),
        at_most("admission of a SubmitOrder", admitted, 10, "µs"),
        *(
            (f"$ per million commands, {kind}: [costs.md](costs.md)", f"≤ {goal:.2f}", spent[at], float(spent[at]) <= goal)
            for at, kind, goal in [(1, "singly", 9), (2, "bursts", 6), (3, "one stream", 4), (4, "HTTP batches", 3.5)]
        ),
        at_most("write units of a command that moves no key of a list", single["DynamoDB, writes"], 5, "units"),
        at_most("bytes of logs of a command, of the functions on its way, singly", single["CloudWatch, logs taken in"], 700, "bytes"),
    ]
    told = [[name, goal, measured, "met" if met else "**not met**"] for name, goal, measured, met in rows]
    allocator = [against(ours, f"{peer}, mimalloc", "10") for peer in ("bare SDK", "cqrs-es + dynamo-es")]
    return section(
        "Against the goals",
        table(["", "goal", "measured", ""], told),
        "The peers of the first two rows have the system's allocator, and Waybill has mimalloc. With mimalloc in the peers",
        f"as well, these rows are {allocator[0]:.2f} × and {allocator[1]:.2f} ×.\n",
        IN_THE_WAY.format(
            bare=against(bundled, "bare SDK", "10"), transaction=2 * prices(results)["DynamoDB, writes"], window=window[3]
        ),
    )


def flatness(histories):
    """The largest deviation from ten events, in percent, of all lengths and both batches."""
    deviations = [
        (ratio(kinds[batch]["cpu"], histories["10"][batch]["cpu"]) - 1) * 100
        for length, kinds in histories.items()
        if length != "10"
        for batch in ("1", "10")
    ]
    return max(deviations, key=abs)


def handlers(results):
    kinds, ours = ("1", "10", "one stream"), results["handlers"]["Waybill"]
    cpu, ratios, traffic = [], [], []
    for name, measured in results["handlers"].items():
        there = [measured.get(kind) for kind in kinds]
        cpu.append([name, *(spread(one["cpu"]) if one else "-" for one in there)])
        if name != "Waybill, new orders":
            of_ours = (times(one["cpu"], ours[kind]["cpu"]) if one else "-" for kind, one in zip(kinds, there))
            ratios.append([name, *of_ours])
        ten = measured["10"]
        stream = f"{measured['one stream']['calls']:.1f}" if there[2] else "-"
        amounts = (f"{amount:,.0f}" for amount in (ten["sent"], ten["received"], measured["memory"]))
        traffic.append([name, f"{ten['calls']:.1f}", stream, *amounts])
    heads = ["", "one message", "ten messages of ten streams", "ten messages of one stream"]
    publisher = results["others"]["publisher"]
    bundled, both = results["handlers"]["Node Powertools, bundled"], []
    for batch, commits in (("1", "1 commit"), ("10", "10 commits")):
        together = [sum(round) for round in zip(ours[batch]["cpu"], publisher[commits]["cpu"])]
        both.append(ratio(bundled[batch]["cpu"], together))
    return section(
        "Handling commands",
        "The command is AdjustPremium, and one row is SubmitOrder on a new stream. CPU microseconds per command:\n",
        table(heads, cpu),
        "Of Waybill's:\n",
        table(heads, ratios),
        "Calls to AWS and bytes of bodies per command; memory is the most that the process had:\n",
        table(["", "calls, ten streams", "calls, one stream", "bytes sent", "bytes received", "memory, MB"], traffic),
        "- Powertools' handlers publish the event themselves. Waybill's publisher does that. Against both of Waybill's together,",
        f"  Node Powertools, bundled, takes {both[0]:.1f}× with one message and {both[1]:.1f}× with ten.",
        "- Powertools handles a batch's messages side by side (Node) or one after the other (Python).\n",
    )


def histories(results):
    rows = []
    for name, lengths in results["histories"].items():
        for length, kinds in lengths.items():
            one, ten = kinds["1"], kinds["10"]
            ours = results["histories"]["Waybill"][length]["1"]["cpu"]
            traffic = [f"{one['received']:,.0f}", f"{one['calls']:.0f}"]
            cells = [spread(one["cpu"]), spread(ten["cpu"]), *traffic, times(one["cpu"], ours)]
            rows.append([name, f"{int(length):,}", *cells])
    return section(
        "By the length of a stream's history",
        "CPU microseconds per command; bytes and calls with one message.\n",
        table(["", "events", "one message", "ten streams", "bytes received", "calls", "of Waybill's"], rows),
        "Without snapshots, dynamo-es reads one page of a stream, 1 MB at most. So it does not read all of 10,000 events.\n",
    )


def others(results):
    peers = {
        ("ingest", "one command"): "Node ingest, bundled",
        ("updater", "1 event"): "Node projector, bundled",
        ("updater", "10 events of 10 streams"): "Node projector, bundled",
    }
    rows = []
    for name, kinds in results["others"].items():
        for kind, one in kinds.items():
            if kind == "memory" or name in peers.values():
                continue
            peer = peers.get((name, kind))
            other = results["others"][peer][kind]["cpu"] if peer else None
            compared = [spread(other), times(other, one["cpu"])] if peer else ["-", "-"]
            amounts = (f"{amount:,.0f}" for amount in (one["sent"], one["received"], kinds["memory"]))
            rows.append([f"{name}, {kind}", spread(one["cpu"]), f"{one['calls']:.2f}", *amounts, *compared])
    return section(
        "The other functions",
        "CPU microseconds per command, commit, event or read, and the same of Node Powertools, bundled.\n",
        table(["", "CPU, µs", "calls", "sent", "received", "memory, MB", "Node: CPU, µs", "of Waybill's"], rows),
    )


def ways(results):
    """The functions of a command's whole way: what was measured of each, its memory in MB, and what feeds it."""
    handler, others = results["handlers"], results["others"]
    ingest, publisher, updater = (others[name] for name in ("ingest", "publisher", "updater"))
    api, fifo, standard = "API Gateway, HTTP API", "SQS, FIFO queues", "SQS, standard queues"

    def ours(batch, commits, events):
        parts = [(ingest["one command"], 256, api), (handler["Waybill"][batch], 512, fifo)]
        return [*parts, (publisher[commits], 256, None), (updater[events], 256, standard)]

    def powertools(batch, events):
        parts = [(others["Node ingest, bundled"]["one command"], 256, api)]
        parts.append((handler["Node Powertools, bundled"][batch], 512, fifo))
        return [*parts, (others["Node projector, bundled"][events], 256, standard)]

    ten = "10 events of 10 streams"
    return {
        "Waybill, one at a time": ours("1", "1 commit", "1 event"),
        "Waybill, in a burst, ten streams": ours("10", "10 commits", ten),
        "Waybill, in a burst, one stream": ours("one stream", "10 commits", "10 events of one stream"),
        "Node Powertools, bundled, one at a time": powertools("1", "1 event"),
        "Node Powertools, bundled, in a burst": powertools("10", ten),
        "cqrs-es + dynamo-es, with a view, in the request": [
            (handler["cqrs-es + dynamo-es, with a view"]["1"], 256, api)
        ],
    }


def way(results):
    rows, all_ways = [], ways(results)
    for name, mine, peer in [
        ("one at a time", "Waybill, one at a time", "Node Powertools, bundled, one at a time"),
        ("in a burst, ten streams", "Waybill, in a burst, ten streams", "Node Powertools, bundled, in a burst"),
    ]:
        (mine, calls), (peer, peers_calls) = summed(all_ways[mine]), summed(all_ways[peer])
        rows.append([name, spread(mine), calls, spread(peer), peers_calls, times(peer, mine)])
    return section(
        "The whole way of a command",
        "From ingest to the read model: all functions together, and Node Powertools, bundled.\n",
        table(["", "CPU, µs", "calls", "Node: CPU, µs", "calls", "of Waybill's"], rows),
    )


def summed(parts):
    """The CPU of each round, and the calls, of several functions together."""
    measured = [part for part, _, _ in parts]
    return [sum(round) for round in zip(*(part["cpu"] for part in measured))], f"{sum(part['calls'] for part in measured):.1f}"


CORE_MB = 1769


def used(*parts):
    """What AWS meters of a command on its way through these functions, by the names that docs/costs.md has prices for."""
    taken = dict.fromkeys(
        ["API Gateway, HTTP API", "SQS, FIFO queues", "SQS, standard queues", "SNS, standard topic", "DynamoDB, writes"]
        + ["DynamoDB, reads", "Lambda, requests", "Lambda, duration on arm64", "CloudWatch, logs taken in"],
        0,
    )
    for part, memory, feeds in parts:
        if feeds:
            # A request of the API, or a receive and a delete of Lambda's poller.
            taken[feeds] += (1 if feeds.startswith("API") else 2) / part["each"]
        taken["SQS, FIFO queues"] += part["queued"]
        taken["SNS, standard topic"] += part["published"]
        taken["DynamoDB, writes"] += part["write units"]
        taken["DynamoDB, reads"] += part["read units"]
        taken["Lambda, requests"] += 1 / part["each"]
        cpu = median(part["cpu"]) / 1000
        milliseconds = part["wait"] / part["each"] - cpu + cpu * CORE_MB / memory
        taken["Lambda, duration on arm64"] += milliseconds / 1000 * memory / 1024
        taken["CloudWatch, logs taken in"] += part["logged"]
    return taken


def prices(results):
    """Dollars for a million of each, by the names of docs/costs.md."""
    found = {}
    for name, price, unit in costs(results, "Prices")[2:]:
        many = 1e6 if unit.startswith("million") else 2**30 if unit == "GB written" else 1
        found[name] = float(price) / many * 1e6
    return found


def dollars(results):
    rows, amounts, price = [], [], prices(results)
    for name, parts in ways(results).items():
        taken = used(*parts)
        each = [taken[what] * price[what] for what in taken]
        rows.append([name, f"**{sum(each):.2f}**", *(f"{amount:.2f}" if amount else "-" for amount in each)])
        units = [taken["DynamoDB, writes"], taken["DynamoDB, reads"]]
        logged = f"{taken['CloudWatch, logs taken in']:,.0f}"
        amounts.append([name, *(f"{amount:.2f}" for amount in units), logged, f"{taken['Lambda, requests']:.2f}"])
    return section(
        "Dollars",
        "What AWS asks for a million commands, by the prices in [costs.md](costs.md#prices). Here are ingest, handler, publisher and",
        "updater alone, for the peers have neither push nor webhooks: so Waybill's sums are lower than there.\n",
        table(["$ per million commands", "in all", *taken], rows),
        "Of each command:\n",
        table(["", "write units", "read units", "bytes of logs", "Lambda requests"], amounts),
        "- A call to AWS takes 8 ms, for which the stub waited. CPU is what was measured, as it takes with the memory's share of a",
        f"  core ({CORE_MB} MB). Handlers have 512 MB, as in `template.yaml`, and all other functions 256, dynamo-es as well.",
        "- Logs are what the functions write, at `info` (Powertools at `WARN`), without the API's access log and CloudWatch's",
        "  own bytes. Nothing is counted of Lambda's own lines, and no polls by clients.",
        "- Waybill keeps an operation that clients follow, and two documents of a policy. Powertools keeps two idempotency records",
        f"  and one document; another one would cost ${price['DynamoDB, writes'] + price['DynamoDB, reads']:.2f} more. dynamo-es in "
        "the request has no queue, no record of the",
        "  command and no outbox: what fails there is lost.",
        "- Embedded metrics are custom metrics, at $0.30 each a month: [costs.md](costs.md#a-month-in-which-nothing-happens).\n",
    )


def starts(results):
    plain, tls, rows = results["starts"]["plain"], results["starts"]["tls"], []
    for name, noted in plain.items():
        answers = noted["answer ms"], tls[name]["answer ms"], tls[name]["answer cpu"]
        cells = [spread(kind, 1) if kind else "-" for kind in (noted["next ms"], noted["next cpu"], *answers)]
        cells.append(f"{median(noted['memory']):.0f}")
        rows.append([name, *cells, times(noted["next cpu"], plain["handler"]["next cpu"])])
    head = ["", "exec to `/next`, ms", "CPU, ms", "to the first answer, ms", "the same with TLS", "CPU, ms, with TLS"]
    head += ["memory, MB", "CPU to `/next`, of the handler's"]
    return section(
        "Starting",
        "Over plain HTTP, and where it says so over TLS 1.3 with a certificate of the stub's own. Waybill's functions read few",
        "root certificates: Amazon's, and with TLS here the stub's. Peers read the system's, as they do by default. Ingest and",
        "query call AWS before their first `/next`.\n",
        table(head, rows),
    )


def admission(results):
    rows = printed(results["in process"], "command")
    return section(
        "Admission alone",
        "In process, one thread: from a request's body to the message for the queue (`cargo bench -p admission`).\n",
        table(["", "body, bytes", "median, µs", "least", "ninth decile"], rows),
    )


def fold(results):
    rows = [[f"{int(cell):,}" for cell in row] for row in printed(results["in process"], "events in a stream")]
    return section(
        "A rebuild's fold",
        "In process, one thread: from stored commits to a document (`cargo bench -p rebuild`). Events a second:\n",
        table(["events in a stream", "median", "least", "most"], rows),
    )


def redrive(results):
    told = results["redrive"]
    kinds = [("CPU, µs", "cpu", 0), ("calls", "calls", 3), ("bytes sent", "sent", 0), ("bytes received", "received", 0)]
    kinds.append(("memory, MB", "memory", 0))
    runs = [[name, *(f"{value:,.{digits}f}" for value in told[kind])] for name, kind, digits in kinds]
    return section(
        "Redrive",
        "Runs over 10,000 dead letters of 2,000 streams, without its pace. Per letter:\n",
        table(["", *(f"run {number + 1}" for number in range(len(told["cpu"])))], runs),
    )


def sizes(results):
    rows = [[name, f"{plain:,}", f"{zipped:,}"] for name, (plain, zipped) in results["sizes"].items()]
    return section("Sizes", table(["", "bytes", "zipped"], rows))
