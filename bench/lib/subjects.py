"""What is measured: the server, the bare dispatcher, and the peers, each started and stopped alike."""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

from . import aws, procs
from .stats import progress

BENCH = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROOT = os.path.dirname(BENCH)
EVENT = {"n": 1}
EXPECT = '{"answer":2}'
SINGLE = {"mayfly:isolation": "invocation"}  # an environment serves one invocation: the next one finds none

# One row a language. `process` is what the runtime's program is called, for counting environments; `bare` are the
# starts of the interpreter alone, the first of which the cold target refers to.
LANGUAGES = {
    "c": {
        "runtime": "provided.al2023", "handler": "bootstrap", "process": "bootstrap",
        "bare": {"/bin/true": ["/bin/true"]}},
    "python": {
        "runtime": "python3.11", "handler": "app.handler", "process": "python",
        "code": "app.py", "bootstrap": ("runtimes/python/bootstrap.py",),
        "command": ["/usr/bin/python3", "-S", "-X", "utf8"],
        "bare": {"python3 -c pass": ["/usr/bin/python3", "-c", "pass"],
                 "python3 -S -c pass": ["/usr/bin/python3", "-S", "-c", "pass"],
                 "python3 -I -S -c pass": ["/usr/bin/python3", "-I", "-S", "-c", "pass"],
                 "python3 -I -S, json, _socket":
                     ["/usr/bin/python3", "-I", "-S", "-c", "import json, _socket"]}},
    "nodejs": {
        "runtime": "nodejs20.x", "handler": "app.handler", "process": "node",
        "code": "app.js", "bootstrap": ("runtimes/nodejs/bootstrap.mjs", "runtimes/nodejs/bootstrap.cjs"),
        "command": ["/usr/bin/node"],
        "bare": {"node -e 0": ["/usr/bin/node", "-e", "0"]}},
}


# Functions that only the sections on restores use.
MORE = {
    "go": {"runtime": "provided.al2023", "handler": "any"},
    "java": {"runtime": "java17", "handler": "Handler::handle"},
    "python-190mb": {"runtime": "python3.11", "handler": "large.handler", "files": ("python/app.py", "python/large.py")},
    "python-5s-init": {"runtime": "python3.11", "handler": "slow.handler", "files": ("python/app.py", "python/slow.py")},
}


