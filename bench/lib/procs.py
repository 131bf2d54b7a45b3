"""Processes of the bench: started, timed, weighed and, always, stopped by their own id."""
import ctypes
import os
import select
import signal
import socket
import subprocess
import time

_libc = ctypes.CDLL(None)
_started = []
PR_SET_PDEATHSIG = 1


def die_with_parent():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Proc:
    """A child process whose standard error, and output unless `ready` is waited for, go to a log file."""

    def __init__(self, argv, log, env=None, cwd=None, pipe_stdout=False, tied=True):
        self.argv = argv
        self.log = log
        with open(log, "ab") as out:
            self.start = time.perf_counter()
            self.popen = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE if pipe_stdout else out, stderr=out,
                env=env, cwd=cwd, preexec_fn=die_with_parent if tied else None)
        self.pid = self.popen.pid
        _started.append(self)

    def ready_line(self, timeout_s):
        """The first line on standard output and the seconds from the start until it was there."""
        text, end = b"", time.perf_counter() + timeout_s
        fd = self.popen.stdout.fileno()
        while not text.endswith(b"\n"):
            left = end - time.perf_counter()
            if left <= 0 or not select.select([fd], [], [], left)[0]:
                raise RuntimeError(f"{self.argv[0]}: no ready line within {timeout_s} s{self.log_tail()}")
            part = os.read(fd, 4096)
            if not part:
                raise RuntimeError(f"{self.argv[0]}: ended with {self.popen.wait(10)} before its ready line"
                                   f"{self.log_tail()}")
            text += part
        return text.decode().strip(), time.perf_counter() - self.start

    def log_tail(self, lines=15):
        try:
            with open(self.log, errors="replace") as file:
                tail = file.read()[-8000:].splitlines()[-lines:]
        except OSError:
            tail = []
        return "".join(f"\n    | {line}" for line in tail)

    def stop(self, timeout_s=10):
        if self in _started:
            _started.remove(self)
        children = descendants(self.pid)[1:] if self.popen.poll() is None else []
        if self.popen.poll() is None:
            self.popen.terminate()
        try:
            self.popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait(10)
        if self.popen.stdout:
            self.popen.stdout.close()
        # What was being made when the end came (a sandbox, say) notices it a moment later.
        deadline = time.monotonic() + 2
        while any(map(is_alive, children)) and time.monotonic() < deadline:
            time.sleep(0.02)
        return [pid for pid in children if is_alive(pid)]


def stop_all():
    for proc in reversed(list(_started)):
        try:
            proc.stop()
        except (OSError, subprocess.SubprocessError):
            pass


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def descendants(pid):
    """The process and everything below it, parents first."""
    children = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat") as file:
                parent = int(file.read().rsplit(")", 1)[1].split()[1])
        except (OSError, IndexError):
            continue
        children.setdefault(parent, []).append(int(name))
    found = [pid]
    for one in found:
        found.extend(children.get(one, []))
    return found


def memory(pid):
    """Proportional memory of a process tree in MB, in total and by program name."""
    total_kb, by_name = 0, {}
    for one in descendants(pid):
        try:
            with open(f"/proc/{one}/comm") as file:
                name = file.read().strip()
            with open(f"/proc/{one}/smaps_rollup") as file:
                kb = next((int(line.split()[1]) for line in file if line.startswith("Pss:")), 0)
        except OSError:
            continue
        total_kb += kb
        count, sum_kb = by_name.get(name, (0, 0))
        by_name[name] = (count + 1, sum_kb + kb)
    return {"pss_mb": round(total_kb / 1024, 2),
            "processes": {name: {"count": count, "pss_mb": round(kb / 1024, 2)}
                          for name, (count, kb) in sorted(by_name.items())}}


def count_named(pid, name):
    """How many processes below pid run a program of that name; an environment has one."""
    count = 0
    for one in descendants(pid)[1:]:
        try:
            with open(f"/proc/{one}/cmdline", "rb") as file:
                program = os.path.basename(file.read().split(b"\0")[0].decode(errors="replace"))
        except OSError:
            continue
        count += program.startswith(name)
    return count


def spawn_ms(argv, env):
    """From spawn to the end of a process: what starting an interpreter costs without any platform."""
    start = time.perf_counter()
    pid = os.posix_spawn(argv[0], argv, env)
    os.waitpid(pid, 0)
    return (time.perf_counter() - start) * 1e3


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_port(port, proc, timeout_s):
    """Seconds from the start of the process until its port takes connections."""
    end = time.perf_counter() + timeout_s
    while time.perf_counter() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return time.perf_counter() - proc.start
        except OSError:
            if proc.popen.poll() is not None:
                break
            time.sleep(0.005)
    raise RuntimeError(f"{proc.argv[0]}: port {port} does not answer{proc.log_tail()}")
