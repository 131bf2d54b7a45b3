package mayfly.runtime;

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

    /** What System.getenv and ProcessBuilder.environment say from now on; a null takes the variable away. */
    @SuppressWarnings("unchecked")
    static void set(String name, String value) {
        Object view = Hidden.get("java.lang.ProcessEnvironment", "theUnmodifiableEnvironment", null);
        Map<String, String> variables = view == null ? null : (Map<String, String>) Hidden.get(view.getClass(), "m", view);
        if (variables == null) {
            System.err.println("LAMBDA_RUNTIME The environment variable " + name + " could not be set");
        } else if (value == null) {
            variables.remove(name);
        } else {
            variables.put(name, value);
        }
    }
}
