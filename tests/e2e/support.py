"""What several end-to-end tests share: packages from npm, compiled programs, what a server left behind.

Downloads and compiled programs are kept in BUILD/e2e-cache, so that a second run needs no network. What a machine lacks
skips the tests that need it, with the reason.
"""
import base64
import fcntl
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
import zipfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "api"))
from harness import MAYFLY, ROOT  # noqa: E402

CACHE = os.path.join(os.environ.get("MAYFLY_BUILD", os.path.join(ROOT, "build")), "e2e-cache")
NPM_SECONDS = 150


def cached(kind, key, make):
    """The path that make(path) filled once for this key; it appears whole or not at all."""
    path = os.path.join(CACHE, "%s-%s" % (kind, hashlib.sha256(key.encode()).hexdigest()[:16]))
    os.makedirs(CACHE, exist_ok=True)
    with open(path + ".lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another file's tests may make the same
        if os.path.exists(path):
            return path
        folder = tempfile.mkdtemp(prefix="new-", dir=CACHE)
        try:
            made = os.path.join(folder, "made")
            make(made)
            os.rename(made, path)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return path


def npm(*packages):
    """Folder with node_modules that holds these packages (name@version) and what they need."""
    def make(path):
        os.mkdir(path)
        with open(os.path.join(path, "package.json"), "w", encoding="utf-8") as f:
            f.write('{"private": true}')
        try:
            done = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--save-exact", *packages],
                                  cwd=path, capture_output=True, text=True, timeout=NPM_SECONDS)
        except (OSError, subprocess.TimeoutExpired) as e:
            raise unittest.SkipTest("npm: %s" % e)
        if done.returncode:
            raise unittest.SkipTest("npm install failed: %s" % done.stderr.strip()[-300:])
    return cached("npm", " ".join(packages), make)


def compiled(name, source, command):
    """Bytes of a program: `command` with {source} and {out} compiles `source` (named `name`)."""
    def make(path):
        folder = path + ".d"
        os.mkdir(folder)
        file = os.path.join(folder, name)
        with open(file, "w", encoding="utf-8") as f:
            f.write(source)
        words = [w.format(source=file, out=path) for w in command]
        if shutil.which(words[0]) is None:
            raise unittest.SkipTest("%s is not installed" % words[0])
        env = dict(os.environ, CGO_ENABLED="0", GOCACHE=os.path.join(CACHE, "go"), GOFLAGS="-mod=mod", GO111MODULE="off")
        subprocess.run(words, cwd=folder, check=True, env=env)
    with open(cached("bin", source + " ".join(command), make), "rb") as f:
        return f.read()


def zip_folder(out, folder, under=""):
    """Adds a folder's files to an open ZipFile, modes kept; links and what only installers use are left out."""
    for path, folders, files in os.walk(folder):
        folders[:] = [f for f in folders if f not in (".bin", "__pycache__")]
        for name in files:
            full = os.path.join(path, name)
            if not os.path.islink(full) and not name.endswith((".map", ".md", ".d.ts", ".d.mts", ".d.cts")):
                out.write(full, os.path.join(under, os.path.relpath(full, folder)))


def package(files, folders=()):
    """A package from {name: text}, and (folder, its name in the package) pairs."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as z:
        for name, text in files.items():
            z.writestr(name, text)
        for folder, under in folders:
            zip_folder(z, folder, under)
    return out.getvalue()


def call(client, name, event=None, **more):
    """(answer of the API, decoded payload); the payload of an event given as bytes is sent as it is."""
    payload = event if isinstance(event, bytes) else json.dumps({} if event is None else event).encode()
    answer = client.invoke(FunctionName=name, Payload=payload, **more)
    body = answer["Payload"].read()
    return answer, json.loads(body) if body else None


def known(client, operation, **parameters):
    """Of the parameters, those that this SDK's model has: Debian's is older than some of the API."""
    members = client.meta.service_model.operation_model(operation).input_shape.members
    return {name: value for name, value in parameters.items() if name in members}


def signed(server, method, path, body=b"", **headers):
    """Headers of a signed request, for what an older SDK cannot say."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials
    fields = {"Host": server.url.partition("//")[2], "Content-Length": str(len(body)), **headers}
    request = AWSRequest(method, server.url + path, data=body, headers=fields)
    SigV4Auth(Credentials(*server.credentials()), "lambda", "us-east-1").add_auth(request)
    return dict(request.headers.items())


def request(server, method, path, value):
    """(status, decoded answer) of a signed request with a JSON body."""
    import urllib.request
    body = json.dumps(value).encode()
    with urllib.request.urlopen(urllib.request.Request(server.url + path, body, signed(server, method, path, body), method=method)) as r:
        return r.status, json.loads(r.read())


def tail(answer):
    return base64.b64decode(answer["LogResult"]).decode()


def run(*words, env=None, cwd=None, stdin=None, seconds=60):
    return subprocess.run(words, env=env, cwd=cwd, input=stdin, capture_output=True, text=True, timeout=seconds,
                          **({"stdin": subprocess.DEVNULL} if stdin is None else {}))


class NodeCase:
    """Mixed into a TestCase: a JavaScript program beside the tests that runs once, and prints a line ["name", value] for each thing it saw."""

    @classmethod
    def run_node(cls, server, folder, program, *words, seconds=180):
        """`folder` is npm()'s. Lines of another form are what the packages print themselves."""
        done = run("node", os.path.join(os.path.dirname(os.path.abspath(__file__)), program), *words, cwd=folder, env=server.environ(),
                   seconds=seconds)
        cls.said = dict(json.loads(line) for line in done.stdout.splitlines() if line.startswith('["'))
        cls.failure = done.stderr if done.returncode else None

    def check(self, name, expected):
        self.assertIn(name, self.said, "not reached: %s" % self.failure)
        self.assertEqual(self.said[name], expected)

    def test_ran_to_its_end(self):
        self.assertIsNone(self.failure)


def mayfly(*words, **more):
    return run(MAYFLY, *words, **more)


def alive(pid):
    """Whether the process runs; a zombie does not."""
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def comm(pid):
    """The process's name; "" when there is none."""
    try:
        with open("/proc/%d/comm" % pid) as f:
            return f.read().strip()
    except OSError:
        return ""


def wait_until(condition, seconds, what):
    """For states that come by themselves; the limit is only there to end a broken run."""
    import time
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("after %d s: not %s" % (seconds, what))
        time.sleep(0.02)
