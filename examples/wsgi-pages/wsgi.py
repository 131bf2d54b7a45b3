# Any WSGI application (Flask, Django, Bottle, ...) as a function behind a URL: handler = wsgi.handler(app).
# With stream=True its pieces leave as the application yields them (a URL with InvokeMode RESPONSE_STREAM); that is Mayfly's own,
# Lambda's Python answers whole.
import base64
import io
import sys
from urllib.parse import unquote_to_bytes


def environ_of(event):
    http, headers = event["requestContext"]["http"], event.get("headers") or {}
    body = event.get("body") or ""
    body = base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()
    host, _, port = headers.get("host", "localhost").partition(":")
    environ = {
        "REQUEST_METHOD": http["method"], "SCRIPT_NAME": "", "PATH_INFO": unquote_to_bytes(event["rawPath"]).decode("latin-1"),
        "QUERY_STRING": event.get("rawQueryString", ""), "SERVER_PROTOCOL": http["protocol"], "REMOTE_ADDR": http["sourceIp"],
        "SERVER_NAME": host, "SERVER_PORT": headers.get("x-forwarded-port", port or "80"), "CONTENT_LENGTH": str(len(body)),
        "CONTENT_TYPE": headers.get("content-type", ""), "HTTP_COOKIE": "; ".join(event.get("cookies") or []),
        "wsgi.version": (1, 0), "wsgi.url_scheme": headers.get("x-forwarded-proto", "http"), "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr, "wsgi.multithread": False, "wsgi.multiprocess": False, "wsgi.run_once": False, "lambda.event": event,
    }
    for name, value in headers.items():
        if name not in ("content-type", "content-length"):
            environ["HTTP_" + name.upper().replace("-", "_")] = value
    return environ


def pieces_of(app, event):
    """First the head of the answer, then its body, as the application makes it."""
    said = []
    pieces = app(environ_of(event), lambda status, headers, exc_info=None: said.append((status, headers)))
    try:
        pieces_left = iter(pieces)
        first = next(pieces_left, b"")  # an application may call start_response as late as here
        status, headers = said[-1]
        yield {"statusCode": int(status.split()[0]), "cookies": [v for k, v in headers if k.lower() == "set-cookie"],
               "headers": {k: v for k, v in headers if k.lower() != "set-cookie"}}
        yield first
        yield from pieces_left
    finally:
        getattr(pieces, "close", lambda: None)()


def handler(app, stream=False):
    def whole(event, context):
        pieces = pieces_of(app, event)
        answer = next(pieces)
        return {**answer, "body": base64.b64encode(b"".join(pieces)).decode(), "isBase64Encoded": True}

    return (lambda event, context: pieces_of(app, event)) if stream else whole
