package mayfly.runtime;

/** The headers of an invocation. */
final class Invocation {
    String requestId;
    String arn;
    String trace;
    String clientContext;
    String identity;
    String tenantId;
    long deadlineMs;

    /** A header whose name began with `lambda-runtime-`; both are places in the buffer of `from`. */
    void header(Api from, int name, int colon, int value, int end) {
        if (from.is(name, colon, "aws-request-id")) {
            requestId = from.text(value, end);
        } else if (from.is(name, colon, "deadline-ms")) {
            deadlineMs = Long.parseLong(from.text(value, end));
        } else if (from.is(name, colon, "invoked-function-arn")) {
            arn = from.text(value, end);
        } else if (from.is(name, colon, "trace-id")) {
            trace = from.text(value, end);
        } else if (from.is(name, colon, "client-context")) {
            clientContext = from.text(value, end);
        } else if (from.is(name, colon, "cognito-identity")) {
            identity = from.text(value, end);
        } else if (from.is(name, colon, "aws-tenant-id")) {
            tenantId = from.text(value, end);
        }
    }
}
