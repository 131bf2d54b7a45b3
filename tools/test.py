#!/usr/bin/env python3
"""Runs the test suites, several at a time where that is safe, and counts every test case of every framework.

    tools/test.py [--list] [--build DIR] [--jobs N] [PART...]

Add a suite = one row in SUITES. A suite's own output goes to BUILD/test-logs/NAME.log; a failing one's is shown. Suites of
tests that start servers run file by file, each a process, since they mostly wait: whoever is free takes the next file. The
closing line is `N passed, N failed` (`, N skipped`); the exit status is 0 only when nothing failed and no suite was empty.
"""
import argparse
import concurrent.futures
import glob
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
    limit_seconds: int = 120   # of a server suite: for each file
    alone: bool = False        # nothing else runs meanwhile (it measures, fills the machine, or takes fixed ports)
    server: bool = False       # of tests that mostly wait (for a server of their own): its files run beside each other and other suites'
    slow: tuple = ()           # of its files, the slowest ones: they begin, so that none is the last
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
    Suite("api", "python", "tests/api", 300, server=True, slow=("aws_cli", "events", "functions", "scheduler"), help="AWS SDK and CLI against the server"),
    Suite("sandbox", "python", "tests/sandbox", 240, server=True, slow=("restore", "groups", "limits"), help="escapes and limits"),
    Suite("snapshot", "python", "tests/snapshot", 240, server=True, slow=("dump", "restore"), help="processes of every language, saved and restored"),
    Suite("vm", "counted", "tests/vm/run --build {build} --optional", 420, alone=True,
          help="cgroup v2 in an emulated guest, where one can be made"),
    Suite("e2e", "python", "tests/e2e", 400, server=True,
          slow=("snapshot", "snapshot_memory", "readme", "mapping_flow", "load", "run", "snapshot_soak", "snapshot_faults", "snapshot_fresh", "runtimes",
                "bad_functions", "snapshot_hooks"),
          help="README's commands, kill -9, snapshots, SDKs of every language"),
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


def command_python(suite, options, files="test_*.py"):
    return [options.python, "-B", "-m", "unittest", "discover", "-v", "-s", suite.where, "-p", files]


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


def add_file(result, name, status, text):
    """One file of a server suite. What is no failure of a test, but no good end either, counts as one."""
    part = Result(result.suite)
    count_python(part, status, text, None)
    if status == -1:
        result.notes.append("%s: stopped after %d s" % (name, result.suite.limit_seconds))
    elif not part.passed + part.failed + part.skipped:
        result.notes.append("%s: no tests were found" % name)
    if not part.failed and (status or not part.passed + part.skipped):
        part.failed = 1
    result.passed, result.failed, result.skipped = result.passed + part.passed, result.failed + part.failed, result.skipped + part.skipped


def run_file(suite, path, options):
    """(name, seconds, status, output) of one file of a server suite."""
    name = os.path.basename(path)[len("test_"):-len(".py")]
    log = os.path.join(options.build, "test-logs", "%s-%s.log" % (suite.name, name))
    start = time.monotonic()
    status = run_command(command_python(suite, options, os.path.basename(path)), options.env, log, suite.limit_seconds)
    with open(log, encoding="utf-8", errors="replace") as f:
        text = f.read()
    os.unlink(log)
    return name, time.monotonic() - start, status, text


def files_of(suite):
    """Slow ones first; the others as they are called."""
    paths = sorted(glob.glob(os.path.join(ROOT, suite.where, "test_*.py")))
    order = ["test_%s.py" % name for name in suite.slow]
    return sorted(paths, key=lambda p: order.index(os.path.basename(p)) if os.path.basename(p) in order else len(order))


def join_files(suite, done, options):
    """The suite's result of its files'. Failing files come last in the log: its end is what is shown."""
    result = Result(suite, log=os.path.join(options.build, "test-logs", suite.name + ".log"))
    if not done:
        result.failed, result.notes = 1, ["no tests were found"]
    text = ""
    for name, seconds, status, said in sorted(done, key=lambda d: (d[2] != 0, -d[1])):
        add_file(result, name, status, said)
        result.seconds += seconds
        text += "==== test_%s.py: %.1f s\n%s\n" % (name, seconds, said)
    with open(result.log, "w", encoding="utf-8") as f:
        f.write(text)
    report(result, text)
    return result


def run_servers(suites, options):
    """File by file, one more at a time than other suites. Their seconds are the sum over files that ran beside each other."""
    with concurrent.futures.ThreadPoolExecutor(options.jobs + 1) as pool:
        slow_first = sorted(((i >= len(suite.slow), suite, path) for suite in suites for i, path in enumerate(files_of(suite))),
                        key=lambda w: (w[0], -w[1].limit_seconds))
        work = [(suite, path) for _, suite, path in slow_first]
        under_way = [(suite, pool.submit(run_file, suite, path, options)) for suite, path in work]
        try:
            return [join_files(suite, [f.result() for s, f in under_way if s is suite], options) for suite in suites]
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # after a signal nothing more begins


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
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        results = list(pool.map(lambda s: run_suite(s, options), [s for s in suites if not s.alone and not s.server]))
    results += run_servers([s for s in suites if s.server], options)
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
