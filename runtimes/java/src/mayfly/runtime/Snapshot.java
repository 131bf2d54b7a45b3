package mayfly.runtime;

import com.amazonaws.services.lambda.runtime.Context;
import java.nio.charset.StandardCharsets;
import java.util.Map;

/**
 * Between initialisation and the first invocation of a process that is saved and restored many times.
 *
 * The process waits in `GET restore/next`: there it is saved, and what returns from it is a copy that shares all its
 * memory with others. Each page that a copy writes to costs a page fault, so all that can happen before is done before.
 */
final class Snapshot {
    private static final int STATUS = 64;
    /** C1 compiles what was called some hundred times. */
    private static final int ROUNDS = 3000;

    private static byte[] zeros;

    private Snapshot() {
    }

    /** Returns in each restored process, when the next invocation was asked for. */
    static void park(Api api, Handler handler) {
        try {
            Resources.GLOBAL.beforeCheckpoint(null);
        } catch (Throwable e) {
            Main.giveUp(api, "init/error", "Runtime.BeforeCheckpointError", e, STATUS);
        }
        handler.prepare();
        rehearse();
        Prime.run(1, 2, 3, true, 'c', "o", "s");
        Reseed reseed = new Reseed();
        reseed.run();
        clean();
        api.askRestore();
        api.next(new Invocation());
        boolean hooks = !Resources.GLOBAL.isEmpty();
        if (!hooks) {
            // The server finds the invocation while this process is made its own.
            api.askNext();
        }
        try {
            takeIdentity(api);
            reseed.run();
            Resources.GLOBAL.afterRestore(null);
        } catch (Throwable e) {
            Main.giveUp(api, "restore/error", "Runtime.AfterRestoreError", e, STATUS);
        }
        if (hooks) {
            api.askNext();
        }
    }

    /** Collects garbage, and overwrites it: pages of zeros are not part of the image. */
    private static void clean() {
        System.gc();
        Runtime machine = Runtime.getRuntime();
        // Few large pieces, since each begins with a header.
        int piece = (int) Math.min(1 << 24, Math.max(1 << 16, machine.freeMemory() / 8));
        for (int i = 0; i < 8; i++) {
            zeros = new byte[piece];
        }
        zeros = null;
        System.gc();
    }

    /** Credentials and log stream of this environment; an image has none. */
    private static void takeIdentity(Api api) {
        Object tree = JsonParser.parse(api.buffer, api.bodyStart, api.bodyLength, false);
        for (Map.Entry<?, ?> entry : ((Map<?, ?>) tree).entrySet()) {
            if (entry.getValue() instanceof String) {
                Environment.set((String) entry.getKey(), (String) entry.getValue());
            }
        }
    }

    /** Answers itself and sends nothing. */
    private static final class Rehearsed extends Api {
        private static final byte[] EVENT = ("HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: 0\r\nLambda-Runtime-Deadline-Ms: 1\r\n"
            + "Lambda-Runtime-Invoked-Function-Arn: arn\r\nLambda-Runtime-Trace-Id: none\r\nContent-Type: application/json\r\n"
            + "Content-Length: 33\r\n\r\n{\"a\": [\"b\", 1, 2.5], \"c\": null}  ").getBytes(StandardCharsets.ISO_8859_1);
        private static final byte[] ANSWER = ("HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n"
            + "{\"status\":\"OK\"}\n" + new String(EVENT, StandardCharsets.ISO_8859_1)).getBytes(StandardCharsets.ISO_8859_1);
        private boolean begun;

        Rehearsed() {
            super("127.0.0.1:9001");
        }

        @Override
        void send(byte[] bytes, int start, int length) {
            // nobody listens
        }

        @Override
        int read(byte[] into, int at, int length) {
            byte[] next = begun ? ANSWER : EVENT;
            begun = true;
            System.arraycopy(next, 0, into, at, next.length);
            return next.length;
        }
    }

    /** Runs an invocation's whole path, so that a restored process does none of it for the first time. */
    private static void rehearse() {
        Handler echo = new Handler.Values(Object.class, Object.class, null) {
            @Override
            Object answer(Object event, Context context) {
                return event;
            }
        };
        Api api = new Rehearsed();
        Output out = new Output();
        api.askNext();
        for (int i = 0; i < ROUNDS; i++) {
            Main.serve(api, echo, out);
            Thread.interrupted();
        }
        System.clearProperty("com.amazonaws.xray.traceHeader");
        Log.get().invoked(null);
    }
}
