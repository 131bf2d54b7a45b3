"""Functions that are restored in tests and in the soak: one contract in every language, see programs/plain.py.

    for program in PROGRAMS: name = program.deploy(server)
"""
import dataclasses
import os
import shutil
import subprocess
import unittest

from support import CACHE, cached, compiled, package, zip_folder
from harness import zip_of

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "programs")
RIC = "aws-lambda-ric@4.0.2"
RIC_SECONDS = 400  # it builds its own curl, once


def text(name):
    with open(os.path.join(FOLDER, name), encoding="utf-8") as f:
        return f.read()


def python_files():
    return zip_of({"plain.py": text("plain.py"), "threaded.py": text("threaded.py")})


def java_jar():
    if not shutil.which("javac"):
        raise unittest.SkipTest("javac is not installed")
    return compiled("Handler.java", text("Handler.java"),
                    ["sh", "-c", "mkdir {out}.c && javac -d {out}.c {source} && jar cf {out} -C {out}.c . && rm -r {out}.c"])


def go_zip():
    return zip_of({"bootstrap": (compiled("main.go", text("main.go"), ["go", "build", "-o", "{out}", "{source}"]), 0o755)})


def c_zip(*flags):
    program = compiled("function.c", text("function.c"), ["gcc", "-O1", "-D_GNU_SOURCE", "-pthread", *flags, "-o", "{out}", "{source}"])
    return zip_of({"bootstrap": (program, 0o755)})


def tree_zip():
    if not shutil.which("curl"):
        raise unittest.SkipTest("curl is not installed")
    return zip_of({"bootstrap": (text("tree.sh"), 0o755)})


def ric_folder():
    """The official client with the native part that its install script builds."""
    def make(path):
        for tool in ("npm", "cmake", "g++"):
            if not shutil.which(tool):
                raise unittest.SkipTest("%s, with which %s is built, is not installed" % (tool, RIC))
        os.mkdir(path)
        with open(os.path.join(path, "package.json"), "w", encoding="utf-8") as f:
            f.write('{"private": true}')
        # Node.js's headers are Debian's: the registry has none.
        env = dict(os.environ, npm_config_nodedir="/usr")
        try:
            done = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--save-exact", RIC], cwd=path, env=env,
                                  capture_output=True, text=True, timeout=RIC_SECONDS)
        except subprocess.TimeoutExpired as e:
            raise unittest.SkipTest("npm: %s" % e)
        if not os.path.exists(os.path.join(path, "node_modules", "aws-lambda-ric", "rapid-client.node")):
            raise unittest.SkipTest("%s: %s" % (RIC, done.stderr.strip()[-300:]))
    return cached("ric", RIC, make)


def ric_zip():
    modules = os.path.join(ric_folder(), "node_modules")
    only = [(os.path.join(modules, name), "node_modules/" + name) for name in ("aws-lambda-ric", "@aws")]
    return package_with_modes({"app.js": text("app.js"), "bootstrap": (text("ric.sh"), 0o755)}, only)


def package_with_modes(files, folders):
    import io
    import zipfile
    out = io.BytesIO(zip_of(files))
    with zipfile.ZipFile(out, "a", zipfile.ZIP_DEFLATED, compresslevel=1) as z:
        for folder, under in folders:
            zip_folder(z, folder, under)
    return out.getvalue()


@dataclasses.dataclass
class Program:
    name: str
    package: object        # makes the zip; may skip
    runtime: str = "provided.al2023"
    handler: str = "any"
    memory_mb: int = 1769  # one whole processor
    variables: dict = dataclasses.field(default_factory=dict)

    def deploy(self, server, tags=None, **more):
        settings = {"MemorySize": self.memory_mb, "Timeout": 20, **more}
        variables = {**self.variables, **settings.pop("variables", {})}
        if variables:
            settings["Environment"] = {"Variables": variables}
        if tags:
            settings["Tags"] = tags
        return server.deploy(self.package(), self.runtime, self.handler, **settings)


PROGRAMS = [
    Program("python", python_files, "python3.11", "plain.handler"),
    Program("python-threads", python_files, "python3.11", "threaded.handler"),
    Program("nodejs", lambda: zip_of({"app.js": text("app.js")}), "nodejs20.x", "app.handler"),
    Program("java-serial", java_jar, "java17", "Handler::handle", variables={"JAVA_TOOL_OPTIONS": "-XX:+UseSerialGC"}),
    Program("java-g1", java_jar, "java17", "Handler::handle", variables={"JAVA_TOOL_OPTIONS": "-XX:+UseG1GC"}),
    Program("go", go_zip),
    Program("c", c_zip),
    Program("c-static", lambda: c_zip("-static")),
    Program("tree", tree_zip),
    Program("ric", ric_zip, handler="app.handler"),
]
BY_NAME = {p.name: p for p in PROGRAMS}
