import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest

from harness import JAR, JAVA, ROOT, Invocation, RuntimeCase

ID = "00000001-1111-4222-8333-444455556666"
IMPORTS = "".join("import %s;\n" % name for name in (
    "com.amazonaws.services.lambda.runtime.*", "com.amazonaws.services.lambda.runtime.logging.*", "java.io.*", "java.util.*",
    "java.util.concurrent.*", "java.util.concurrent.atomic.*", "java.math.*", "java.time.*", "java.nio.*", "java.net.*"))


@unittest.skipUnless(shutil.which("javac"), "no JDK")
class JavaCase(RuntimeCase):
    """The functions of all tests of a class are compiled together: nested classes of one, app.F."""
    command, module, handler = JAVA, None, None
    source = None

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        subprocess.run([os.path.join(ROOT, "tools", "build-java-runtime")], check=True)
        cls.classes = tempfile.mkdtemp(prefix="runtime-test-java-")
        cls.addClassCleanup(shutil.rmtree, cls.classes, ignore_errors=True)
        file = os.path.join(cls.classes, "F.java")
        with open(file, "w", encoding="utf-8") as f:
            f.write("package app;\n%spublic class F {\n%s\n}\n" % (IMPORTS, cls.source))
        subprocess.run(["javac", "-nowarn", "-cp", JAR, "-d", cls.classes, file], check=True)

    def environment(self, address, handler, extra):
        return super().environment(address, handler, {"LAMBDA_TASK_ROOT": self.classes, "LC_ALL": "C.UTF-8", **extra})

    def call(self, name, events=({},), **options):
        return self.run_function(None, events, handler="app.F$" + name, **options)

    def values(self, name, events):
        result = self.call(name, events)
        self.assertEqual({i.kind for i in result.invocations}, {"response"}, repr(result) + str([i.answer for i in result.invocations]))
        return [i.json() for i in result.invocations]


class Protocol(JavaCase):
    source = """
public static class Echo implements RequestHandler<Object, Object> {
    public Object handleRequest(Object event, Context context) { return event; }
}
public static class Encoding implements RequestHandler<String, List<Object>> {
    public List<Object> handleRequest(String s, Context context) {
        return List.of(new String(s.getBytes()), s.getBytes().length, System.getenv("ACCENT"));
    }
}
public static class Large implements RequestHandler<Integer, String> {
    public String handleRequest(Integer n, Context context) { return "x".repeat(n); }
}
"""

    def test_answer_and_next_request_leave_in_one_write(self):
        result = self.call("Echo", [{"n": n} for n in range(20)])
        self.assertEqual([i.json() for i in result.invocations], [{"n": n} for n in range(20)])
        kinds = [(r.method, r.pipelined) for r in result.server.requests]
        self.assertEqual(kinds, [("GET", False)] + [("POST", True), ("GET", False)] * 20)
        self.assertEqual(result.server.connections, 1)

    def test_all_ways_to_write_answers(self):
        for wire in ("plain", "chunked", "joined", "bytes"):
            with self.subTest(wire):
                result = self.call("Echo", [{"n": n, "s": "\u00e9\U0001f600"} for n in range(5)], wire=wire)
                self.assertEqual([i.json() for i in result.invocations], [{"n": n, "s": "\u00e9\U0001f600"} for n in range(5)])

    def test_everything_is_utf8(self):
        result = self.call("Encoding", ["h\u00e9"], env={"ACCENT": "\u00e9"})
        self.assertEqual(result.invocations[0].json(), ["h\u00e9", 3, "\u00e9"])

    def test_six_megabytes_both_ways(self):
        for wire in ("plain", "chunked"):
            text = "0123456789abcdef" * (6 * 65536 - 1)
            result = self.call("Echo", [{"t": text}, {"n": 2}], wire=wire)
            self.assertEqual(result.invocations[0].json(), {"t": text})
            self.assertEqual(result.invocations[1].json(), {"n": 2})

    def test_too_large_answer_is_refused_and_the_next_invocation_served(self):
        result = self.call("Large", [7 << 20, 3])
        self.assertEqual(result.invocations[0].reason, "RequestEntityTooLarge")
        self.assertEqual(result.invocations[1].json(), "xxx")
        self.assertIn("Http response code: 413", result.stderr)

    def test_reconnects_once_when_the_idle_connection_is_dropped(self):
        result = self.call("Echo", [1, 2, 3], drop_after=1)
        self.assertEqual([i.json() for i in result.invocations], [1, 2, 3])
        self.assertEqual(result.server.connections, 2)

    def test_ends_when_the_server_is_gone(self):
        result = subprocess.run(JAVA, env=self.environment("127.0.0.1:9", "app.F$Echo", {}), capture_output=True, timeout=60)
        self.assertEqual(result.returncode, 1)


