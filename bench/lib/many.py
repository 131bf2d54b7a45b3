"""Many restored environments: what each idle one costs, a thousand at once, 200 from zero, and restores a second."""
import json
import time

from . import procs
from .burst import EXPECT
from .stats import median, progress, table
from .subjects import EVENT, SINGLE, Mayfly

MEMORY_MB = 128
IDLE = {"python": 60, "nodejs": 40}  # environments whose cost is compared with that of ten
BUSY_MS = 1000


def at_once(bench, server, name, count, sleep_ms, limit_s=60):
    """So many calls at the same time, each of which needs an environment of its own."""
    event = json.dumps({"n": 1, "sleep_ms": sleep_ms})
    return bench.load(server.port, "--burst", "--connections", count, "--body", event, "--expect", EXPECT,
                      *server.load_args(name), limit_s=limit_s)


def wrong(one):
    return one["errors"] + one["missing"]


def note(one):
    return f"{wrong(one)} errors: {one['first_error']}" if wrong(one) else None


def free_mb():
    with open("/proc/meminfo") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("MemAvailable")) / 1024


def with_image(server, language, **more):
    client, name = server.deploy(language, memory_mb=MEMORY_MB, **more)
    client.invoke(name, EVENT)
    client.wait_image(name)
    return client, name


def weigh(server, settle_s=1.5):
    time.sleep(settle_s)
    return procs.memory(server.proc.pid), free_mb()


def share_of_one(less, more, count):
    """MB for each further environment: all processes, by program, and what the machine has less."""
    def of(one, name):
        return one[0]["processes"].get(name, {"pss_mb": 0})["pss_mb"]

    return {"pss_mb": (more[0]["pss_mb"] - less[0]["pss_mb"]) / count, "machine_mb": (less[1] - more[1]) / count,
            "by_name": {name: (of(more, name) - of(less, name)) / count for name in more[0]["processes"]}}


def density(bench, language, count):
    """Ten idle restored environments, then so many."""
    with Mayfly(bench, "--pool", "0", "--memory", str(MEMORY_MB * (count + 20))) as server:
        _, name = with_image(server, language)
        few = at_once(bench, server, name, 10, 1500)
        less = weigh(server)
        many = at_once(bench, server, name, count, 2500)
        more = weigh(server)
        found = procs.count_named(server.proc.pid, {"python": "python", "nodejs": "node"}[language])
    spoiled = note(few) or note(many) or (f"{found} environments" if found < count else None)
    return {**share_of_one(less, more, count - 10), "environments": found, "spoiled": spoiled}


def thousand(bench, count):
    options = {"pool": 0, "memory": MEMORY_MB * (count + 100), "max-environments": count + 50, "concurrency": count + 100,
               "wait-ms": 30000}
    with Mayfly(bench, *(word for name, value in options.items() for word in (f"--{name}", str(value)))) as server:
        _, name = with_image(server, "python", timeout_s=60)
        less = weigh(server)
        first = at_once(bench, server, name, count, bench.options.thousand_sleep_ms, limit_s=90)
        more = weigh(server)
        found = procs.count_named(server.proc.pid, "python")
        again = at_once(bench, server, name, count, 500, limit_s=60)
    return {"wanted": count, "environments": found, "first": first, "again": again, "pss_mb_all": more[0]["pss_mb"],
            **share_of_one(less, more, max(found - 1, 1)), "machine_mb_all": less[1] - more[1],
            "spoiled": note(first) or note(again)}


def from_zero(bench, server, name):
    runs = []
    for number in range(bench.options.busy_runs):
        progress(f"many: {bench.options.busy} busy from zero, {number + 1} of {bench.options.busy_runs}")
        time.sleep(bench.options.burst_settle_s)
        runs.append(at_once(bench, server, name, bench.options.busy, BUSY_MS, limit_s=30))
    return runs


def sustained(bench, server, name, connections):
    time.sleep(1)
    return bench.load(server.port, "--connections", connections, "--seconds", bench.options.sustained_s, "--warmup", 1,
                      "--body", json.dumps(EVENT), "--expect", EXPECT, *server.load_args(name), limit_s=60)


