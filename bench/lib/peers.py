"""The peers alone: their start, memory and burst, and their warm figures when no warm section ran."""
import json

from . import burst, procs, warm
from .stats import median, progress, table
from .subjects import EVENT, EXPECT, NodeHttp, ServerlessOffline


def measure(bench, make, language):
    """Starts, first calls, memory before and after load, bursts; every start is a new process."""
    out = {"ready_ms": [], "first_ms": [], "total_ms": [], "bursts": []}
    for number in range(bench.options.peer_starts):
        with make(bench) as peer:
            args = peer.load_args(language)
            first = bench.load(peer.port, "--requests", 1, "--body", json.dumps(EVENT), "--expect", EXPECT, *args)
            if first["errors"]:
                raise RuntimeError(first["first_error"])
            out["ready_ms"].append(peer.ready_ms)
            out["first_ms"].append(first["p50_ms"])
            out["total_ms"].append(peer.ready_ms + first["p50_ms"])
            out["pss_mb"] = procs.memory(peer.proc.pid)["pss_mb"]
            if number < 2:
                out["bursts"].append(burst.burst(bench, peer.port, args))
    return out


def run(bench, results):
    makers = {"node http": NodeHttp, "serverless-offline": ServerlessOffline}
    kept = {}
    for label, make in makers.items():
        progress(f"peer {label}")
        try:
            kept[label] = measure(bench, make, "nodejs")
        except Exception as error:
            bench.fail(f"peer {label}", error)
    results["peers"] = kept
    rows = [[label, *(median(one[key]) for key in ("ready_ms", "first_ms", "total_ms")), one["pss_mb"],
             median([run_["wall_ms"] for run_ in one["bursts"]]),
             sum(run_["errors"] + run_["missing"] for run_ in one["bursts"])] for label, one in kept.items()]
    table(f"Peers, the same Node.js function ({burst.CALLS} calls of 200 ms at once in the last columns)",
          ["peer", "ready ms", "first call ms", "both ms", "MB PSS", "burst ms", "errors"], rows)
    if "warm" not in bench.sections:
        found = {language: warm.measure(bench, language, with_mayfly=False) for language in bench.options.languages}
        results["peers_warm"] = {language: {"runs": one["runs"], "median": warm.condense(one["runs"])}
                                 for language, one in found.items()}
        warm.show("Warm, without Mayfly", results["peers_warm"])
