"""Restores: requests that find no environment, to their answers, beside plain starts and beside peers."""
import json
import random
import socket
import time

from . import aws
from .cold import phase_totals, phases_between
from .stats import median, percentile, progress, summary, table
from .subjects import EVENT, SINGLE, Mayfly, ServerlessOffline
from .workerd import Workerd

TAIL_EVERY = 10  # such a call asks for its log, to prove how it was served; it is not counted

# Function: (most ms at the median, at the 99th percentile, how many plain starts for a hundred restores)
FUNCTIONS = {
    "c": (1.5, 5, 20), "go": (1.5, 5, 20), "python": (2, 6, 20), "nodejs": (3.5, 10, 20), "java": (4, 12, 20),
    "python-190mb": (8, None, 10), "python-5s-init": (2, 6, 1),
}


class Subject:
    """One function in two forms, of which one has an image."""

    def __init__(self, server, kind):
        self.kind, self.restored, self.plain, self.wrong = kind, [], [], []
        self.plain_per_100 = FUNCTIONS[kind][2]
        settings = {"timeout_s": 60}
        self.client, self.name = server.deploy(kind, Tags=SINGLE, **settings)
        _, self.plain_name = server.deploy(kind, f"plain-{kind}", Tags={**SINGLE, "mayfly:snapshot": "off"}, **settings)

    def prepare(self):
        self.client.invoke(self.name, EVENT)
        self.image = self.client.wait_image(self.name)
        for _ in range(3):
            self.client.invoke(self.name, EVENT)

    def sample(self, number, name, into, mark):
        event = {"n": number % 100}
        tail = number % TAIL_EVERY == TAIL_EVERY - 1
        elapsed_ms, payload, _, log = self.client.invoke(name, event, tail)
        if json.loads(payload) != {"answer": event["n"] + 1}:
            raise RuntimeError(f"{name}: wrong answer: {payload[:200]!r}")
        if not tail:
            into.append(elapsed_ms)
        elif mark not in log:
            self.wrong.append(log.strip().splitlines()[-1])

    def round(self, number, settle_s):
        time.sleep(settle_s)
        self.sample(number, self.name, self.restored, "\tRestore Duration: ")
        if number * self.plain_per_100 // 100 != (number + 1) * self.plain_per_100 // 100:
            time.sleep(settle_s)
            self.sample(len(self.plain), self.plain_name, self.plain, "\tInit Duration: ")


def subjects_of(bench, server):
    found = []
    for kind in bench.options.restore_functions.split(","):
        try:
            progress(f"restore: preparing {kind}")
            subject = Subject(server, kind)
            subject.prepare()
            found.append(subject)
        except Exception as error:
            bench.fail(f"restore {kind}", error)
    return found


def measure(bench, server):
    options = bench.options
    subjects = subjects_of(bench, server)
    phases = {one.kind: {} for one in subjects}
    for number in range(options.restores):
        if number % 20 == 0:
            progress(f"restore: round {number} of {options.restores}")
        random.Random(number).shuffle(subjects)  # nobody always comes after the slowest
        for one in list(subjects):
            try:
                one.round(number, options.restore_settle_s)
            except Exception as error:
                bench.fail(f"restore {one.kind}", error)
                subjects.remove(one)
    for one in subjects:
        before = phase_totals(server)
        for number in range(options.restores // 10):
            time.sleep(options.restore_settle_s)
            one.client.invoke(one.name, EVENT)
        phases[one.kind] = phases_between(before, phase_totals(server))
    return subjects, phases


def isolates(bench):
    """workerd: each request's isolate is made for it."""
    request = plain_request("/")
    with Workerd(bench) as peer:
        return [timed(peer.port, request, bench.options) for _ in range(bench.options.restores)][5:]


def workers(bench, kind):
    """serverless-offline: the first call of each copy of the function starts a worker."""
    count = bench.options.peer_colds
    with ServerlessOffline(bench, count) as peer:
        paths = [f"{aws.FUNCTIONS}/bench-dev-{kind}-{number}/invocations" for number in range(count)]
        return [timed(peer.port, plain_request(path), bench.options) for path in paths]


def plain_request(path):
    body = json.dumps(EVENT)
    return (f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}").encode()


def timed(port, request, options):
    time.sleep(options.restore_settle_s)
    with socket.create_connection(("127.0.0.1", port), 30) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        elapsed_ms, status, _, payload = aws.exchange(sock, request)
    if status != 200 or json.loads(payload) != {"answer": EVENT["n"] + 1}:
        raise RuntimeError(f"HTTP {status}: {payload[:200]!r}")
    return elapsed_ms


def run(bench, results):
    with Mayfly(bench, "--pool", str(bench.options.restore_pool)) as server:
        subjects, phases = measure(bench, server)
        for one in subjects:
            state = one.client.image(one.name)
            if state.get("failed_restores"):
                one.wrong.append(f"{state['failed_restores']} restores failed: {state.get('reason')}")
            one.image = state
    peers = {}
    for label, work in (("workerd, an isolate loaded for the request", lambda: isolates(bench)),
                        ("serverless-offline, Node.js, a worker for the request", lambda: workers(bench, "node")),
                        ("serverless-offline, Python, a worker for the request", lambda: workers(bench, "python"))):
        progress(f"restore: {label}")
        try:
            peers[label] = work()
        except Exception as error:
            bench.fail(label, error)
    report(bench, subjects, phases, peers)
    results["restore"] = {
        **{one.kind: {"restored": summary(one.restored), "plain": summary(one.plain), "image": one.image,
                      "phases_mean_ms": phases[one.kind], "wrong": one.wrong} for one in subjects},
        "peers": {label: summary(values) for label, values in peers.items()}}


def row(label, values):
    return [label, len(values), min(values, default=None), *(percentile(values, part) for part in (.5, .9, .99))]


def image_row(kind, state):
    image, took = state["image"], state.get("restore_ms", {})
    return [kind, image["file_bytes"] / 1e6, image["resident_bytes"] / 1e6, image["dump_ms"], state["restores"],
            took.get("median"), took.get("p99")]


def report(bench, subjects, phases, peers):
    order = list(FUNCTIONS)
    subjects.sort(key=lambda one: order.index(one.kind))
    rows = []
    for one in subjects:
        for label, values in (("restored", one.restored), ("started plainly", one.plain)):
            rows.append(row(f"{one.kind}, {label}", values))
        most, most_p99, _ = FUNCTIONS[one.kind]
        spoiled = one.wrong[0] if one.wrong else None
        bench.target(f"restore {one.kind}, p50 ms", median(one.restored), at_most=most, spoiled=spoiled)
        if most_p99:
            bench.target(f"restore {one.kind}, p99 ms", percentile(one.restored, .99), at_most=most_p99, spoiled=spoiled)
    rows += [row(label, values) for label, values in peers.items()]
    table("Requests that find no environment, to their answers: ms", ["what", "n", "min", "p50", "p90", "p99"], rows)
    table("Images; the server's own figures for the restore alone",
          ["function", "file MB", "memory MB", "taken in ms", "restores", "p50 ms", "p99 ms"],
          [image_row(one.kind, one.image) for one in subjects if "image" in one.image])
    names = sorted({phase for one in phases.values() for phase in one})
    if names:
        table("Phases of restored calls, mean ms (the server's metrics)", ["function", *names],
              [[one.kind, *(phases[one.kind].get(phase) for phase in names)] for one in subjects])
