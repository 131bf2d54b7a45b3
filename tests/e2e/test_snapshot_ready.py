"""Sandboxes made ready ahead (docs/design/restore.md), as callers see them: what changes between two calls is what the next one
gets, whatever was made ready before."""
import errno
import os
import signal
import time
import unittest

from snapshot_case import SINGLE, SnapshotCase
from support import wait_until
from harness import zip_of

ROUNDS = 8
CALLS = 5
APART_S = 0.03  # long enough that one is made ready between two calls
HANDLER = """
import errno
import os
def handler(event, context):
    room = not event.get("room")
    if not room:
        with open("/tmp/room", "w") as f:
            try:
                room = os.posix_fallocate(f.fileno(), 0, 600 << 20) is None
            except OSError as e:
                room = e.errno
        os.unlink("/tmp/room")
    once = not os.path.exists("/tmp/once")
    open("/tmp/once", "w").close()
    return {"code": %d, "memory": context.memory_limit_in_mb, "version": context.function_version, "room": room, "variable": os.environ.get("VALUE"),
            "file": open(os.path.join(os.environ["LAMBDA_TASK_ROOT"], "code")).read(), "once": once}
"""


def files(code):
    return {"app.py": HANDLER % code, "code": str(code)}


class Ready(SnapshotCase):
    def calls(self, caller, expected, room=None):
        """room: what taking 600 MB of /tmp gives; asked once, since all environments' /tmp are of one disk."""
        for i in range(CALLS):
            ask = room is not None and i == CALLS - 1
            value = caller.call({"room": ask}).value
            self.assertEqual({**value, **expected, "once": True, "room": room if ask else True}, value)
            time.sleep(APART_S)

    def updated(self, name):
        self.client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.02, "MaxAttempts": 200})

    def test_changes_between_calls(self):
        name, value = self.ready(files(1), tags=SINGLE, MemorySize=128)
        self.assertEqual(value["memory"], "128")
        caller, code = self.caller(name), 1
        room = lambda n: True if n % 2 else errno.EDQUOT
        for n in range(ROUNDS):
            self.calls(caller, {"code": code, "memory": str(128 + 64 * n), "variable": str(n) if n else None}, room(n))
            memory = 128 + 64 * (n + 1)
            self.client.update_function_configuration(FunctionName=name, MemorySize=memory, Environment={"Variables": {"VALUE": str(n + 1)}},
                                                      EphemeralStorage={"Size": 1024 if (n + 1) % 2 else 512})
            self.updated(name)
            expected = {"memory": str(memory), "variable": str(n + 1)}
            self.calls(caller, {**expected, "code": code}, room(n + 1))
            code += 1
            self.client.update_function_code(FunctionName=name, ZipFile=zip_of(files(code)))
            self.updated(name)
            self.calls(caller, {**expected, "code": code, "file": str(code)})
            self.wait_image(name)
        state = self.state(name)
        self.assertEqual(state["failed_restores"], 0, state)
        self.client.delete_function(FunctionName=name)
        self.assertEqual(caller.call({}).status, 404)
        # The same name again is another function.
        self.server.deploy(files(77), name=name, Tags=SINGLE)
        self.calls(caller, {"code": 77, "file": "77"})

    def test_versions_beside_each_other(self):
        name, _ = self.ready(files(1), tags=SINGLE)
        version = self.client.publish_version(FunctionName=name)["Version"]
        self.client.update_function_code(FunctionName=name, ZipFile=zip_of(files(2)))
        self.updated(name)
        callers = {1: self.caller(name + ":" + version), 2: self.caller(name)}
        for code, caller in callers.items():
            caller.call({}).value
        self.wait_image(name)
        self.wait_image(name, version)
        for _ in range(ROUNDS):
            for code, caller in callers.items():
                self.calls(caller, {"code": code, "file": str(code), "version": version if code == 1 else "$LATEST"})

    def test_control_dies(self):
        name, _ = self.ready(files(1), tags=SINGLE)
        self.calls(self.caller(name), {"code": 1})
        for _ in range(3):
            control = self.server.child("mayfly-control")
            os.kill(control, signal.SIGKILL)

            def again():
                try:
                    return self.server.child("mayfly-control") not in (None, control) and self.call(name).status == 200
                except OSError:
                    return False
            wait_until(again, 20, "control serves again")
            self.calls(self.caller(name), {"code": 1})
        self.assertEqual(self.state(name)["failed_restores"], 0)


if __name__ == "__main__":
    unittest.main()
