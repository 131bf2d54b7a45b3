"""Warm throughput and latency, every subject in turn in every round, so that each pair saw the same machine."""
import contextlib
import json
import os
import time

from . import procs
from .stats import median, progress, table
from .subjects import EVENT, EXPECT, LANGUAGES, Dispatcher, Mayfly, NodeHttp, ServerlessOffline, server_help

ENVIRONMENTS = 4
CONNECTIONS = (1, 64)
ENVIRONMENT_LIMIT = "--max-environments"
WORKERS_START_S = (3.0, 1.0)  # serverless-offline starts a worker a connection, at some 60 ms of CPU each


def run_load(bench, subject, name, connections, seconds):
    return bench.load(subject.port, "--connections", connections, "--seconds", seconds, "--warmup",
                      bench.options.warmup_s, "--body", json.dumps(EVENT), "--expect", EXPECT,
                      *subject.load_args(name))


def start_mayfly(bench, stack, language):
    limit = [ENVIRONMENT_LIMIT, str(ENVIRONMENTS)]
    if ENVIRONMENT_LIMIT not in server_help(os.path.join(bench.build, "mayfly")):
        progress(f"the server has no {ENVIRONMENT_LIMIT}: it chooses how many environments it uses")
        limit = []
    server = stack.enter_context(Mayfly(bench, *limit))
    _, name = server.deploy(language)
    return server, name


def subjects_of(bench, stack, language, with_mayfly=True):
    """{label: (subject, function's name)}; what cannot be started is left out and reported."""
    makers = {"dispatcher": lambda: (stack.enter_context(Dispatcher(bench, language, ENVIRONMENTS)), None)}
    if with_mayfly:
        makers["mayfly"] = lambda: start_mayfly(bench, stack, language)
    if language == "nodejs":
        makers["node http"] = lambda: (stack.enter_context(NodeHttp(bench)), None)
    return started(bench, language, makers)


def started(bench, language, makers):
    found = {}
    for label, make in makers.items():
        try:
            found[label] = make()
        except Exception as error:
            bench.fail(f"warm {language} {label}", error)
    return found


def run_rounds(bench, language, subjects, runs, warm_seconds, settle_s=0.0):
    """Adds to runs; a subject that fails on the way is reported and leaves without its figures."""
    def attempt(label, seconds, counts):
        subject, name = subjects[label]
        try:
            return [run_load(bench, subject, name, count, seconds) for count in counts]
        except Exception as error:
            bench.fail(f"warm {language} {label}", f"{error}{subject.proc.log_tail()}")
            del subjects[label]
            runs.pop(label, None)
            return []

    for label in list(subjects):
        attempt(label, warm_seconds, CONNECTIONS[-1:])
    time.sleep(settle_s)
    for number in range(bench.options.rounds):
        for label in list(subjects) if number % 2 == 0 else list(reversed(subjects)):
            progress(f"warm {language} round {number + 1}: {label}")
            for connections, one in zip(CONNECTIONS, attempt(label, bench.options.seconds, CONNECTIONS)):
                runs.setdefault(label, {}).setdefault(connections, []).append(one)


def measure(bench, language, with_mayfly=True):
    """serverless-offline has a turn of its own: it works on after a load ends, which would spoil its neighbours."""
    runs = {}
    environments = None
    with contextlib.ExitStack() as stack:
        subjects = subjects_of(bench, stack, language, with_mayfly)
        run_rounds(bench, language, subjects, runs, bench.options.seconds / 2)
        if "mayfly" in subjects:
            environments = procs.count_named(subjects["mayfly"][0].proc.pid, LANGUAGES[language]["process"])
    if language != "c":
        with contextlib.ExitStack() as stack:
            make = {"serverless-offline": lambda: (stack.enter_context(ServerlessOffline(bench)), language)}
            run_rounds(bench, language, started(bench, language, make), runs, *WORKERS_START_S)
    return {"runs": runs, "environments": environments}


def condense(runs):
    """Medians over the rounds, and the median of each round's ratio to the dispatcher in that round."""
    out = {}
    for label, by_connections in runs.items():
        for connections, rounds in by_connections.items():
            bare = runs.get("dispatcher", {}).get(connections, []) if label != "serverless-offline" else []
            ratios = [one["rps"] / other["rps"] for one, other in zip(rounds, bare) if other["rps"]]
            out.setdefault(label, {})[connections] = {
                **{key: median([one[key] for one in rounds]) for key in ("rps", "p50_ms", "p90_ms", "p99_ms")},
                "errors": sum(one["errors"] for one in rounds),
                "first_error": next((one["first_error"] for one in rounds if one["first_error"]), ""),
                "ratio": median(ratios)}
    return out


def show(title, results):
    rows = []
    for language, result in results.items():
        for label, by_connections in result["median"].items():
            row = [f"{language}, {label}"]
            for connections in CONNECTIONS:
                one = by_connections[connections]
                row += [one["rps"], one["p50_ms"], one["p99_ms"],
                        f"{one['ratio'] * 100:.0f} %" if one["ratio"] else "-"]
            rows.append(row + [sum(one["errors"] for one in by_connections.values())])
            if rows[-1][-1]:
                progress(f"{rows[-1][0]}: {next(o['first_error'] for o in by_connections.values() if o['errors'])}")
    head = ["function, subject"]
    for connections in CONNECTIONS:
        head += [f"{connections} conn: req/s", "p50 ms", "p99 ms", "of bare"]
    table(title, head + ["errors"], rows)


def run(bench, results):
    warm = {}
    for language in bench.options.languages:
        found = measure(bench, language)
        warm[language] = {"environments": found["environments"], "runs": found["runs"],
                          "median": condense(found["runs"])}
    results["warm"] = warm
    show(f"Warm: medians of {bench.options.rounds} rounds of {bench.options.seconds} s, {ENVIRONMENTS} environments or "
         "runtime processes; 'of bare' is the share of what the dispatcher reached in the same round", warm)
    for language, result in warm.items():
        if result["environments"] is not None:
            print(f"  {language}: Mayfly had {result['environments']} environments at the end")
        for connections in CONNECTIONS:
            one = result["median"].get("mayfly", {}).get(connections, {})
            wrong = one.get("errors")
            bench.target(f"warm {language}, {connections} connections: share of the bare dispatcher",
                         one.get("ratio"), at_least=0.60, spoiled=f"{wrong} errors" if wrong else None)
