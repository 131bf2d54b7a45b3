package mayfly.runtime;

import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import sun.misc.Unsafe;

/**
 * Fields of the class library's own classes. They are read through Unsafe, since --add-opens would cost each start
 * the archive of modules that the JVM begins with, 10 ms.
 */
final class Hidden {
    private static final Unsafe UNSAFE = unsafe();

    private Hidden() {
    }

    private static Unsafe unsafe() {
        try {
            Field field = Unsafe.class.getDeclaredField("theUnsafe");
            field.setAccessible(true);
            return (Unsafe) field.get(null);
        } catch (ReflectiveOperationException | RuntimeException e) {
            return null;
        }
    }

    /** The value of a field, a static one where `of` is null; null also when this version of Java has no such field. */
    static Object get(Class<?> type, String name, Object of) {
        try {
            Field field = type.getDeclaredField(name);
            boolean fixed = Modifier.isStatic(field.getModifiers());
            return fixed ? UNSAFE.getObject(UNSAFE.staticFieldBase(field), UNSAFE.staticFieldOffset(field))
                : UNSAFE.getObject(of, UNSAFE.objectFieldOffset(field));
        } catch (ReflectiveOperationException | RuntimeException e) {
            return null;
        }
    }

    static Object get(String type, String name, Object of) {
        try {
            return get(Class.forName(type), name, of);
        } catch (ReflectiveOperationException | LinkageError e) {
            return null;
        }
    }

    /** Where a long lies in objects of `type`; -1 when it isn't there. */
    static long longAt(Class<?> type, String name) {
        try {
            Field field = type.getDeclaredField(name);
            return field.getType() == long.class ? UNSAFE.objectFieldOffset(field) : -1;
        } catch (ReflectiveOperationException | RuntimeException e) {
            return -1;
        }
    }

    static long getLong(Object of, long at) {
        return UNSAFE.getLong(of, at);
    }

    static void putLong(Object of, long at, long value) {
        UNSAFE.putLong(of, at, value);
    }
}
