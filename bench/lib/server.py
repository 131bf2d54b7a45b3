"""The server itself: time until it is ready, memory when idle, and what deployed functions cost."""
import time

from . import procs
from .stats import median, progress, summary, table
from .subjects import Mayfly, package_of, LANGUAGES

MEMORY_SETTLE_S = 2.0


def idle_memory(server, settle_s):
    time.sleep(settle_s)
    return procs.memory(server.proc.pid)


def deploy_many(bench, server, count):
    """Functions that differ only in their names, as one team's small functions would; the last ones are waited for."""
    row = LANGUAGES["python"]
    client = server.client()
    package = package_of(bench, "python")
    start = time.perf_counter()
    for number in range(count):
        client.create(f"idle-{number:04d}", row["runtime"], row["handler"], package, 128)
    for number in range(max(0, count - 20), count):
        client.wait(f"idle-{number:04d}", 60)
    return (time.perf_counter() - start) / count * 1e3


def run(bench, results):
    options = bench.options
    ready = []
    for number in range(options.starts):
        progress(f"server start {number + 1} of {options.starts}")
        with Mayfly(bench) as server:
            ready.append(server.ready_ms)
            if number < options.starts - 1:
                continue
            idle = idle_memory(server, MEMORY_SETTLE_S)
            progress(f"deploying {options.functions} functions")
            create_ms = deploy_many(bench, server, options.functions)
            full = idle_memory(server, MEMORY_SETTLE_S)
    growth = full["pss_mb"] - idle["pss_mb"]
    results["server"] = {"ready_ms": summary(ready), "idle": idle, "functions": options.functions,
                         "with_functions": full, "growth_mb": round(growth, 2), "create_ms": round(create_ms, 2)}
    rows = [["ready after start, ms (p50)", median(ready)], ["ready after start, ms (max)", max(ready)],
            ["idle, all processes, MB PSS", idle["pss_mb"]],
            *[[f"    {name} x {one['count']}", one["pss_mb"]] for name, one in idle["processes"].items()],
            [f"with {options.functions:,} idle functions, MB PSS", full["pss_mb"]], ["growth, MB", growth],
            ["one CreateFunction, ms", create_ms]]
    table("Server", ["what", "value"], rows)
    bench.target("server: idle PSS, MB", idle["pss_mb"], at_most=15)
    bench.target("server: ready, ms", median(ready), at_most=60)
    scaled = "" if options.functions == 1000 else f" ({options.functions} deployed)"
    bench.target(f"server: growth with 1,000 functions, MB{scaled}", growth, at_most=10 * options.functions / 1000)