class Values(JavaCase):
    source = r"""
public enum Color { RED, GREEN }
public static class Inner {
    private int n;
    private List<Inner> more;
    public int getN() { return n; }
    public void setN(int n) { this.n = n; }
    public List<Inner> getMore() { return more; }
    public void setMore(List<Inner> more) { this.more = more; }
}
public static class Base { public String base = "b"; }
public static class Pojo extends Base {
    private String name; private boolean good; private Inner inner; private Map<String, Inner> byName; private Color color;
    private BigDecimal price; private long[] numbers; private byte[] data; private String secret = "s"; private Set<Color> colors;
    public transient String passing = "t";
    public static String shared = "x";
    public int open;
    public String getName() { return name; }
    public void setName(String v) { name = v; }
    public boolean isGood() { return good; }
    public void setGood(boolean v) { good = v; }
    public Inner getInner() { return inner; }
    public void setInner(Inner v) { inner = v; }
    public Map<String, Inner> getByName() { return byName; }
    public void setByName(Map<String, Inner> v) { byName = v; }
    public Color getColor() { return color; }
    public void setColor(Color v) { color = v; }
    public BigDecimal getPrice() { return price; }
    public void setPrice(BigDecimal v) { price = v; }
    public long[] getNumbers() { return numbers; }
    public void setNumbers(long[] v) { numbers = v; }
    public byte[] getData() { return data; }
    public void setData(byte[] v) { data = v; }
    public Set<Color> getColors() { return colors; }
    public void setColors(Set<Color> v) { colors = v; }
    public String getURL() { return "u"; }
    public String secretive() { return secret; }
}
public static class Beans implements RequestHandler<Pojo, Pojo> {
    public Pojo handleRequest(Pojo event, Context context) { return event; }
}
public static class Nulls implements RequestHandler<Pojo, String> {
    public String handleRequest(Pojo event, Context context) { return String.valueOf(event == null ? null : event.color); }
}
public record Point(int x, Optional<String> label, List<Point> next) {}
public static class Records implements RequestHandler<Point, Point> {
    public Point handleRequest(Point p, Context context) { return p; }
}
public static class Box<T> { public T value; public List<T> values; }
public static class Generic implements RequestHandler<Box<Inner>, Integer> {
    public Integer handleRequest(Box<Inner> b, Context context) { return b.value.n + b.values.get(0).n; }
}
public static abstract class Middle<X> implements RequestHandler<X, String> {}
public static class Inherited extends Middle<Integer> {
    public String handleRequest(Integer n, Context context) { return n.getClass().getSimpleName() + n; }
}
public static class Kinds implements RequestHandler<Object, Object> {
    public Object handleRequest(Object e, Context context) {
        return e instanceof Map ? ((Map<?, ?>) e).get("k").getClass().getName() : e == null ? "null" : e.getClass().getName();
    }
}
public static class Text implements RequestHandler<String, String> {
    public String handleRequest(String e, Context context) { return e; }
}
public static class Count implements RequestHandler<Integer, Integer> {
    public Integer handleRequest(Integer e, Context context) { return e; }
}
public static class Immutable {
    private final String a; private final int b;
    public Immutable(String a, int b) { this.a = a; this.b = b; }
    public String getA() { return a; }
    public int getB() { return b; }
}
public static class Made implements RequestHandler<Immutable, Immutable> {
    public Immutable handleRequest(Immutable e, Context context) { return e; }
}
public static class Holder { public Instant instant; public LocalDate day; public LocalDateTime at; public Date date; public Duration span; public UUID id; public URI uri; public ZonedDateTime zoned; }
public static class Times implements RequestHandler<Holder, Holder> {
    public Holder handleRequest(Holder e, Context context) { return e; }
}
public static class Odd implements RequestHandler<Integer, Object> {
    public Object handleRequest(Integer n, Context context) {
        Map<Object, Object> m = new LinkedHashMap<>();
        switch (n) {
        case 0: m.put("a", null); m.put(1, 2.5f); m.put(Color.RED, 'c'); return m;
        case 1: return new Object[] {Double.NaN, 1e300, new BigDecimal("1.10"), new BigInteger("123456789012345678901"), -1L, new AtomicInteger(3)};
        case 2: return "\"\\/\b\t\n\f\r\u0001\u00e9\ud83d\ude00";
        case 3: return Optional.empty();
        case 4: return new Object() { public int getX() { return 1; } };
        case 5: return List.of(Color.GREEN, UUID.fromString("00000000-0000-0000-0000-000000000001"), OptionalInt.of(4));
        case 6: return new int[][] {{1}, {2, 3}};
        case 7: return new ArrayDeque<>(List.of(1));
        case 8: m.put("m", m); return m;
        case 9: return new Object() { public int getX() { throw new IllegalStateException("no x"); } };
        default: return null;
        }
    }
}
"""

    def test_beans(self):
        event = {"base": "q", "open": 3, "name": "n", "good": True, "inner": {"n": 1, "more": [{"n": 2}]}, "byName": {"k": {"n": 3}},
                 "color": "GREEN", "price": 12345678901234567890.10, "numbers": [1, 2], "data": "aGk=", "colors": ["RED"],
                 "unknown": {"x": 1}, "passing": 1, "URL": "ignored"}
        result = self.call("Beans", [Invocation(json.dumps(event).replace("1.2345678901234567e+19", "12345678901234567890.10").encode())])
        self.assertEqual(result.invocations[0].answer.decode(), '{"base":"q","name":"n","good":true,"inner":{"n":1,"more":[{"n":2}]},'
                         '"byName":{"k":{"n":3}},"color":"GREEN","price":12345678901234567890.10,"numbers":[1,2],"data":"aGk=",'
                         '"colors":["RED"],"open":3,"URL":"u"}')
        self.assertEqual(result.invocations[0].answer_headers["content-type"], "application/json")

    def test_leniency(self):
        self.assertEqual(self.values("Nulls", [{"color": "BLUE"}, {"color": 1}, [{"color": "RED"}], [], "", None,
                                               {"colors": "RED", "open": "7", "good": "true", "numbers": 1, "name": 5}]),
                         ["null", "GREEN", "RED", "null", "null", "null", "null"])
        self.assertEqual(self.values("Count", ["12", 1.9, None, ""]), [12, 1, None, None])
        self.assertEqual(self.values("Text", ["s", 1, 1.5, True]), ["s", "1", "1.5", "true"])

    def test_records_and_immutable_classes(self):
        points = [{"x": 1, "label": "l", "next": [{"x": 2}]}, {}]
        self.assertEqual(self.values("Records", points), [{"x": 1, "label": "l", "next": [{"x": 2, "label": None}]},
                                                          {"x": 0, "label": None}])
        self.assertEqual(self.values("Made", [{"b": 2, "a": "x"}]), [{"a": "x", "b": 2}])

    def test_generic_types(self):
        self.assertEqual(self.values("Generic", [{"value": {"n": 4}, "values": [{"n": 5}]}]), [9])
        self.assertEqual(self.values("Inherited", [6]), ["Integer6"])

    def test_untyped_events(self):
        kinds = self.values("Kinds", [{}, {"k": 1}, {"k": 1 << 40}, {"k": 1 << 70}, {"k": 1.5}, {"k": []}, {"k": True}, [1], "s", None][1:])
        names = ["Integer", "Long", "BigInteger", "Double", "ArrayList", "Boolean", "ArrayList", "String", "null"]
        self.assertEqual([k.rsplit(".", 1)[-1] for k in kinds], names)

    def test_times(self):
        event = {"instant": "2026-01-02T03:04:05.5Z", "day": "2026-01-02", "at": "2026-01-02T03:04:00", "date": "2026-01-02T03:04:05Z",
                 "span": "PT1M30S", "id": "00000000-0000-0000-0000-00000000000a", "uri": "http://x/y", "zoned": "2026-01-02T03:04:05+01:00"}
        result = self.call("Times", [event])
        written = result.invocations[0].answer.decode()
        self.assertEqual(written, '{"instant":1767323045.500000000,"day":[2026,1,2],"at":[2026,1,2,3,4],"date":1767323045000,'
                         '"span":90.000000000,"id":"00000000-0000-0000-0000-00000000000a","uri":"http://x/y","zoned":1767319445.000000000}')
        self.assertEqual(self.call("Times", [Invocation(written.encode())]).invocations[0].answer.decode(), written)

    def test_answers_of_many_kinds(self):
        result = self.call("Odd", list(range(11)))
        expected = ['{"1":2.5,"RED":"c"}', '["NaN",1.0E300,1.10,123456789012345678901,-1,3]',
                    '"\\"\\\\/\\b\\t\\n\\f\\r\\u0001\u00e9\U0001f600"', "null", '{"x":1}',
                    '["GREEN","00000000-0000-0000-0000-000000000001",4]', "[[1],[2,3]]", "[1]"]
        self.assertEqual([i.answer.decode() for i in result.invocations[:8]], expected)
        for invocation, cause in ((result.invocations[8], "within itself"), (result.invocations[9], "no x")):
            self.assertEqual((invocation.kind, invocation.json()["errorMessage"]),
                             ("error", "An error occurred during JSON serialization of response"))
            self.assertIn(cause, invocation.json()["cause"]["errorMessage"])
        self.assertEqual(result.invocations[10].answer, b"null")

    def test_events_that_do_not_fit(self):
        for name, event in (("Count", "x"), ("Count", {}), ("Text", {}), ("Beans", 5), ("Count", 1 << 40), ("Count", Invocation(b"{nope")),
                            ("Kinds", Invocation(b'{"a":1,}')), ("Kinds", Invocation(b"")), ("Kinds", Invocation(b"[1] 2"))):
            with self.subTest(name=name, event=event):
                error = self.call(name, [event]).invocations[0].json()
                self.assertEqual((error["errorMessage"], error["errorType"], error["stackTrace"]),
                                 ("An error occurred during JSON parsing", "java.lang.RuntimeException", []))
                self.assertTrue(error["cause"]["errorMessage"])


