package mayfly.runtime;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * The Runtime API over one keep-alive connection: an invocation's answer and the request for the next one leave in one
 * write, and the server's two answers come back in that order. Reconnects once when the server drops the connection.
 */
class Api {
    private static final String PREFIX = "/2018-06-01/runtime/";
    private static final int HEAD_MAX_BYTES = 1 << 20;
    private static final int RECEIVE_BYTES = 65536;
    /** A buffer that a large event made is given up once it was answered. */
    private static final int KEEP_BYTES = 1 << 20;

    private final String host;
    private final int port;
    private final String tail;
    private final byte[] getNext;
    private byte[] asked;
    private Socket socket;
    private InputStream in;
    private OutputStream out;
    private int unansweredPosts;
    private boolean triedAgain;

    /** What was received: the answer's body lies at bodyStart, unparsed bytes from position to limit. */
    byte[] buffer = new byte[RECEIVE_BYTES];
    int bodyStart;
    int bodyLength;
    private int position;
    private int limit;
    private int status;
    private long contentLength;
    private boolean chunked;

    /** The server closed, or sent what can't be understood. */
    private static final class Gone extends IOException {
        private static final long serialVersionUID = 1;

        @Override
        public synchronized Throwable fillInStackTrace() {
            return this;
        }
    }

    Api(String address) {
        int colon = address.lastIndexOf(':');
        host = colon < 0 ? address : address.substring(0, colon);
        port = colon < 0 ? 80 : Integer.parseInt(address.substring(colon + 1));
        tail = " HTTP/1.1\r\nHost: " + address + "\r\nUser-Agent: mayfly-java/" + Runtime.version().feature() + "\r\n";
        getNext = request("invocation/next");
    }

    private byte[] request(String path) {
        return ("GET " + PREFIX + path + tail + "\r\n").getBytes(StandardCharsets.ISO_8859_1);
    }

    void connect() throws IOException {
        position = limit = unansweredPosts = 0;
        socket = new Socket();
        socket.setTcpNoDelay(true);
        socket.connect(new InetSocketAddress(InetAddress.getByName(host), port));
        in = socket.getInputStream();
        out = socket.getOutputStream();
    }

    void askNext() {
        ask(getNext);
    }

    void askRestore() {
        ask(request("restore/next"));
    }

    private void ask(byte[] what) {
        asked = what;
        send(what, 0, what.length);
    }

    /** Sends `body` to `path`; `headers` are whole lines. With `andNext` the next invocation is asked for behind it. */
    void post(String path, Output body, String headers, boolean andNext) {
        String head = "POST " + PREFIX + path + tail + "Content-Type: application/json\r\nContent-Length: " + body.bodyLength()
            + "\r\n" + headers + "\r\n";
        byte[] front = head.getBytes(StandardCharsets.ISO_8859_1);
        int start = Output.HEAD_ROOM - front.length;
        unansweredPosts++;
        if (start < 0) {
            send(front, 0, front.length);
            start = Output.HEAD_ROOM;
        } else {
            System.arraycopy(front, 0, body.bytes, start, front.length);
        }
        if (andNext) {
            asked = getNext;
            body.write(getNext);
        }
        send(body.bytes, start, body.end - start);
        if (buffer.length > KEEP_BYTES && position == limit) {
            buffer = new byte[RECEIVE_BYTES];
            position = limit = 0;
        }
    }

    /** A failed write is not an error yet: the server may have answered and closed; reading will tell. */
    void send(byte[] bytes, int start, int length) {
        try {
            out.write(bytes, start, length);
        } catch (IOException e) {
            // told by the next read
        }
    }

    /** Waits for what was asked for; its headers are given to `headers`. */
    void next(Invocation headers) {
        for (;;) {
            try {
                while (unansweredPosts > 0) {
                    readAcknowledgement();
                }
                readAnswer(headers);
            } catch (IOException e) {
                askAgain();
                continue;
            }
            if (status != 200) {
                Main.end("Failed to get next invocation. Http response code: " + status, 1);
            }
            triedAgain = false;
            return;
        }
    }

    private void askAgain() {
        if (triedAgain) {
            Main.end("Failed to get next invocation. The Runtime API closed the connection.", 1);
        }
        triedAgain = true;
        try {
            socket.close();
            connect();
        } catch (IOException e) {
            Main.end("Failed to get next invocation. No Runtime API: " + e.getMessage(), 1);
        }
        send(asked, 0, asked.length);
    }

    /** Of the last report of a process; it is heard, or never will be. */
    void waitForAcknowledgement() {
        try {
            readAcknowledgement();
        } catch (IOException e) {
            // the process ends anyway
        }
    }

    private void readAcknowledgement() throws IOException {
        readAnswer(null);
        unansweredPosts--;
        if (status / 100 != 2) {
            System.err.println("LAMBDA_RUNTIME Failed to post handler response. Http response code: " + status + ".");
        }
    }

