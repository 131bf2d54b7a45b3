"""Streamed answers: how old a piece is when the client reads it, the speed of one stream, and memory while the client is slow."""
import json
import os
import subprocess
import threading
import time

from . import aws, procs
from .stats import median, percentile, progress, table
from .subjects import BENCH, Mayfly, package_of

PATH = "/2021-11-15/functions/%s/response-streaming-invocations"


def call(bench, server, name, event, *more, limit_s=120):
    command = [bench.program("bench-stream"), "--port", str(server.port), "--path", PATH % name, "--credentials", server.credentials,
               "--body", json.dumps(event), *map(str, more)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=limit_s)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip())
    found = json.loads(done.stdout)
    if not found["complete"] or found["payload_bytes"] != (event.get("stream_mb", 0) << 20) + 17 * event.get("stamps", 0):
        raise RuntimeError(f"an answer that is not whole: {str(found)[:200]}")
    return found


def control_rss_mb(server):
    """Resident memory of the control process."""
    for pid in procs.descendants(server.proc.pid):
        try:
            with open(f"/proc/{pid}/comm") as comm, open(f"/proc/{pid}/status") as status:
                if comm.read().strip() == "mayfly-control":
                    return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024
        except OSError:
            continue
    raise RuntimeError("there is no mayfly-control")


def slow_client(bench, server, name, mb, pause_ms):
    """Resident memory before, the most of it during, and after a stream whose client does not read for a while."""
    before, during, done = control_rss_mb(server), [], threading.Event()

    def watch():
        while not done.wait(0.02):
            during.append(control_rss_mb(server))
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        call(bench, server, name, {"stream_mb": mb}, "--pause-ms", pause_ms)
    finally:
        done.set()
        watcher.join()
    time.sleep(0.2)
    return {"before_mb": before, "most_mb": max(during), "after_mb": control_rss_mb(server)}


def measure(bench, server, language):
    options = bench.options
    name = f"bench-stream-{language}"
    more = {} if language == "c" else {"files": ("nodejs/stream.js",)}
    deploy(bench, server, language, name, **more)
    call(bench, server, name, {"stamps": 1})
    ages = call(bench, server, name, {"stamps": options.stream_samples})["ages_ms"]
    first = [call(bench, server, name, {"stamps": 1})["ages_ms"][0] for _ in range(options.stream_samples)]
    progress(f"stream {language}: {options.stream_runs} times {options.stream_mb} MB")
    speeds = []
    for _ in range(options.stream_runs):
        found = call(bench, server, name, {"stream_mb": options.stream_mb})
        speeds.append(found["payload_bytes"] / 1e6 / found["seconds"])
    slow = slow_client(bench, server, name, options.stream_mb, options.stream_pause_ms)
    return {"first_ms": first, "ages_ms": ages, "mb_s": speeds, "slow": slow}


def deploy(bench, server, language, name, files=()):
    client = server.client()
    if files:
        package = aws.package({os.path.basename(file): (open(os.path.join(BENCH, "functions", file), "rb").read(), 0o644) for file in files})
        client.create(name, "nodejs20.x", "stream.handler", package, bench.options.memory_mb)
    else:
        client.create(name, "provided.al2023", "bootstrap", package_of(bench, language), bench.options.memory_mb)
    client.wait(name)


def run(bench, results):
    kept = {}
    for language in [one for one in bench.options.languages if one in ("c", "nodejs")]:
        try:
            with Mayfly(bench) as server:
                kept[language] = measure(bench, server, language)
        except Exception as error:
            bench.fail(f"stream {language}", error)
    results["stream"] = kept
    rows = []
    for language, one in kept.items():
        slow = one["slow"]
        rows.append([language, median(one["first_ms"]), percentile(one["first_ms"], .99), median(one["ages_ms"]), percentile(one["ages_ms"], .99),
                     median(one["mb_s"]), max(one["mb_s"]), slow["before_mb"], slow["most_mb"], slow["after_mb"]])
        bench.target(f"stream {language}: first byte after the function's write, ms", median(one["first_ms"]), at_most=1.0)
        bench.target(f"stream {language}: control's memory grows with a slow client, MB", slow["most_mb"] - slow["before_mb"], at_most=16.0)
    if "c" in kept:
        bench.target("stream c: one stream, MB/s", median(kept["c"]["mb_s"]), at_least=300.0)
    if rows:
        table("Streamed answers; age: from the function's write to the client's read; memory of control while a client pauses",
              ["function", "first p50 ms", "first p99 ms", "age p50 ms", "age p99 ms", "MB/s", "best MB/s", "before MB", "most MB", "after MB"], rows)
