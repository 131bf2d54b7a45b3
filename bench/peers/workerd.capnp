# workerd with a worker loader: every request is answered by an isolate made for it. {port} is filled in by the bench.
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [(name = "main", worker = .main)],
  sockets = [(name = "http", address = "127.0.0.1:{port}", http = (), service = "main")],
);

const main :Workerd.Worker = (
  modules = [(name = "loader.js", esModule = embed "loader.js"), (name = "function", text = embed "app.js")],
  compatibilityDate = "2026-01-01",
  bindings = [(name = "LOADER", workerLoader = ())],
);