    private void readAnswer(Invocation headers) throws IOException {
        do {
            readHead(headers);
        } while (status < 200);
        if (chunked) {
            readChunks();
        } else if (contentLength >= 0) {
            bodyLength = (int) contentLength;
            bodyStart = take(bodyLength);
        } else if (status != 204) {
            throw new Gone();
        }
    }

    private void readHead(Invocation headers) throws IOException {
        contentLength = -1;
        bodyLength = 0;
        chunked = false;
        int start = line();
        if (position - start < 14) {
            throw new Gone();
        }
        status = (buffer[start + 9] - '0') * 100 + (buffer[start + 10] - '0') * 10 + buffer[start + 11] - '0';
        for (int total = 0; ; total += position - start) {
            start = line();
            int end = position - 2;
            if (end == start) {
                return;
            }
            if (total > HEAD_MAX_BYTES) {
                throw new Gone();
            }
            header(start, end, headers);
        }
    }

    private void header(int start, int end, Invocation headers) {
        int colon = start;
        while (colon < end && buffer[colon] != ':') {
            colon++;
        }
        if (colon == end) {
            return;
        }
        int value = colon + 1;
        while (value < end && buffer[value] == ' ') {
            value++;
        }
        if (is(start, colon, "content-length")) {
            contentLength = Long.parseLong(text(value, end));
        } else if (is(start, colon, "transfer-encoding")) {
            chunked = is(value, end, "chunked");
        } else if (headers != null && colon - start > 15 && is(start, start + 15, "lambda-runtime-")) {
            headers.header(this, start + 15, colon, value, end);
        }
    }

    /** Whether the bytes are `lower`, in whatever case. */
    boolean is(int start, int end, String lower) {
        if (end - start != lower.length()) {
            return false;
        }
        for (int i = start; i < end; i++) {
            int c = buffer[i] >= 'A' && buffer[i] <= 'Z' ? buffer[i] + 32 : buffer[i];
            if (c != lower.charAt(i - start)) {
                return false;
            }
        }
        return true;
    }

    String text(int start, int end) {
        return new String(buffer, start, end - start, StandardCharsets.UTF_8);
    }

    private void readChunks() throws IOException {
        byte[] body = new byte[0];
        for (;;) {
            int start = line();
            int end = start;
            while (end < position && Character.digit(buffer[end], 16) >= 0) {
                end++;
            }
            int size = Integer.parseInt(text(start, end), 16);
            if (size == 0) {
                break;
            }
            int at = take(size);
            int before = body.length;
            body = Arrays.copyOf(body, before + size);
            System.arraycopy(buffer, at, body, before, size);
            line();
        }
        do {
            bodyStart = line();
        } while (position - bodyStart > 2);
        // The body takes the place of what was read before it.
        int rest = limit - position;
        byte[] whole = new byte[Math.max(RECEIVE_BYTES, body.length + rest)];
        System.arraycopy(body, 0, whole, 0, body.length);
        System.arraycopy(buffer, position, whole, body.length, rest);
        buffer = whole;
        bodyStart = 0;
        bodyLength = position = body.length;
        limit = position + rest;
    }

    /** Consumes a line; returns where it starts, and leaves position behind its end of line. */
    private int line() throws IOException {
        int start = position;
        for (int at = start; ; at++) {
            if (at + 1 >= limit) {
                if (at - start > HEAD_MAX_BYTES) {
                    throw new Gone();
                }
                int moved = receive(start, 1);
                start -= moved;
                at -= moved + 1;
                at = Math.max(at, start - 1);
                continue;
            }
            if (buffer[at] == '\r' && buffer[at + 1] == '\n') {
                position = at + 2;
                return start;
            }
        }
    }

    /** Consumes `size` bytes; returns where they start. */
    private int take(int size) throws IOException {
        int start = position;
        while (limit - start < size) {
            start -= receive(start, size - (limit - start));
        }
        position = start + size;
        return start;
    }

    /** Receives more; bytes from `keep` on stay, at the buffer's front if there is no room. Returns by how much they moved. */
    private int receive(int keep, int wanted) throws IOException {
        int moved = 0;
        if (keep > 0 && (keep == limit || buffer.length - limit < wanted)) {
            System.arraycopy(buffer, keep, buffer, 0, limit - keep);
            limit -= keep;
            moved = keep;
        }
        if (buffer.length - limit < wanted) {
            buffer = Arrays.copyOf(buffer, limit + wanted);
        }
        int n = read(buffer, limit, buffer.length - limit);
        if (n < 0) {
            throw new Gone();
        }
        limit += n;
        return moved;
    }

    int read(byte[] into, int at, int length) throws IOException {
        return in.read(into, at, length);
    }
}
