"""What happens once, before the first invocation: module path, output streams, builtins, loading of the handler."""
import sys
from posix import environ, listdir, stat

import mayfly_loop

LAYERS = "/opt/python"
LINE_BUFFERED = ("stdout", "stderr")


def prepare(runtime_dir):
    _set_module_path(runtime_dir)
    for name in LINE_BUFFERED:
        stream = getattr(sys, name)
        if stream is not None:
            stream.reconfigure(line_buffering=True)
    sys.meta_path.insert(0, _Hook)


def _set_module_path(runtime_dir):
    """The order of Lambda: the function, its layers, the runtime, the standard library, the distribution."""
    version = "python%d.%d" % sys.version_info[:2]
    task = mayfly_loop._env(b"LAMBDA_TASK_ROOT", "/var/task")
    layers = [LAYERS + "/lib/" + v + "/site-packages" for v in (version, *_declared(version))] + [LAYERS]
    own_path = b"PYTHONPATH" in environ
    if own_path:
        # The interpreter runs without `site`; who sets PYTHONPATH may count on what it does (sitecustomize, .pth).
        import site
        site.main()
    else:
        _add_builtins()
    sys.path += [d for d in ("/usr/local/lib/%s/dist-packages" % version, "/usr/lib/python3/dist-packages")
                 if d not in sys.path and _is(d)]
    sys.path[0:1] = [task] + ([] if own_path else layers) + [runtime_dir]
    for folder in [task] + ([] if own_path else layers):
        _read_pth_files(folder)


def _declared(version):
    """Layers for the version that the function asks for, where another one stands in for it; what is compiled will not load."""
    declared = mayfly_loop._env(b"AWS_EXECUTION_ENV", "").replace("AWS_Lambda_", "")
    return [declared] if declared != version and _is(LAYERS + "/lib/" + declared) else []


def _is(path):
    try:
        stat(path)
    except OSError:
        return False
    return True


def _read_pth_files(folder):
    try:
        if any(name.endswith(".pth") for name in listdir(folder)):
            import site
            site.addsitedir(folder)
    except OSError:
        pass


class _Exit:
    def __init__(self, name):
        self.name = name

    def __repr__(self):
        return "Use %s() or Ctrl-D (i.e. EOF) to exit" % self.name

    def __call__(self, code=None):
        raise SystemExit(code)


class _Help:
    def __repr__(self):
        return "Type help() for interactive help, or help(object) for help about object."

    def __call__(self, *args, **kwds):
        import pydoc
        return pydoc.help(*args, **kwds)


def _add_builtins():
    import builtins
    builtins.exit = _Exit("exit")
    builtins.quit = _Exit("quit")
    builtins.help = _Help()


def _logging(module):
    import mayfly_logs
    mayfly_logs.install(module)


def _endpoint(module):
    import mayfly_endpoint
    mayfly_endpoint.install(module)


class _Hook:
    """Completes modules when, and only when, somebody imports them: `logging` gets its Lambda handler, older SDKs the endpoint."""
    waiting = {"logging": _logging, "botocore.session": _endpoint}

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name not in _Hook.waiting:
            return None
        for finder in sys.meta_path:
            spec = None if finder is _Hook else finder.find_spec(name, path, target)
            if spec is not None:
                break
        else:
            return None
        run = spec.loader.exec_module

        def exec_module(module):
            complete = _Hook.waiting.pop(name, None)
            run(module)
            if complete:
                complete(module)

        spec.loader.exec_module = exec_module
        return spec


def load_handler(name):
    module_name, dot, function = name.rpartition(".")
    if not dot:
        raise mayfly_loop.Fault("Runtime.MalformedHandlerName",
                                "Bad handler '%s': not enough values to unpack (expected 2, got 1)" % name)
    if module_name.split(".")[0] in sys.builtin_module_names:
        raise mayfly_loop.Fault("Runtime.BuiltInModuleConflict",
                                "Cannot use built-in module %s as a handler module" % module_name)
    path = module_name.replace("/", ".")
    try:
        __import__(path)
    except ImportError as e:
        raise mayfly_loop.Fault("Runtime.ImportModuleError", "Unable to import module '%s': %s" % (module_name, e))
    except SyntaxError as e:
        raise mayfly_loop.Fault("Runtime.UserCodeSyntaxError", "Syntax error in module '%s': %s" % (module_name, e),
                                ['  File "%s" Line %s\n    %s' % (e.filename, e.lineno, e.text)])
    try:
        return getattr(sys.modules[path], function)
    except AttributeError:
        raise mayfly_loop.Fault("Runtime.HandlerNotFound", "Handler '%s' missing on module '%s'" % (function, module_name))
