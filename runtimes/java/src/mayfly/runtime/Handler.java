package mayfly.runtime;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.CustomPojoSerializer;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import com.amazonaws.services.lambda.runtime.RequestStreamHandler;
import java.io.ByteArrayInputStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Type;
import java.util.Arrays;

/** A function, however it is written: bytes of an event in, bytes of an answer out. */
abstract class Handler {
    /** The event is `length` bytes of `bytes` from `start` on, which are the caller's afterwards. */
    abstract void call(byte[] bytes, int start, int length, Output out, Context context) throws Throwable;

    /** Learns the classes of event and answer, so that the first invocation needs not. */
    void prepare() {
    }

    /** Answers each invocation with why there is no function. */
    static final class Missing extends Handler {
        private final Fault fault;

        Missing(Fault fault) {
            this.fault = fault;
        }

        @Override
        void call(byte[] bytes, int start, int length, Output out, Context context) {
            throw fault;
        }
    }

    static final class Stream extends Handler {
        private final RequestStreamHandler handler;

        Stream(RequestStreamHandler handler) {
            this.handler = handler;
        }

        @Override
        void call(byte[] bytes, int start, int length, Output out, Context context) throws Throwable {
            handler.handleRequest(new ByteArrayInputStream(Arrays.copyOfRange(bytes, start, start + length)), out, context);
        }
    }

    /** A method that takes any of (InputStream, OutputStream, Context). */
    static final class StreamMethod extends Handler {
        private final Method method;
        private final Object target;
        private final boolean takesInput;
        private final boolean takesOutput;
        private final boolean takesContext;

        StreamMethod(Method method, Object target, boolean takesInput, boolean takesOutput, boolean takesContext) {
            this.method = method;
            this.target = target;
            this.takesInput = takesInput;
            this.takesOutput = takesOutput;
            this.takesContext = takesContext;
        }

        @Override
        void call(byte[] bytes, int start, int length, Output out, Context context) throws Throwable {
            Object[] arguments = new Object[(takesInput ? 1 : 0) + (takesOutput ? 1 : 0) + (takesContext ? 1 : 0)];
            int n = 0;
            if (takesInput) {
                arguments[n++] = new ByteArrayInputStream(Arrays.copyOfRange(bytes, start, start + length));
            }
            if (takesOutput) {
                arguments[n++] = out;
            }
            if (takesContext) {
                arguments[n] = context;
            }
            invoke(method, target, arguments);
            if (!takesOutput) {
                out.ascii("null");
            }
        }
    }

    /** Calls with values: the event's type, and the answer's. */
    abstract static class Values extends Handler {
        private final Type input;  // null: the event is not looked at
        private final Type output; // null: the answer is null
        private final CustomPojoSerializer custom;

        Values(Type input, Type output, CustomPojoSerializer custom) {
            this.input = input;
            this.output = output == void.class || output == Void.class ? null : output;
            this.custom = custom;
        }

        abstract Object answer(Object event, Context context) throws Throwable;

        @Override
        void prepare() {
            if (custom != null) {
                return;
            }
            if (input != null && !Mapper.isUntyped(input) && !Scalars.isScalar(Types.raw(input))) {
                Mapper.bean(input);
            }
            if (output instanceof Class && !Scalars.isScalar((Class<?>) output)) {
                Mapper.bean(output);
            }
        }

        @Override
        void call(byte[] bytes, int start, int length, Output out, Context context) throws Throwable {
            Object event;
            try {
                event = input == null ? null : read(bytes, start, length);
            } catch (Exception | StackOverflowError e) {
                throw new RuntimeException("An error occurred during JSON parsing", e);
            }
            Object answer = answer(event, context);
            try {
                write(answer, out);
            } catch (Exception | StackOverflowError e) {
                throw new RuntimeException("An error occurred during JSON serialization of response", e);
            }
        }

        private Object read(byte[] bytes, int start, int length) {
            if (custom != null) {
                return custom.fromJson(new ByteArrayInputStream(Arrays.copyOfRange(bytes, start, start + length)), input);
            }
            return Mapper.read(bytes, start, length, input);
        }

        private void write(Object answer, Output out) {
            if (output == null) {
                out.ascii("null");
            } else if (custom != null) {
                custom.toJson(answer, out, output);
            } else {
                new JsonWriter(out).value(answer);
            }
        }
    }

    static final class Request extends Values {
        private final RequestHandler<Object, Object> handler;

        Request(RequestHandler<Object, Object> handler, Type input, Type output, CustomPojoSerializer custom) {
            super(input, output, custom);
            this.handler = handler;
        }

        @Override
        Object answer(Object event, Context context) {
            return handler.handleRequest(event, context);
        }
    }

    static final class PlainMethod extends Values {
        private final Method method;
        private final Object target;
        private final boolean takesEvent;
        private final boolean takesContext;

        PlainMethod(Method method, Object target, Type input, boolean takesContext, CustomPojoSerializer custom) {
            super(input, method.getGenericReturnType(), custom);
            this.method = method;
            this.target = target;
            this.takesEvent = input != null;
            this.takesContext = takesContext;
        }

        @Override
        Object answer(Object event, Context context) throws Throwable {
            Object[] arguments = takesEvent ? takesContext ? new Object[] {event, context} : new Object[] {event}
                : takesContext ? new Object[] {context} : new Object[0];
            return invoke(method, target, arguments);
        }
    }

    private static Object invoke(Method method, Object target, Object[] arguments) throws Throwable {
        try {
            return method.invoke(target, arguments);
        } catch (InvocationTargetException e) {
            throw e.getCause() == null ? e : e.getCause();
        }
    }
}
