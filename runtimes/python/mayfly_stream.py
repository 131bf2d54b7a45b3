"""Answers that are streamed: of handlers that are generators, or return one.

Each piece leaves when it is yielded: text as UTF-8, bytes as they are. A dictionary with a statusCode as the first piece is the head of
an HTTP answer (statusCode, headers, cookies), as HttpResponseStream.from makes it in Node.js. What goes wrong before the first piece is an
ordinary error; after it, the error travels in the trailers. A write that blocks is how a slow client slows the generator down.
"""
import mayfly_loop

HTTP_TYPE = b"application/vnd.awslambda.http-integration-response"
ERROR_TYPE = b"Lambda-Runtime-Function-Error-Type"
ERROR_BODY = b"Lambda-Runtime-Function-Error-Body"


def begin(pieces, converter):
    """Runs the generator to its first piece."""
    first = next(pieces, b"")
    if isinstance(first, dict) and "statusCode" in first:
        return Stream(pieces, converter.to_json(first) + bytes(8), HTTP_TYPE)
    return Stream(pieces, _bytes(first), b"application/octet-stream")


def _bytes(piece):
    if isinstance(piece, str):
        return piece.encode()
    if isinstance(piece, (bytes, bytearray)):
        return piece
    if isinstance(piece, memoryview):
        return piece.cast("B") if piece.contiguous else piece.tobytes()
    raise mayfly_loop.Fault("Runtime.MarshalError", "A streamed answer is made of str and bytes, and a first dict with a statusCode, not of "
                            + type(piece).__name__)


class Stream:
    def __init__(self, pieces, first, content_type):
        self.pieces = pieces
        self.first = first
        self.head = (b"Transfer-Encoding: chunked\r\nLambda-Runtime-Function-Response-Mode: streaming\r\nTrailer: %b, %b\r\n"
                     b"Content-Type: %b\r\n\r\n" % (ERROR_TYPE, ERROR_BODY, content_type))

    def send(self, api, converter, path):
        """The whole answer, and the request for the next invocation behind it."""
        api.unanswered_posts += 1
        trailers = b""
        heard = api.send((b"POST /2018-06-01/runtime/%b%b%b" % (path, api.tail, self.head) + _chunk(self.first),))
        try:
            while heard:
                piece = _bytes(next(self.pieces))
                if len(piece) < mayfly_loop.GATHER_MIN_BYTES:
                    heard = api.send((_chunk(piece),))
                else:
                    heard = api.send((b"%x\r\n" % len(piece), piece, b"\r\n"))
            self.pieces.close() # nobody takes it any more
        except StopIteration:
            pass
        except Exception as e:
            trailers = _trailers(e, converter)
        mayfly_loop._flush()
        api.send((b"0\r\n%b\r\n%b" % (trailers, api.get_next),))


def _chunk(piece):
    return b"%x\r\n%b\r\n" % (len(piece), piece) if piece else b""


def _trailers(error, converter):
    from binascii import b2a_base64
    import mayfly_faults
    failure = mayfly_faults.describe(error, mayfly_loop.request_id)
    mayfly_faults.log(failure, converter)
    body, _ = mayfly_faults.to_request(failure, converter)
    kind = "".join(c if "!" <= c <= "~" else "_" for c in failure["errorType"])
    return b"%b: %b\r\n%b: %b\r\n" % (ERROR_TYPE, kind.encode(), ERROR_BODY, b2a_base64(body, newline=False))
