#!/usr/bin/env python3
"""make bench: measures Mayfly beside the bare dispatcher and its peers, in one run, on this machine.

Prints tables on standard output and progress on standard error; writes the figures as JSON. Everything runs on
loopback and is stopped by its process id. See bench/README.md for the method.
"""
import argparse
import datetime
import json
import os
import platform
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from lib import burst, cold, events, many, peers, procs, restore, server, sqs, stream, warm  # noqa: E402
from lib.stats import progress, table  # noqa: E402
from lib.subjects import LANGUAGES, ROOT, Bench  # noqa: E402

SECTIONS = {"server": server, "cold": cold, "restore": restore, "many": many, "burst": burst, "warm": warm,
            "stream": stream, "events": events, "sqs": sqs, "peers": peers}

# Name: (full, --quick)
AMOUNTS = {
    "rounds": (5, 1), "seconds": (1.5, 0.5), "warmup_s": (0.3, 0.1), "samples": (50, 6), "settle_s": (0.15, 0.1),
    "starts": (9, 2), "functions": (1000, 50), "bursts": (5, 1), "burst_settle_s": (1.5, 0.5), "peer_starts": (3, 1),
    "restores": (230, 12), "restore_settle_s": (0.03, 0.02), "restore_pool": (8, 4), "peer_colds": (20, 3),
    "many_pool": (16, 8), "busy": (200, 20), "busy_runs": (5, 1), "sustained_s": (10.0, 1.0),
    "event_s": (3.0, 0.5), "batches": (2000, 100), "lag_samples": (100, 10),
    "stream_mb": (190, 20), "stream_runs": (7, 2), "stream_pause_ms": (2000, 300), "stream_samples": (100, 5),
    "thousand": (1000, 40), "thousand_sleep_ms": (12000, 1000),
}


class Run(Bench):
    """A run with its verdicts."""

    def __init__(self, options, sections):
        super().__init__(options)
        self.sections = sections
        self.targets = []

    def target(self, name, value, at_least=None, at_most=None, spoiled=None):
        """Notes a target and whether it was met; `spoiled` says why a figure does not count."""
        limit = at_least if at_least is not None else at_most
        met = None
        if value is not None:
            met = not spoiled and (value >= limit if at_least is not None else value <= limit)
        self.targets.append({"name": name, "value": value, "limit": limit, "met": met, "spoiled": spoiled,
                             "rule": "at least" if at_least is not None else "at most"})


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", choices=SECTIONS, help="one section; may be repeated")
    parser.add_argument("--quick", action="store_true", help="few and short samples: does it work? (under a minute)")
    parser.add_argument("--languages", default=",".join(LANGUAGES), help="default: %(default)s")
    parser.add_argument("--build", default=os.path.join(ROOT, "build"), help="build folder (default: build)")
    parser.add_argument("--cache", help="where the npm peers are installed (default: BUILD/bench-cache)")
    parser.add_argument("--out", help="the JSON file (default: BUILD/bench.json)")
    parser.add_argument("--server-arg", action="append", default=[], help="an option for `mayfly server`; repeatable")
    parser.add_argument("--memory-mb", type=int, default=1769, help="MemorySize, warm and cold (1769 is one CPU)")
    parser.add_argument("--burst-memory-mb", type=int, default=256, help="MemorySize of the burst's function")
    parser.add_argument("--restore-functions", default=",".join(restore.FUNCTIONS), help="default: %(default)s")
    parser.add_argument("--sustained-connections", type=int, nargs="+", default=[8, 16])
    parser.add_argument("--limit", type=int, default=1800, help="the whole run is stopped after so many seconds")
    for name, (full, quick) in AMOUNTS.items():
        parser.add_argument("--" + name.replace("_", "-"), type=type(full), help=f"default {full}, quick {quick}")
    options = parser.parse_args()
    for name, amounts in AMOUNTS.items():
        if getattr(options, name) is None:
            setattr(options, name, amounts[options.quick])
    options.languages = [name for name in options.languages.split(",") if name]
    unknown = set(options.languages) - set(LANGUAGES)
    if unknown:
        parser.error(f"unknown languages: {', '.join(unknown)}; there are {', '.join(LANGUAGES)}")
    return options


