"""Every runtime is restored from its image, and then serves on as if it had been started: garbage collected, under load."""
import threading
import unittest

from programs import BY_NAME
from snapshot_case import SINGLE, SnapshotCase

FURTHER = 1000  # invocations of one restored environment
FURTHER_OF = {"tree": 300}  # each call of the shell's starts programs
COLLECT_EVERY = 25
TOGETHER = 4
BESIDE_S = 0.02


class Runtimes(SnapshotCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.neighbour = BY_NAME["python"].deploy(cls.server, tags=SINGLE)

    def beside(self, over, counts):
        """The load beside: another function's environments, each restored for one invocation."""
        caller, n = self.caller(self.neighbour), 0
        while not over.is_set() and n < 20000:
            n += 1
            value = caller.call({"n": n}).value
            self.assertEqual((value["twice"], value["calls"]), (2 * n, 1))
            over.wait(BESIDE_S)
        counts.append(n)

    def serve_on(self, name, loaded, further):
        """On the environment that was called once before. A call may find it not yet waiting again, and get another restored one:
        each counts on from where it was."""
        caller, counts = self.caller(name), [1]
        for n in range(further):
            value = caller.call({"n": n, "gc": n % COLLECT_EVERY == 0}).value
            calls = value["calls"]
            self.assertEqual(value, {"n": n, "twice": 2 * n, "loaded": loaded, "calls": calls})
            if calls > 1:
                counts.remove(calls - 1)
            counts.append(calls)

    def program(self, which):
        name = BY_NAME[which].deploy(self.server)
        first = self.call(name, {"n": 1})
        self.assertEqual((first.kind, first.value["twice"], first.value["calls"]), ("plain", 2, 1))
        image = self.wait_image(name)["image"]
        self.assertGreater(image["file_bytes"], 100000)
        self.assertEqual(self.call(name, {"n": 1, "exit": True}).error, "Unhandled")
        second = self.call(name, {"n": 7})
        self.assertEqual((second.kind, second.value["twice"], second.value["calls"]), ("restored", 14, 1), second.log)
        loaded = second.value["loaded"]
        self.assertNotEqual(loaded, first.value["loaded"], "the image was taken of an environment that had served")
        over, counts = threading.Event(), []
        beside = threading.Thread(target=self.beside, args=(over, counts))
        beside.start()
        try:
            self.serve_on(name, loaded, FURTHER_OF.get(which, FURTHER))
        finally:
            over.set()
            beside.join()
        self.assertTrue(counts, "the load beside failed")
        answers = self.parallel(TOGETHER, lambda i: self.call(name, {"n": i, "s": 0.5}))
        self.assertNotIn("plain", [a.kind for a in answers])
        self.assertEqual({a.value["loaded"] for a in answers}, {loaded}, "init ran once")
        state = self.state(name)
        self.assertEqual(state["failed_restores"], 0, state)
        self.assertGreaterEqual(state["restores"], TOGETHER, state)

    def test_python(self):
        self.program("python")

    def test_python_with_threads(self):
        self.program("python-threads")

    def test_nodejs(self):
        self.program("nodejs")

    def test_java_serial(self):
        self.program("java-serial")

    def test_java_g1(self):
        self.program("java-g1")

    def test_go(self):
        self.program("go")

    def test_c(self):
        self.program("c")

    def test_c_static(self):
        self.program("c-static")

    def test_shell_with_children(self):
        self.program("tree")

    def test_official_nodejs_client(self):
        self.program("ric")


if __name__ == "__main__":
    unittest.main()
