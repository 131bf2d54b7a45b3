"""What is restored is what was parked, in every language, and works on."""
import os
import shutil
import subprocess
import unittest

import rig

REQUESTS = 1000


class Runtimes(rig.Case):
    """Each: started, saved, restored three times; checks itself; then more requests."""

    def round_trip(self, name, *argv, warm=True, requests=REQUESTS):
        d = self.driver
        d.start(0, *argv)
        if warm:
            self.assertEqual(d.answer(0, "ping"), "pong-0")
        calls = 1 if warm else 0
        made = d.dump(0, name)
        d.zygote(0, name)
        try:
            for box in (1, 2, 3):
                d.restore(0, box)
            for box in (1, 2, 3):
                # Neither sees what the others did meanwhile.
                self.assertEqual(d.answer(box, "ping"), f"pong-{calls}")
                self.assertEqual(d.answer(box, "check"), "fine")
            self.assertEqual(d.do("many", 2, requests, "ping"), f"pong-{calls + 1 + requests}")
            self.assertEqual(d.answer(2, "check"), "fine")
            d.restore(0, 4)
            self.assertEqual(d.answer(4, "check"), "fine")
            self.assertEqual(d.answer(4, "ping"), f"pong-{calls + 1}")
        finally:
            for box in (1, 2, 3, 4):
                d.do("kill", box)
            d.do("end", 0)
        return made

    def test_c_dynamic(self):
        self.round_trip("c-dynamic", "/var/task/fn-dynamic")

    def test_c_static(self):
        self.round_trip("c-static", "/var/task/fn-static", warm=False)

    def test_python(self):
        self.assertGreaterEqual(self.round_trip("python", "/usr/bin/python3", "/var/task/fn.py")["threads"], 4)

    def test_python_with_much_memory(self):
        made = self.round_trip("python-large", "/usr/bin/python3", "/var/task/fn.py", "100", requests=100)
        self.assertGreater(made["resident_bytes"], 100 << 20)

    @unittest.skipUnless(os.path.exists("/usr/bin/node"), "no Node.js")
    def test_node(self):
        self.round_trip("node", "/usr/bin/node", "--expose-gc", "/var/task/fn.js")

    def java(self, name, collector):
        if not shutil.which("javac"):
            self.skipTest("no Java compiler")
        subprocess.run(["javac", "-XDstringConcat=inline", "-d", self.driver.code, os.path.join(rig.HERE, "functions/Fn.java")], check=True)
        self.round_trip(name, "/usr/bin/java", "-XX:+" + collector, "-XX:TieredStopAtLevel=1", "-Xmx96m", "-XX:-UsePerfData", "-cp",
                        "/var/task", "Fn")

    def test_java_serial(self):
        self.java("java-serial", "UseSerialGC")

    def test_java_g1(self):
        self.java("java-g1", "UseG1GC")

    @unittest.skipUnless(shutil.which("go"), "no Go compiler")
    def test_go(self):
        env = dict(os.environ, CGO_ENABLED="0", GOFLAGS="-mod=mod", GOCACHE=os.path.join(rig.BUILD, "go-cache"), GO111MODULE="off")
        subprocess.run(["go", "build", "-o", os.path.join(self.driver.code, "fn-go"), os.path.join(rig.HERE, "functions/fn.go")], env=env, check=True)
        self.round_trip("go", "/var/task/fn-go")

    def test_shell_with_children(self):
        self.assertEqual(self.round_trip("tree", "/var/task/tree.sh")["processes"], 3)


if __name__ == "__main__":
    unittest.main()