class Bench:
    """Paths, options and the folder for data and logs of one run."""

    def __init__(self, options):
        self.options = options
        self.build = os.path.abspath(options.build)
        self.cache = os.path.abspath(options.cache or os.path.join(options.build, "bench-cache"))
        self.work = tempfile.mkdtemp(prefix="mayfly-bench-")
        self.serial = 0
        self.failures = []

    def program(self, name):
        for path in (os.path.join(self.build, "bench", name), os.path.join(self.build, name)):
            if os.access(path, os.X_OK):
                return path
        raise RuntimeError(f"{name} is not built in {self.build}: ninja -C {self.options.build} bench-programs")

    def scratch(self, name):
        self.serial += 1
        return os.path.join(self.work, f"{self.serial:03d}-{name}")

    def fail(self, what, error):
        progress(f"FAILED: {what}: {error}")
        self.failures.append(f"{what}: {str(error).splitlines()[0]}")

    def load(self, port, *args, limit_s=30):
        """One run of the load generator, as its JSON."""
        command = [self.program("bench-load"), "--port", str(port), "--limit", str(limit_s), *map(str, args)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit_s + 30)
        if done.returncode != 0:
            raise RuntimeError(f"bench-load: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def clean(self):
        """Removes the data folders, unless something failed or is still mounted there."""
        with open("/proc/self/mountinfo") as file:
            mounted = [line.split()[4] for line in file if line.split()[4].startswith(self.work + "/")]
        if mounted:
            progress(f"left mounted, so {self.work} is kept: {', '.join(mounted[:5])}")
            self.failures.append("the server left mounts behind")
        elif self.failures:
            progress(f"logs are kept in {self.work}")
        else:
            shutil.rmtree(self.work, ignore_errors=True)


def built(bench, name, source, command):
    """Bytes of what a command makes of a source file, once; {out} and {source} are filled in."""
    out = os.path.join(bench.work, name)
    if not os.path.exists(out):
        if not shutil.which(command[0]):
            raise RuntimeError(f"{command[0]} is not installed")
        env = dict(os.environ, CGO_ENABLED="0", GO111MODULE="off", GOCACHE=os.path.join(bench.cache, "go"))
        words = [word.format(out=out, source=os.path.join(BENCH, "functions", source)) for word in command]
        subprocess.run(words, check=True, env=env, stdin=subprocess.DEVNULL, stdout=sys.stderr)
    with open(out, "rb") as file:
        return file.read()


def package_of(bench, language):
    if language == "go":
        program = built(bench, "go", "go/main.go", ["go", "build", "-o", "{out}", "{source}"])
        return aws.package({"bootstrap": (program, 0o755)})
    if language == "java":
        return built(bench, "java.jar", "java/Handler.java",
                     ["sh", "-c", "javac -d {out}.d {source} && jar cf {out} -C {out}.d ."])
    if language in MORE:
        names = [os.path.join(BENCH, "functions", file) for file in MORE[language]["files"]]
        return aws.package({os.path.basename(name): (open(name, "rb").read(), 0o644) for name in names})
    row = LANGUAGES[language]
    if "code" not in row:
        with open(bench.program("bench-bootstrap"), "rb") as file:
            return aws.package({"bootstrap": (file.read(), 0o755)})
    with open(os.path.join(BENCH, "functions", language, row["code"]), "rb") as file:
        return aws.package({row["code"]: (file.read(), 0o644)})


class Mayfly:
    """A server on a data folder of its own."""

    def __init__(self, bench, *more):
        self.bench = bench
        self.data = bench.scratch("data")
        self.binary = os.path.join(bench.build, "mayfly")
        if not os.access(self.binary, os.X_OK):
            raise RuntimeError(f"{self.binary} is not built")
        port = procs.free_port()
        argv = [self.binary, "server", "--data", self.data, "--listen", f"127.0.0.1:{port}",
                *more, *bench.options.server_arg]
        self.proc = procs.Proc(argv, self.data + ".log", pipe_stdout=True, tied=False)
        try:
            line, seconds = self.proc.ready_line(20)
            found = re.fullmatch(r"mayfly: ready on http://127\.0\.0\.1:(\d+)", line)
            if not found:
                raise RuntimeError(f"unexpected ready line: {line!r}")
        except BaseException:
            self.proc.stop()
            raise
        self.port, self.ready_ms = int(found[1]), seconds * 1e3
        self.credentials = os.path.join(self.data, "credentials")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        left = self.proc.stop(15)
        if left:
            self.bench.fail("server stop", f"{len(left)} processes outlived it: {left[:10]}")

    def client(self):
        return aws.Client(self.port, self.credentials)

    def deploy(self, language, name=None, memory_mb=None, **more):
        row = LANGUAGES.get(language) or MORE[language]
        client = self.client()
        name = name or f"bench-{language}"
        client.create(name, row["runtime"], row["handler"], package_of(self.bench, language),
                      memory_mb or self.bench.options.memory_mb, **more)
        client.wait(name)
        return client, name

    def load_args(self, name):
        return ["--path", f"{aws.FUNCTIONS}/{name}/invocations", "--credentials", self.credentials]



def server_help(binary):
    """What the server says about its options; empty when it cannot be asked."""
    try:
        done = subprocess.run([binary, "server", "--help"], capture_output=True, text=True, timeout=10,
                              stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout + done.stderr


def bootstrap_command(bench, language):
    """What runs a language's bootstrap outside of any sandbox; the same options as the server's runtime row."""
    row = LANGUAGES[language]
    if "bootstrap" not in row:
        return [bench.program("bench-bootstrap")]
    for path in row["bootstrap"]:
        if os.path.exists(os.path.join(ROOT, path)):
            return [*row["command"], os.path.join(ROOT, path)]
    raise RuntimeError(f"{row['bootstrap'][0]} does not exist")


def runtime_env(language, api_port):
    """The environment that a runtime expects, as far as it matters outside of a sandbox."""
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "en_US.UTF-8", "TZ": ":UTC",
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{api_port}", "_HANDLER": LANGUAGES[language]["handler"],
        "LAMBDA_TASK_ROOT": os.path.join(BENCH, "functions", language),
        "LAMBDA_RUNTIME_DIR": os.path.join(ROOT, "runtimes", language),
        "AWS_LAMBDA_FUNCTION_NAME": "bench", "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769", "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/bench", "AWS_LAMBDA_LOG_STREAM_NAME": "bench",
        "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1", "AWS_EXECUTION_ENV": "AWS_Lambda_bench",
        "AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench", "AWS_SESSION_TOKEN": "bench",
    }


class Dispatcher:
    """The bare dispatcher with a number of runtime processes."""

    def __init__(self, bench, language, count):
        self.runtimes = []
        self.proc = procs.Proc([bench.program("bench-dispatcher")], bench.scratch("dispatcher.log"),
                               pipe_stdout=True)
        try:
            _, port, self.api_port = self.proc.ready_line(5)[0].split()
            self.port = int(port)
            command, env = bootstrap_command(bench, language), runtime_env(language, self.api_port)
            for _ in range(count):
                self.runtimes.append(procs.Proc(command, bench.scratch(f"runtime-{language}.log"), env=env,
                                                cwd=env["LAMBDA_TASK_ROOT"] if language != "c" else None))
            if count:
                self.check(bench)
        except BaseException:
            self.__exit__()
            raise

    def check(self, bench):
        """One call must be answered, or the runtimes' own words say why not."""
        try:
            first = bench.load(self.port, "--requests", 1, "--body", json.dumps(EVENT), "--expect", EXPECT, limit_s=10)
            problem = first["first_error"] or (first["missing"] and "no answer")
        except RuntimeError as error:
            problem = error
        if problem:
            raise RuntimeError(f"dispatcher: {problem}{self.runtimes[0].log_tail()}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for runtime in self.runtimes:
            runtime.stop(5)
        self.proc.stop(5)

    def load_args(self, _name=None):
        return []


class NodeHttp:
    """A plain Node.js HTTP server around the same function."""

    def __init__(self, bench):
        self.port = procs.free_port()
        self.proc = procs.Proc(["/usr/bin/node", os.path.join(BENCH, "peers", "http.js"), str(self.port)],
                               bench.scratch("node-http.log"))
        try:
            self.ready_ms = procs.wait_port(self.port, self.proc, 10) * 1e3
        except BaseException:
            self.proc.stop()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.proc.stop(5)

    def load_args(self, _name=None):
        return []


def install_peers(bench):
    """serverless, serverless-offline and workerd, from npm, once, into the cache folder."""
    wanted = os.path.join(BENCH, "peers", "package.json")
    have = os.path.join(bench.cache, "package.json")
    entry = os.path.join(bench.cache, "node_modules", "serverless", "bin", "serverless.js")
    if os.path.exists(entry) and os.path.exists(have):
        with open(wanted) as one, open(have) as other:
            if json.load(one)["dependencies"] == json.load(other).get("dependencies"):
                return entry
    progress(f"installing serverless-offline and workerd from npm into {bench.cache} (once, about a minute)")
    os.makedirs(bench.cache, exist_ok=True)
    shutil.copyfile(wanted, have)
    done = subprocess.run(["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
                          cwd=bench.cache, stdin=subprocess.DEVNULL, stdout=sys.stderr, timeout=400)
    if done.returncode != 0 or not os.path.exists(entry):
        os.unlink(have)
        raise RuntimeError("npm install failed")
    return entry


class ServerlessOffline:
    """serverless-offline's Lambda endpoint with the same functions; so many `copies` of each, called python-N and node-N,
    for calls that find no worker."""

    def __init__(self, bench, copies=0):
        entry = install_peers(bench)
        service = bench.cache
        with open(os.path.join(BENCH, "peers", "serverless.yml")) as file:
            text = file.read()
        kinds = (("node", "nodejs", "nodejs20.x"), ("python", "python", "python3.11"))
        more = "".join(f"  {kind}-{number}:\n    handler: {folder}/app.handler\n    runtime: {runtime}\n"
                       for number in range(copies) for kind, folder, runtime in kinds)
        with open(os.path.join(service, "serverless.yml"), "w") as file:
            file.write(text.replace("functions:\n", "functions:\n" + more))
        shutil.copytree(os.path.join(BENCH, "functions"), service, dirs_exist_ok=True)
        self.port = procs.free_port()
        env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": bench.work, "LANG": "C.UTF-8", "CI": "1",
               "SLS_TELEMETRY_DISABLED": "1", "SLS_NOTIFICATIONS_MODE": "off", "SLS_INTERACTIVE_SETUP_ENABLE": "0",
               "AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench"}
        argv = ["/usr/bin/node", entry, "offline", "start", "--host", "127.0.0.1", "--lambdaPort", str(self.port),
                "--httpPort", str(procs.free_port()), "--noPrependStageInUrl", "--terminateIdleLambdaTime", "600"]
        self.proc = procs.Proc(argv, bench.scratch("serverless-offline.log"), env=env, cwd=service)
        try:
            self.ready_ms = procs.wait_port(self.port, self.proc, 60) * 1e3
        except BaseException:
            self.proc.stop()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.proc.stop(10)

    def load_args(self, language):
        return ["--path", f"{aws.FUNCTIONS}/bench-dev-{'node' if language == 'nodejs' else language}/invocations"]
