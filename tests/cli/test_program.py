"""The program itself: finding the server, help, errors, logs, top, doctor, completion."""
import json
import os
import shutil
import socket
import subprocess
import time
import unittest

from cli_case import CliCase, KEY, LIMIT_SECONDS, MAYFLY, SECRET

METRICS = """# TYPE mayfly_invocations_total counter
mayfly_invocations_total{function="thumb"} 7
mayfly_invocation_errors_total{function="thumb",kind="function"} 1
mayfly_invocation_errors_total{function="thumb",kind="timeout"} 2
mayfly_duration_seconds_sum{function="thumb"} 0.035
mayfly_duration_seconds_count{function="thumb"} 7
mayfly_environments{state="idle"} 3
mayfly_concurrent_invocations 4
mayfly_environment_memory_bytes 134217728
"""


class Usage(CliCase):
    def test_help(self):
        text = self.out("help")
        for name in ("deploy", "invoke", "logs", "doctor", "--endpoint URL"):
            self.assertIn(name, text)
        self.assertNotIn("reference", text)
        self.assertEqual(self.run_cli(status=2).stdout, "")
        for line in text.split("options of")[0].splitlines():
            if line.startswith("  "):
                one = self.out(line.split()[0], "--help")
                self.assertIn("usage: mayfly " + line.split()[0], one)

    def test_settings_of_the_server(self):
        self.assertIn("--drain-seconds N", self.out("server", "--help"))

    def test_mistakes(self):
        self.assertIn("did you mean deploy?", self.failure("depoly", status=2))
        self.assertIn("mayfly help lists them", self.failure("zzzzz", status=2))
        self.assertIn("did you mean --memory?", self.failure("deploy", "x", "--memroy", "1", status=2))
        self.assertIn("usage: mayfly deploy DIR", self.failure("deploy", "x", "--memory", "1", status=2))
        self.assertIn("something is missing: mayfly invoke NAME", self.failure("invoke", status=2))
        self.assertIn("too many arguments", self.failure("invoke", "a", "b", status=2))

    def test_options_before_the_command(self):
        self.deploy()
        self.assertEqual(self.out("--quiet", "--output", "json", "list", "--names")[0], "[")

    def test_version(self):
        self.assertRegex(self.out("version"), r"^mayfly \d+\.\d+\.\d+\n$")
        self.assertIn("version", json.loads(self.out("version", "--output", "json")))


