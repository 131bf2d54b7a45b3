package mayfly.runtime;

import com.amazonaws.services.lambda.runtime.LambdaLogger;
import com.amazonaws.services.lambda.runtime.logging.LogLevel;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.temporal.ChronoUnit;

/** The function's log: each record is one line of standard output, as text or as a JSON object. */
public final class Log implements LambdaLogger {
    private static final Log ONE = new Log();

    private final boolean json;
    private final LogLevel lowest;
    private Invocation invocation;

    private Log() {
        json = "JSON".equalsIgnoreCase(System.getenv("AWS_LAMBDA_LOG_FORMAT"));
        LogLevel level = LogLevel.UNDEFINED;
        try {
            String name = System.getenv("AWS_LAMBDA_LOG_LEVEL");
            level = name == null ? level : LogLevel.fromString(name);
        } catch (IllegalArgumentException e) {
            // what is set wrongly filters nothing
        }
        lowest = level;
    }

    public static Log get() {
        return ONE;
    }

    void invoked(Invocation by) {
        invocation = by;
    }

    @Override
    public void log(String message) {
        log(message, LogLevel.UNDEFINED);
    }

    @Override
    public void log(byte[] message) {
        log(message, LogLevel.UNDEFINED);
    }

    @Override
    public void log(byte[] message, LogLevel level) {
        if (isWanted(level)) {
            System.out.write(message, 0, message.length);
        }
    }

    @Override
    public void log(String message, LogLevel level) {
        if (!isWanted(level)) {
            return;
        }
        if (json) {
            byte[] record = record(message, level);
            System.out.write(record, 0, record.length);
            return;
        }
        line(level == LogLevel.UNDEFINED ? String.valueOf(message) : "[" + level + "] " + message);
    }

    /** An error's record: its title and trace. */
    void fault(String text) {
        log(text, json ? LogLevel.ERROR : LogLevel.UNDEFINED);
    }

    private boolean isWanted(LogLevel level) {
        return level == LogLevel.UNDEFINED || level.ordinal() >= lowest.ordinal();
    }

    /** Carriage returns keep a record of several lines in one piece. */
    private static void line(String text) {
        int end = text.length();
        while (end > 0 && text.charAt(end - 1) == '\n') {
            end--;
        }
        byte[] bytes = (text.substring(0, end).replace('\n', '\r') + "\n").getBytes(StandardCharsets.UTF_8);
        System.out.write(bytes, 0, bytes.length);
    }

    private byte[] record(String message, LogLevel level) {
        Output out = new Output();
        JsonWriter writer = new JsonWriter(out);
        out.ascii("{\"timestamp\":\"" + stamp() + "\",\"message\":");
        writer.value(message);
        out.ascii(",\"level\":\"" + level + "\"");
        if (invocation != null) {
            out.ascii(",\"AWSRequestId\":");
            writer.string(invocation.requestId);
        }
        if (invocation != null && invocation.tenantId != null) {
            out.ascii(",\"tenantId\":");
            writer.string(invocation.tenantId);
        }
        out.ascii("}\n");
        byte[] bytes = new byte[out.bodyLength()];
        System.arraycopy(out.bytes, Output.HEAD_ROOM, bytes, 0, bytes.length);
        return bytes;
    }

    /** ISO 8601 has no milliseconds where they are 0. */
    private static String stamp() {
        String text = Instant.now().truncatedTo(ChronoUnit.MILLIS).toString();
        return text.length() == 20 ? text.substring(0, 19) + ".000Z" : text;
    }
}
