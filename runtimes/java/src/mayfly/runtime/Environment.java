package mayfly.runtime;

import java.lang.reflect.Field;
import java.util.Map;

/** The process' environment variables, which Java itself only reads. */
final class Environment {
    private Environment() {
    }

    /** Whether a checkpoint follows; the platform's own variable is none of the function's business. */
    static boolean becomesImage() {
        String asked = System.getenv("_MAYFLY_SNAPSHOT");
        if (asked != null) {
            set("_MAYFLY_SNAPSHOT", null);
        }
        return asked != null && !asked.isEmpty() || "snap-start".equals(System.getenv("AWS_LAMBDA_INITIALIZATION_TYPE"));
    }

    /** What System.getenv says from now on, and what child processes get. Null takes the variable away. */
    @SuppressWarnings("unchecked")
    static void set(String name, String value) {
        try {
            Field whole = Class.forName("java.lang.ProcessEnvironment").getDeclaredField("theUnmodifiableEnvironment");
            whole.setAccessible(true);
            Map<String, String> view = (Map<String, String>) whole.get(null);
            Field inner = view.getClass().getDeclaredField("m");
            inner.setAccessible(true);
            Map<String, String> variables = (Map<String, String>) inner.get(view);
            if (value == null) {
                variables.remove(name);
            } else {
                variables.put(name, value);
            }
        } catch (ReflectiveOperationException | RuntimeException e) {
            System.err.println("LAMBDA_RUNTIME The environment variable " + name + " could not be set: " + e);
        }
    }
}