class Finding(CliCase):
    def test_no_server(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.env["AWS_ENDPOINT_URL"] = "http://127.0.0.1:%d" % s.getsockname()[1]
            text = self.failure("list")
        self.assertIn("nothing answers at http://127.0.0.1:", text)
        self.assertIn("mayfly server", text)

    def test_wrong_key(self):
        self.env["AWS_SECRET_ACCESS_KEY"] = "another"
        text = self.failure("list")
        self.assertIn("The signature: it differs", text)
        self.assertIn("refused the access key from the environment", text)

    def test_data_folder(self):
        self.write("data/credentials", "[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n" % (KEY, SECRET))
        self.write("data/config", "[default]\nregion = us-east-1\nendpoint_url = %s\n" % self.server.url)
        self.env = {"PATH": self.env["PATH"]}
        self.assertEqual(self.run_cli("list", "--data", "data").returncode, 0)
        lines = self.out("env", "--data", "data", "--alias")
        told = subprocess.run(["sh", "-c", lines + '\necho "$AWS_ENDPOINT_URL $AWS_ACCESS_KEY_ID $AWS_SECRET_ACCESS_KEY $AWS_REGION"; type aws'],
                              capture_output=True, text=True, timeout=LIMIT_SECONDS)
        self.assertEqual(told.stdout.splitlines()[0], "%s %s %s us-east-1" % (self.server.url, KEY, SECRET))
        self.assertIn("function", told.stdout.splitlines()[1])

    def test_env_quotes(self):
        self.env["AWS_SECRET_ACCESS_KEY"] = "a'b$(touch x)`"
        told = subprocess.run(["sh", "-c", self.out("env") + '\nprintf %s "$AWS_SECRET_ACCESS_KEY"'], capture_output=True, text=True)
        self.assertEqual(told.stdout, "a'b$(touch x)`")

    def test_no_key(self):
        self.env = {"PATH": self.env["PATH"], "AWS_ENDPOINT_URL": self.server.url, "HOME": self.folder}
        self.assertIn("access key", self.failure("list"))
        self.assertIn("well", self.out("health"))

    def test_names_with_odd_characters_are_signed_as_sent(self):
        self.assertIn("Function not found", self.failure("info", "arn:aws:lambda:us-east-1:000000000000:function:a b/ü*"))


class Logs(CliCase):
    def setUp(self):
        super().setUp()
        self.deploy()
        self.now = int(time.time() * 1000)

    def event(self, number, age_ms, text):
        self.server.events.append({"eventId": str(number), "timestamp": self.now - age_ms, "message": text, "logStreamName": "s"})

    def test_pages_age_and_request(self):
        for i in range(5):
            self.event(i, 60000 - i, "line %d\n" % i)
        self.event(9, 3600000, "old abc\n")
        self.assertEqual([line.split(" ", 1)[1] for line in self.out("logs", "thumb").splitlines()], ["line %d" % i for i in range(5)])
        self.assertIn("old abc", self.out("logs", "thumb", "--since", "2h"))
        self.assertEqual(self.out("logs", "thumb", "--request", "abc").count("\n"), 1)
        self.assertEqual(self.out("logs", "thumb", "--limit", "2").count("\n"), 2)
        self.assertEqual(json.loads(self.out("logs", "thumb", "--limit", "1", "--output", "json"))["message"], "line 0\n")

    def test_control_characters_do_not_reach_the_terminal(self):
        self.event(1, 10, "a\x1b[2Jb\tc\n")
        self.assertIn("a?[2Jb\tc", self.out("logs", "thumb"))

    def test_nothing(self):
        self.assertIn("no line in the last 10m", self.run_cli("logs", "thumb").stderr)
        self.assertIn("Function not found", self.failure("logs", "nobody"))
        self.assertIn("--since takes an age", self.failure("logs", "thumb", "--since", "soon"))

    def test_follow(self):
        self.event(1, 10, "first\n")
        process = self.start("logs", "-f", "thumb")
        try:
            self.assertIn("first", process.stdout.readline())
            self.event(2, 0, "second\n")
            self.event(3, 15, "late\n")
            self.assertEqual({process.stdout.readline().split()[1] for _ in range(2)}, {"second", "late"})
        finally:
            process.terminate()
            process.communicate(timeout=LIMIT_SECONDS)


class Machine(CliCase):
    def test_top(self):
        self.server.metrics = METRICS
        text = self.out("top")
        self.assertIn("3 idle", text)
        self.assertEqual([line for line in text.splitlines() if line.startswith("thumb")][0].split(), "thumb 7 - 3 0 0 5.0 ms".split())
        got = json.loads(self.out("top", "--output", "json"))
        self.assertEqual((got["running"], got["functions"][0]["errors"]), (4, 3))

    def test_top_tells_cold_starts_by_kind(self):
        def buckets(kind, phase, *counts):
            return "".join('mayfly_cold_start_seconds_bucket{kind="%s",phase="%s",le="%s"} %d\n' % (kind, phase, le, n)
                           for le, n in zip(("0.001", "0.002", "0.1", "+Inf"), counts))
        self.assertNotIn("COLD START", self.out("top"))
        self.server.metrics = METRICS + buckets("start", "total", 0, 0, 4, 4) + buckets("start", "init", 0, 4, 4, 4) + \
            buckets("restore", "total", 0, 10, 10, 10) + buckets("restore", "restore", 10, 10, 10, 10) + buckets("restore", "init", 0, 0, 0, 0)
        lines = {line.split()[0]: line for line in self.out("top").splitlines() if line}
        self.assertEqual(lines["start"].split(), "start 4 - - 1.5 ms / 2.0 ms - - - 51.0 ms / 99.0 ms".split())
        self.assertEqual(lines["restore"].split(), "restore 10 - - - 0.5 ms / 1.0 ms - - 1.5 ms / 2.0 ms".split())
        cold = json.loads(self.out("top", "--output", "json"))["cold_starts"]
        self.assertEqual((cold["restore"]["count"], cold["start"]["init"]["median_ms"]), (10, 1.5))

    def test_health(self):
        self.assertEqual(json.loads(self.out("health", "--output", "json"))["status"], "ok")

    def test_doctor(self):
        os.makedirs(os.path.join(self.folder, "cgroup"))
        good = subprocess.run([MAYFLY, "doctor", "--output", "json"], env=self.env, capture_output=True, text=True, timeout=LIMIT_SECONDS)
        names = {row["name"]: row for row in json.loads(good.stdout)}
        self.assertEqual(names["namespaces"]["level"], "good")
        self.assertEqual(good.returncode, int(any(row["level"] == "missing" for row in names.values())))
        self.env["MAYFLY_CGROUP_ROOT"] = os.path.join(self.folder, "cgroup")
        text = self.out("doctor", status=1)
        self.assertIn("lacks: memory cpu pids", text)
        self.assertIn("mount -t cgroup2", text)

    def test_doctor_tells_which_sdks_functions_find(self):
        """Those of the runtimes beside the program."""
        program = os.path.join(self.folder, "installed", "bin", "mayfly")
        runtimes = os.path.join(self.folder, "installed", "share", "mayfly", "runtimes")
        os.makedirs(os.path.dirname(program))
        os.makedirs(os.path.join(runtimes, "python"))
        shutil.copy2(MAYFLY, program)
        self.write(os.path.join(runtimes, "python", "bootstrap.py"), "")

        def row():
            done = subprocess.run([program, "doctor", "--output", "json"], env=self.env, capture_output=True, text=True, timeout=LIMIT_SECONDS)
            return next(r for r in json.loads(done.stdout) if r["name"] == "SDKs")

        self.assertRegex(row()["finding"], "boto3, no @aws-sdk clients$")
        self.assertIn("tools/build-sdks", row()["remedy"])
        os.makedirs(os.path.join(runtimes, "node_modules", "@aws-sdk", "client-lambda"))
        self.write(os.path.join(runtimes, "node_modules", "@aws-sdk", "client-lambda", "package.json"), "{}")
        self.assertRegex(row()["finding"], "boto3, @aws-sdk clients$")

    def test_bash_completion(self):
        self.deploy()
        script = self.write("complete.bash", self.out("completion", "bash"))

        def complete(*words):
            line = 'source %s; PATH=%s:$PATH; COMP_WORDS=(%s); COMP_CWORD=%d; _mayfly; echo "${COMPREPLY[*]}"' % (
                script, os.path.dirname(MAYFLY), " ".join("'%s'" % w for w in words), len(words) - 1)
            return subprocess.run(["bash", "-c", line], env=self.env, capture_output=True, text=True, timeout=LIMIT_SECONDS).stdout.split()

        self.assertEqual(complete("mayfly", "de"), ["deploy", "delete"])
        self.assertEqual(complete("mayfly", "deploy", "--mem"), ["--memory"])
        self.assertEqual(complete("mayfly", "invoke", "th"), ["thumb"])
        self.assertEqual(complete("mayfly", "logs", "--fo"), ["--follow"])
        self.assertEqual(complete("mayfly", "events", "th"), ["thumb"])
        self.assertEqual(complete("mayfly", "queue", "p"), ["peek", "purge"])

    def test_other_shells(self):
        self.assertTrue(self.out("completion", "zsh").startswith("#compdef mayfly\n"))
        self.assertIn("-l memory", self.out("completion", "fish"))
        self.assertIn("bash, zsh and fish", self.failure("completion", "tcsh"))


if __name__ == "__main__":
    unittest.main()
