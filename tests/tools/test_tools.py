"""The checkers of the house find what they are for, and the reference pages are those of the tables."""
import os
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))


def write(root, path, text):
    whole = os.path.join(root, path)
    os.makedirs(os.path.dirname(whole), exist_ok=True)
    with open(whole, "w", encoding="utf-8") as f:
        f.write(text)


def run(tool, *arguments):
    return subprocess.run([sys.executable, os.path.join(ROOT, "tools", tool), *arguments], capture_output=True, text=True)


class Layers(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.root = self.folder.name
        write(self.root, "src/LAYERS", "core/base:\ncore/ev: core/base   # a remark\nbin/x: core/\nheader sys/epoll.h: core/ev\n"
              "header openssl: core/base\n")
        write(self.root, "src/core/base/str.h", "#include <stddef.h>\n#include <openssl/evp.h>\n")
        write(self.root, "src/core/ev/ev.c", '#include "core/base/str.h"\n#include <sys/epoll.h>\n#include "made_by_the_build.h"\n')
        write(self.root, "src/core/ev/ev.h", "")
        write(self.root, "src/bin/x/main.c", '#include "core/ev/ev.h"\n#include "core/base/str.h"\n')

    def check(self):
        done = run("layers.py", self.root)
        return done.returncode, done.stdout

    def test_good(self):
        self.assertEqual(self.check(), (0, "4 files, 0 breaches of src/LAYERS\n"))

    def refused(self, path, text, said):
        write(self.root, path, text)
        status, out = self.check()
        self.assertEqual(status, 1, out)
        self.assertIn(said, out)
        self.assertIn("1 breaches", out)

    def test_upwards(self):
        self.refused("src/core/base/str.h", '\n#include "core/ev/ev.h"\n', 'str.h:2: "core/ev/ev.h" must not be included')

    def test_system_header(self):
        self.refused("src/core/base/str.h", "# include <sys/epoll.h>\n", "<sys/epoll.h> belongs to core/ev")

    def test_family_of_headers(self):
        self.refused("src/core/ev/ev.h", "#include <openssl/sha.h>\n", "<openssl/sha.h> belongs to core/base")

    def test_folder_without_row(self):
        self.refused("src/core/new/new.c", "", "folder core/new has no row")

    def test_row_without_folder(self):
        write(self.root, "src/LAYERS", "core/base:\ncore/ev: core/base\nbin/x: core/\ncore/gone:\n")
        status, out = self.check()
        self.assertEqual(status, 1)
        self.assertIn("there is no folder core/gone", out)

    def test_no_such_header(self):
        self.refused("src/core/ev/ev.c", '#include "core/base/gone.h"\n', "is not below src/")


class Sizes(unittest.TestCase):
    def check(self, name, text):
        with tempfile.TemporaryDirectory() as root:
            write(root, name, text)
            done = run("size.py", root)
            return done.returncode, done.stdout

    @staticmethod
    def c_function(lines):
        return "static int large(int a,\n                 int b)\n{\n" + "\tb++;\n" * (lines - 2) + "}\n"

    def test_small(self):
        self.assertEqual(self.check("src/a.c", self.c_function(60)), (0, "1 files, 0 too large, 0 to be asked about\n"))

    def test_function_to_ask_about(self):
        status, out = self.check("src/a.c", self.c_function(61))
        self.assertEqual(status, 0)
        self.assertIn("src/a.c:3: large() has 61 lines", out)

    def test_function_too_long(self):
        status, out = self.check("src/a.c", self.c_function(101))
        self.assertEqual(status, 1)
        self.assertIn("large() has 101 lines", out)

    def test_python_function_too_long(self):
        status, out = self.check("a.py", "def large():\n" + "    pass\n" * 100)
        self.assertEqual(status, 1)
        self.assertIn("large() has 101 lines", out)

    def test_file_limits(self):
        self.assertEqual(self.check("a.c", "int x;\n" * 600)[1].count("the file has"), 0)
        self.assertEqual(self.check("a.c", "int x;\n" * 1000)[0], 0)
        self.assertIn("the file has 1000 lines", self.check("a.c", "int x;\n" * 1000)[1])
        self.assertEqual(self.check("a.c", "int x;\n" * 1001)[0], 1)

    def test_tables_do_not_count(self):
        table = "static const int numbers[] = {\n" + "\t1,\n" * 2000 + "};\n"
        self.assertEqual(self.check("a.c", table)[0], 0)
        self.assertEqual(self.check("a.c", table.replace("const ", ""))[0], 1)
        self.assertEqual(self.check("a.def", "X(a)\n" * 2000)[0], 0)


class Reference(unittest.TestCase):
    def test_pages_are_fresh(self):
        done = subprocess.run([os.path.join(ROOT, "tools", "gen-reference"), "--build", BUILD, "--check"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_stale_page_is_found(self):
        with tempfile.TemporaryDirectory() as root:
            os.symlink(os.path.join(ROOT, "src"), os.path.join(root, "src"))
            os.makedirs(os.path.join(root, "tools"))
            for name in os.listdir(os.path.join(ROOT, "tools")):
                os.symlink(os.path.join(ROOT, "tools", name), os.path.join(root, "tools", name))
            tool = os.path.join(root, "tools", "gen-reference")
            first = subprocess.run([tool, "--build", BUILD, "--check"], capture_output=True, text=True)
            made = subprocess.run([tool, "--build", BUILD], capture_output=True, text=True)
            again = subprocess.run([tool, "--build", BUILD, "--check"], capture_output=True, text=True)
            self.assertEqual((first.returncode, made.returncode, again.returncode), (1, 0, 0), first.stderr + made.stderr)
            self.assertIn("docs/reference/cli.md is stale", first.stderr)


class Sdks(unittest.TestCase):
    """tools/build-sdks with an npm of the test's own."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = folder.name
        for path in ("tools/build-sdks", "runtimes/package.json", "runtimes/package-lock.json"):
            with open(os.path.join(ROOT, path), encoding="utf-8") as f:
                write(self.root, path, f.read())
        self.script = os.path.join(self.root, "tools", "build-sdks")
        os.chmod(self.script, 0o755)
        self.modules = os.path.join(self.root, "runtimes", "node_modules")

    def build(self, npm, *arguments):
        """npm is a shell script's text, run beside the package.json; (status, error output, whether npm was called)."""
        called = os.path.join(self.root, "called")
        write(self.root, "bin/npm", "#!/bin/sh\ntouch %s\nwhile [ $1 != --prefix ]; do shift; done; cd $2 || exit\n%s" % (called, npm))
        os.chmod(os.path.join(self.root, "bin", "npm"), 0o755)
        done = subprocess.run([self.script, *arguments], env={"PATH": self.root + "/bin:/usr/bin:/bin"}, capture_output=True, text=True)
        was_called = os.path.exists(called)
        if was_called:
            os.unlink(called)
        self.assertFalse([n for n in os.listdir(os.path.join(self.root, "runtimes")) if n.startswith(".sdks")])
        return done.returncode, done.stderr, was_called

    GOOD = """
for name in $(/usr/bin/node -p 'Object.keys(require("./package.json").dependencies).join(" ")') @aws-sdk/middleware-sdk-sqs; do
    mkdir -p node_modules/$name/dist-cjs node_modules/$name/dist-es node_modules/$name/dist-types
    echo '{"main": "dist-cjs/index.js"}' >node_modules/$name/package.json
    echo 'exports.use = (config) => config.useQueueUrlAsEndpoint ?? true;' >node_modules/$name/dist-cjs/index.js
    touch node_modules/$name/dist-es/index.js node_modules/$name/dist-types/index.d.ts node_modules/$name/LICENSE
done
echo {} >node_modules/.package-lock.json
"""

    @unittest.skipUnless(os.path.exists("/usr/bin/node"), "no Node.js")
    def test_without_the_registry_the_build_goes_on(self):
        broken = "echo no network >&2; exit 1\n"
        status, said, _ = self.build(broken, "--due")
        self.assertEqual(status, 0)
        self.assertIn("npm could not install it; functions in Node.js must bring the AWS SDK", said)
        self.assertIn("no network", said)
        self.assertEqual(self.build(broken, "--due"), (0, "", False), "tried again at once")
        self.assertEqual(self.build(broken)[::2], (1, True))
        self.assertFalse(os.path.exists(self.modules))

    @unittest.skipUnless(os.path.exists("/usr/bin/node"), "no Node.js")
    def test_it_is_installed_once_and_whole(self):
        self.assertEqual(self.build(self.GOOD, "--due"), (0, "", True))
        self.assertEqual(self.build(self.GOOD, "--due"), (0, "", False))
        client = os.path.join(self.modules, "@aws-sdk", "client-sqs")
        self.assertEqual(sorted(os.listdir(client)), ["LICENSE", "dist-cjs", "package.json"])
        use = "console.log(require('%s/@aws-sdk/middleware-sdk-sqs').use({}))" % self.modules
        for url, expected in (("", "true"), ("http://127.0.0.1:1", "false")):
            self.assertEqual(subprocess.check_output(["/usr/bin/node", "-e", use], env={"AWS_ENDPOINT_URL": url}, text=True).strip(), expected)
        os.utime(os.path.join(self.root, "runtimes", "package.json"), (2e9, 2e9))
        self.assertTrue(self.build("exit 1\n", "--due")[2], "a new list is not looked at")
        self.assertTrue(os.path.exists(client), "a failure took away what was there")
        self.assertEqual(self.build(self.GOOD.replace("useQueueUrlAsEndpoint", "other"))[0], 1)


class Runner(unittest.TestCase):
    """The counting of tools/test.py: what it does not see would never fail."""

    def setUp(self):
        sys.path.insert(0, os.path.join(ROOT, "tools"))
        import test as runner
        self.runner = runner
        sys.path.pop(0)

    def count(self, text, status=1):
        result = self.runner.Result(None)
        self.runner.count_python(result, status, text, None)
        return result.passed, result.failed, result.skipped

    def test_unittest(self):
        self.assertEqual(self.count("Ran 7 tests in 0.1s\n\nOK\n", 0), (7, 0, 0))
        self.assertEqual(self.count("Ran 1 test in 0.1s\n\nOK (skipped=1)\n", 0), (0, 0, 1))
        self.assertEqual(self.count("Ran 9 tests in 0.1s\n\nFAILED (failures=1, errors=2, skipped=3)\n"), (3, 3, 3))
        self.assertEqual(self.count("Ran 0 tests in 0.0s\n\nFAILED (errors=1)\n"), (0, 1, 0))
        self.assertEqual(self.count("Traceback\n"), (0, 0, 0))

    def test_files_of_a_server_suite(self):
        ok, bad, none = "Ran 3 tests in 1s\n\nOK (skipped=1)\n", "Ran 2 tests in 1s\n\nFAILED (errors=1)\n", "Ran 0 tests in 0s\n\nOK\n"
        for files, expected in ((((ok, 0), (bad, 1)), (3, 1, 1)), (((ok, 0), ("", -1)), (2, 1, 1)), (((ok, 1),), (2, 1, 1)),
                                (((ok, 0), (none, 0)), (2, 1, 1)), (((ok, 0), ("Traceback\n", 1)), (2, 1, 1)), ((), (0, 0, 0))):
            result = self.runner.Result(self.runner.Suite("e2e", "python", "tests/e2e"))
            for text, status in files:
                self.runner.add_file(result, "x", status, text)
            self.assertEqual((result.passed, result.failed, result.skipped), expected, files)

    def test_every_file_runs_once(self):
        for suite in self.runner.SUITES:
            if suite.server:
                names = [os.path.basename(path) for path in self.runner.files_of(suite)]
                there = [name for name in os.listdir(os.path.join(ROOT, suite.where)) if name.startswith("test_") and name.endswith(".py")]
                self.assertEqual(sorted(names), sorted(there))
                self.assertEqual(names[:len(suite.slow)], ["test_%s.py" % name for name in suite.slow])


if __name__ == "__main__":
    unittest.main()
