package mayfly.runtime;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.Arrays;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.Set;

/** Errors as Lambda's Java runtime reports and logs them. */
final class Faults {
    private static final String OURS = "mayfly.runtime.";
    private static final int CAUSES_MAX = 32;

    private Faults() {
    }

    static String message(Throwable t) {
        String message;
        try {
            message = t.getLocalizedMessage();
        } catch (RuntimeException e) {
            message = null;
        }
        return message == null ? t.getClass().getName() : message;
    }

    static String trace(Throwable t) {
        cut(t);
        StringWriter text = new StringWriter();
        t.printStackTrace(new PrintWriter(text));
        return text.toString();
    }

    /** Takes the runtime's frames, and those below, from the traces. */
    static void cut(Throwable t) {
        cut(t, Collections.newSetFromMap(new IdentityHashMap<>()));
    }

    private static void cut(Throwable t, Set<Throwable> seen) {
        if (t == null || !seen.add(t)) {
            return;
        }
        StackTraceElement[] frames = t.getStackTrace();
        for (int i = 0; i < frames.length; i++) {
            if (frames[i].getClassName().startsWith(OURS)) {
                t.setStackTrace(Arrays.copyOf(frames, i));
                break;
            }
        }
        cut(t.getCause(), seen);
        for (Throwable suppressed : t.getSuppressed()) {
            cut(suppressed, seen);
        }
    }

    static void write(Output out, Throwable t) {
        cut(t);
        write(out, new JsonWriter(out), t, CAUSES_MAX);
    }

    private static void write(Output out, JsonWriter json, Throwable t, int causes) {
        Fault fault = t instanceof Fault ? (Fault) t : null;
        String type = fault == null ? t.getClass().getName() : fault.errorType;
        out.ascii("{\"errorMessage\":");
        json.string(message(t));
        if (type != null) {
            out.ascii(",\"errorType\":");
            json.string(type);
        }
        if (fault == null) {
            frames(out, json, t.getStackTrace());
        }
        if (t.getCause() != null && t.getCause() != t && causes > 0) {
            out.ascii(",\"cause\":");
            write(out, json, t.getCause(), causes - 1);
        }
        out.ascii("}");
    }

    private static void frames(Output out, JsonWriter json, StackTraceElement[] frames) {
        out.ascii(",\"stackTrace\":[");
        for (int i = 0; i < frames.length; i++) {
            out.ascii(i == 0 ? "" : ",");
            json.string(frames[i].toString());
        }
        out.ascii("]");
    }

    static void log(Throwable t) {
        Fault fault = t instanceof Fault ? (Fault) t : new Fault(t, false);
        String text = fault.getMessage();
        if (fault.errorType != null || fault.trace != null) {
            text += ": " + (fault.errorType == null ? "" : fault.errorType) + "\n" + (fault.trace == null ? "" : fault.trace);
        }
        Log.get().fault(text);
    }
}
