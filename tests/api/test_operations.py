"""Every operation of the SDK's own model: each constraint of its input is broken once, each answer has the model's shape."""
import http.client
import json
import re
import urllib.parse

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.session

from api_case import ApiCase, REGION, main, needs_current_sdk

MODEL = botocore.session.get_session().get_service_model("lambda")
LEVELS = 5  # of nested input
# Where AWS itself checks something else than its model says, or not by its general validation.
OTHERWISE = {
    ("CreateFunction", "runtime"): "Member must satisfy enum", ("UpdateFunctionConfiguration", "runtime"): "Member must satisfy enum",
    ("*", "memorySize"): "Member must have value less than",            # 10240: what a function may have
    ("*", "filterCriteria.filters.1.member.pattern"): "Member must satisfy regular",  # .* fits everything
    ("PublishLayerVersion", "compatibleRuntimes"): "Member must satisfy constraint",  # the set of values itself, as recorded
    ("*", "clientContext"): "Member must", ("*", "queues"): "Member must satisfy constraint",
}


def shown(part):
    return part[:1].lower() + part[1:]


def text_of(shape):
    """A text that fits the shape."""
    meta = shape.metadata
    if meta.get("enum"):
        return meta["enum"][0]
    return {
        "FunctionName": "sweep", "NamespacedFunctionName": "sweep", "UnqualifiedFunctionName": "sweep", "Alias": "live", "Version": "1",
        "RoleArn": "arn:aws:iam::000000000000:role/r", "TaggableResource": "arn:aws:lambda:us-east-1:000000000000:function:sweep",
        "CodeSigningConfigArn": "arn:aws:lambda:us-east-1:000000000000:code-signing-config:csc-" + "a" * 17,
        "LayerVersionArn": "arn:aws:lambda:us-east-1:000000000000:layer:l:1", "NumericLatestPublishedOrAliasQualifier": "a",
        "DurableExecutionArn": "arn:aws:lambda:us-east-1:000000000000:function:f:1/durable-execution/a/b", "Action": "lambda:InvokeFunction",
        "CallbackId": "AAAA", "CheckpointToken": "AAAA", "LayerPermissionAllowedAction": "lambda:GetLayerVersion", "MasterRegion": "ALL",
        "LayerPermissionAllowedPrincipal": "*", "PublishedFunctionQualifier": "1", "CapacityProviderArn":
        "arn:aws:lambda:us-east-1:000000000000:capacity-provider:c", "Arn": "arn:aws:sqs:us-east-1:000000000000:q",
        "FunctionUrlQualifier": "live", "KMSKeyArn": "", "ResourceArn": "", "SourceOwner": "000000000000", "DestinationArn": "",
    }.get(shape.name, "x" * max(1, meta.get("min", 1)))


def value_of(shape, level=0):
    """The least that fits: required members alone."""
    if shape.type_name == "structure":
        return {name: value_of(shape.members[name], level + 1) for name in shape.required_members}
    if shape.type_name == "list":
        return [value_of(shape.member, level + 1) for _ in range(shape.metadata.get("min", 0))]
    if shape.type_name == "map":
        return {}
    if shape.type_name in ("integer", "long", "double", "float"):
        return shape.metadata.get("min", 1)
    return {"string": lambda: text_of(shape), "boolean": lambda: True, "blob": lambda: b"{}", "timestamp": lambda: 0}[shape.type_name]()


def with_member(base, path, value):
    """A copy of `base` with the member at `path` set; lists on the way have one element."""
    copy = json.loads(json.dumps(base, default=lambda b: b.decode())) if path else value
    at = copy
    for part, container in path[:-1]:
        if isinstance(at, list):
            if not at:
                at.append(json.loads(json.dumps(container)))
            at = at[0]
        else:
            at = at.setdefault(part, json.loads(json.dumps(container)))
    if isinstance(at, list):
        at[:] = [value]
    else:
        at[path[-1][0]] = value
    return copy


class Violation:
    def __init__(self, path, shape, value, constraint, location):
        self.path, self.shape, self.value, self.constraint, self.location = path, shape, value, constraint, location
        self.name = ".".join("1.member" if part is None else shown(part) for part, _ in path)


