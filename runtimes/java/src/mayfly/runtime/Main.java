package mayfly.runtime;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOError;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;

/** The Java runtime: loads the function, then serves one invocation after the other. */
public final class Main {
    private static final String TRACE = "com.amazonaws.xray.traceHeader";

    private Main() {
    }

    public static void main(String[] args) {
        boolean image = Environment.becomesImage();
        // Each line is written when it is printed.
        System.setOut(new PrintStream(new FileOutputStream(FileDescriptor.out), false, StandardCharsets.UTF_8));
        System.setErr(new PrintStream(new FileOutputStream(FileDescriptor.err), false, StandardCharsets.UTF_8));
        Api api = new Api(or(System.getenv("AWS_LAMBDA_RUNTIME_API"), ""));
        try {
            api.connect();
        } catch (IOException e) {
            end("No Runtime API: " + e.getMessage(), 1);
        }
        Handler handler = load(api, args.length > 0 ? args[0] : or(System.getenv("_HANDLER"), ""));
        if (image) {
            Snapshot.park(api, handler);
        } else {
            api.askNext();
        }
        Output out = new Output();
        while (serve(api, handler, out)) {
            Thread.interrupted(); // what the function left behind is not the next one's
        }
        // The error was reported; a machine without memory or a broken stream is not gone on with.
        api.waitForAcknowledgement();
        Runtime.getRuntime().halt(1);
    }

    static String or(String value, String otherwise) {
        return value == null ? otherwise : value;
    }

    static void end(String why, int status) {
        System.err.println("LAMBDA_RUNTIME " + why);
        Runtime.getRuntime().halt(status);
    }

    private static Handler load(Api api, String name) {
        try {
            Loader loader = new Loader(or(System.getenv("LAMBDA_TASK_ROOT"), "/var/task"));
            return loader.load(name);
        } catch (Throwable e) {
            giveUp(api, "init/error", "Runtime.BadFunctionCode", e, 1);
            return null;
        }
    }

    /** Reports `error` to `path` and ends the process. */
    static void giveUp(Api api, String path, String kind, Throwable error, int status) {
        Output out = new Output();
        Faults.log(error);
        Faults.write(out, error);
        api.post(path, out, "Lambda-Runtime-Function-Error-Type: " + kind + "\r\n", false);
        api.waitForAcknowledgement();
        System.exit(status);
    }

    /** One invocation; false when it was the last. */
    static boolean serve(Api api, Handler handler, Output out) {
        Invocation invocation = new Invocation();
        api.next(invocation);
        if (invocation.trace != null) {
            System.setProperty(TRACE, invocation.trace);
        } else {
            System.clearProperty(TRACE);
        }
        Log.get().invoked(invocation);
        out.reset();
        try {
            handler.call(api.buffer, api.bodyStart, api.bodyLength, out, new LambdaContext(invocation));
        } catch (Throwable e) {
            return failed(api, invocation, out, e);
        }
        api.post("invocation/" + invocation.requestId + "/response", out, "", true);
        return true;
    }

    private static boolean failed(Api api, Invocation invocation, Output out, Throwable error) {
        boolean last = error instanceof VirtualMachineError || error instanceof IOError;
        out.reset();
        Faults.log(error);
        Faults.write(out, error);
        String kind = error instanceof Fault ? "Runtime.BadFunctionCode" : "Runtime.UserException";
        api.post("invocation/" + invocation.requestId + "/error", out, "Lambda-Runtime-Function-Error-Type: " + kind + "\r\n", !last);
        return !last;
    }
}
