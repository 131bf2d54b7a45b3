"""Starts that cannot work say what is wrong, where, and what to do; a full disk refuses, and service resumes."""
import os
import shutil
import socket
import subprocess
import tempfile
import unittest

from support import MAYFLY, alive, call, run, wait_until
from harness import ROLE, Server, zip_of

CODE = {"app.py": "def handler(e, c):\n    return e\n"}


class Start(unittest.TestCase):
    def setUp(self):
        self.data = tempfile.mkdtemp(prefix="mayfly-test-")
        self.addCleanup(shutil.rmtree, self.data, ignore_errors=True)

    def refused(self, *options, status=1, data=None, words=None):
        """Standard error of a server that must not start."""
        command = [*(words or []), MAYFLY, "server", "--data", data or self.data, "--listen", "127.0.0.1:0", *options]
        done = run(*command, seconds=30)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertEqual(done.stdout, "")
        self.assertTrue(done.stderr.strip(), "said nothing")
        return done.stderr

    def test_port_taken(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            s.listen()
            port = s.getsockname()[1]
            said = self.refused("--listen", "127.0.0.1:%d" % port)
        self.assertIn(str(port), said)
        self.assertRegex(said.lower(), "in use")

    def test_listen_address_that_is_none(self):
        for address in ("nonsense", "127.0.0.1:99999", "127.0.0.1:", ":4566:1"):
            self.assertIn(address, self.refused("--listen", address, status=2))

    def test_address_of_another_machine(self):
        self.assertIn("192.0.2.1", self.refused("--listen", "192.0.2.1:0"))

    def test_data_folder_of_another_version(self):
        with open(os.path.join(self.data, "format"), "w", encoding="utf-8") as f:
            f.write("mayfly 99\n")
        said = self.refused()
        self.assertIn("mayfly 99", said)
        self.assertIn(self.data, said)

    def test_folder_that_is_no_data_folder(self):
        with open(os.path.join(self.data, "my-thesis.txt"), "w", encoding="utf-8"):
            pass
        self.assertIn("not empty", self.refused())
        self.assertEqual([f for f in os.listdir(self.data) if f != "lock"], ["my-thesis.txt"])

    def test_data_path_that_is_a_file(self):
        path = os.path.join(self.data, "file")
        with open(path, "w", encoding="utf-8"):
            pass
        self.assertIn(path, self.refused(data=path))

    def test_data_folder_that_is_not_writable(self):
        subprocess.run(["mount", "-t", "tmpfs", "-o", "ro,size=1m", "none", self.data], check=True)
        self.addCleanup(subprocess.run, ["umount", self.data], check=True)
        said = self.refused()
        self.assertIn("not writable", said)
        self.assertIn(self.data, said)

    def test_two_servers_on_one_folder(self):
        with Server() as server:
            said = self.refused(data=server.data)
            self.assertIn("in use by another server", said)
            self.assertIn(str(server.process.pid), said)
            self.assertEqual(server.client().list_functions()["Functions"], [])

    def test_not_root(self):
        if not shutil.which("setpriv"):
            self.skipTest("setpriv is not installed")
        os.chmod(self.data, 0o777)
        # The build folder may be out of other users' reach; the program is then run from a copy.
        place = tempfile.mkdtemp(prefix="mayfly-copy-")
        self.addCleanup(shutil.rmtree, place)
        os.chmod(place, 0o755)
        for name in ("mayfly", "mayflyd", "mayfly-control", "mayfly-init", "mayfly-unpack"):
            shutil.copy(os.path.join(os.path.dirname(MAYFLY), name), place)
        done = run("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", os.path.join(place, "mayfly"), "server",
                   "--data", self.data, "--listen", "127.0.0.1:0", cwd="/")
        self.assertGreater(done.returncode, 0, done)
        self.assertIn("root", done.stderr)
        self.assertEqual(os.listdir(self.data), [])

    def test_unknown_option_and_bad_values(self):
        self.assertIn("--nonsense", self.refused("--nonsense", "1", status=2))
        self.assertIn("drain-seconds", self.refused("--drain-seconds", "soon", status=2))
        self.assertIn("network", self.refused("--network", "wifi", status=2))
        self.assertIn("account", self.refused("--account", "12", status=2))
        self.assertEqual(os.listdir(self.data), [])

    def test_started_without_standard_descriptors(self):
        """Nothing that is printed may go into a file that took their place."""
        process = subprocess.Popen(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", MAYFLY, "server", "--data", self.data, "--listen", "127.0.0.1:0"])
        try:
            wait_until(lambda: os.path.exists(os.path.join(self.data, "store", "kv.db")), 20, "the server started")
            for fd in range(3):
                self.assertEqual(os.readlink("/proc/%d/fd/%d" % (process.pid, fd)), "/dev/null")
        finally:
            process.terminate()
            self.assertEqual(process.wait(20), 0)

    def test_lets_go_of_what_the_machine_unmounts(self):
        subprocess.run(["mount", "-t", "tmpfs", "none", self.data], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", self.data])
        subprocess.run(["mount", "--make-shared", self.data], check=True)
        disk = os.path.join(self.data, "disk")
        os.mkdir(disk)
        subprocess.run(["mount", "-t", "tmpfs", "none", disk], check=True)
        with Server() as server:
            server.deploy(CODE)
            subprocess.run(["umount", disk], check=True)
            holders = []
            for pid in server.children():
                try:
                    with open("/proc/%d/mountinfo" % pid) as f:
                        holders += [pid for line in f if disk in line]
                except OSError:
                    self.assertFalse(alive(pid))  # it ended meanwhile
            self.assertEqual(holders, [])

    def test_help(self):
        done = run(MAYFLY, "server", "--help")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for option in ("--data", "--listen", "--drain-seconds", "--network"):
            self.assertIn(option, done.stdout)

    def test_runtime_that_is_not_installed(self):
        missing = os.path.join(self.data, "python9.9")
        server = Server("--python", missing)
        self.addCleanup(server.close)
        name = server.deploy({"bootstrap": ("#!/bin/sh\nexit 3\n", 0o755)}, "provided.al2023", "x")
        self.assertEqual(call(server.client(), name)[1]["errorType"], "Runtime.ExitError")
        from botocore.exceptions import ClientError
        try:
            name = server.deploy(CODE)
            got, body = call(server.client(), name)
            said = "%s %s" % (body.get("errorType"), body.get("errorMessage"))
        except ClientError as e:
            said = str(e)
        self.assertIn(missing, said)

    def test_first_start_makes_the_key_and_later_ones_keep_it(self):
        path = os.path.join(self.data, "new", "folder")
        server = Server(data=path, start=False)
        server.errors = self.data + ".log"
        try:
            server.start()
            key = server.credentials()
            self.assertEqual(os.stat(os.path.join(path, "credentials")).st_mode & 0o777, 0o600)
            self.assertEqual(server.stop(), 0)
            server.start()
            self.assertEqual(server.credentials(), key)
        finally:
            self.assertEqual(server.stop(), 0)
            os.unlink(server.errors)


class FullDisk(unittest.TestCase):
    def test_refused_while_full_then_served(self):
        data = tempfile.mkdtemp(prefix="mayfly-test-")
        self.addCleanup(os.rmdir, data)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m,mode=755", "none", data], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", data], check=True)
        server = Server("--tmp-disk", "512", data=data)
        self.addCleanup(lambda: os.unlink(server.errors))
        self.addCleanup(server.stop)
        client = server.client()
        kept, refusals = [server.deploy(CODE)], []
        from botocore.exceptions import ClientError
        for n in range(20):
            noise = zip_of({**CODE, "noise": os.urandom(4 << 20)})
            name = "full-%d" % n
            try:
                client.create_function(FunctionName=name, Runtime="python3.11", Handler="app.handler", Role=ROLE, Code={"ZipFile": noise})
                client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.05, "MaxAttempts": 200})
                kept.append(name)
            except ClientError as e:
                refusals.append(e.response)
                if len(refusals) == 3:
                    break
        self.assertEqual(len(refusals), 3, "the disk never filled")
        for r in refusals:
            self.assertIn(r["ResponseMetadata"]["HTTPStatusCode"], (400, 500, 503, 507), r)
            self.assertRegex(r["Error"]["Message"].lower(), "space|full|storage", r)
        names = sorted(f["FunctionName"] for f in client.list_functions()["Functions"])
        self.assertEqual(names, sorted(kept))
        for name in kept:
            self.assertEqual(call(client, name, {"a": 1})[1], {"a": 1})
        client.delete_function(FunctionName=kept.pop())
        # What a deleted function took is freed in the background.
        def room():
            try:
                kept.append(server.deploy({**CODE, "noise": os.urandom(1 << 20)}))
                return True
            except ClientError:
                return False
        wait_until(room, 20, "room again after a deletion")
        self.assertEqual(server.stop(), 0)
        server.start()
        for name in kept:
            self.assertEqual(call(server.client(), name, {"b": 1})[1], {"b": 1})


if __name__ == "__main__":
    unittest.main()
