"""Plain cold starts: a request to its first answer in an environment made for it, beside the interpreter's bare start."""
import json
import os
import re
import signal
import socket
import time
import urllib.request

from . import aws, procs
from .stats import median, percentile, progress, summary, table
from .subjects import EVENT, LANGUAGES, Dispatcher, Mayfly, bootstrap_command, runtime_env

BARE_ENV = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}
ALLOWANCE_MS = 6.0
TAIL_EVERY = 5  # such a call asks for its log, to prove that it was cold and to read the init time; it is not counted
SAMPLE = re.compile(r'^(\w+)_(sum|count)\{([^}]*)\} ([0-9.eE+-]+)$')


def phase_totals(server):
    """{(metric, phase): [sum, count]} of the server's phase histograms, where it offers any."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/_mayfly/metrics", timeout=5) as answer:
            text = answer.read().decode()
    except (OSError, ValueError):
        return {}
    totals = {}
    for line in text.splitlines():
        found = SAMPLE.match(line)
        phase = found and re.search(r'phase="([^"]+)"', found[3])
        if phase:
            pair = totals.setdefault((found[1], phase[1]), [0.0, 0.0])
            pair[found[2] == "count"] += float(found[4])
    return totals


def phases_between(before, after):
    """The mean of each phase in ms over the calls between two readings."""
    out = {}
    for key, (total, count) in after.items():
        total0, count0 = before.get(key, (0.0, 0.0))
        if count > count0:
            scale = 1e3 if "seconds" in key[0] else 1.0
            out[key[1]] = round((total - total0) / (count - count0) * scale, 3)
    return out


def bare_bootstrap_ms(dispatcher, command, env):
    """From the spawn of a runtime to the answer of a request that waits for it, without any sandbox."""
    body = json.dumps(EVENT).encode()
    request = b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    with socket.create_connection(("127.0.0.1", dispatcher.port), 10) as sock:
        start = time.perf_counter()
        sock.sendall(request)
        pid = os.posix_spawn(command[0], command, env)
        try:
            if not sock.recv(65536):
                raise RuntimeError("dispatcher closed the connection")
            return (time.perf_counter() - start) * 1e3
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def cold_call(client, name, number, settle_s):
    """(ms, log): one call in an environment that did not exist before; the log only when it was asked for."""
    client.renew(name, str(number))
    time.sleep(settle_s)
    tail = number % TAIL_EVERY == TAIL_EVERY - 1
    elapsed_ms, payload, _, log = client.invoke(name, EVENT, tail)
    if json.loads(payload) != {"answer": EVENT["n"] + 1}:
        raise RuntimeError(f"wrong answer: {payload[:200]!r}")
    return elapsed_ms, log if tail else None


def measure(bench, language, server):
    row = LANGUAGES[language]
    out = {"mayfly": [], "bootstrap": [], "bare": {label: [] for label in row["bare"]}, "init": [], "not_cold": 0}
    client = name = dispatcher = command = env = None
    if server:
        client, name = server.deploy(language)
        client.invoke(name, EVENT)
    try:
        dispatcher = Dispatcher(bench, language, 0)
        command, env = bootstrap_command(bench, language), runtime_env(language, dispatcher.api_port)
    except Exception as error:
        bench.fail(f"cold {language} bare bootstrap", error)
        dispatcher = None
    try:
        before = phase_totals(server) if server else {}
        for number in range(bench.options.samples):
            if client:
                elapsed_ms, log = cold_call(client, name, number, bench.options.settle_s)
                init = log and re.search(r"Init Duration: ([0-9.]+) ms", log)
                if log is None:
                    out["mayfly"].append(elapsed_ms)
                elif init:
                    out["init"].append(float(init[1]))
                else:
                    out["not_cold"] += 1
            for label, argv in row["bare"].items():
                out["bare"][label].append(procs.spawn_ms(argv, BARE_ENV))
            if dispatcher:
                out["bootstrap"].append(bare_bootstrap_ms(dispatcher, command, env))
        out["phases"] = phases_between(before, phase_totals(server)) if server else {}
    finally:
        if dispatcher:
            dispatcher.__exit__()
    if client:
        client.call("DELETE", f"{aws.FUNCTIONS}/{name}")
    return out


def run(bench, results):
    cold = {}
    server = None
    try:
        server = Mayfly(bench, "--snapshot-default", "off")
    except Exception as error:
        bench.fail("cold mayfly", error)
    try:
        for language in bench.options.languages:
            progress(f"cold {language}: {bench.options.samples} samples")
            try:
                cold[language] = measure(bench, language, server)
            except Exception as error:
                bench.fail(f"cold {language}", error if not server else f"{error}{server.proc.log_tail()}")
                cold[language] = measure(bench, language, None)
    finally:
        if server:
            server.__exit__()
    report(bench, cold)
    results["cold"] = {language: {"mayfly": summary(one["mayfly"]), "bootstrap_alone": summary(one["bootstrap"]),
                                  "bare": {label: summary(values) for label, values in one["bare"].items()},
                                  "init_duration": summary(one["init"]), "phases_mean_ms": one.get("phases", {}),
                                  "not_cold": one["not_cold"]} for language, one in cold.items()}


def report(bench, cold):
    rows = []
    for language, one in cold.items():
        series = {"mayfly, request to answer": one["mayfly"], "bootstrap on the bare dispatcher": one["bootstrap"],
                  **one["bare"], "Init Duration in REPORT": one["init"]}
        rows += [[f"{language}: {label}", len(values), *(percentile(values, part) for part in (.5, .9, .99))]
                 for label, values in series.items() if values]
        limit = ALLOWANCE_MS + (median(next(iter(one["bare"].values()))) if language != "c" else 0)
        bench.target(f"cold {language}, p50 ms" + ("" if language == "c" else " (own start + 6)"),
                     median(one["mayfly"]), at_most=limit,
                     spoiled=f"{one['not_cold']} calls were not cold" if one["not_cold"] else None)
    table("Cold: ms, samples of the rows taken in turn", ["what", "n", "p50", "p90", "p99"], rows)
    names = sorted({phase for one in cold.values() for phase in one.get("phases", {})})
    if names:
        table("Phases of the cold calls, mean ms (the server's metrics)", ["function", *names],
              [[language, *(one.get("phases", {}).get(phase) for phase in names)] for language, one in cold.items()])
