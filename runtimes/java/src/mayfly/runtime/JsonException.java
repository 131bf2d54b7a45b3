package mayfly.runtime;

/** Text that is no JSON, or JSON that doesn't fit the wanted type. */
final class JsonException extends RuntimeException {
    private static final long serialVersionUID = 1;

    JsonException(String message) {
        super(message);
    }

    JsonException(String message, Throwable cause) {
        super(message, cause);
    }
}
