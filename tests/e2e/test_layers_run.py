"""Functions with layers: what they find below /opt, from which environment ever; layers that are deleted while they are used."""
import os
import signal
import unittest

import programs
from support import call, tail, wait_until
from harness import Server, zip_of

PROBE = '''
import os, subprocess, sys
import common, deep, numbered
def handler(event, context):
    def read(name):
        with open("/opt/" + name) as f:
            return f.read()
    return {"files": {n: read(n) for n in ("same", "first", "second", "folder/one", "folder/two")}, "modules": [common.WHO, deep.WHO, numbered.WHO],
            "tool": subprocess.run(["tool"], capture_output=True, text=True).stdout, "opt": sorted(os.listdir("/opt")),
            "path": [p for p in sys.path if p.startswith(("/opt", "/var"))]}
'''
FIRST = {"same": "1", "first": "1", "folder/one": "1", "python/common.py": "WHO = 'first'\n", "bin/tool": ("#!/bin/sh\necho first\n", 0o755),
         "python/lib/python3.11/site-packages/deep.py": "WHO = 'deep'\n"}
SECOND = {"same": "2", "second": "2", "folder/two": "2", "python/common.py": "WHO = 'second'\n", "bin/tool": ("#!/bin/sh\necho second\n", 0o755),
          "python/numbered.py": "WHO = 'python'\n", "python/lib/python3.11/site-packages/numbered.py": "WHO = 'site'\n"}
NODE = "const dep = require('dep'); exports.handler = async () => [dep, require('other')];\n"
BOOTSTRAP = '''#!/bin/sh
api=http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation
while :; do
    id=$(curl -sS -D - -o /tmp/event $api/next | tr -d '\\r' | sed -n 's/^[Ll]ambda-[Rr]untime-[Aa]ws-[Rr]equest-[Ii]d: //p')
    curl -sS -o /dev/null -d "\\"$0 $(cat /var/task/data)\\"" $api/$id/response
done
'''


class Layers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("--pool", "1")
        cls.addClassCleanup(cls.server.close)
        cls.client = cls.server.client()

    def publish(self, name, files):
        return self.client.publish_layer_version(LayerName=name, Content={"ZipFile": zip_of(files)})["LayerVersionArn"]

    def folders(self):
        return len([n for n in os.listdir(os.path.join(self.server.data, "code")) if len(n) == 64])

    def test_layers_are_merged_in_their_order(self):
        first, second = self.publish("first", FIRST), self.publish("second", SECOND)
        before = self.folders()
        self.publish("again", FIRST)
        self.assertEqual(self.folders(), before)
        names = [self.server.deploy({"app.py": PROBE}, Layers=layers, Tags={"mayfly:isolation": "invocation"}, MemorySize=256, Timeout=20)
                 for layers in ([first, second], [second, first])]
        self.assertEqual(self.folders(), before + 1)
        for name, top in zip(names, ("second", "first")):
            _, got = call(self.client, name)
            self.assertEqual(got, {
                "files": {"same": "2" if top == "second" else "1", "first": "1", "second": "2", "folder/one": "1", "folder/two": "2"},
                "modules": [top, "deep", "site"], "tool": top + "\n", "opt": ["bin", "first", "folder", "python", "same", "second"],
                "path": ["/var/task", "/opt/python/lib/python3.11/site-packages", "/opt/python", "/var/runtime/python"]})
            restored = []

            def again():
                answer, same = call(self.client, name, LogType="Tail")
                self.assertEqual(same, got)
                restored.append("Restore Duration" in tail(answer))
                return restored[-1]
            wait_until(again, 20, "an environment was restored with its layers")

    def test_modules_of_another_version(self):
        """The layer is made for the Node.js that the function asks for, whichever runs it here."""
        layer = self.publish("node", {"nodejs/node22/node_modules/dep/index.js": "module.exports = 'own';",
                                      "nodejs/node_modules/dep/index.js": "module.exports = 'any';",
                                      "nodejs/node_modules/other/index.js": "module.exports = 'other';"})
        name = self.server.deploy({"app.js": NODE}, "nodejs22.x", Layers=[layer], Timeout=20, Tags={"mayfly:snapshot": "off"})
        self.assertEqual(call(self.client, name)[1], ["own", "other"])

    def test_jars(self):
        layer = self.publish("jars", {"java/lib/handler.jar": programs.java_jar()})
        name = self.server.deploy({"nothing": "of its own"}, "java17", "Handler::handle", Layers=[layer], Timeout=20, MemorySize=512,
                                  Tags={"mayfly:snapshot": "off"})
        answer, body = call(self.client, name, {"n": 1})
        self.assertNotIn("FunctionError", answer, body)

    def test_a_layer_may_be_the_runtime(self):
        layer = self.publish("runtime", {"bootstrap": (BOOTSTRAP, 0o755)})
        name = self.server.deploy({"data": "mine"}, "provided.al2023", "any", Layers=[layer], Timeout=20, Tags={"mayfly:snapshot": "off"})
        self.assertEqual(call(self.client, name)[1], "/opt/bootstrap mine")

    def test_what_is_deleted_stays_while_it_is_used(self):
        layer = self.publish("used", {"python/used.py": "WHO = 'still here'\n"})
        code = {"app.py": "import used\ndef handler(event, context):\n    return used.WHO\n"}
        name = self.server.deploy(code, Layers=[layer], Tags={"mayfly:snapshot": "off"})
        before = self.folders()
        self.client.delete_layer_version(LayerName="used", VersionNumber=1)
        self.assertEqual(call(self.client, name)[1], "still here")
        os.kill(self.server.child("mayfly-control"), signal.SIGKILL)
        client = self.server.client()
        self.assertEqual(call(client, name)[1], "still here")
        with self.assertRaises(client.exceptions.ResourceNotFoundException):
            client.get_layer_version_by_arn(Arn=layer)
        self.assertEqual(client.get_function_configuration(FunctionName=name)["Layers"][0]["Arn"], layer)
        self.assertEqual(self.folders(), before)
        client.delete_function(FunctionName=name)
        wait_until(lambda: self.folders() == before - 2, 20, "the function's code and its layer's went with it")
        self.assertEqual(self.publish("used", {"x": "1"})[-2:], ":2")


if __name__ == "__main__":
    unittest.main(verbosity=1)