def first_line(argv):
    try:
        return subprocess.run(argv, capture_output=True, text=True, timeout=10).stdout.splitlines()[0]
    except (OSError, IndexError, subprocess.TimeoutExpired):
        return "-"


def machine(bench):
    with open("/proc/cpuinfo") as file:
        model = next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), "-")
    with open("/proc/meminfo") as file:
        memory_gb = int(file.readline().split()[1]) / (1 << 20)
    with open("/etc/os-release") as file:
        system = next((line.split("=", 1)[1].strip().strip('"') for line in file if line.startswith("PRETTY_")), "-")
    data = first_line(["stat", "-f", "-c", "%T", bench.work])
    return {"cpu": model, "cpus": os.cpu_count(), "memory_gb": round(memory_gb, 1), "system": system,
            "kernel": platform.release(), "python": first_line(["/usr/bin/python3", "-V"]),
            "node": first_line(["/usr/bin/node", "-v"]), "data_folder_on": data,
            "load_average_before": os.getloadavg()[0],
            "commit": first_line(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"])}


METHOD = ("Load generator, subjects and functions share this machine. The subjects are measured in turn in every round, "
          "the order reversed in every second one, serverless-offline in a turn of its own; figures are medians of the "
          "rounds, ratios are medians of each round's ratio. Mayfly's requests are signed (SigV4), its logs and metrics "
          "are on.")


def print_machine(facts):
    print(f"{facts['cpu']}, {facts['cpus']} CPUs, {facts['memory_gb']} GB, {facts['system']}, Linux {facts['kernel']}, "
          f"{facts['python']}, Node.js {facts['node']}, data on {facts['data_folder_on']}, commit {facts['commit']}, "
          f"load before {facts['load_average_before']:.2f}")
    if facts["load_average_before"] > 0.5:
        print("The machine was not idle before this run: do not keep these figures.")


def print_targets(targets):
    words = {True: "met", False: "MISSED", None: "not measured"}
    table("Targets", ["target", "value", "limit", ""], [
        [one["name"], one["value"], f"{one['rule']} {one['limit']:.2f}",
         words[one["met"]] + (f" ({one['spoiled']})" if one["spoiled"] else "")] for one in targets])


def measure(bench, results):
    for name in bench.sections:
        start = time.monotonic()
        try:
            SECTIONS[name].run(bench, results)
        except Exception as error:
            bench.fail(name, error)
        progress(f"{name} took {time.monotonic() - start:.0f} s")


def stop(*_):
    raise SystemExit("bench: stopped")


def main():
    options = parse()
    bench = Run(options, [name for name in SECTIONS if not options.only or name in options.only])
    for number in (signal.SIGTERM, signal.SIGALRM, signal.SIGHUP):
        signal.signal(number, stop)
    signal.alarm(options.limit)
    start = time.monotonic()
    results = {"at": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
               "quick": options.quick, "machine": machine(bench), "method": METHOD}
    print_machine(results["machine"])
    try:
        measure(bench, results)
    finally:
        signal.alarm(0)
        procs.stop_all()
        bench.clean()
    results.update(targets=bench.targets, failures=bench.failures, took_s=round(time.monotonic() - start, 1))
    if bench.targets:
        print_targets(bench.targets)
    out = options.out or os.path.join(bench.build, "bench.json")
    os.makedirs(os.path.dirname(os.path.abspath(out)), exist_ok=True)
    with open(out, "w") as file:
        json.dump(results, file, indent=1)
    print(f"\n{results['took_s']:.0f} s; figures in {os.path.relpath(out)}")
    for failure in bench.failures:
        print(f"not measured: {failure}")
    return 1 if bench.failures else 0


if __name__ == "__main__":
    sys.exit(main())
