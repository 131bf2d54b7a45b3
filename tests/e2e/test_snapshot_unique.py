"""Environments that are restored from one image have nothing random in common, and know what time it is."""
import shutil
import time
import unittest

from snapshot_case import SINGLE, SnapshotCase
from support import compiled

RESTORES = 50
PYTHON = r'''
import hashlib, os, random, secrets, ssl, tempfile, time, uuid
kept = random.random
names = tempfile._get_candidate_names()
def draw():
    return {
        "random": random.random(), "kept": kept(), "bits": random.getrandbits(64), "choice": random.sample(range(1 << 30), 3),
        "gauss": random.gauss(0, 1), "secrets": secrets.token_hex(8), "urandom": os.urandom(8).hex(), "uuid4": str(uuid.uuid4()),
        "uuid1": str(uuid.uuid1()), "ssl": ssl.RAND_bytes(8).hex(), "system": random.SystemRandom().random(),
        "temporary": next(tempfile._get_candidate_names()),
    }
early = draw()
def handler(event, context):
    return {"drawn": [draw(), draw()], "early": early, "now": time.time()}
'''
NODEJS = r'''
const crypto = require("crypto");
const { random } = Math, vm = require("vm"), { Worker } = require("worker_threads");
const uuid = crypto.randomUUID, int = crypto.randomInt;
const draw = () => ({
  random: Math.random(), kept: random(), uuid: crypto.randomUUID(), keptUuid: uuid(), noCache: crypto.randomUUID({ disableEntropyCache: true }),
  bytes: crypto.randomBytes(8).toString("hex"), int: int(2 ** 47), web: Buffer.from(crypto.webcrypto.getRandomValues(new Uint8Array(8))).toString("hex"),
  context: vm.runInNewContext("Math.random()"), script: new vm.Script("Math.random()").runInContext(vm.createContext({})), webUuid: crypto.webcrypto.randomUUID(), key: crypto.createECDH("prime256v1").generateKeys("hex"),
});
const threaded = async () => ({ ...draw(), worker: await new Promise((done) =>
  new Worker("require('worker_threads').parentPort.postMessage(Math.random())", { eval: true }).once("message", done)) });
const early = draw();
exports.handler = async () => ({ drawn: [await threaded(), await threaded()], early, now: Date.now() / 1000 });
'''
JAVA = r'''
import java.security.SecureRandom;
import java.util.*;
import java.util.concurrent.*;
import java.util.random.RandomGenerator;
public class Drawn {
    private static final SecureRandom SECURE = new SecureRandom();
    private static final ExecutorService POOL = Executors.newSingleThreadExecutor();
    private final Map<String, Object> early = draw(); // not static: the pool's thread would wait for this class
    private static Map<String, Object> draw() {
        Map<String, Object> drawn = new TreeMap<>();
        List<Integer> shuffled = new ArrayList<>();
        for (int i = 0; i < 30; i++) shuffled.add(i);
        Collections.shuffle(shuffled);
        byte[] bytes = new byte[8];
        SECURE.nextBytes(bytes);
        try {
            drawn.put("pool", POOL.submit(() -> ThreadLocalRandom.current().nextLong()).get());
            drawn.put("strong", SecureRandom.getInstance("NativePRNGNonBlocking").nextLong());
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
        drawn.put("math", Math.random());
        drawn.put("random", new Random().nextLong());
        drawn.put("thread", ThreadLocalRandom.current().nextLong());
        drawn.put("split", new SplittableRandom().nextLong());
        drawn.put("generator", RandomGenerator.of("L64X128MixRandom").nextLong());
        drawn.put("secure", new String(Base64.getEncoder().encode(bytes)));
        drawn.put("newSecure", new SecureRandom().nextLong());
        drawn.put("uuid", UUID.randomUUID().toString());
        drawn.put("shuffled", shuffled.toString());
        return drawn;
    }
    public Map<String, Object> handle(Object event) {
        return Map.of("drawn", List.of(draw(), draw()), "early", early, "now", System.currentTimeMillis() / 1000.0);
    }
}
'''
C = r'''
#define _GNU_SOURCE
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <sys/socket.h>
static void hex(char *out) { unsigned char b[8]; if (RAND_bytes(b, 8) != 1) abort(); for (int i = 0; i < 8; i++) sprintf(out + 2 * i, "%02x", b[i]); }
static void draw(char *out) {
	char open[20], private[20]; unsigned char b[8];
	hex(open);
	if (RAND_priv_bytes(b, 8) != 1) abort();
	for (int i = 0; i < 8; i++) sprintf(private + 2 * i, "%02x", b[i]);
	sprintf(out, "{\"openssl\":\"%s\",\"private\":\"%s\"}", open, private);
}
int main(void) {
	char host[100], text[8192], body[1000], early[100], one[100], two[100], id[100];
	snprintf(host, sizeof host, "%s", getenv("AWS_LAMBDA_RUNTIME_API"));
	int port = atoi(strchr(host, ':') + 1);
	draw(early);
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int s = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(s, (struct sockaddr *)&to, sizeof to)) return 1;
	for (;;) {
		dprintf(s, "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: h\r\n\r\n");
		size_t n = 0; char *end = NULL, *length;
		do {
			ssize_t got = read(s, text + n, sizeof text - 1 - n);
			if (got <= 0) return 2;
			n += got; text[n] = 0;
			end = strstr(text, "\r\n\r\n"); length = strcasestr(text, "content-length:");
		} while (!end || !length || (size_t)(end + 4 - text) + atoi(length + 15) > n);
		sscanf(strcasestr(text, "request-id:") + 11, " %90[^\r]", id);
		draw(one); draw(two);
		snprintf(body, sizeof body, "{\"drawn\":[%s,%s],\"early\":%s,\"now\":%ld}", one, two, early, time(NULL));
		dprintf(s, "POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\nHost: h\r\nContent-Length: %zu\r\n\r\n%s", id, strlen(body), body);
		if (read(s, text, sizeof text) <= 0) return 3;
	}
}
'''


