"""JSON of answers that the C encoder can't write as AWS's runtime does.

That runtime encodes with simplejson: Decimals as numbers with all their digits, named tuples as objects, byte
strings as UTF-8 text. Only answers that hold one of these, or nothing that can be written, come here.
"""
from decimal import Decimal
from json.encoder import encode_basestring, encode_basestring_ascii


def encode(value, ascii_only):
    out = []
    _Writer(out.append, encode_basestring_ascii if ascii_only else encode_basestring).write(value)
    return "".join(out)


def _float(value):
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    return float.__repr__(value)


class _Writer:
    def __init__(self, put, quote):
        self.put = put
        self.quote = quote
        self.open = set()

    def write(self, value):
        scalar = self.scalar(value)
        if scalar is not None:
            self.put(scalar)
        elif hasattr(value, "_asdict") and isinstance(value, tuple):
            self.container(value, self.object, value._asdict())
        elif isinstance(value, dict):
            self.container(value, self.object, value)
        elif isinstance(value, (list, tuple)):
            self.container(value, self.array, value)
        else:
            raise TypeError("Object of type %s is not JSON serializable" % type(value).__name__)

    def scalar(self, value):
        if value is None:
            return "null"
        if value is True:
            return "true"
        if value is False:
            return "false"
        if isinstance(value, str):
            return self.quote(value)
        if isinstance(value, bytes):
            return self.quote(value.decode())
        if isinstance(value, int):
            return int.__repr__(value)
        if isinstance(value, float):
            return _float(value)
        if isinstance(value, Decimal):
            return "NaN" if value.is_nan() else str(value)
        return None

    def container(self, value, write, items):
        if id(value) in self.open:
            raise ValueError("Circular reference detected")
        self.open.add(id(value))
        write(items)
        self.open.discard(id(value))

    def array(self, items):
        mark = "["
        for item in items:
            self.put(mark)
            self.write(item)
            mark = ", "
        self.put("[]" if mark == "[" else "]")

    def object(self, items):
        mark = "{"
        for key, item in items.items():
            self.put(mark + self.key(key) + ": ")
            self.write(item)
            mark = ", "
        self.put("{}" if mark == "{" else "}")

    def key(self, key):
        text = self.scalar(key) if isinstance(key, (str, int, float, bytes)) or key is None else None
        if text is None:
            raise TypeError("keys must be str, int, float, bool or None, not %s" % type(key).__name__)
        return text if text[0] == '"' else '"%s"' % text
