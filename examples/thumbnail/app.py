# Thumbnail of a PNG picture, without any dependency.
# Runtime: python3.11 (any python3.x); handler: app.handler
# Event: {"png": "<base64 of an 8-bit grey, RGB or RGBA picture>", "width": 32}
import base64
import struct
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}
PIXELS_MAX = 16 << 20


def chunks(data):
    at = len(SIGNATURE)
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        yield kind, data[at + 8:at + 8 + size]
        at += size + 12


def decode(data):
    """(width, height, channels, rows)"""
    if not data.startswith(SIGNATURE):
        raise ValueError("not a PNG")
    parts = list(chunks(data))
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", parts[0][1])
    if depth != 8 or colour not in CHANNELS or interlaced or width * height > PIXELS_MAX:
        raise ValueError("only plain 8-bit pictures of up to 16 megapixels")
    n = CHANNELS[colour]
    raw = zlib.decompress(b"".join(body for kind, body in parts if kind == b"IDAT"))
    rows, above, stride = [], bytes(width * n), width * n
    for y in range(height):
        start = y * (stride + 1)
        above = unfilter(raw[start], bytearray(raw[start + 1:start + 1 + stride]), above, n)
        rows.append(above)
    return width, height, n, rows


def unfilter(kind, row, above, n):
    for i in range(len(row)) if kind else ():
        left = row[i - n] if i >= n else 0
        corner = above[i - n] if i >= n else 0
        guess = (0, left, above[i], (left + above[i]) // 2, paeth(left, above[i], corner))[kind]
        row[i] = (row[i] + guess) & 255
    return row


def paeth(a, b, c):
    p = a + b - c
    return min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]


def shrink(width, height, n, rows, to):
    """The mean of the source pixels that each target pixel covers."""
    to = max(1, min(to, width))
    high = max(1, height * to // width)
    for y in range(high):
        lines = rows[y * height // high:max((y + 1) * height // high, y * height // high + 1)]
        out = bytearray()
        for x in range(to):
            first, last = x * width // to, max((x + 1) * width // to, x * width // to + 1)
            for c in range(n):
                values = [line[i] for line in lines for i in range(first * n + c, last * n, n)]
                out.append(sum(values) // len(values))
        yield bytes(out)


def encode(rows, n):
    colour = next(kind for kind, channels in CHANNELS.items() if channels == n)
    head = struct.pack(">IIBBBBB", len(rows[0]) // n, len(rows), 8, colour, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row for row in rows))
    out = SIGNATURE
    for kind, data in ((b"IHDR", head), (b"IDAT", body), (b"IEND", b"")):
        out += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return out


def handler(event, context):
    width, height, n, rows = decode(base64.b64decode(event["png"]))
    small = list(shrink(width, height, n, rows, int(event.get("width", 32))))
    print(f"{width}x{height} -> {len(small[0]) // n}x{len(small)}")
    return {"png": base64.b64encode(encode(small, n)).decode(), "width": len(small[0]) // n, "height": len(small)}
