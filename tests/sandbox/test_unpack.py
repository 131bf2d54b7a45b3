"""Deployment packages: good ones, and those that somebody made to do harm."""
import hashlib
import io
import os
import stat
import struct
import unittest
import zipfile
import zlib

import rig

NOT_A_ZIP = "Could not unzip uploaded file. Please check your file, then try to upload again."
LINK, FIFO, DEVICE = stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR


def make(entries, compression=zipfile.ZIP_DEFLATED):
    """entries: (name, contents[, mode with type])."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as z:
        for name, contents, *mode in entries:
            info = zipfile.ZipInfo(name, (2020, 5, 17, 1, 2, 4))
            info.create_system = 3
            info.compress_type = compression
            info.external_attr = (mode[0] if mode else 0o100644) << 16
            z.writestr(info, contents)
    return out.getvalue()


class Unpack(rig.Case):
    jobs = 0

    def unpack(self, data, maximum=262144000, sha=None):
        s = self.server
        Unpack.jobs += 1
        path = os.path.join(s.data, "spool", f"job{Unpack.jobs}")
        with open(path, "wb") as f:
            f.write(data)
        uid = os.stat(os.path.join(s.data, "code")).st_uid
        os.chown(path, uid, uid)
        sha = sha or hashlib.sha256(data).digest()
        fds = [s.open(f"/data/spool/job{Unpack.jobs}", "R"), s.open("/data/code")]
        s.send("UNPACK", struct.pack("<Q32sQ", Unpack.jobs, sha, maximum), fds)
        for fd in fds:
            os.close(fd)
        m = s.expect("UNPACK_DONE", lambda m: m.job_id == Unpack.jobs, timeout=60)
        os.unlink(path)
        self.folder = os.path.join(s.data, "code", sha.hex())
        self.assertEqual([n for n in os.listdir(os.path.join(s.data, "code")) if n.startswith(".")], [], "nothing half-made stays")
        if m.code:
            self.assertFalse(os.path.exists(self.folder))
        return m

    def good(self, entries, **more):
        m = self.unpack(make(entries), **more)
        self.assertEqual((rig.ERRORS[m.code], m.msg), ("OK", ""))
        return m

    def bad(self, data, text, **more):
        m = self.unpack(data if isinstance(data, bytes) else make(data), **more)
        self.assertEqual(rig.ERRORS[m.code], "INVALID", m.msg)
        self.assertIn(text, m.msg)

    def test_modes_times_owner_and_size(self):
        m = self.good([("a.py", "12345"), ("bin/run", "#!", 0o100700), ("odd", "x", 0o106755), ("d/", "", 0o40700), ("./e//f.txt", "y", 0o100000)])
        self.assertEqual(m.unzipped_bytes, 9)
        uid = os.stat(os.path.join(self.server.data, "code")).st_uid
        modes = {}
        for top, folders, files in os.walk(self.folder):
            for name in folders + files:
                st = os.stat(os.path.join(top, name))
                modes[os.path.relpath(os.path.join(top, name), self.folder)] = stat.S_IMODE(st.st_mode)
                self.assertEqual(st.st_uid, uid)
                if name in files:
                    self.assertEqual(st.st_mtime, 315532800)
        self.assertEqual(modes, {"a.py": 0o644, "bin": 0o755, "bin/run": 0o755, "odd": 0o755, "d": 0o755, "e": 0o755, "e/f.txt": 0o644})
        self.assertEqual(stat.S_IMODE(os.stat(self.folder).st_mode), 0o755)

    def test_a_function_runs_from_it(self):
        self.good([("run", "#!/bin/sh\necho from a package; cat unicöde/ü\n", 0o100755), ("unicöde/ü", "text")])
        e = self.server.run(["/var/task/run"], code="/data/code/" + os.path.basename(self.folder))
        self.assertEqual(e.finish(), "from a package\ntext")

    def test_again(self):
        data = [("a", "123"), ("b/c", "4567")]
        self.good(data)
        before = os.stat(self.folder).st_ino
        self.assertEqual(self.good(data).unzipped_bytes, 7)
        self.assertEqual(os.stat(self.folder).st_ino, before)

    def test_stored_and_empty(self):
        self.assertEqual(self.unpack(make([("a", "xyz")], zipfile.ZIP_STORED)).unzipped_bytes, 3)
        self.bad([], "Uploaded file must be a non-empty zip")

    def test_links_inside_are_kept(self):
        self.good([("lib.so", "../lib64/x.so.1", LINK | 0o777)[:2] + (0o100644,), ("d/link", "../lib.so", LINK | 0o777), ("dir", "d", LINK | 0o777),
                   ("d/dangling", "none", LINK | 0o777)])
        self.assertEqual(os.readlink(os.path.join(self.folder, "d/link")), "../lib.so")
        self.assertEqual(os.readlink(os.path.join(self.folder, "dir")), "d")

    def test_not_a_zip(self):
        for data in (b"", b"PK", b"hello world", b"\x1f\x8b" + b"x" * 100, b"PK\3\4" + os.urandom(300), make([("a", "b" * 1000)])[:-30],
                     make([("a", "b" * 1000)])[: 60], b"#!/bin/sh\n" + make([("a", "b")])):
            self.bad(data, NOT_A_ZIP)

    def test_damaged_contents(self):
        data = bytearray(make([("a", os.urandom(5000))], zipfile.ZIP_STORED))
        data[1000] ^= 1
        self.bad(bytes(data), NOT_A_ZIP)

    def test_encrypted(self):
        data = bytearray(make([("a", "secret")]))
        data[6] |= 1
        data[data.rindex(b"PK\1\2") + 8] |= 1
        self.bad(bytes(data), NOT_A_ZIP)

    def test_names_that_leave(self):
        for name in ("../x", "a/../../x", "/etc/passwd", "a/..", ".."):
            self.bad([("ok", "1"), (name, "x")], "outside" if ".." in name else "absolute")
        self.assertFalse(os.path.exists(os.path.join(self.server.data, "x")))
        self.assertFalse(os.path.exists(os.path.join(self.server.data, "code/x")))

    def test_names_too_long_or_strange(self):
        self.bad([("n" * 256, "")], "longer than 255")
        self.bad([("/".join(["d" * 100] * 11), "")], "longer than 1023")
        self.bad([("a\nb", "")], "control character")

    def test_links_that_leave(self):
        for entries in ([("l", "/etc/passwd", LINK | 0o777)], [("l", "..", LINK | 0o777)], [("a/l", "../../x", LINK | 0o777)],
                        [("d", ".", LINK | 0o777), ("l", "d/d/d/../../x", LINK | 0o777)]):
            self.bad(entries, "symbolic link that leaves")

    def test_files_through_links(self):
        self.bad([("d", "e", LINK | 0o777), ("d/x", "1")], "symbolic link")
        self.bad([("d/x", "1"), ("d", "e", LINK | 0o777)], "symbolic link")

    def test_special_files(self):
        self.good([("p", "", FIFO | 0o644)])  # libarchive takes it for an ordinary file
        self.assertTrue(stat.S_ISREG(os.lstat(os.path.join(self.folder, "p")).st_mode))
        self.bad([("d", "", DEVICE | 0o644)], "special file")

    def test_a_file_that_is_also_a_folder(self):
        self.bad([("a", "1"), ("a/b", "2")], "both a file and a folder")
        self.bad([("a/b", "2"), ("a", "1")], "both a file and a folder")

    def test_the_same_name_twice(self):
        self.good([("a", "1"), ("a", "22")])
        self.assertEqual(open(os.path.join(self.folder, "a")).read(), "22")

    def test_exactly_the_limit_and_one_more(self):
        self.assertEqual(self.good([("a", "x" * 600), ("b", "y" * 400)], maximum=1000).unzipped_bytes, 1000)
        self.bad([("a", "x" * 600), ("b", "z" * 401)], "Unzipped size must be smaller than 1000 bytes", maximum=1000)

    def test_bomb_stops_early(self):
        # 1 GB that says it is small: the header lies, the count does not.
        big = zlib.compressobj(9, zlib.DEFLATED, -15)
        one = big.compress(b"\0" * (1 << 20)) + big.flush(zlib.Z_FULL_FLUSH)  # stands by itself, so it can be repeated
        body = one * 1024 + big.flush()
        data = make([("bomb", "")])
        crc = 0
        local = struct.pack("<IHHHHHIIIHH", 0x04034B50, 20, 0, 8, 0, 0x21, crc, len(body), 1 << 30, 4, 0) + b"bomb" + body
        central = struct.pack("<IHHHHHHIIIHHHHHII", 0x02014B50, 0x314, 20, 0, 8, 0, 0x21, crc, len(body), 1 << 30, 4, 0, 0, 0, 0, 0o100644 << 16, 0) + b"bomb"
        end = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 1, 1, len(central), len(local), 0)
        self.bad(local + central + end, "Unzipped size must be smaller than 262144000 bytes")
        del data

    def test_too_many_entries(self):
        n = 100001
        local = struct.pack("<IHHHHHIIIHH", 0x04034B50, 20, 0, 0, 0, 0x21, 0, 0, 0, 2, 0) + b"d/"
        central = b"".join(struct.pack("<IHHHHHHIIIHHHHHII", 0x02014B50, 0x314, 20, 0, 0, 0, 0x21, 0, 0, 0, 2, 0, 0, 0, 0, 0o40755 << 16,
                                       i * len(local)) + b"d/" for i in range(n))
        at = n * len(local)
        end = struct.pack("<IQHHIIQQQQ", 0x06064B50, 44, 45, 45, 0, 0, n, n, len(central), at) + struct.pack(
            "<IIQI", 0x07064B50, 0, at + len(central), 1) + struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
        self.bad(local * n + central + end, "more than 100000 entries")

    def test_many_jobs(self):
        s = self.server
        packages = [make([(f"f{i}", "x" * i)]) for i in range(30)]
        for i, data in enumerate(packages):
            path = os.path.join(s.data, "spool", f"many{i}")
            open(path, "wb").write(data)
            os.chmod(path, 0o644)
            fds = [s.open(f"/data/spool/many{i}", "R"), s.open("/data/code")]
            s.send("UNPACK", struct.pack("<Q32sQ", 1000 + i, hashlib.sha256(data).digest(), 1000), fds)
            for fd in fds:
                os.close(fd)
        for i in range(30):
            m = s.expect("UNPACK_DONE", lambda m, i=i: m.job_id == 1000 + i)
            self.assertEqual((m.code, m.unzipped_bytes), (0, i))


if __name__ == "__main__":
    unittest.main()
