"""Processes: the stub AWS, and functions, each with a Lambda Runtime API of its own."""

import array
import fcntl
import json
import os
import select
import socket
import subprocess
import termios
import time
import urllib.request
from pathlib import Path

CORES = sorted(os.sched_getaffinity(0))
# Functions have a core of their own. The stub, this driver and the reader of logs have the other one.
FUNCTION_CORE, OTHER_CORE = {CORES[-1]}, {CORES[0]}
REGION, ACCOUNT = "us-east-1", "123456789012"
MICROSECONDS = 1_000


def cpu_nanoseconds(pid):
    """The CPU clock of a process: all of its threads, those that have ended too (Linux, clock_getcpuclockid)."""
    return time.clock_gettime_ns((~pid << 3) | 2)


def most_memory(pid):
    """The most memory that a process had, in MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


class Stub:
    """The stub AWS (aws.mjs)."""

    def __init__(self, folder):
        certificate, key = authority(folder)
        environment = {**os.environ, "CERTIFICATE": str(certificate), "KEY": str(key)}
        program = Path(__file__).with_name("aws.mjs")
        self.process = subprocess.Popen(["node", program], stdout=subprocess.PIPE, env=environment)
        ports = json.loads(self.process.stdout.readline())
        self.url, self.tls_url = f"http://127.0.0.1:{ports['plain']}", f"https://localhost:{ports['tls']}"
        self.authority, self.roots = certificate, folder / "roots.pem"
        self.roots.write_bytes(system_roots() + certificate.read_bytes())

    def tell(self, name, value=None):
        request = urllib.request.Request(f"{self.url}/-/{name}", json.dumps(value).encode(), method="POST")
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def last(self, operation):
        """The last request of an operation."""
        return json.loads(self.tell("last", operation))

    def stop(self):
        self.process.kill()
        self.process.wait()


def system_roots():
    """The root certificates that programs read by default."""
    paths = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem"]
    known = [path for path in map(Path, paths) if path.exists()]
    return known[0].read_bytes() if known else b""


def authority(folder):
    """A certificate of its own authority for localhost, and its key."""
    certificate, key = folder / "localhost.pem", folder / "localhost.key"
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=localhost"]
    make += ["-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE"]
    subprocess.run([*make, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return certificate, key


class Sink:
    """Reads what functions log, as Lambda does, and throws it away."""

    def __init__(self, folder):
        self.unread, self.log = reader, _ = os.pipe()
        self.errors = open(folder / "errors.log", "wb")
        self.process = subprocess.Popen(["cat"], stdin=reader, stdout=subprocess.DEVNULL)
        self.functions = set()

    def bytes(self):
        """All that was logged so far."""
        waiting = array.array("i", [1])
        while waiting[0]:
            fcntl.ioctl(self.unread, termios.FIONREAD, waiting)
        # What it has taken out of the pipe is counted when its call ends.
        time.sleep(0.005)
        [read] = [line for line in Path(f"/proc/{self.process.pid}/io").read_text().splitlines() if "rchar" in line]
        return int(read.split()[1])

    def stop(self):
        """Ends it, and the functions that a failure has left running."""
        for process in [*self.functions, self.process]:
            process.kill()
            process.wait()
        os.close(self.log)
        os.close(self.unread)
        self.errors.close()


class Function:
    """A function's process. It stays alive while others have their turn, and waits for its next invocation."""

    def __init__(self, name, command, environment, stub, sink, folder=None, tls=False):
        self.name, self.command, self.sink, self.folder = name, command, sink, folder
        self.environment = {**lambda_environment(stub, tls), **environment}
        self.count, self.timeout_seconds = 0, 60

    def start(self):
        """Starts it. Notes wall time and CPU time from exec to its first `/next`, in ms."""
        self.server = socket.create_server(("127.0.0.1", 0))
        self.environment["AWS_LAMBDA_RUNTIME_API"] = f"127.0.0.1:{self.server.getsockname()[1]}"
        self.connections, self.waiting = {}, None
        # The child inherits the core. A program that sets it would run within the measured time.
        os.sched_setaffinity(0, FUNCTION_CORE)
        began = time.perf_counter_ns()
        self.process = subprocess.Popen(
            self.command, env=self.environment, cwd=self.folder, stdout=self.sink.log, stderr=self.sink.errors
        )
        os.sched_setaffinity(0, OTHER_CORE)
        self.sink.functions.add(self.process)
        self.until_it_waits()
        self.start_ms = (time.perf_counter_ns() - began) / 1e6
        self.start_cpu_ms = self.cpu_ms()

    def cpu_ms(self):
        return cpu_nanoseconds(self.process.pid) / 1e6

    def memory(self):
        return most_memory(self.process.pid)

    def invoke(self, event):
        """One invocation, until the function waits for the next one. Gives the ms until its answer."""
        self.count += 1
        deadline = int((time.time() + self.timeout_seconds) * 1000)
        head = [
            "HTTP/1.1 200 OK",
            "Content-Type: application/json",
            f"Lambda-Runtime-Aws-Request-Id: 8476a536-e9f4-11e8-9739-{self.count:012d}",
            f"Lambda-Runtime-Deadline-Ms: {deadline}",
            f"Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:{REGION}:{ACCOUNT}:function:bench",
            "Lambda-Runtime-Trace-Id: Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1",
            f"Content-Length: {len(event)}",
        ]
        began = time.perf_counter_ns()
        self.waiting.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + event)
        self.until_it_waits()
        return (self.answered_at - began) / 1e6

    def check(self):
        """Fails if its last answer is no success."""
        answer = json.loads(self.answer) or {}
        if answer.get("batchItemFailures") or answer.get("statusCode", 200) >= 300:
            raise RuntimeError(f"{self.name} has failed: {answer}")

    def measure(self, events, invocations):
        """CPU per invocation, in microseconds, between two waits for the next one."""
        began = cpu_nanoseconds(self.process.pid)
        for turn in range(invocations):
            self.invoke(events[turn % len(events)])
        return (cpu_nanoseconds(self.process.pid) - began) / MICROSECONDS / invocations

    def until_it_waits(self):
        """Takes the function's requests until it asks for its next invocation."""
        while True:
            connection, path, body = self.request()
            if path.endswith(b"/next"):
                self.waiting = connection
                return
            self.answer, self.answered_at = body, time.perf_counter_ns()
            connection.sendall(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
            if path.endswith(b"/error"):
                raise RuntimeError(f"{self.name} failed: {body[:1000]}")

    def request(self):
        """The next request on any connection."""
        while True:
            for connection, received in self.connections.items():
                head, found, rest = received.partition(b"\r\n\r\n")
                length = content_length(head) if found else 0
                if found and len(rest) >= length:
                    self.connections[connection] = rest[length:]
                    return connection, head.split(b" ", 2)[1], rest[:length]
            ready, _, _ = select.select([self.server, *self.connections], [], [], self.timeout_seconds)
            if not ready:
                raise RuntimeError(f"{self.name} does not answer: see {self.sink.errors.name}")
            for one in ready:
                if one is self.server:
                    connection, _ = self.server.accept()
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self.connections[connection] = b""
                elif data := one.recv(1 << 18):
                    self.connections[one] += data
                else:
                    del self.connections[one]
                    if self.process.poll() is not None:
                        raise RuntimeError(f"{self.name} has ended: see {self.sink.errors.name}")

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.sink.functions.remove(self.process)
        for one in [self.server, *self.connections]:
            one.close()


def content_length(head):
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


def lambda_environment(stub, tls):
    """What Lambda sets, and where AWS is. With TLS, all trust the stub beside the system's roots, in their own ways."""
    trust = ["SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "AWS_CA_BUNDLE"]
    return {
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "ASIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY",
        # As long as those that Lambda gives.
        "AWS_SESSION_TOKEN": "z" * 700,
        "AWS_ENDPOINT_URL": stub.tls_url if tls else stub.url,
        "AWS_LAMBDA_FUNCTION_NAME": "bench",
        "AWS_LAMBDA_FUNCTION_VERSION": "1",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/bench",
        "AWS_LAMBDA_LOG_STREAM_NAME": "bench",
        "AWS_LAMBDA_LOG_FORMAT": "JSON",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_EXECUTION_ENV": "AWS_Lambda_provided.al2023",
        **(dict.fromkeys(trust, str(stub.roots)) if tls else {}),
    }
