"""As plain.py, with threads in every kind of wait when the image is taken."""
import concurrent.futures
import queue
import threading
import time

import plain

work, done = queue.Queue(), queue.Queue()
never, turn = threading.Event(), threading.Condition()
ticks = 0
mine = threading.local()


def serve():
    mine.served = 0
    while True:
        n = work.get()
        mine.served += 1
        done.put((2 * n, mine.served, threading.get_native_id()))


def tick():
    global ticks
    while not never.wait(0.02):
        with turn:
            ticks += 1
            turn.notify_all()


def sleep():
    while True:
        time.sleep(3600)


pool = concurrent.futures.ThreadPoolExecutor(2)
list(pool.map(lambda n: n, range(4)))
for target in (serve, tick, sleep):
    threading.Thread(target=target, name=target.__name__, daemon=True).start()


def handler(event, context):
    answer = plain.handler(event, context)
    work.put(event["n"])
    twice, served, tid = done.get(timeout=5)
    assert twice == answer["twice"] and served == answer["calls"], (twice, served, answer)
    assert tid in [t.native_id for t in threading.enumerate()], "a thread's id changed"
    with turn:
        before = ticks
        assert turn.wait_for(lambda: ticks > before, 5), "the clock thread stands"
    assert list(pool.map(lambda n: n * n, range(3))) == [0, 1, 4]
    return answer
