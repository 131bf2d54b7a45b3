#!/usr/bin/env python3
"""Runs the test suites, several at a time where that is safe, and counts every test case of every framework.

    tools/test.py [--list] [--build DIR] [--jobs N] [PART...]

Add a suite = one row in SUITES. A suite's own output goes to BUILD/test-logs/NAME.log; a failing one's is shown. The
closing line is `N passed, N failed` (`, N skipped`); the exit status is 0 only when nothing failed and no suite was empty.
"""
import argparse
import concurrent.futures
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SHOWN_LINES = 80


@dataclass
class Suite:
    name: str
    kind: str                  # script | counted | meson | python: how to run it and how to count its cases
    where: str                 # command, meson suite, or folder of test_*.py
    limit_seconds: int = 120
    alone: bool = False        # nothing else runs meanwhile (it measures, fills the machine, or takes fixed ports)
    server: bool = False       # starts servers of its own, which mostly wait: two such suites at a time
    pattern: str = "test_*.py" # of a python suite's files
    help: str = ""


SUITES = [
    Suite("layers", "script", "tools/layers.py", help="who may include whom"),
    Suite("sizes", "script", "tools/size.py", help="limits of files and functions"),
    Suite("tools", "python", "tests/tools", help="the checkers find what they should; reference pages are fresh"),
    Suite("unit", "meson", "unit", help="C, one file for one source file"),
    Suite("powerloss", "meson", "powerloss", 180, help="the store, killed and cut off from power at any sync"),
    Suite("fuzz", "meson", "fuzz", help="every parser over its corpus"),
    Suite("sim", "meson", "sim", 300, help="scheduler and states under a fake clock with seeded faults"),
    Suite("runtimes", "python", "tests/runtimes", 300, help="the bootstraps against a strict mock of the Runtime API"),
    Suite("cli", "python", "tests/cli", 300, help="the command line against a small server of its own"),
    Suite("api", "python", "tests/api", 600, server=True, help="AWS SDK and CLI against the server"),
    Suite("sandbox", "python", "tests/sandbox", 300, alone=True, help="escapes and limits"),
    Suite("snapshot", "python", "tests/snapshot", 240, alone=True, help="processes of every language, saved and restored"),
    Suite("vm", "counted", "tests/vm/run --build {build} --optional", 420, alone=True,
          help="cgroup v2 in an emulated guest, where one can be made"),
    Suite("e2e", "python", "tests/e2e", 900, server=True, pattern="test_[!s]*.py", help="README's commands, kill -9, the JavaScript SDK"),
    Suite("e2e-s", "python", "tests/e2e", 900, server=True, pattern="test_s*.py", help="snapshots, SDKs inside functions, start and stop"),
]


@dataclass
class Result:
    suite: Suite
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0
    log: str = ""
    notes: list = field(default_factory=list)


def count_script(result, status, text, options):
    result.passed, result.failed = (1, 0) if status == 0 else (0, 1)


