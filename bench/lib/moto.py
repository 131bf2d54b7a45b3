"""moto's server, the peer of the sections on events and queues: it keeps everything in memory and runs no function without Docker."""
import http.client
import json
import os
import shutil
import socket
import subprocess
import time

from . import aws, procs

READY_S = 30


def python():
    """The first interpreter that has it; an error says why there is none."""
    for name in ("python3", "python3.11", "/usr/bin/python3"):
        path = shutil.which(name)
        if path and subprocess.run([path, "-c", "import flask, moto.server"], capture_output=True).returncode == 0:
            return path
    raise RuntimeError("moto's server is not installed: pip install 'moto[server]'")


class Moto:
    def __init__(self, bench, credentials):
        """`credentials` signs its requests; it looks at the service's name in them alone."""
        self.port = procs.free_port()
        self.credentials = credentials
        self.proc = procs.Proc([python(), "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)], bench.scratch("moto") + ".log",
                               env=dict(os.environ, AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b", MOTO_IAM_LOAD_MANAGED_POLICIES="0"))
        try:
            self.wait()
        except BaseException:
            self.proc.stop()
            raise

    def wait(self):
        end = time.monotonic() + READY_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if time.monotonic() > end or self.proc.popen.poll() is not None:
                    raise RuntimeError(f"moto's server does not answer{self.proc.log_tail()}") from None
                time.sleep(0.05)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.proc.stop()

    def client(self):
        return aws.Client(self.port, self.credentials)

    def without_docker(self):
        """Invocations are answered, and run nothing."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("POST", "/moto-api/config", json.dumps({"lambda": {"use_docker": False}}), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        if answer.status not in (200, 201):
            raise RuntimeError(f"moto takes no configuration: {answer.status}")
