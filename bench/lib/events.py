"""Asynchronous events: how many are accepted durably, while a function of concurrency 2 drains them; beside moto's server."""
import json
import re
import time

from . import aws
from .moto import Moto
from .stats import progress, table
from .subjects import EVENT, Mayfly, package_of

CONNECTIONS = 64
CONCURRENCY = 2
DRAIN_LIMIT_S = 120
ROLE = "arn:aws:iam::123456789012:role/bench"  # moto has an account of its own
EVENT_HEADER = "x-amz-invocation-type=Event"


def metric(client, name):
    client.connection.request("GET", "/_mayfly/metrics")
    text = client.connection.getresponse().read().decode()
    return sum(float(value) for value in re.findall(rf"(?m)^{name}(?:{{[^}}]*}})? (\S+)$", text))


def load(bench, port, name, credentials):
    return bench.load(port, "--connections", CONNECTIONS, "--seconds", bench.options.event_s, "--warmup", bench.options.warmup_s,
                      "--body", json.dumps(EVENT), "--status", 202, "--header", EVENT_HEADER, "--credentials", credentials,
                      "--path", f"{aws.FUNCTIONS}/{name}/invocations")


def mayfly(bench, server):
    client, name = server.deploy("c")
    client.call("PUT", f"/2017-10-31/functions/{name}/concurrency", {"ReservedConcurrentExecutions": CONCURRENCY})
    client.invoke(name, EVENT)
    start = time.monotonic()
    one = load(bench, server.port, name, server.credentials)
    end = time.monotonic()
    drained = metric(client, "mayfly_async_ended_total")
    left = metric(client, "mayfly_async_waiting_events")
    progress(f"events: {one['rps']:.0f}/s accepted, {left:.0f} wait")
    while metric(client, "mayfly_async_waiting_events") and time.monotonic() < end + DRAIN_LIMIT_S:
        time.sleep(0.05)
    rest_s = time.monotonic() - end
    after = metric(client, "mayfly_async_ended_total") - drained
    accepted = metric(client, "mayfly_async_accepted_total")
    if accepted != drained + after:
        bench.fail("events", f"{accepted:.0f} were accepted, {drained + after:.0f} have ended")
    return {"accept": one, "drain_under_load": drained / (end - start), "drain_alone": after / rest_s if after else None}


def peer(bench, credentials):
    with Moto(bench, credentials) as moto:
        moto.without_docker()
        client = moto.client()
        role = json.dumps({"Version": "2012-10-17", "Statement": []})
        client.form("iam", {"Action": "CreateRole", "Version": "2010-05-08", "RoleName": "bench", "AssumeRolePolicyDocument": role})
        client.create("bench-python", "python3.11", "app.handler", package_of(bench, "python"), 128, Role=ROLE)
        return load(bench, moto.port, "bench-python", credentials)


def run(bench, results):
    out = results["events"] = {}
    with Mayfly(bench, "--max-environments", "4") as server:
        out["mayfly"] = mayfly(bench, server)
        try:
            out["moto"] = peer(bench, server.credentials)
        except Exception as error:
            progress(f"events: no peer: {error}")
            out["moto_missing"] = str(error).splitlines()[0]
    ours, theirs = out["mayfly"]["accept"], out.get("moto")
    rows = [["mayfly, durable", ours["rps"], ours["p50_ms"], ours["p99_ms"], out["mayfly"]["drain_under_load"],
             out["mayfly"]["drain_alone"], ours["errors"]]]
    if theirs:
        out["ratio"] = ours["rps"] / theirs["rps"] if theirs["rps"] else None
        rows.append(["moto, in memory, runs nothing", theirs["rps"], theirs["p50_ms"], theirs["p99_ms"], None, None, theirs["errors"]])
    table(f"Events accepted over {CONNECTIONS} connections, a function of concurrency {CONCURRENCY} drains them",
          ["subject", "events/s", "p50 ms", "p99 ms", "drained/s meanwhile", "drained/s alone", "errors"], rows)
    print(f"  ratio to moto: {out['ratio']:.1f}" if out.get("ratio") else f"  no ratio: {out.get('moto_missing', 'moto answered nothing')}")
    spoiled = f"{ours['errors']} errors" if ours["errors"] else None
    bench.target("events: accepted durably a second, 64 connections", ours["rps"], at_least=10000, spoiled=spoiled)
    bench.target("events: p99 of acceptance, ms", ours["p99_ms"], at_most=20, spoiled=spoiled)
