"""Extensions that subscribe to telemetry: what they get, over HTTP and TCP, and when."""
import json
import os
import unittest

from support import call, wait_until
from harness import Server, zip_of

# Subscribes as TELEMETRY says, writes each record to /tmp/records, one a line. With WAITS it asks for its next event only when the
# platform has said that the runtime is done. Told to leave, it prints what it heard last.
RECORDER = '''#!/usr/bin/python3
import http.client, http.server, json, os, socketserver, sys, threading, time
say = json.loads(os.environ["TELEMETRY"])
out = open("/tmp/records", "a", buffering=1)
seen = []
def note(record):
    seen.append(record)
    out.write(json.dumps(record) + "\\n")
class Http(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        for record in json.loads(self.rfile.read(int(self.headers["Content-Length"]))):
            note(record)
        self.send_response(200); self.send_header("Content-Length", "0"); self.end_headers()
    def log_message(self, *a):
        pass
class Lines(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            note(json.loads(line))
port, tcp = 8080, say["body"]["destination"]["protocol"] == "TCP"
server = socketserver.TCPServer(("127.0.0.1", port), Lines) if tcp else http.server.ThreadingHTTPServer(("127.0.0.1", port), Http)
threading.Thread(target=server.serve_forever, daemon=True).start()
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
def ask(method, path, body=None, **headers):
    api.request(method, path, body and json.dumps(body), headers)
    r = api.getresponse()
    return r.status, r.read().decode(), r.headers
print("recording", flush=True)
name = os.path.basename(__file__)
_, _, got = ask("POST", "/2020-01-01/extension/register", {"events": ["INVOKE", "SHUTDOWN"]}, **{"Lambda-Extension-Name": name})
me = {"Lambda-Extension-Identifier": got["Lambda-Extension-Identifier"]}
answers = [ask("PUT", say["path"], {}, **me)[:2], ask("PUT", say["path"], say["body"], **me)[:2]]
while True:
    status, body, _ = ask("GET", "/2020-01-01/extension/event/next", **me)
    event = json.loads(body)
    if len(answers) == 2:
        answers.append(ask("PUT", say["path"], say["body"], **me)[:2])
        open("/tmp/answers", "w").write(json.dumps(answers))
    if event["eventType"] == "SHUTDOWN":
        time.sleep(0.1)
        print("left after", seen[-1]["type"], flush=True)
        sys.exit(0)
    def done():
        return any(r["type"] == "platform.runtimeDone" and r["record"]["requestId"] == event["requestId"] for r in seen)
    end = time.monotonic() + 5
    while say.get("waits") and not done() and time.monotonic() < end:
        time.sleep(0.002)
'''

# Prints, and answers with what the extension has noted once `until` is among it.
FUNCTION = '''
import json, os, time
print("loading")
def handler(event, context):
    print(json.dumps({"level": "INFO", "message": "here"}))
    end, text = time.monotonic() + 5, ""
    while event.get("until") and event["until"] not in text and time.monotonic() < end:
        time.sleep(0.005)
        text = open("/tmp/records").read()
    return {"records": [json.loads(l) for l in text.split("\\n") if l], "answers": json.load(open("/tmp/answers")) if text else None}
'''

HTTP = {"protocol": "HTTP", "URI": "http://sandbox.localdomain:8080/"}
QUICK = {"maxItems": 1000, "timeoutMs": 25}


