#!/usr/bin/env python3
"""Writes test_sigv4_vectors.h: requests as botocore really sends and signs them, with the clock held.

Needs boto3. Run it in this folder: python3 test_sigv4_vectors.py > test_sigv4_vectors.h
"""
import datetime
import json
import urllib.parse

import boto3
import botocore
import botocore.auth
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.config import Config
from botocore.credentials import Credentials

NOW = datetime.datetime(2026, 1, 31, 12, 34, 56, tzinfo=datetime.timezone.utc)
KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
TOKEN = "FwoGZXIvYXdzEXAMPLE//token+with=signs=="
ARN = "arn:aws:lambda:us-east-1:000000000000:function:f"
HOST = "http://127.0.0.1:4566"
rows = []


class Sent(Exception):
    pass


def add(name, service, method, url, headers, body):
    parts = urllib.parse.urlsplit(url)
    if isinstance(body, str):
        body = body.encode()
    # Never signed, and different on every machine and in every run.
    headers = [(k, v) for k, v in headers if k.lower() not in ("user-agent", "amz-sdk-invocation-id", "amz-sdk-request")]
    names = {k.lower() for k, _ in headers}
    if "host" not in names:
        headers = [("Host", parts.netloc)] + headers
    rows.append((name, service, method, parts.path or "/", parts.query, headers, body or b""))


def pairs(headers):
    out = []
    for k, v in headers.items():
        out.append((k, v.decode("latin-1") if isinstance(v, bytes) else str(v)))
    return out


def client(service, token=None):
    c = boto3.client(service, region_name="us-east-1", endpoint_url=HOST, aws_access_key_id=KEY,
                     aws_secret_access_key=SECRET, aws_session_token=token,
                     config=Config(retries={"max_attempts": 0}, s3={"addressing_style": "path"}))
    c.meta.events.register("before-send", capture)
    return c


def capture(request, **_):
    global last
    last = request
    raise Sent


def call(name, service, operation, token=None, **kw):
    try:
        getattr(client(service, token), operation)(**kw)
    except Sent:
        pass
    body = last.body
    if hasattr(body, "read"):
        body = body.read()
    add(name, service, last.method, last.url, pairs(last.headers), body)


def presign(name, service, operation, token=None, expires=900, **kw):
    url = client(service, token).generate_presigned_url(operation, Params=kw, ExpiresIn=expires)
    method = "POST" if operation in ("invoke", "get_caller_identity") else "PUT" if operation == "put_object" else "GET"
    add(name, service, method, url, [], b"")


def raw(name, method, url, headers=(), body=b"", token=None, service="lambda", auth=botocore.auth.SigV4Auth):
    request = AWSRequest(method=method, url=url, headers={}, data=body)
    for k, v in headers:
        request.headers.add_header(k, v)
    auth(Credentials(KEY, SECRET, token), service, "us-east-1").add_auth(request)
    add(name, service, method, request.url, pairs(request.headers), body)