def rates(bench):
    """Environments for one invocation each: all of them at once, and one after the other as fast as it goes."""
    out = {"from_zero": [], "sustained": {}, "failed": 0}
    with Mayfly(bench, "--pool", str(bench.options.many_pool)) as server:
        for language in ("python", "c"):
            client, name = with_image(server, language, Tags=SINGLE, timeout_s=30)
            if language == "python":
                out["from_zero"] = from_zero(bench, server, name)
            for connections in bench.options.sustained_connections:
                progress(f"many: {language}, {connections} connections for {bench.options.sustained_s} s")
                out["sustained"][f"{language}, {connections} connections"] = sustained(bench, server, name, connections)
            out["failed"] += client.image(name).get("failed_restores", 0)
    return out


def attempt(bench, what, work, *args):
    progress(f"many: {what}")
    try:
        return work(bench, *args)
    except Exception as error:
        bench.fail(f"many {what}", error)
        return None


def run(bench, results):
    quick = bench.options.quick
    idle = {language: attempt(bench, f"{count} idle, {language}", density, language, 20 if quick else count)
            for language, count in IDLE.items()}
    rate = attempt(bench, "rates", rates)
    large = attempt(bench, f"{bench.options.thousand} idle at once", thousand, bench.options.thousand)
    results["many"] = {"idle": idle, "rates": rate, "thousand": large}
    report_idle(bench, {language: one for language, one in idle.items() if one}, large)
    if rate:
        report_rates(bench, rate)


PARTS = ("mayfly-init", "mayfly-control", "mayflyd")


def report_idle(bench, idle, large):
    each = {**idle, **({"python, at once": large} if large else {})}
    rows = [[f"{label}: each of {one['environments']}", one["pss_mb"], *(one["by_name"].get(name) for name in PARTS),
             one["machine_mb"]] for label, one in each.items()]
    if large:
        rows.append([f"python, at once: all {large['environments']}", large["pss_mb_all"], *[None] * len(PARTS),
                     large["machine_mb_all"]])
    table("Idle restored environments, MB: PSS of all processes, of some of them, and what the machine has less",
          ["what", "all PSS", *PARTS, "machine"], rows)
    for language, one in idle.items():
        bench.target(f"many: PSS of each further idle {language} environment, MB", one["pss_mb"], at_most=1,
                     spoiled=one["spoiled"])
    if large:
        print(f"  {large['wanted']} calls at once: {large['first']['wall_ms']:.0f} ms, {bench.options.thousand_sleep_ms} of them "
              f"asleep; once more, warm, 500 of them asleep: {large['again']['wall_ms']:.0f} ms")
        bench.target("many: idle environments at once", large["environments"], at_least=large["wanted"],
                     spoiled=large["spoiled"])


def report_rates(bench, rate):
    runs, options = rate["from_zero"], bench.options
    if runs:
        walls = [one["wall_ms"] for one in runs]
        table(f"{options.busy} calls of {BUSY_MS} ms at once, when there is no environment: ms until the last answer",
              ["runs", "median", "worst", "errors"], [[str(len(runs)), median(walls), max(walls), sum(map(wrong, runs))]])
        bench.target(f"many: {options.busy} busy Python environments from zero, ms", median(walls), at_most=1400,
                     spoiled=next(filter(None, map(note, runs)), None))
    table(f"Restores, one for each invocation, for {options.sustained_s} s",
          ["what", "a second", "p50 ms", "p99 ms", "max ms", "errors"],
          [[label, *(one[key] for key in ("rps", "p50_ms", "p99_ms", "max_ms")), wrong(one)]
           for label, one in rate["sustained"].items()])
    python = [one for label, one in rate["sustained"].items() if label.startswith("python")]
    best = max(python, key=lambda one: one["rps"], default=None)
    if best:
        bench.target("many: Python restores a second, sustained", best["rps"], at_least=500, spoiled=note(best))
    errors = sum(map(wrong, runs)) + sum(map(wrong, rate["sustained"].values())) + rate["failed"]
    bench.target("many: failures", errors, at_most=0)
