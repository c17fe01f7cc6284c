"""Measures everything in one run, and writes docs/performance.md: `cargo xtask bench` calls it."""

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import inputs
import measure
import page
from functions import Programs
from processes import CORES, OTHER_CORE, Sink, Stub


def main():
    asked = argparse.ArgumentParser()
    asked.add_argument("--functions", type=Path, required=True, help="where Waybill's functions were built")
    asked.add_argument("--peers", type=Path, required=True, help="where peers were built and installed")
    asked.add_argument("--in-process", type=Path, required=True, help="what `cargo bench` has printed")
    asked.add_argument("--page", type=Path, required=True)
    asked.add_argument("--rounds", type=int, default=14)
    asked = asked.parse_args()

    os.sched_setaffinity(0, OTHER_CORE)
    stub, sink = Stub(asked.peers), Sink(asked.peers)
    try:
        # Not resolved: the interpreter of a virtual environment is a link.
        programs = Programs(asked.functions, asked.peers, Path(sys.executable), stub, sink)
        results = measured(programs, asked.rounds)
    finally:
        stub.stop()
        sink.stop()
    results["in process"] = asked.in_process.read_text()
    results["costs"] = asked.page.with_name("costs.md").read_text()
    # So that the page can be written again without measuring again.
    (asked.peers / "results.json").write_text(json.dumps(results))
    asked.page.write_text(page.write(json.loads(json.dumps(results))))


def measured(programs, rounds):
    results = {"machine": machine(), "rounds": rounds}
    step("make inputs")
    made, message = inputs.make(programs)
    measure.learn_peers(programs, made)
    step("handlers")
    results["handlers"] = measure.in_turns(measure.handlers(programs, made), programs.stub, rounds)
    step("histories")
    results["histories"] = measure.histories(programs, made, rounds)
    step("other functions")
    results["others"] = measure.in_turns(measure.others(programs, made), programs.stub, rounds)
    step("starts")
    results["starts"] = measure.starts(programs, made, rounds)
    step("redrive")
    results["redrive"] = measure.redrive(programs, message, min(rounds, 3))
    results["sizes"] = measure.sizes(programs)
    results["machine"]["load after"] = os.getloadavg()[0]
    return results


def machine():
    processor = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    said = lambda *command: subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    return {
        "processor": processor[0].split(":")[1].strip() if processor else platform.machine(),
        "architecture": platform.machine(),
        "cores": len(CORES),
        "kernel": f"{platform.system()} {platform.release()}",
        "rustc": said("rustc", "--version").split(" (")[0],
        "node": f"Node.js {said('node', '--version').lstrip('v')}",
        "python": f"Python {platform.python_version()}",
        "load before": os.getloadavg()[0],
        "date": datetime.date.today().isoformat(),
    }


def step(name):
    print(f"measure: {name}", flush=True)


if __name__ == "__main__":
    main()
