"""The endpoint over TLS, as clients of every kind see it; certificates that change while it runs; files that cannot work."""
import http.client
import json
import os
import pty
import re
import shutil
import signal
import ssl
import tempfile
import unittest
import urllib.request

from support import MAYFLY, call, mayfly, run, wait_until
from harness import Server

CODE = {"app.py": """
import os, urllib.request
def handler(event, context):
    if event == "inside":
        url = os.environ["AWS_ENDPOINT_URL"]
        try:
            status = urllib.request.urlopen(url + "/_mayfly/health").status
        except urllib.error.HTTPError as e:
            status = e.code
        return [url, status]
    return event
"""}
NODE = "fetch(process.argv[1]).then(r => r.json()).then(b => console.log(b.status), e => { console.log(e.cause.code); process.exit(1) })"


def make_pair(folder, name):
    """A certificate that signed itself, and its key; the key is root's alone."""
    cert, key = (os.path.join(folder, name + end) for end in (".pem", ".key"))
    done = run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", cert,
               "-days", "30", "-subj", "/CN=" + name, "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    assert done.returncode == 0, done.stderr
    os.chmod(key, 0o600)
    return cert, key


class TlsFolder(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not shutil.which("openssl"):
            raise unittest.SkipTest("openssl is not installed")
        cls.folder = tempfile.mkdtemp(prefix="mayfly-tls-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.cert, cls.key = make_pair(cls.folder, "first")


class Tls(TlsFolder):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = Server("--tls-cert", cls.cert, "--tls-key", cls.key)
        cls.addClassCleanup(cls.server.close)
        cls.env = dict(cls.server.environ(), AWS_CA_BUNDLE=cls.cert, NODE_EXTRA_CA_CERTS=cls.cert)

    def client(self, service="lambda"):
        import boto3
        key, secret = self.server.credentials()
        return boto3.client(service, endpoint_url=self.server.url, region_name="us-east-1", aws_access_key_id=key,
                            aws_secret_access_key=secret, verify=self.cert)

    def test_what_it_says_of_itself(self):
        self.assertTrue(self.server.url.startswith("https://127.0.0.1:"), self.server.url)
        with open(os.path.join(self.server.data, "config"), encoding="utf-8") as f:
            self.assertIn("endpoint_url = %s\n" % self.server.url, f.read())
        self.assertIn("TLS certificate for localhost, until 20", self.server.log())
        with urllib.request.urlopen(self.server.url + "/_mayfly/metrics", context=ssl.create_default_context(cafile=self.cert)) as r:
            text = r.read().decode()
        left_s = int(re.search(r"^mayfly_tls_certificate_left_seconds (\d+)$", text, re.M)[1])
        self.assertTrue(29 * 86400 < left_s <= 30 * 86400, left_s)
        self.assertRegex(text, r"(?m)^mayfly_tls_handshakes_total [1-9]")

    def test_curl(self):
        page = self.server.url + "/_mayfly/health"
        done = run("curl", "-sS", "--cacert", self.cert, page)
        self.assertEqual(json.loads(done.stdout)["status"], "ok", done.stderr)
        self.assertEqual(run("curl", "-sS", page).returncode, 60, "a certificate that nobody vouches for")
        self.assertEqual(run("curl", "-sS", "--cacert", self.cert, "--tls-max", "1.1", page).returncode, 35)
        plain = run("curl", "-sS", "-w", "%{http_code}", page.replace("https", "http"))
        self.assertEqual(plain.stdout, "this port speaks HTTPS: use https:// in the address\n400", plain.stderr)

    def test_boto3(self):
        client = self.client()
        name = self.server_deploy(client)
        sent = {"text": "0123456789abcdef" * 300000}
        self.assertEqual(call(client, name, sent)[1], sent)
        url, status = call(client, name, "inside")[1]
        self.assertEqual(url, "http://127.0.0.1:4566")
        self.assertIn(status, (200, 403))
        link = client.get_function(FunctionName=name)["Code"]["Location"]
        self.assertTrue(link.startswith(self.server.url + "/"), link)
        with urllib.request.urlopen(link, context=ssl.create_default_context(cafile=self.cert)) as r:
            self.assertEqual(r.read(2), b"PK")
        self.assertTrue(self.client("sqs").create_queue(QueueName="q")["QueueUrl"].startswith(self.server.url + "/"))

    def server_deploy(self, client):
        from harness import ROLE, zip_of
        client.create_function(FunctionName="f", Runtime="python3.11", Handler="app.handler", Role=ROLE, Code={"ZipFile": zip_of(CODE)})
        client.get_waiter("function_active_v2").wait(FunctionName="f", WaiterConfig={"Delay": 0.05, "MaxAttempts": 200})
        return "f"

    def test_aws_cli(self):
        done = run("aws", "--endpoint-url", self.server.url, "lambda", "list-functions", env=self.env)
        self.assertIn("Functions", json.loads(done.stdout or "{}"), done.stderr)

    def test_node(self):
        page = self.server.url + "/_mayfly/health"
        self.assertEqual(run("node", "-e", NODE, page, env=self.env).stdout, "ok\n")
        self.assertEqual(run("node", "-e", NODE, page).stdout, "DEPTH_ZERO_SELF_SIGNED_CERT\n")

    def test_own_command_line(self):
        env = {name: value for name, value in self.env.items() if not name.startswith("AWS_")}
        trusting = dict(env, AWS_CA_BUNDLE=self.cert)
        self.assertIn("AWS_ENDPOINT_URL='%s'" % self.server.url, mayfly("env", "--data", self.server.data, env=env).stdout)
        done = mayfly("health", "--data", self.server.data, env=trusting)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(self.server.url, done.stdout)
        self.assertEqual(mayfly("list", "--data", self.server.data, env=trusting).returncode, 0)
        refused = mayfly("health", "--data", self.server.data, env=env)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("AWS_CA_BUNDLE", refused.stderr)
        plain = mayfly("health", "--endpoint", self.server.url.replace("https", "http"), env=env)
        self.assertIn("this port speaks HTTPS", plain.stderr)


class Changes(TlsFolder):
    def shown(self):
        """The certificate that a new connection gets."""
        host, _, port = self.server.url.partition("//")[2].partition(":")
        return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate((host, int(port))))

    def replace(self, cert, key):
        for new, old in ((cert, self.cert), (key, self.key)):
            shutil.copy(new, old + ".new")
            os.rename(old + ".new", old)

    @staticmethod
    def der(path):
        with open(path, encoding="utf-8") as f:
            return ssl.PEM_cert_to_DER_cert(f.read())

    def test_certificates_change_while_connections_are_open(self):
        pairs = [make_pair(self.folder, name) for name in ("second", "third")]
        with Server("--tls-cert", self.cert, "--tls-key", self.key) as self.server:
            first = self.der(self.cert)
            host = self.server.url.partition("//")[2]
            open_one = http.client.HTTPSConnection(host, context=ssl.create_default_context(cafile=self.cert))
            self.addCleanup(open_one.close)
            open_one.request("GET", "/_mayfly/health")
            open_one.getresponse().read()
            self.assertEqual(self.shown(), first)

            self.replace(*pairs[0])
            self.server.process.send_signal(signal.SIGHUP)
            wait_until(lambda: self.shown() == self.der(pairs[0][0]), 10, "the second certificate after SIGHUP")
            self.assertEqual(open_one.sock.getpeercert(True), first)
            open_one.request("GET", "/_mayfly/health")
            self.assertEqual(json.loads(open_one.getresponse().read())["status"], "ok")

            self.replace(pairs[1][0], pairs[0][1])
            self.server.process.send_signal(signal.SIGHUP)
            wait_until(lambda: "the key is not the certificate's: key values mismatch; the certificate in use stays" in self.server.log(), 10,
                       "said what is wrong")
            self.assertEqual(self.shown(), self.der(pairs[0][0]))

            # A control that is started again does not depend on what the files hold now.
            control = self.server.child("mayfly-control")
            os.kill(control, signal.SIGKILL)
            wait_until(lambda: self.server.child("mayfly-control") not in (None, control), 10, "control again")
            self.assertEqual(self.shown(), self.der(pairs[0][0]))

            self.replace(*pairs[1])  # nobody says so: it is noticed
            wait_until(lambda: self.shown() == self.der(pairs[1][0]), 20, "the third certificate by itself")


class Hangup(unittest.TestCase):
    def test_without_certificate_nothing_happens_and_a_closed_terminal_ends_it(self):
        with Server() as server:
            server.process.send_signal(signal.SIGHUP)
            self.assertEqual(urllib.request.urlopen(server.url + "/_mayfly/health").status, 200)
            self.assertIsNone(server.process.poll())
        data = tempfile.mkdtemp(prefix="mayfly-test-")
        self.addCleanup(shutil.rmtree, data)
        pid, terminal = pty.fork()
        if pid == 0:
            os.execv(MAYFLY, [MAYFLY, "server", "--data", data, "--listen", "127.0.0.1:0"])
        said = b""
        while b"ready on" not in said:
            said += os.read(terminal, 1000)
        os.close(terminal)
        wait_until(lambda: os.waitpid(pid, os.WNOHANG)[0] == pid, 20, "ended with its terminal")


class Refused(TlsFolder):
    def refused(self, *options):
        data = os.path.join(self.folder, "data")
        done = run(MAYFLY, "server", "--data", data, "--listen", "127.0.0.1:0", *options, seconds=30)
        self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
        return done.stderr

    def test_files_that_cannot_work(self):
        other = make_pair(self.folder, "other")[1]
        missing = os.path.join(self.folder, "nothing.pem")
        empty = os.path.join(self.folder, "empty.pem")
        with open(empty, "w", encoding="utf-8"):
            pass
        cases = (
            (("--tls-cert", self.cert), "--tls-key is missing"),
            (("--tls-cert", missing, "--tls-key", self.key), "--tls-cert %s: cannot be opened: No such file" % missing),
            (("--tls-cert", self.cert, "--tls-key", self.folder), "--tls-key %s: is no file" % self.folder),
            (("--tls-cert", self.cert, "--tls-key", empty), "has 0 bytes"),
            (("--tls-cert", self.cert, "--tls-key", other), "--tls-cert, --tls-key: the key is not the certificate's"),
            (("--tls-cert", self.key, "--tls-key", self.key), "no certificate in PEM form"),
        )
        for options, text in cases:
            with self.subTest(text):
                said = self.refused(*options)
                self.assertIn(text, said)
                self.assertEqual(said.count(" error: "), 1, said)


if __name__ == "__main__":
    unittest.main()
