"""What a function prints before its answer stands before END, and in the tail, also when thousands of answers come at once."""
import base64
import json
import os
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "api"))
from harness import Server  # noqa: E402

PYTHON = 'def handler(e, c):\n    print("last-%d" % e["i"])\n    return e\n'
NODE = 'export const handler = async e => { console.log("last-" + e.i); return e; };\n'
# More than one read of the log pipe, on both streams, right before the answer.
RAW = '''#!/usr/bin/python3
import http.client, json, os
c = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
while True:
    c.request("GET", "/2018-06-01/runtime/invocation/next"); r = c.getresponse(); body = r.read()
    n = json.loads(body)["i"]
    os.write(1, b"x" * 70000 + b"\\n"); os.write(2, b"last-%d\\n" % n)
    c.request("POST", "/2018-06-01/runtime/invocation/" + r.getheader("Lambda-Runtime-Aws-Request-Id") + "/response", body)
    c.getresponse().read()
'''


class LogOrder(unittest.TestCase):
    def test_lines_before_the_answer_stand_before_end(self):
        server = Server.shared()
        names = [server.deploy({"app.py": PYTHON}, MemorySize=1769),
                 server.deploy({"app.mjs": NODE}, "nodejs20.x", MemorySize=1769),
                 server.deploy({"bootstrap": (RAW, 0o755)}, "provided.al2023", "x", MemorySize=1769)]
        wrong = []

        def call(first):
            client = server.client()
            for i in range(first, first + 200):
                answer = client.invoke(FunctionName=names[i % 3], Payload=json.dumps({"i": i}).encode(), LogType="Tail")
                tail = base64.b64decode(answer["LogResult"]).decode()
                line, end = tail.find("last-%d\n" % i), tail.find("END RequestId")
                if not 0 <= line < end:
                    wrong.append(tail[-200:])

        threads = [threading.Thread(target=call, args=(1000 * n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])


if __name__ == "__main__":
    unittest.main()
