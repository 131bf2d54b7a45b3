"""A failed invocation or initialisation: AWS's error object, its log record, and the request that reports it."""
import sys
import time

import mayfly_loop

NO_BREAK_SPACE = "\u00a0"


def describe(error, request_id):
    """The object that AWS's Python runtime sends; `error` is the exception being handled."""
    if isinstance(error, mayfly_loop.Fault):
        return _object(error.message, error.kind, request_id, error.trace)
    import traceback
    frames = [(f.filename, f.lineno, f.name, f.line) for f in traceback.extract_tb(error.__traceback__)]
    for i, frame in enumerate(frames):
        if not _is_ours(frame[0]):
            frames = frames[i:]
            break
    return _object(_message(error), type(error).__name__, request_id, traceback.format_list(frames))


def _object(message, kind, request_id, trace):
    return {"errorMessage": message, "errorType": kind, "requestId": request_id, "stackTrace": trace}


def _is_ours(filename):
    return filename.startswith("<frozen importlib") or filename.startswith(mayfly_loop.RUNTIME_DIR + "/")


def _message(error):
    try:
        return str(error)
    except Exception:
        return "<unprintable %s object>" % type(error).__name__


def to_request(failure, converter):
    """Body and headers of the POST; the header's value must be a token, a class's name may be anything."""
    kind = "".join(c if "!" <= c <= "~" else "_" for c in failure["errorType"])
    body = _json(failure, converter)
    return body, b"Content-Type: application/json\r\nLambda-Runtime-Function-Error-Type: %b\r\n" % kind.encode()


def _json(value, converter):
    return "".join(converter.new_encoder()(value, 0)).encode("utf-8", "replace")


def log(failure, converter):
    if mayfly_loop._env(b"AWS_LAMBDA_LOG_FORMAT").upper() == "JSON":
        now = time.time()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + ".%03dZ" % (now % 1 * 1000)
        line = _json({"timestamp": stamp, "level": "ERROR", **failure}, converter).decode()
    else:
        line = "\r".join(_lines(failure))
    try:
        sys.stdout.write(line + "\n")
    except UnicodeError:
        sys.stdout.write(line.encode("ascii", "backslashreplace").decode() + "\n")


def _lines(failure):
    """One record: carriage returns part its lines, and indentation is made of no-break spaces, as on Lambda."""
    first = "[ERROR] " + failure["errorType"]
    if failure["errorMessage"]:
        first += ": " + failure["errorMessage"]
    lines = [first, "Traceback (most recent call last):"]
    for entry in failure["stackTrace"]:
        for line in entry.splitlines() or [""]:
            text = line.lstrip(" ")
            lines.append(NO_BREAK_SPACE * (len(line) - len(text)) + text)
    return lines
