"""A server of the test's own on a temporary folder and a free port, and the real SDK against it.

    from harness import Server, zip_of
    server = Server.shared()          one for the whole module (stopped at exit)
    client = server.client("lambda")

Servers are stopped by their pid. MAYFLY_BIN names the program (default: build/mayfly of this checkout).
"""
import atexit
import configparser
import io
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
import zipfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MAYFLY = os.environ.get("MAYFLY_BIN", os.path.join(ROOT, os.environ.get("BUILD", "build"), "mayfly"))
ROLE = "arn:aws:iam::000000000000:role/any"
READY_SECONDS = 30


def zip_of(files):
    """A package from {name: text or bytes, or (text, mode)}; the mode's x bits count."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        for name, content in files.items():
            text, mode = content if isinstance(content, tuple) else (content, 0o644)
            info = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
            info.external_attr = (0o100000 | mode) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            z.writestr(info, text)
    return out.getvalue()


def shell_zip(script):
    """A provided.al2023 package whose bootstrap is this shell script."""
    return zip_of({"bootstrap": ("#!/bin/sh\n" + script, 0o755)})


class Server:
    _shared = None

    def __init__(self, *options, data=None, start=True):
        self.options = options
        self.own_data = data is None
        self.data = data or tempfile.mkdtemp(prefix="mayfly-test-")
        if self.own_data:
            os.chmod(self.data, 0o755)
        self.process = None
        self.url = None
        self._deployer = self._credentials = None
        self.errors = os.path.join(self.data + ".log")
        if start:
            try:
                self.start()
            except BaseException:
                if self.process:
                    self.process.kill()
                self.close()
                raise

    @classmethod
    def shared(cls, *options):
        if cls._shared is None:
            cls._shared = cls(*options)
            atexit.register(cls._shared.close)
        return cls._shared

    def start(self, wait=True, listen="127.0.0.1:0"):
        with open(self.errors, "ab") as log:
            self.process = subprocess.Popen([MAYFLY, "server", "--data", self.data, "--listen", listen, *self.options],
                                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log)
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self):
        deadline = time.monotonic() + READY_SECONDS
        line = b""
        while not line.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                raise AssertionError("not ready in %d s; log:\n%s" % (READY_SECONDS, self.log()))
            byte = os.read(self.process.stdout.fileno(), 1)
            if not byte:
                raise AssertionError("ended with %s; log:\n%s" % (self.process.wait(10), self.log()))
            line += byte
        words = line.decode().split()
        assert words[:3] == ["mayfly:", "ready", "on"], line
        self.url = words[3]

    def log(self):
        with open(self.errors, encoding="utf-8", errors="replace") as f:
            return f.read()[-8000:]

    def stop(self, sig=signal.SIGTERM, seconds=40):
        """Ends it and returns the exit status."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(sig)
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError("did not end in %d s; log:\n%s" % (seconds, self.log()))
        self.process.stdout.close()
        self.process = None
        return status

    def close(self):
        self.stop()
        if self.own_data:
            shutil.rmtree(self.data, ignore_errors=True)
            if os.path.exists(self.errors):
                os.unlink(self.errors)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def credentials(self):
        """Read once: they are the data folder's, for good."""
        if self._credentials is None:
            parser = configparser.ConfigParser()
            parser.read(os.path.join(self.data, "credentials"))
            self._credentials = parser["default"]["aws_access_key_id"], parser["default"]["aws_secret_access_key"]
        return self._credentials

    def client(self, service="lambda", **config):
        import boto3
        from botocore.config import Config
        key, secret = self.credentials()
        settings = {"retries": {"max_attempts": 0}, "read_timeout": 120, "max_pool_connections": 100, **config}
        return boto3.client(service, endpoint_url=self.url, region_name="us-east-1", aws_access_key_id=key,
                            aws_secret_access_key=secret, config=Config(**settings))

    def deployer(self):
        """A client for deploy's use alone: making one takes longer than what it is made for."""
        if self._deployer is None or self._deployer.meta.endpoint_url != self.url:
            self._deployer = self.client()
        return self._deployer

    def environ(self):
        """For the AWS CLI and other programs."""
        key, secret = self.credentials()
        return {**os.environ, "AWS_ENDPOINT_URL": self.url, "AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret,
                "AWS_DEFAULT_REGION": "us-east-1", "AWS_REGION": "us-east-1", "AWS_PAGER": "", "AWS_EC2_METADATA_DISABLED": "true"}

    def children(self):
        """Pids of the server's processes, mayflyd first."""
        found = [self.process.pid]
        for pid in found:
            try:
                with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
                    found.extend(int(p) for p in f.read().split())
            except OSError:
                pass
        return found

    def child(self, name):
        for pid in self.children():
            try:
                with open("/proc/%d/comm" % pid) as f:
                    if f.read().strip() == name[:15]:
                        return pid
            except OSError:
                pass
        return None

    def deploy(self, files, runtime="python3.11", handler="app.handler", name=None, **settings):
        """Creates a function from files (a dict) or a package (bytes), waits until it is Active, returns its name."""
        client = self.deployer()
        name = name or "f-" + uuid.uuid4().hex[:12]
        package = files if isinstance(files, bytes) else zip_of(files)
        client.create_function(FunctionName=name, Runtime=runtime, Handler=handler, Role=ROLE, Code={"ZipFile": package}, **settings)
        client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.01, "MaxAttempts": 1000})
        return name
