"""SQS: messages sent and received in batches of ten, durable, beside moto's server; and the time from a message to its function's start."""
import json
import re
import time

from . import aws
from .moto import Moto
from .stats import progress, summary, table
from .subjects import Mayfly

CONNECTIONS = 16
BATCH = 10
BODY = "x" * 200
PEER_PART = 20      # moto gets as many batches less
LAG_CODE = b"import time\ndef handler(e, c):\n    print('LAG %.3f' % ((time.time() - float(e['Records'][0]['body'])) * 1e3))\n"
LAG_PAUSE_S = 0.05  # the mapping waits for its next message then


def load(bench, port, credentials, operation, body, requests):
    return bench.load(port, "--connections", CONNECTIONS, "--requests", requests, "--body", json.dumps(body), "--credentials", credentials,
                      "--service", "sqs", "--type", "application/x-amz-json-1.0", "--header", f"x-amz-target=AmazonSQS.{operation}",
                      "--sign-each", limit_s=120)


def in_flight(client, url):
    got = client.target("sqs", "AmazonSQS.GetQueueAttributes", {"QueueUrl": url, "AttributeNames": ["All"]})["Attributes"]
    return int(got["ApproximateNumberOfMessagesNotVisible"])


def measure(bench, subject, batches):
    """Messages a second, sent and then received; each receive is counted by what is in flight afterwards."""
    client = subject.client()
    url = client.target("sqs", "AmazonSQS.CreateQueue", {"QueueName": "bench", "Attributes": {"VisibilityTimeout": "600"}})["QueueUrl"]
    entries = [{"Id": str(i), "MessageBody": BODY} for i in range(BATCH)]
    send = load(bench, subject.port, subject.credentials, "SendMessageBatch", {"QueueUrl": url, "Entries": entries}, batches)
    receive = load(bench, subject.port, subject.credentials, "ReceiveMessage", {"QueueUrl": url, "MaxNumberOfMessages": BATCH}, batches)
    received = in_flight(subject.client(), url)
    return {"send": send, "receive": receive, "sent_per_s": send["rps"] * BATCH,
            "received_per_s": received / receive["seconds"] if receive["seconds"] else 0, "received": received}


def lags(bench, server):
    """ms from before SendMessage until the function's first line, one message at a time."""
    client = server.client()
    url = client.target("sqs", "AmazonSQS.CreateQueue", {"QueueName": "lag"})["QueueUrl"]
    client.create("lag", "python3.11", "app.handler", aws.package({"app.py": (LAG_CODE, 0o644)}), bench.options.memory_mb)
    client.wait("lag")
    client.call("POST", "/2015-03-31/event-source-mappings", {
        "FunctionName": "lag", "EventSourceArn": "arn:aws:sqs:us-east-1:000000000000:lag", "BatchSize": 1})
    count = bench.options.lag_samples
    for number in range(count + 5):
        client.target("sqs", "AmazonSQS.SendMessage", {"QueueUrl": url, "MessageBody": "%.6f" % time.time()})
        time.sleep(1 if number < 5 else LAG_PAUSE_S)
    found, token, end = [], {}, time.monotonic() + 10
    while len(found) < count + 5 and time.monotonic() < end:
        found, token = [], {}
        while True:
            got = client.target("logs", "Logs_20140328.FilterLogEvents", {"logGroupName": "/aws/lambda/lag", **token}, "1.1")
            found += [(one["timestamp"], float(hit[1])) for one in got["events"] for hit in [re.search(r"LAG (\S+)", one["message"])] if hit]
            if "nextToken" not in got:
                break
            token = {"nextToken": got["nextToken"]}
        time.sleep(0.1)
    return [lag for _, lag in sorted(found)[5:]]


def run(bench, results):
    out = results["sqs"] = {}
    with Mayfly(bench, "--max-environments", "4") as server:
        progress("sqs: batches")
        out["mayfly"] = measure(bench, server, bench.options.batches)
        progress("sqs: a mapping's lag")
        out["lag_ms"] = summary(lags(bench, server))
        try:
            with Moto(bench, server.credentials) as moto:
                out["moto"] = measure(bench, moto, max(20, bench.options.batches // PEER_PART))
        except Exception as error:
            progress(f"sqs: no peer: {error}")
            out["moto_missing"] = str(error).splitlines()[0]
    rows = [[label, out[key]["sent_per_s"], out[key]["send"]["p99_ms"], out[key]["received_per_s"], out[key]["receive"]["p99_ms"],
             out[key]["send"]["errors"] + out[key]["receive"]["errors"]]
            for label, key in (("mayfly, durable", "mayfly"), ("moto, in memory", "moto")) if key in out]
    table(f"SQS in batches of {BATCH} over {CONNECTIONS} connections, {len(BODY)} bytes a message",
          ["subject", "sent/s", "p99 ms", "received/s", "p99 ms", "errors"], rows)
    ours = out["mayfly"]
    if "moto" in out:
        out["ratio"] = {key: ours[key] / out["moto"][key] for key in ("sent_per_s", "received_per_s") if out["moto"][key]}
        print("  ratio to moto: " + ", ".join(f"{key} {value:.1f}" for key, value in out["ratio"].items()))
    else:
        print(f"  no ratio: {out['moto_missing']}")
    print(f"  send-message to function start through a mapping, ms: {out['lag_ms']}")
    errors = ours["send"]["errors"] + ours["receive"]["errors"]
    spoiled = f"{errors} errors" if errors else None
    bench.target("sqs: messages sent a second", ours["sent_per_s"], at_least=10000, spoiled=spoiled)
    bench.target("sqs: messages received a second", ours["received_per_s"], at_least=10000, spoiled=spoiled)
    bench.target("sqs: send-message to function start, ms p50", out["lag_ms"].get("p50"), at_most=10)