class Telemetry(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("--pool", "1")
        cls.addClassCleanup(cls.server.close)
        cls.client = cls.server.client()
        cls.layer = cls.client.publish_layer_version(
            LayerName="recorder", Content={"ZipFile": zip_of({"extensions/recorder.py": (RECORDER, 0o755)})})["LayerVersionArn"]

    def deploy(self, path, schema, destination, types, waits=False, **more):
        say = {"path": path, "waits": waits,
               "body": {"schemaVersion": schema, "destination": destination, "types": types, "buffering": QUICK}}
        return self.server.deploy({"app.py": FUNCTION}, Layers=[self.layer], MemorySize=512, Timeout=20,
                                  Environment={"Variables": {"TELEMETRY": json.dumps(say)}}, **more)

    def two(self, name, until="platform.report"):
        """What the extension had got when the second invocation asked; request id of the first."""
        first, _ = call(self.client, name)
        self.assertNotIn("FunctionError", first)
        _, got = call(self.client, name, {"until": until})
        return got, first["ResponseMetadata"]["RequestId"]

    def one(self, records, kind, request=None):
        found = [r["record"] for r in records if r["type"] == kind and (not request or r["record"]["requestId"] == request)]
        self.assertEqual(len(found), 1, (kind, records))
        return found[0]

    def test_a_life_over_http(self):
        name = self.deploy("/2022-07-01/telemetry", "2022-12-13", HTTP, ["platform", "function", "extension"], waits=True)
        got, request = self.two(name)
        records = got["records"]
        (bad, bad_body), ok, (late, late_body) = got["answers"]
        self.assertEqual((bad, json.loads(bad_body)["errorType"]), (400, "ValidationError"))
        self.assertEqual(ok, [200, '"OK"'])
        self.assertEqual((late, json.loads(late_body)["errorType"]), (403, "Telemetry.SubscriptionClosed"))
        kinds = [r["type"] for r in records]
        wanted = ["platform.initStart", "platform.telemetrySubscription", "platform.extension", "platform.initRuntimeDone",
                  "platform.initReport", "platform.start", "platform.runtimeDone", "platform.report"]
        self.assertEqual([k for k in kinds if k in wanted][:len(wanted)], wanted)
        self.assertLess(kinds.index("function"), kinds.index("platform.initRuntimeDone"))
        start = self.one(records, "platform.initStart")
        self.assertEqual((start["initializationType"], start["phase"], start["functionName"], start["functionVersion"]),
                         ("on-demand", "init", name, "$LATEST"))
        self.assertEqual(self.one(records, "platform.telemetrySubscription"),
                         {"name": "recorder.py", "state": "Subscribed", "types": ["platform", "function", "extension"]})
        self.assertEqual([r["record"] for r in records if r["type"] == "extension"], ["recording\n"])
        self.assertEqual(self.one(records, "platform.extension"), {"name": "recorder.py", "state": "Ready", "events": ["INVOKE", "SHUTDOWN"]})
        done = self.one(records, "platform.runtimeDone", request)
        self.assertEqual(done["status"], "success")
        self.assertGreater(done["metrics"]["producedBytes"], 0)
        self.assertEqual([s["name"] for s in done["spans"]], ["responseLatency", "responseDuration"])
        report = self.one(records, "platform.report", request)
        self.assertEqual((report["status"], report["metrics"]["memorySizeMB"]), ("success", 512))
        self.assertGreater(report["metrics"]["initDurationMs"], 0)
        self.assertGreater(report["metrics"]["durationMs"], done["metrics"]["durationMs"])  # the extension's part is in it
        lines = [r["record"] for r in records if r["type"] == "function"]
        self.assertEqual(lines[0], "loading\n")
        self.assertIn('{"level": "INFO", "message": "here"}\n', lines)

    def test_the_older_api_over_tcp(self):
        name = self.deploy("/2020-08-15/logs", "2021-03-18", {"protocol": "TCP", "port": 8080}, ["platform", "function"])
        got, request = self.two(name)
        records = got["records"]
        self.assertEqual(got["answers"][1], [200, '"OK"'])
        self.assertEqual(json.loads(got["answers"][2][1])["errorType"], "Logs.SubscriptionClosed")
        kinds = [r["type"] for r in records]
        self.assertNotIn("platform.initStart", kinds)
        self.assertEqual(self.one(records, "platform.runtimeDone", request), {"requestId": request, "status": "success"})
        self.assertEqual(self.one(records, "platform.end", request), {"requestId": request})
        self.assertEqual(self.one(records, "platform.logsSubscription")["state"], "Subscribed")
        self.assertIn("loading\n", [r["record"] for r in records if r["type"] == "function"])

    def test_json_lines_are_objects(self):
        name = self.deploy("/2022-07-01/telemetry", "2025-01-29", HTTP, ["function"], LoggingConfig={"LogFormat": "JSON"})
        got, _ = self.two(name, until='"here"')
        here = [r["record"] for r in got["records"] if "here" in str(r["record"])]
        self.assertEqual(here[0], {"level": "INFO", "message": "here"})
        self.assertNotIn("platform", str([r["type"] for r in got["records"]]))

    def test_the_end_is_told_to_who_leaves(self):
        name = self.deploy("/2022-07-01/telemetry", "2022-12-13", HTTP, ["platform"])
        call(self.client, name)
        self.client.delete_function(FunctionName=name)
        logs = self.server.client("logs")

        def left():
            events = logs.filter_log_events(logGroupName="/aws/lambda/" + name)["events"]
            return [e["message"] for e in events if e["message"].startswith("left after")]
        wait_until(left, 20, "told of the end")
        self.assertEqual(left(), ["left after platform.report\n"])


if __name__ == "__main__":
    unittest.main()
