package mayfly.runtime;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.CustomPojoSerializer;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import com.amazonaws.services.lambda.runtime.RequestStreamHandler;
import java.io.File;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.lang.reflect.TypeVariable;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.Iterator;
import java.util.List;
import java.util.ServiceLoader;

/** Finds the function by Lambda's rules: "package.Class" or "package.Class::method". */
final class Loader {
    private static final String LAYERS = "/opt/java/lib";

    private final ClassLoader classes;

    Loader(String root) {
        List<URL> path = new ArrayList<>();
        add(path, root + "/");
        addJars(path, root + "/lib");
        addJars(path, LAYERS);
        // The runtime's own interfaces come first: a function's copy of them is not looked at.
        classes = new URLClassLoader(path.toArray(new URL[0]), Loader.class.getClassLoader());
        Thread.currentThread().setContextClassLoader(classes);
    }

    private static void add(List<URL> path, String file) {
        try {
            path.add(new URL("file", null, -1, file));
        } catch (MalformedURLException e) {
            throw new IllegalArgumentException(file, e);
        }
    }

    private static void addJars(List<URL> path, String folder) {
        String[] names = new File(folder).list();
        if (names == null) {
            return;
        }
        Arrays.sort(names);
        for (String name : names) {
            if (name.endsWith(".jar")) {
                add(path, folder + "/" + name);
            }
        }
    }

    /** Throws a fatal Fault when the function's own initialisation failed; what else is wrong each invocation tells. */
    Handler load(String name) {
        int colons = name.lastIndexOf("::");
        String className = colons < 0 ? name : name.substring(0, colons);
        String method = colons < 0 ? null : name.substring(colons + 2);
        if (className.isEmpty() || "".equals(method)) {
            return new Handler.Missing(new Fault("Invalid handler: `" + name + "'"));
        }
        Class<?> type;
        try {
            type = Class.forName(className, true, classes);
        } catch (ClassNotFoundException e) {
            return new Handler.Missing(new Fault("Class not found: " + className, e, false));
        } catch (Throwable e) {
            throw new Fault("Error loading class " + className + (e.getMessage() == null ? "" : ": " + e.getMessage()), e, true);
        }
        try {
            return method == null ? ofInterface(type) : ofMethod(type, method);
        } catch (Fault e) {
            if (e.fatal) {
                throw e;
            }
            return new Handler.Missing(e);
        } catch (Exception | LinkageError e) {
            return new Handler.Missing(new Fault(e, false));
        }
    }

    @SuppressWarnings("unchecked")
    private Handler ofInterface(Class<?> type) {
        if (RequestStreamHandler.class.isAssignableFrom(type)) {
            return new Handler.Stream((RequestStreamHandler) make(type));
        }
        if (!RequestHandler.class.isAssignableFrom(type)) {
            throw new Fault("Class does not implement an appropriate handler interface: " + type.getName());
        }
        Type found = Types.as(type, RequestHandler.class);
        if (!(found instanceof ParameterizedType)) {
            throw new Fault("Class " + type.getName() + " does not implement RequestHandler with concrete type parameters");
        }
        Type[] arguments = ((ParameterizedType) found).getActualTypeArguments();
        for (Type argument : arguments) {
            if (argument instanceof TypeVariable && ((TypeVariable<?>) argument).getBounds()[0] == Object.class) {
                throw new Fault("Class " + type.getName() + " does not implement RequestHandler with concrete type parameters: parameter "
                    + argument + " has no upper bound.");
            }
        }
        return new Handler.Request((RequestHandler<Object, Object>) make(type), arguments[0], arguments[1], serializer());
    }

    /** The function's own mapper, if it brings one. */
    private CustomPojoSerializer serializer() {
        Iterator<CustomPojoSerializer> found = ServiceLoader.load(CustomPojoSerializer.class, classes).iterator();
        CustomPojoSerializer first = found.hasNext() ? found.next() : null;
        if (first != null && found.hasNext()) {
            throw new Fault("Too many serializers provided inside the META-INF/services folder, only one is allowed");
        }
        return first;
    }

