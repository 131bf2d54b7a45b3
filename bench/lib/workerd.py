"""workerd with its dynamic worker loading: an isolate for each request. From npm; a peer of the sections on restores."""
import os
import shutil

from . import procs
from .subjects import BENCH, install_peers


class Workerd:
    def __init__(self, bench):
        install_peers(bench)
        folder = bench.scratch("workerd")
        os.mkdir(folder)
        self.port = procs.free_port()
        with open(os.path.join(BENCH, "peers", "workerd.capnp")) as file:
            text = file.read().replace("{port}", str(self.port))
        with open(os.path.join(folder, "workerd.capnp"), "w") as file:
            file.write(text)
        shutil.copy(os.path.join(BENCH, "peers", "loader.js"), folder)
        shutil.copy(os.path.join(BENCH, "functions", "nodejs", "app.js"), folder)
        binary = os.path.join(bench.cache, "node_modules", "@cloudflare", "workerd-linux-64", "bin", "workerd")
        argv = [binary, "serve", os.path.join(folder, "workerd.capnp"), "--experimental"]
        self.proc = procs.Proc(argv, bench.scratch("workerd.log"))
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