def count_counted(result, status, text, options):
    """A program that ends with our own closing line."""
    said = re.findall(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", text, re.M)
    if said:
        result.passed, result.failed, result.skipped = (int(n or 0) for n in said[-1])


def count_meson(result, status, text, options):
    """Programs of the unit framework say how many cases they had; any other program is one case."""
    path = os.path.join(options.build, "meson-logs", "test-%s.json" % result.suite.name)
    try:
        with open(path, encoding="utf-8") as f:
            tests = [json.loads(line) for line in f]
    except (OSError, ValueError) as e:
        result.notes.append("no result of meson: %s" % e)
        tests = []
    for test in tests:
        said = re.findall(r"^(\d+) passed, (\d+) failed$", test.get("stdout", ""), re.M)
        good = test["result"] in ("OK", "EXPECTEDFAIL")
        if said:
            result.passed += int(said[-1][0])
            result.failed += int(said[-1][1]) or (0 if good else 1)
        elif test["result"] == "SKIP":
            result.skipped += 1
        else:
            result.passed, result.failed = result.passed + good, result.failed + (not good)


def count_python(result, status, text, options):
    ran = re.findall(r"^Ran (\d+) tests? in", text, re.M)
    end = re.findall(r"^(?:OK|FAILED)(?: \(([^)]*)\))?$", text, re.M)
    numbers = dict(part.split("=") for part in end[-1].split(", ")) if end and end[-1] else {}
    bad = sum(int(numbers.get(key, 0)) for key in ("failures", "errors", "unexpected successes"))
    result.skipped = int(numbers.get("skipped", 0))
    result.failed = bad
    result.passed = max(int(ran[-1]) if ran else 0, bad + result.skipped) - bad - result.skipped


def command_script(suite, options):
    return [sys.executable] + suite.where.format(build=options.build).split()


def command_meson(suite, options):
    return ["meson", "test", "-C", options.build, "--no-rebuild", "--suite", suite.where, "--print-errorlogs",
            "--logbase", "test-%s" % suite.name, "--num-processes", str(options.jobs)]


def command_python(suite, options):
    return [options.python, "-B", "-m", "unittest", "discover", "-v", "-s", suite.where, "-p", suite.pattern]


KINDS = {
    "script": (command_script, count_script),
    "counted": (command_script, count_counted),
    "meson": (command_meson, count_meson),
    "python": (command_python, count_python),
}


def python_with_sdk():
    """The API tests need boto3: the python3 on PATH may have it, or Debian's own."""
    for python in ("python3", "/usr/bin/python3"):
        if subprocess.run([python, "-c", "import boto3"], capture_output=True).returncode == 0:
            return python
    return "/usr/bin/python3"


def default_signals():
    """A shell's background job ignores SIGINT, and would hand that on; tests of programs that end by it need it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def run_command(command, env, log, limit_seconds):
    """Exit status; -1 when the limit passed: then the whole process group, which is ours, was ended."""
    with open(log, "wb") as out:
        process = subprocess.Popen(command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=out,
                                   stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=default_signals)
        try:
            return process.wait(limit_seconds)
        except BaseException as e:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            if isinstance(e, subprocess.TimeoutExpired):
                return -1
            raise


def run_suite(suite, options):
    command, count = KINDS[suite.kind]
    result = Result(suite, log=os.path.join(options.build, "test-logs", suite.name + ".log"))
    start = time.monotonic()
    status = run_command(command(suite, options), options.env, result.log, suite.limit_seconds)
    result.seconds = time.monotonic() - start
    with open(result.log, encoding="utf-8", errors="replace") as f:
        text = f.read()
    count(result, status, text, options)
    if status == -1:
        result.notes.append("stopped after %d s" % suite.limit_seconds)
    if status and not result.failed:
        result.failed = 1
        result.notes.append("exit status %d" % status)
    if not result.passed + result.failed + result.skipped:
        result.failed = 1
        result.notes.append("no tests were found")
    report(result, text)
    return result


def report(result, text):
    skipped = ", %d skipped" % result.skipped if result.skipped else ""
    notes = "  (%s)" % "; ".join(result.notes) if result.notes else ""
    lines = ["%-4s %-9s %5d passed, %d failed%s  %.1f s%s" % (
        "FAIL" if result.failed else "ok", result.suite.name, result.passed, result.failed, skipped, result.seconds, notes)]
    if result.failed:
        tail = text.rstrip().split("\n")[-SHOWN_LINES:]
        lines += ["  | " + line for line in tail] + ["  whole output: %s" % os.path.relpath(result.log, ROOT)]
    print("\n".join(lines), flush=True)


def run_all(suites, options):
    results = []
    for some, jobs in (([s for s in suites if not s.alone and not s.server], options.jobs), ([s for s in suites if s.server], 2)):
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            results += pool.map(lambda s: run_suite(s, options), some)
    for suite in suites:
        if suite.alone:
            results.append(run_suite(suite, options))
    return results


def build_tests(options):
    """Meson builds test programs only when asked: all of them at once, so that suites need not wait for each other."""
    listed = subprocess.run(["meson", "introspect", "--targets", options.build], capture_output=True, check=True, text=True)
    tests = os.path.join(ROOT, "tests") + os.sep
    targets = sorted({os.path.relpath(name, options.build) for target in json.loads(listed.stdout)
                      if target["defined_in"].startswith(tests) for name in target["filename"]})
    done = subprocess.run(["ninja", "-C", options.build, "--quiet"] + targets, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        print(done.stdout)
    return done.returncode


def parse(argv):
    parser = argparse.ArgumentParser(prog="./test", description="Runs the tests; without PART, all of them.")
    parser.add_argument("--list", action="store_true", help="say which parts there are")
    parser.add_argument("--build", default="build", help="build folder")
    parser.add_argument("--jobs", type=int, default=max(1, min(4, os.cpu_count() or 1)), help="suites at a time")
    parser.add_argument("parts", nargs="*", metavar="PART")
    options = parser.parse_args(argv)
    unknown = [p for p in options.parts if p not in [s.name for s in SUITES]]
    if unknown:
        parser.error("no part %s; there are: %s" % (" ".join(unknown), " ".join(s.name for s in SUITES)))
    options.build = os.path.join(ROOT, options.build)
    return options


def main():
    options = parse(sys.argv[1:])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # through run_command, which ends the suite that runs
    if options.list:
        for suite in SUITES:
            print("%-10s %s" % (suite.name, suite.help))
        return 0
    suites = [s for s in SUITES if not options.parts or s.name in options.parts]
    os.makedirs(os.path.join(options.build, "test-logs"), exist_ok=True)
    if any(s.kind != "script" for s in suites) and build_tests(options) != 0:
        print("the test programs do not compile\n0 passed, 1 failed")
        return 1
    options.python = python_with_sdk()
    options.env = dict(os.environ, MAYFLY_BUILD=options.build, BUILD=options.build,
                       MAYFLY_BIN=os.path.join(options.build, "mayfly"), PYTHONDONTWRITEBYTECODE="1", AWS_EC2_METADATA_DISABLED="true")
    start = time.monotonic()
    results = run_all(suites, options)
    total = [sum(getattr(r, what) for r in results) for what in ("passed", "failed", "skipped")]
    print("%d suites in %.0f s" % (len(results), time.monotonic() - start))
    print("%d passed, %d failed" % (total[0], total[1]) + (", %d skipped" % total[2] if total[2] else ""))
    return 1 if total[1] else 0


if __name__ == "__main__":
    sys.exit(main())
