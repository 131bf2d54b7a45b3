"""Outbound access, between network namespaces of the test's own: a host in which the server runs, and an internet beyond."""
import os
import subprocess
import unittest

import rig

HOST, INTERNET = f"mft{os.getpid()}h", f"mft{os.getpid()}i"

# Not `ip netns exec`, which hides the control groups.
INSIDE = ["/usr/bin/nsenter", f"--net=/run/netns/{HOST}"]

# One answer a connection, from whatever address was asked. Ends with its standard input.
SERVICE = """
import os, socket, sys, threading
def serve(address):
    s = socket.create_server(address)
    while True:
        c, peer = s.accept()
        c.sendall(('%s saw %s' % (address[0], peer[0])).encode())
        c.close()
for a in sys.argv[1:]:
    threading.Thread(target=serve, args=((a, 8080),), daemon=True).start()
print('on', flush=True)
sys.stdin.read()
"""

ASK = """
import socket, sys
for a in %r:
    try:
        with socket.create_connection((a, 8080), timeout=0.5) as s:
            print(a, s.recv(100).decode())
    except OSError as e:
        print(a, 'no')
"""


def ip(*words, ns=None):
    subprocess.run(["/sbin/ip"] + (["-n", ns] if ns else []) + list(words), check=True)


class Network(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        for ns in (HOST, INTERNET):
            ip("netns", "add", ns)
            cls.addClassCleanup(ip, "netns", "del", ns)
            ip("link", "set", "lo", "up", ns=ns)
        ip("link", "add", "up0", "netns", HOST, "type", "veth", "peer", "name", "down0", "netns", INTERNET)
        for ns, interface, address in ((HOST, "up0", "10.77.0.2/24"), (INTERNET, "down0", "10.77.0.1/24")):
            ip("addr", "add", address, "dev", interface, ns=ns)
            ip("link", "set", interface, "up", ns=ns)
        ip("route", "add", "default", "via", "10.77.0.1", ns=HOST)
        for address in ("203.0.113.7/32", "169.254.169.254/32"):
            ip("addr", "add", address, "dev", "lo", ns=INTERNET)
        cls.serve(INTERNET, "10.77.0.1", "203.0.113.7", "169.254.169.254")
        cls.serve(HOST, "0.0.0.0")
        cls.server = rig.Server("--pool", "1", prefix=INSIDE)
        cls.addClassCleanup(cls.server.remove)

    @classmethod
    def serve(cls, ns, *addresses):
        p = subprocess.Popen(["/sbin/ip", "netns", "exec", ns, "/usr/bin/python3", "-c", SERVICE, *addresses],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        p.stdout.readline()
        cls.addClassCleanup(cls.stop, p)

    @staticmethod
    def stop(p):
        p.stdin.close()
        p.wait()
        p.stdout.close()

    def ask(self, *addresses, network=1):
        e = self.server.python(ASK % (addresses,), network=network)
        return dict(line.split(" ", 1) for line in e.text.strip().split("\n"))

    def test_the_internet_is_reached_behind_the_hosts_address(self):
        self.assertEqual(self.ask("203.0.113.7", "10.77.0.1"),
                         {"203.0.113.7": "203.0.113.7 saw 10.77.0.2", "10.77.0.1": "10.77.0.1 saw 10.77.0.2"})

    def test_the_host_and_metadata_are_not(self):
        e = self.server.python("import fcntl, socket, struct\nprint(open('/proc/net/route').read())", network=1)
        gateways = {".".join(str(b) for b in bytes.fromhex(line.split()[2])[::-1]) for line in e.text.strip().split("\n")[1:]}
        gateways.discard("0.0.0.0")
        self.assertEqual(len(gateways), 1)
        asked = ["10.77.0.2", "169.254.169.254", "127.0.0.1", "198.18.0.1", "198.18.0.5", *gateways]
        self.assertEqual(self.ask(*asked), {a: "no" for a in asked})

    def test_none_is_none(self):
        self.assertEqual(self.ask("203.0.113.7", "10.77.0.1", network=0), {"203.0.113.7": "no", "10.77.0.1": "no"})

    def test_environments_do_not_reach_each_other(self):
        a = self.server.run(["/usr/bin/python3", "-c", """
import socket, fcntl, struct
s = socket.socket(); print(socket.inet_ntoa(fcntl.ioctl(s, 0x8915, struct.pack('256s', b'eth0'))[20:24]), flush=True)
socket.create_server(('0.0.0.0', 8080)).accept()
"""], network=1)
        a.read(b"\n")
        address = a.out.decode().strip()
        self.assertTrue(address.startswith("198.18."), address)
        self.assertEqual(self.ask(address), {address: "no"})
        # Nor does anything beyond the host reach it.
        got = subprocess.run(["/sbin/ip", "netns", "exec", INTERNET, "/usr/bin/python3", "-c",
                              f"import os; os.system('ip route add 198.18.0.0/15 via 10.77.0.2'); exec({ASK % ([address],)!r})"],
                             capture_output=True, text=True).stdout
        self.assertEqual(got, f"{address} no\n")
        a.kill()
        a.wait()

    def test_the_host_does_not_become_a_router(self):
        self.ask("203.0.113.7")
        third = HOST + "x"
        ip("netns", "add", third)
        try:
            ip("link", "add", "side0", "netns", HOST, "type", "veth", "peer", "name", "eth0", "netns", third)
            ip("addr", "add", "10.88.0.1/24", "dev", "side0", ns=HOST)
            ip("link", "set", "side0", "up", ns=HOST)
            ip("addr", "add", "10.88.0.2/24", "dev", "eth0", ns=third)
            ip("link", "set", "eth0", "up", ns=third)
            ip("route", "add", "default", "via", "10.88.0.1", ns=third)
            ip("route", "add", "10.88.0.0/24", "via", "10.77.0.2", ns=INTERNET)
            ip("addr", "add", "10.88.1.1/32", "dev", "lo", ns=third)
            got = subprocess.run(["/sbin/ip", "netns", "exec", third, "/usr/bin/python3", "-c", ASK % (["203.0.113.7"],)],
                                 capture_output=True, text=True).stdout
            self.assertEqual(got, "203.0.113.7 no\n")
        finally:
            ip("netns", "del", third)

    def interfaces(self):
        return subprocess.run(["/sbin/ip", "-n", HOST, "-br", "link"], capture_output=True, text=True).stdout

    def rules(self):
        return subprocess.run(["/sbin/ip", "netns", "exec", HOST, "/usr/sbin/nft", "list", "tables"], capture_output=True, text=True).stdout

    def test_nothing_is_left(self):
        s = rig.Server("--pool", "0", prefix=INSIDE)
        try:
            before = self.rules()
            s.sh("true", network=1)
            self.assertNotEqual(self.rules(), before)
            s.process.kill()
            s.process.wait()
            s.process.stdout.close()
            s.start()
            s.sh("true", network=1)
            s.stop()
            self.assertEqual(self.rules(), before)
        finally:
            s.remove()

    def test_missing_tool_is_told(self):
        s = rig.Server("--pool", "0", prefix=["/usr/bin/unshare", "-m", "/bin/sh", "-c",
                                              "mount -t tmpfs none /mnt && touch /mnt/x && mount --bind /mnt/x /usr/sbin/nft; exec \"$@\"", "sh"])
        try:
            with self.assertRaisesRegex(AssertionError, "apt-get install nftables"):
                s.sh("true", network=1)
            self.assertEqual(s.sh("echo fine").text, "fine\n")
        finally:
            s.remove()


if __name__ == "__main__":
    unittest.main()
