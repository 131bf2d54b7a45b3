"""A short soak (`make soak` is the long one): not one failed answer, and nothing left over."""
import os
import sys
import unittest

import support  # noqa: F401 (it knows where the harness is)
from harness import Server

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "soak"))
import soak  # noqa: E402

RESTORES = 250


class Soak(unittest.TestCase):
    def test_short(self):
        said = []
        quick = [p for p in soak.PROGRAMS if p.name in ("python", "python-threads", "nodejs", "java-serial", "go", "c", "tree")]
        with Server("--pool", "4") as server:
            problems = soak.soak(server, quick, RESTORES, 3, said.append)
        self.assertEqual(problems, [], "\n".join(said))


if __name__ == "__main__":
    unittest.main()