class Unique(SnapshotCase):
    options = ("--pool", "8")

    def compare(self, files, runtime, handler="app.handler", **settings):
        name = self.server.deploy(files, runtime, handler, Tags=SINGLE, Timeout=20, **settings)
        answers = [self.call(name)]
        self.wait_image(name)
        early = []
        for _ in range(RESTORES // 5):
            answers += self.parallel(5, lambda i: self.call(name))
        self.assertEqual([a.kind for a in answers], ["plain"] + ["restored"] * RESTORES)
        values = [a.value for a in answers]
        early = [values[0]["early"], values[1]["early"]]
        self.assertTrue(all(v["early"] == early[1] for v in values[1:]), "what was drawn at load is shared")
        for member in values[0]["drawn"][0]:
            seen = [str(one[member]) for one in early if member in one] + [str(one[member]) for value in values for one in value["drawn"]]
            self.assertEqual(len(set(seen)), len(seen), "%s %s: drawn twice" % (runtime, member))
        self.assertLess(abs(values[-1]["now"] - time.time()), 30)
        self.assertGreater(values[-1]["now"], values[1]["now"] - 1)

    def test_python(self):
        self.compare({"app.py": PYTHON}, "python3.11")

    def test_nodejs(self):
        self.compare({"app.js": NODEJS}, "nodejs20.x", MemorySize=512)

    @unittest.skipUnless(shutil.which("javac"), "javac is not installed")
    def test_java(self):
        jar = compiled("Drawn.java", JAVA, ["sh", "-c", "mkdir {out}.c && javac -d {out}.c {source} && jar cf {out} -C {out}.c . && rm -r {out}.c"])
        self.compare(jar, "java17", "Drawn::handle", MemorySize=512)

    @unittest.skipUnless(shutil.which("gcc"), "gcc is not installed")
    def test_openssl(self):
        program = compiled("drawn.c", C, ["gcc", "-O1", "-o", "{out}", "{source}", "-lcrypto"])
        self.compare({"bootstrap": (program, 0o755)}, "provided.al2023", "any")


if __name__ == "__main__":
    unittest.main()
