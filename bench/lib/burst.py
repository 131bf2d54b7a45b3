"""Fifty calls at once of a function that sleeps 200 ms, when no environment of it exists, but an image."""
import json
import time

from .stats import median, progress, table
from .subjects import SINGLE, Mayfly

CALLS = 50
EVENT = {"n": 1, "sleep_ms": 200}
EXPECT = '{"answer":2}'


def burst(bench, port, args):
    return bench.load(port, "--burst", "--connections", CALLS, "--body", json.dumps(EVENT), "--expect", EXPECT, *args)


def measure(bench, language):
    runs = []
    with Mayfly(bench) as server:
        client, name = server.deploy(language, memory_mb=bench.options.burst_memory_mb, Tags=SINGLE)
        client.invoke(name, EVENT)
        client.wait_image(name)
        for number in range(bench.options.bursts):
            progress(f"burst {language} {number + 1} of {bench.options.bursts}")
            time.sleep(bench.options.burst_settle_s)
            runs.append(burst(bench, server.port, server.load_args(name)))
    return runs


def row(label, runs):
    return [label, len(runs), median([one["wall_ms"] for one in runs]), max(one["wall_ms"] for one in runs),
            median([one["p50_ms"] for one in runs]), sum(one["errors"] + one["missing"] for one in runs)]


HEAD = ["what", "runs", "wall ms (median)", "wall ms (worst)", "call p50 ms", "errors"]


def run(bench, results):
    rows, kept = [], {}
    for language in bench.options.languages:
        try:
            kept[language] = measure(bench, language)
        except Exception as error:
            bench.fail(f"burst {language}", error)
    for language, runs in kept.items():
        rows.append(row(f"{language}, mayfly", runs))
        wrong = rows[-1][-1]
        if wrong:
            progress(f"burst {language}: {next((o['first_error'] for o in runs if o['first_error']), 'no answer')}")
        bench.target(f"burst {language}: {CALLS} calls of 200 ms from zero, ms", rows[-1][2], at_most=1000,
                     spoiled=f"{wrong} errors" if wrong else None)
    results["burst"] = kept
    if rows:
        table(f"{CALLS} concurrent calls of a function that sleeps 200 ms, from zero", HEAD, rows)
