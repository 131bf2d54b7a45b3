# A WSGI application behind a function URL.
# Runtime: python3.11 (any python3.x); handler: app.handler; deploy it with --url none and open what that prints.
import html
from urllib.parse import parse_qs

import wsgi


def application(environ, start_response):
    name = parse_qs(environ["QUERY_STRING"]).get("name", ["world"])[0]
    found = environ["PATH_INFO"] == "/"
    start_response("200 OK" if found else "404 Not Found", [("Content-Type", "text/html; charset=utf-8"), ("Set-Cookie", "seen=1")])
    return [("<h1>Hello, %s!</h1>\n" % html.escape(name) if found else "<h1>There is no such page.</h1>\n").encode()]


handler = wsgi.handler(application)