def violations(shape, path, location=None):
    """One for each constraint of the member `path`, and of what is in it."""
    meta, kind = shape.metadata, shape.type_name
    low, high, pattern, enum = meta.get("min"), meta.get("max"), meta.get("pattern"), meta.get("enum")

    def broken(value, constraint):
        return Violation(path, shape, value, constraint, location)
    in_list = path and path[-1][0] is None
    if kind == "string" and not in_list:
        if low and location != "uri":
            yield broken("", "Member must have length greater than or equal to %d" % low)
        if high is not None and high < 70000:
            yield broken("x" * (high + 1), "Member must have length less than or equal to %d" % high)
        if pattern:
            bad = {"Handler": "a b", "Principal": "a b", "OperationName": "\u00e9", "ClientToken": "\u00e9", "DatabaseName": "a b"}.get(shape.name, "~")
            yield broken(bad, "Member must satisfy regular expression pattern: ")
        if enum:
            yield broken("no-such-value", "Member must satisfy enum value set: [")
    elif kind in ("integer", "long", "double", "float"):
        if low is not None:
            yield broken(low - 1, "Member must have value greater than or equal to %d" % low)
        if high is not None:
            yield broken(high + 1, "Member must have value less than or equal to %d" % high)
    elif kind == "list":
        if high is not None and high < 1000:
            yield broken([value_of(shape.member)] * (high + 1), "Member must have length less than or equal to %d" % high)
        if low and not location:
            yield broken([], "Member must have length greater than or equal to %d" % low)
        item = shape.member
        if item.type_name == "string" and (item.metadata.get("enum") or item.metadata.get("pattern")):
            bad = "~ " if item.metadata.get("max", 9999) > 2048 else "x" * (item.metadata["max"] + 1)
            yield broken([bad], "Member must satisfy constraint: [")
        elif item.type_name == "structure" and len(path) < LEVELS:
            yield from members(item, path + [(None, value_of(item))])
    elif kind == "map" and shape.key.metadata.get("pattern"):
        yield broken({"~": value_of(shape.value)}, "Map keys must satisfy constraint: [")
    elif kind == "structure" and len(path) < LEVELS:
        yield from members(shape, path)


def members(shape, path):
    for name, member in shape.members.items():
        location = None if path else member.serialization.get("location")
        container = value_of(member) if member.type_name in ("structure", "list") else None
        here = path + [(name, container)]
        if name in shape.required_members and location != "uri" and member.type_name != "blob":
            yield Violation(here, member, None, "Member must not be null", location)
        if not (shape.serialization.get("payload") == name):
            yield from violations(member, here, location)


@needs_current_sdk
class Constraints(ApiCase):
    """Sent by hand: the SDK would not let most of them through."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.credentials = botocore.credentials.Credentials(*cls.server.credentials())
        cls.connection = http.client.HTTPConnection(urllib.parse.urlsplit(cls.server.url).netloc, timeout=60)
        cls.addClassCleanup(cls.connection.close)

    def send(self, operation, base, violation):
        """The request with the broken member, as the SDK's serializer would have put it."""
        shape = operation.input_shape
        given = {name: value for name, value in base.items()}
        first = violation.path[0][0]
        if violation.value is None and len(violation.path) == 1:
            given.pop(first, None)
        elif violation.value is None:
            given = with_member(given, violation.path, None)
        else:
            given = with_member(given, violation.path, violation.value)
        path, query, headers, body = operation.http["requestUri"], [], {}, {}
        payload = shape.serialization.get("payload")
        for name, value in given.items():
            member = shape.members[name]
            where, key = member.serialization.get("location"), member.serialization.get("name", name)
            if where == "uri":
                path = path.replace("{%s}" % key, urllib.parse.quote(str(value), safe=""))
            elif where == "querystring":
                query += [(key, one) for one in (value if isinstance(value, list) else [value])]
            elif where == "header":
                headers[key] = str(value)
            elif where is None and name != payload:
                body[key] = value
        if query:
            path += ("&" if "?" in path else "?") + urllib.parse.urlencode(query, quote_via=urllib.parse.quote)
        text = b"" if operation.http["method"] == "GET" or payload else json.dumps(body, default=lambda b: "e30=").encode()
        return self.signed(operation.http["method"], path, text, headers)

    def signed(self, method, path, body, headers):
        """As self.request, over one connection for all."""
        request = botocore.awsrequest.AWSRequest(method, self.server.url + path, data=body, headers=headers)
        botocore.auth.SigV4Auth(self.credentials, "lambda", REGION).add_auth(request)
        self.connection.request(method, path, body, dict(request.headers))
        answer = self.connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()

    def check(self, name, violation, answer):
        status, headers, body = answer
        self.assertEqual((status, headers.get("x-amzn-errortype")), (400, "ValidationException"), body[:300])
        message = json.loads(body)["message"]
        match = re.match(r"(\d+) validation errors? detected: ", message)
        self.assertTrue(match, message)
        self.assertEqual(message.count("failed to satisfy constraint: "), int(match.group(1)), message)
        self.assertIn(" at '%s' failed to satisfy constraint: %s" % (violation.name, violation.constraint), message)
        if violation.value is None:
            self.assertIn("Value null at '%s'" % violation.name, message)
        elif isinstance(violation.value, str):
            self.assertIn("Value '%s' at '%s'" % (violation.value, violation.name), message)

    def test_each_is_checked(self):
        count = 0
        for name in MODEL.operation_names:
            operation = MODEL.operation_model(name)
            if operation.input_shape is None:
                continue
            base = value_of(operation.input_shape)
            for violation in members(operation.input_shape, []):
                known = OTHERWISE.get((name, violation.name)) or OTHERWISE.get(("*", violation.name))
                if known and violation.constraint.startswith(known):
                    continue
                count += 1
                with self.subTest(operation=name, member=violation.name, constraint=violation.constraint):
                    self.check(name, violation, self.send(operation, base, violation))
        self.assertGreater(count, 400)


if __name__ == "__main__":
    main()