def table():
    call("list", "lambda", "list_functions")
    call("list with marker", "lambda", "list_functions", Marker="a+b/c=d e~*'()", MaxItems=10)
    call("get", "lambda", "get_function", FunctionName="f")
    call("get by name and qualifier", "lambda", "get_function", FunctionName="f", Qualifier="$LATEST")
    call("get by arn", "lambda", "get_function", FunctionName=ARN)
    call("get by arn with alias", "lambda", "get_function", FunctionName=ARN + ":alias")
    call("get by arn with $LATEST", "lambda", "get_function", FunctionName=ARN + ":$LATEST")
    call("get by name with alias", "lambda", "get_function", FunctionName="f:alias")
    call("invoke", "lambda", "invoke", FunctionName="f", Payload=b'{"n":1}')
    call("invoke empty", "lambda", "invoke", FunctionName="f")
    call("invoke by partial arn", "lambda", "invoke", FunctionName="000000000000:function:f", Payload=b"{}")
    call("invoke by arn and qualifier", "lambda", "invoke", FunctionName=ARN, Qualifier="7", InvocationType="Event",
         Payload=b"[1,2,3]")
    call("invoke with tail and context", "lambda", "invoke", FunctionName="f", LogType="Tail", ClientContext="e30=",
         Payload=b"null")
    call("invoke with session token", "lambda", "invoke", token=TOKEN, FunctionName="f", Payload=b"{}")
    call("create", "lambda", "create_function", FunctionName="f", Runtime="python3.11", Handler="a.b",
         Role="arn:aws:iam::000000000000:role/r", Code={"ZipFile": b"PK\x05\x06" + bytes(18)})
    call("delete", "lambda", "delete_function", FunctionName="f", Qualifier="1")
    call("tag", "lambda", "tag_resource", Resource=ARN, Tags={"k": "\u00e9"})
    call("untag", "lambda", "untag_resource", Resource=ARN, TagKeys=["b", "a", "a b", "\u00e9", "aws:x"])
    call("stream", "lambda", "invoke_with_response_stream", FunctionName="f", Payload=b"{}")
    call("identity", "sts", "get_caller_identity")
    call("logs", "logs", "describe_log_streams", logGroupName="/aws/lambda/f")
    call("put object", "s3", "put_object", Bucket="b", Key="a b/c:d+e/\u00e9//x", Body=b"hello")
    call("get object", "s3", "get_object", Bucket="b", Key="./odd/../key", VersionId="1")
    presign("presigned get", "lambda", "get_function", FunctionName=ARN + ":alias", Qualifier="2")
    presign("presigned list", "lambda", "list_functions", Marker="a b")
    presign("presigned with token", "lambda", "get_function", token=TOKEN, FunctionName="f")
    presign("presigned short", "lambda", "get_function", expires=61, FunctionName="f")
    presign("presigned identity", "sts", "get_caller_identity")
    raw("presigned object", "GET", HOST + "/b/a%20b/c", service="s3", auth=botocore.auth.S3SigV4QueryAuth)
    raw("spaces in values", "GET", HOST + "/x", [("My-Header", "  a   b \t c  "), ("Empty", "")])
    raw("date header", "GET", HOST + "/x", [("Date", "now")])
    raw("dots and slashes", "GET", HOST + "/a//b/./c/../d/")
    raw("repeated parameters", "GET", HOST + "/?b=2&a=2&a=1&c&=&a=")
    raw("encoded parameters", "POST", HOST + "/p%2Fq/%25/~?k%3D=v%26&%C3%A9=%E2%82%AC", [("X-Amz-Target", "T")], b"body")
    raw("no path", "GET", HOST)
    raw("non-ascii header", "GET", HOST + "/", [("X-Amz-Meta", "caf\u00e9")])
    raw("unsigned payload", "PUT", HOST + "/u", [("X-Amz-Content-SHA256", "UNSIGNED-PAYLOAD")], b"anything")


def c_string(data):
    out, after_hex = "", False
    for b in data:
        c = chr(b)
        if c in '"\\':
            out += "\\" + c
        elif 32 <= b < 127:
            out += c if c != "?" else "\\?"
        else:
            out += "\\%03o" % b
    return '"' + out + '"'


def main():
    stamp = lambda *a, **k: NOW
    botocore.auth.get_current_datetime = stamp
    table()
    print("/* Made by test_sigv4_vectors.py with botocore %s: do not edit. */" % botocore.__version__)
    print("#define VECTOR_KEY %s\n#define VECTOR_SECRET %s\n#define VECTOR_TOKEN %s" % tuple(json.dumps(x) for x in (KEY, SECRET, TOKEN)))
    print("#define VECTOR_NOW %d\n" % NOW.timestamp())
    print("static const struct vector {\n\tconst char *name, *service, *method, *path, *query, *headers, *body;\n\tsize_t body_len;\n} vectors[] = {")
    for name, service, method, path, query, headers, body in rows:
        head = "".join("%s:%s\n" % (k, v) for k, v in headers).encode("utf-8")
        print("\t{%s, %s, %s,\n\t %s,\n\t %s,\n\t %s,\n\t %s, %d}," % (
            c_string(name.encode()), c_string(service.encode()), c_string(method.encode()), c_string(path.encode()),
            c_string(query.encode()), c_string(head).replace("\\012", '\\n"\n\t "').replace('\n\t ""', ""), c_string(body), len(body)))
    print("};")


main()
