package mayfly.runtime;

import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * Bytes of one answer. Room is kept in front of the body for the request's head, which is known last, so that head,
 * body and what follows are one piece of memory and one write. The buffer is used again for the next answer.
 */
final class Output extends OutputStream {
    static final int HEAD_ROOM = 512;
    /** A buffer that a large answer made is given up afterwards. */
    private static final int KEEP_BYTES = 1 << 20;

    byte[] bytes = new byte[16384];
    int end = HEAD_ROOM;

    void reset() {
        if (bytes.length > KEEP_BYTES) {
            bytes = new byte[16384];
        }
        end = HEAD_ROOM;
    }

    int bodyLength() {
        return end - HEAD_ROOM;
    }

    private void need(int more) {
        if (more > bytes.length - end) {
            if (more > Integer.MAX_VALUE - 64 - end) {
                throw new OutOfMemoryError("the answer is too large");
            }
            bytes = Arrays.copyOf(bytes, (int) Math.min(Integer.MAX_VALUE - 64, Math.max(2L * bytes.length, (long) end + more)));
        }
    }

    @Override
    public void write(int b) {
        need(1);
        bytes[end++] = (byte) b;
    }

    @Override
    public void write(byte[] from, int at, int length) {
        need(length);
        System.arraycopy(from, at, bytes, end, length);
        end += length;
    }

    @Override
    public void write(byte[] from) {
        write(from, 0, from.length);
    }

    /** Characters of ASCII. */
    @SuppressWarnings("deprecation")
    void ascii(String text) {
        int n = text.length();
        need(n);
        text.getBytes(0, n, bytes, end);
        end += n;
    }

    void utf8(String text) {
        write(text.getBytes(StandardCharsets.UTF_8));
    }

    @Override
    public String toString() {
        return new String(bytes, HEAD_ROOM, bodyLength(), StandardCharsets.UTF_8);
    }
}