class Handlers(JavaCase):
    source = """
public static class Streams implements RequestStreamHandler {
    public void handleRequest(InputStream in, OutputStream out, Context context) throws IOException {
        byte[] all = in.readAllBytes();
        out.write('[');
        out.write(all);
        out.write(("," + all.length + "]").getBytes());
    }
}
public static class Methods {
    private int n;
    public static String fixed(String s) { return "static " + s; }
    public int count() { return ++n; }
    public String both(Map<String, Integer> m, Context c) { return m.get("a") + 1 + c.getFunctionName(); }
    public String both(Map<String, Integer> m) { return "shorter"; }
    public String context(Context c) { return c.getAwsRequestId(); }
    public void nothing(Object o) { }
    public int sum(List<Integer> l) { return l.get(0) + l.get(1); }
    public double half(double d) { return d / 2; }
    public void streams(InputStream in, OutputStream out, Context c) throws IOException { in.transferTo(out); }
    public void input(InputStream in) throws IOException { n += in.readAllBytes().length; }
    public void output(OutputStream out) throws IOException { out.write('7'); }
    public void wrong(int a, int b) { }
    public void interrupts() { Thread.currentThread().interrupt(); }
}
public class Member { public void m() { } }
public static class NoConstructor implements RequestHandler<String, String> {
    public NoConstructor(int n) { }
    public String handleRequest(String s, Context c) { return s; }
}
public static class Raw implements RequestHandler { public Object handleRequest(Object o, Context c) { return o; } }
public static class Unbound<T> implements RequestHandler<T, String> { public String handleRequest(T o, Context c) { return "x"; } }
public static class None { public String handleRequest(String s) { return s; } }
"""

    def one(self, name, event=None):
        result = self.call(name, [event, event])
        return result.invocations[1].json(), result

    def test_kinds_of_handlers(self):
        for name, event, expected in (
                ("Streams", {"a": 1}, [{"a": 1}, 8]), ("Methods::fixed", "s", "static s"), ("Methods::count", 0, 2),
                ("Methods::both", {"a": 5}, "6f"), ("Methods::context", 0, ID.replace("1-1111", "2-1111")), ("Methods::nothing", 1, None),
                ("Methods::sum", [3, 4], 7), ("Methods::half", 5, 2.5), ("Methods::streams", {"x": []}, {"x": []}),
                ("Methods::input", "abc", None), ("Methods::output", 0, 7), ("Methods::interrupts", 0, None)):
            with self.subTest(name):
                answer, result = self.one(name, event)
                self.assertEqual(answer, expected, repr(result))

    def test_handlers_that_are_not_there(self):
        for handler, message, kind in (
                ("app.Nothing", "Class not found: app.Nothing", "java.lang.ClassNotFoundException"),
                ("app.Nothing::m", "Class not found: app.Nothing", "java.lang.ClassNotFoundException"),
                ("::x", "Invalid handler: `::x'", None),
                ("app.F$None", "Class does not implement an appropriate handler interface: app.F$None", None),
                ("app.F$Methods::gone", "No public method named gone with appropriate method signature found on class app.F$Methods", None),
                ("app.F$Methods::wrong", "No public method named wrong with appropriate method signature found on class app.F$Methods", None),
                ("app.F$NoConstructor", "Class app.F$NoConstructor has no public zero-argument constructor", "java.lang.Exception"),
                ("app.F$Member::m", "Class app.F$Member cannot be instantiated because it is a non-static inner class", "java.lang.Exception"),
                ("app.F$Raw", "Class app.F$Raw does not implement RequestHandler with concrete type parameters", None),
                ("app.F$Unbound", "Class app.F$Unbound does not implement RequestHandler with concrete type parameters: parameter T has no "
                 "upper bound.", None)):
            with self.subTest(handler):
                result = self.run_function(None, [1, 2], handler=handler)
                expected = {"errorMessage": message}
                if kind:
                    expected["errorType"] = kind
                self.assertEqual([i.json() for i in result.invocations], [expected, expected])
                self.assertEqual(result.invocations[0].answer_headers["lambda-runtime-function-error-type"], "Runtime.BadFunctionCode")
                self.assertIn(message, result.stdout)

    def test_jars_and_their_order(self):
        folder = os.path.join(self.folder, "task")
        os.makedirs(os.path.join(folder, "lib"))
        for name, text in (("a", "from a"), ("b", "from b")):
            self.put("%s/L.java" % name, 'public class L { public static String run() { return "%s"; } }' % text)
            subprocess.run(["javac", "L.java"], cwd=os.path.join(self.folder, name), check=True)
            subprocess.run(["jar", "cf", os.path.join(folder, "lib", name + ".jar"), "L.class"], cwd=os.path.join(self.folder, name), check=True)
        result = self.run_function(None, [1], handler="L::run", env={"LAMBDA_TASK_ROOT": folder})
        self.assertEqual(result.invocations[0].json(), "from a")

    def test_a_function_with_its_own_copy_of_the_interfaces(self):
        copy = os.path.join(self.folder, "copy")
        shutil.copytree(self.classes, copy)
        with tempfile.TemporaryDirectory() as unpacked:
            subprocess.run(["jar", "xf", JAR], cwd=unpacked, check=True)
            shutil.copytree(os.path.join(unpacked, "com"), os.path.join(copy, "com"))
        result = self.run_function(None, [5], handler="app.F$Streams", env={"LAMBDA_TASK_ROOT": copy})
        self.assertEqual(result.invocations[0].json(), [5, 1])

    def test_own_serializer(self):
        copy = os.path.join(self.folder, "copy")
        shutil.copytree(self.classes, copy)
        self.put("copy/S.java", IMPORTS + """public class S implements CustomPojoSerializer, RequestHandler<String, String> {
            public <T> T fromJson(InputStream in, java.lang.reflect.Type t) {
                try { return (T) ("<" + new String(in.readAllBytes()) + ">"); } catch (IOException e) { throw new RuntimeException(e); } }
            public <T> T fromJson(String s, java.lang.reflect.Type t) { return null; }
            public <T> void toJson(T v, OutputStream out, java.lang.reflect.Type t) {
                try { out.write(("{\\"own\\":\\"" + v + "\\"}").getBytes()); } catch (IOException e) { throw new RuntimeException(e); } }
            public String handleRequest(String s, Context c) { return s; }
        }""")
        self.put("copy/META-INF/services/com.amazonaws.services.lambda.runtime.CustomPojoSerializer", "S\n")
        subprocess.run(["javac", "-nowarn", "-cp", JAR, "S.java"], cwd=copy, check=True, capture_output=True)
        result = self.run_function(None, [5], handler="S", env={"LAMBDA_TASK_ROOT": copy})
        self.assertEqual(result.invocations[0].json(), {"own": "<5>"})


