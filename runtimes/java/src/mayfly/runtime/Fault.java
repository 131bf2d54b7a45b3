package mayfly.runtime;

/** A failure that is no exception of the function's: a handler that isn't there, or that can't be made. */
final class Fault extends RuntimeException {
    private static final long serialVersionUID = 1;

    final String errorType;  // the class of what caused it; may be null
    final String trace;      // may be null
    final boolean fatal;     // a failed initialisation, instead of one of each invocation

    Fault(String message, Throwable from, boolean fatal) {
        super(message, null, false, false);
        errorType = from == null ? null : from.getClass().getName();
        trace = from == null ? null : Faults.trace(from);
        this.fatal = fatal;
    }

    Fault(String message) {
        this(message, null, false);
    }

    Fault(Throwable from, boolean fatal) {
        this(Faults.message(from), from, fatal);
    }
}
