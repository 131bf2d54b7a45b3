#!/usr/bin/env python3
"""make soak: restores over all runtimes, each for one invocation; every answer is checked, and nothing may be left over.

    tests/soak/soak.py [--restores 20000] [--clients 4] [--programs python,go,...] [--server-arg=OPTION]

Prints what the server held before and after. Exit status 0 only when no answer failed and nothing grew. MAYFLY_BIN names the
program (default: build/mayfly).
"""
import argparse
import os
import sys
import threading
import time
import unittest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "e2e"), os.path.join(HERE, "..", "api")]

import counts  # noqa: E402
from harness import Server  # noqa: E402
from programs import PROGRAMS  # noqa: E402
from snapshot_case import SINGLE, Caller, snapshots  # noqa: E402

IMAGE_SECONDS = 60
WARM_UP = 20  # restores of each, before the first count


class Soak:
    def __init__(self, server, programs, clients, say=print):
        self.server, self.clients, self.say = server, clients, say
        self.functions, self.loaded = {}, {}
        self.failures, self.lock = [], threading.Lock()
        for program in programs:
            try:
                self.functions[program.name] = program.deploy(server, tags=SINGLE)
            except unittest.SkipTest as e:
                say("left out: %s: %s" % (program.name, e))

    def state(self, function):
        return next((v for v in snapshots(self.server)["versions"] if v["function"] == function), {})

    def prepare(self):
        """Every function has its image."""
        for name, function in self.functions.items():
            caller = Caller(self.server, function)
            caller.call({"n": 1}).value
            end = time.monotonic() + IMAGE_SECONDS
            while "image" not in self.state(function):
                if time.monotonic() > end or self.state(function).get("state") == "unusable":
                    raise SystemExit("soak: %s has no image: %s" % (name, self.state(function)))
                time.sleep(0.05)
            answer = caller.call({"n": 1}, log=True)
            if answer.kind != "restored":
                raise SystemExit("soak: %s was not restored: %s" % (name, answer.log))
            self.loaded[name] = answer.value["loaded"]
            caller.close()

    def one(self, name, caller, n):
        answer = caller.call({"n": n})
        expected = {"n": n, "twice": 2 * n, "loaded": self.loaded[name], "calls": 1}
        if answer.value != expected:
            raise AssertionError("%r instead of %r" % (answer.value, expected))

    def work(self, numbers):
        callers = {name: Caller(self.server, function) for name, function in self.functions.items()}
        names = list(callers)
        for n in numbers:
            name = names[n % len(names)]
            try:
                self.one(name, callers[name], n)
            except Exception as e:
                with self.lock:
                    self.failures.append("%s, %d: %s: %s" % (name, n, type(e).__name__, e))
                    if len(self.failures) > 50:
                        return
                callers[name].close()
        for caller in callers.values():
            caller.close()

    def run(self, restores):
        """So many restores; seconds that they took."""
        start = time.monotonic()
        threads = [threading.Thread(target=self.work, args=(range(i, restores, self.clients),)) for i in range(self.clients)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        return time.monotonic() - start

    def restores(self):
        """(restored, failed) of all functions, as the server counts them."""
        states = [self.state(f) for f in self.functions.values()]
        return sum(s.get("restores", 0) for s in states), sum(s.get("failed_restores", 0) for s in states)


def soak(server, programs, restores, clients, say=print):
    """The problems found; none is good."""
    s = Soak(server, programs, clients, say)
    s.prepare()
    s.run(WARM_UP * len(s.functions))
    before, restored = counts.settled(server), s.restores()
    seconds = s.run(restores)
    after, now = counts.settled(server), s.restores()
    problems = list(s.failures)
    say(counts.table(before, after))
    say("\n%d invocations in %.1f s, %.0f a second, over %s; %d failed answers; %d restores, %d of them failed" % (
        restores, seconds, restores / seconds, " ".join(s.functions), len(s.failures), now[0] - restored[0], now[1] - restored[1]))
    if (now[0] - restored[0], now[1] - restored[1]) != (restores, 0):
        problems.append("%d restores for %d invocations, %d failed ones" % (now[0] - restored[0], restores, now[1] - restored[1]))
    return problems + counts.grown(before, after)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--restores", type=int, default=20000)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--programs", default="", help="some of: " + " ".join(p.name for p in PROGRAMS))
    parser.add_argument("--server-arg", action="append", default=[])
    options = parser.parse_args()
    wanted = options.programs.split(",") if options.programs else [p.name for p in PROGRAMS]
    with Server("--pool", "8", *options.server_arg) as server:
        problems = soak(server, [p for p in PROGRAMS if p.name in wanted], options.restores, options.clients)
    for problem in problems[:20]:
        print("FAILED: " + problem)
    print("soak: %s" % ("%d problems" % len(problems) if problems else "nothing failed, nothing grew"))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
