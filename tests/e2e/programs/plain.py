"""The common contract of these programs: {"n": N} is answered with 2 N, what init made, and how often this environment was
called; "gc" collects garbage, "s" sleeps, "exit" ends the process."""
import gc
import os
import random
import time
import uuid

LOADED = os.urandom(8).hex()
TABLE = {n: str(n) * 3 for n in range(20000)}
calls = 0
kept = []


def churn(n):
    """Grows and shrinks; some of it stays for a while."""
    kept.append([bytearray(1000 + i) for i in range(n % 50)])
    del kept[:-20]
    cycle = {"table": dict(list(TABLE.items())[:200])}
    cycle["self"] = cycle


def handler(event, context):
    global calls
    calls += 1
    if event.get("exit"):
        os._exit(3)
    if event.get("s"):
        time.sleep(event["s"])
    n = event["n"]
    churn(n)
    if event.get("gc"):
        gc.collect()
    assert TABLE[n % 20000] == str(n % 20000) * 3
    answer = {"n": n, "twice": 2 * n, "loaded": LOADED, "calls": calls}
    if event.get("unique"):
        import secrets
        import ssl
        answer["unique"] = {"random": random.random(), "uuid4": str(uuid.uuid4()), "secrets": secrets.token_hex(8),
                            "urandom": os.urandom(8).hex(), "openssl": ssl.RAND_bytes(8).hex(), "shuffled": random.getrandbits(60)}
    return answer