    private static Object make(Class<?> type) {
        Constructor<?> constructor;
        try {
            constructor = type.getConstructor();
        } catch (NoSuchMethodException e) {
            if (type.getEnclosingClass() != null && !Modifier.isStatic(type.getModifiers())) {
                throw new Fault("Class " + type.getName() + " cannot be instantiated because it is a non-static inner class",
                    new Exception(), false);
            }
            throw new Fault("Class " + type.getName() + " has no public zero-argument constructor", new Exception(e), false);
        }
        try {
            return constructor.newInstance();
        } catch (InvocationTargetException e) {
            throw new Fault(e.getCause() == null ? e : e.getCause(), true);
        } catch (ReflectiveOperationException e) {
            throw new Fault(e.getCause() == null ? e : e.getCause(), false);
        } catch (ExceptionInInitializerError e) {
            throw new Fault(e, true);
        }
    }

    private Handler ofMethod(Class<?> type, String name) {
        List<Method> named = new ArrayList<>();
        try {
            for (Method method : type.getMethods()) {
                if (method.getName().equals(name)) {
                    named.add(method);
                }
            }
        } catch (NoClassDefFoundError e) {
            throw new Fault("Error loading method " + name + " on class " + type.getName(), e, false);
        }
        named.sort(PREFERRED);
        for (Method method : named) {
            Handler found = ofMethod(type, method);
            if (found != null) {
                return found;
            }
        }
        throw new Fault("No public method named " + name + " with appropriate method signature found on class " + type.getName());
    }

    /** Written methods before the compiler's bridges, then more parameters before fewer, a Context counted twice. */
    private static final Comparator<Method> PREFERRED = new Comparator<Method>() {
        @Override
        public int compare(Method a, Method b) {
            return a.isBridge() != b.isBridge() ? Boolean.compare(a.isBridge(), b.isBridge()) : length(b) - length(a);
        }

        private int length(Method method) {
            Class<?>[] types = method.getParameterTypes();
            return types.length + (types.length > 0 && types[types.length - 1] == Context.class ? 1 : 0);
        }
    };

    /** Null, with a word about it, when the method's parameters are not those of a handler. */
    private Handler ofMethod(Class<?> type, Method method) {
        Type[] takes = method.getGenericParameterTypes();
        int n = takes.length;
        boolean context = n > 0 && takes[n - 1] == Context.class;
        boolean input = n > 0 && takes[0] == InputStream.class;
        boolean output = n > 0 && takes[0] == OutputStream.class || n > 1 && input && takes[1] == OutputStream.class;
        if (input || output) {
            int known = (input ? 1 : 0) + (output ? 1 : 0) + (context ? 1 : 0);
            return known == n ? streaming(type, method, input, output, context) : ignored(method, n);
        }
        if (n == 2 && !context || n == 2 && takes[0] == Context.class || n > 2) {
            return ignored(method, n);
        }
        method.trySetAccessible(); // of a class that is not public
        Type event = n == 0 || n == 1 && context ? null : takes[0];
        return new Handler.PlainMethod(method, target(type, method), event, context, serializer());
    }

    private static Handler streaming(Class<?> type, Method method, boolean input, boolean output, boolean context) {
        if (method.getReturnType() != void.class) {
            System.err.println("Will ignore return type " + method.getReturnType() + " on byte stream handler");
        }
        method.trySetAccessible();
        return new Handler.StreamMethod(method, target(type, method), input, output, context);
    }

    private static Object target(Class<?> type, Method method) {
        return Modifier.isStatic(method.getModifiers()) ? null : make(type);
    }

    private static Handler ignored(Method method, int parameters) {
        String why = parameters > 3 ? "it has too many parameters: Expected at most 3, got " + parameters
            : "its parameters are not those of a handler: " + Arrays.toString(method.getParameterTypes());
        System.err.println("Ignoring an overload of method " + method.getName() + " because " + why);
        return null;
    }
}