class ContextAndLogs(JavaCase):
    source = """
public static class All implements RequestHandler<Object, Map<String, Object>> {
    public Map<String, Object> handleRequest(Object e, Context c) {
        Map<String, Object> m = new TreeMap<>();
        m.put("id", c.getAwsRequestId()); m.put("group", c.getLogGroupName()); m.put("stream", c.getLogStreamName());
        m.put("name", c.getFunctionName()); m.put("version", c.getFunctionVersion()); m.put("arn", c.getInvokedFunctionArn());
        m.put("memory", c.getMemoryLimitInMB()); m.put("remaining", c.getRemainingTimeInMillis()); m.put("tenant", c.getTenantId());
        m.put("trace", c.getXrayTraceId()); m.put("property", System.getProperty("com.amazonaws.xray.traceHeader"));
        if (c.getIdentity() != null) m.put("identity", List.of(c.getIdentity().getIdentityId(), c.getIdentity().getIdentityPoolId()));
        if (c.getClientContext() != null) {
            ClientContext cc = c.getClientContext();
            m.put("client", List.of(cc.getClient().getAppTitle(), cc.getClient().getInstallationId(), cc.getCustom(), cc.getEnvironment()));
        }
        return m;
    }
}
public static class Logs implements RequestHandler<Object, Boolean> {
    public Boolean handleRequest(Object e, Context c) {
        System.out.print("out");
        System.err.println("err \\u00e9");
        System.out.println(" more");
        c.getLogger().log("one\\ntwo");
        c.getLogger().log("three\\n");
        c.getLogger().log("debug", LogLevel.DEBUG);
        c.getLogger().log("warn", LogLevel.WARN);
        c.getLogger().log("raw\\n".getBytes());
        return LambdaRuntime.getLogger() == c.getLogger();
    }
}
"""

    def test_context(self):
        client = {"client": {"app_title": "t", "installation_id": "i"}, "custom": {"a": "b"}, "env": {"c": "d"}}
        event = Invocation({}, Lambda_Runtime_Trace_Id="Root=1", Lambda_Runtime_Client_Context=json.dumps(client),
                           Lambda_Runtime_Cognito_Identity='{"cognitoIdentityId":"x","cognitoIdentityPoolId":"y"}',
                           Lambda_Runtime_Aws_Tenant_Id="ten")
        result = self.call("All", [event, {}])
        found, plain = [i.json() for i in result.invocations]
        self.assertTrue(0 < found.pop("remaining") <= 5000)
        self.assertEqual(found, {
            "id": ID, "group": "/aws/lambda/f", "stream": "2026/01/01/[$LATEST]abc", "name": "f", "version": "$LATEST",
            "arn": "arn:aws:lambda:us-east-1:000000000000:function:f", "memory": 128, "tenant": "ten", "trace": "Root=1",
            "property": "Root=1", "identity": ["x", "y"], "client": ["t", "i", {"a": "b"}, {"c": "d"}]})
        self.assertFalse({"trace", "property", "identity", "client", "tenant"} & set(plain))

    def test_text_logs(self):
        result = self.call("Logs")
        self.assertTrue(result.invocations[0].json())
        self.assertEqual(result.stdout, "out more\none\rtwo\nthree\n[DEBUG] debug\n[WARN] warn\nraw\n")
        self.assertEqual(result.stderr, "err \u00e9\n")

    def test_json_logs(self):
        result = self.call("Logs", env={"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "INFO"})
        lines = result.stdout.split("\n")
        self.assertEqual((lines[0], lines[4:]), ("out more", ["raw", ""]))
        records = [json.loads(line) for line in lines[1:4]]
        for record in records:
            self.assertRegex(record.pop("timestamp"), r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertEqual(records, [{"message": "one\ntwo", "level": "UNDEFINED", "AWSRequestId": ID},
                                   {"message": "three\n", "level": "UNDEFINED", "AWSRequestId": ID},
                                   {"message": "warn", "level": "WARN", "AWSRequestId": ID}])


class Errors(JavaCase):
    source = """
public static class Throws implements RequestHandler<Integer, String> {
    public String handleRequest(Integer n, Context c) {
        switch (n) {
        case 0: throw new IllegalStateException("bad", new IOException("inner"));
        case 1: throw new NullPointerException();
        case 2: throw new Error("err");
        case 3: sneaky(new IOException("checked"));
        default: return "fine";
        }
    }
    static <T extends Throwable> void sneaky(Throwable t) throws T { throw (T) t; }
}
public static class Memory implements RequestHandler<Integer, Integer> {
    public Integer handleRequest(Integer n, Context c) { return new byte[1 << 30].length; }
}
public static class Exits implements RequestHandler<Integer, Integer> {
    public Integer handleRequest(Integer n, Context c) { System.exit(n); return 1; }
}
public static class Static { static final int N = Integer.parseInt("x"); public static int m() { return N; } }
public static class Constructor { public Constructor() { throw new IllegalArgumentException("cons"); } public void m() { } }
public static class ByMethod { public void m() throws Exception { throw new Exception("m"); } }
"""

    def test_errors_and_their_traces(self):
        result = self.call("Throws", [0, 1, 2, 3, 4])
        first = result.invocations[0].json()
        self.assertRegex(first["stackTrace"].pop(0), r"^app\.F\$Throws\.handleRequest\(F\.java:\d+\)$")
        self.assertEqual([f for f in first["stackTrace"] if "mayfly" in f or "app.F" not in f], [])
        cause = first.pop("cause")
        self.assertEqual((cause["errorMessage"], cause["errorType"]), ("inner", "java.io.IOException"))
        self.assertEqual((first["errorMessage"], first["errorType"]), ("bad", "java.lang.IllegalStateException"))
        self.assertEqual(result.invocations[0].answer_headers["lambda-runtime-function-error-type"], "Runtime.UserException")
        self.assertEqual([(i.json()["errorMessage"], i.json()["errorType"]) for i in result.invocations[1:4]],
                         [("java.lang.NullPointerException",) * 2, ("err", "java.lang.Error"), ("checked", "java.io.IOException")])
        self.assertEqual(result.invocations[4].json(), "fine")
        record = result.stdout.split("\n")[0].split("\r")
        self.assertEqual(record[:2], ["bad: java.lang.IllegalStateException", "java.lang.IllegalStateException: bad"])
        self.assertIn("\tat app.F$Throws.handleRequest", record[2])

    def test_of_a_method(self):
        error = self.call("ByMethod::m").invocations[0].json()
        self.assertEqual((error["errorMessage"], error["errorType"]), ("m", "java.lang.Exception"))
        self.assertFalse([f for f in error["stackTrace"] if f.startswith("mayfly")])

    def test_out_of_memory_is_reported_and_ends_the_process(self):
        result = self.call("Memory", [1], exits=True)
        self.assertEqual((result.code, result.invocations[0].json()["errorType"]), (1, "java.lang.OutOfMemoryError"))

    def test_exit(self):
        result = self.call("Exits", [3], exits=True)
        self.assertEqual((result.code, result.invocations[0].kind), (3, None))

    def test_failed_initialisations(self):
        for name, message, kind in (
                ("Static::m", "Error loading class app.F$Static", "java.lang.ExceptionInInitializerError"),
                ("Constructor::m", "cons", "java.lang.IllegalArgumentException")):
            result = self.call(name, exits=True)
            error = json.loads(result.init_error.body)
            self.assertEqual((result.code, error), (1, {"errorMessage": message, "errorType": kind}))
            self.assertEqual(result.init_error.headers["lambda-runtime-function-error-type"], "Runtime.BadFunctionCode")
            self.assertTrue(re.match(re.escape(message) + ": " + re.escape(kind), result.stdout), result.stdout)


if __name__ == "__main__":
    unittest.main()
