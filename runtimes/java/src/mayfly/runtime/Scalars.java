package mayfly.runtime;

import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.util.Base64;
import java.util.Calendar;
import java.util.Date;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/** Types whose JSON is one string, number or boolean. */
final class Scalars {
    private static final Set<Class<?>> KNOWN = new HashSet<>(List.of(String.class, CharSequence.class, Boolean.class, Character.class,
        Byte.class, Short.class, Integer.class, Long.class, Float.class, Double.class, Number.class, BigDecimal.class, BigInteger.class,
        Date.class, Calendar.class, AtomicInteger.class, AtomicLong.class, AtomicBoolean.class, ByteBuffer.class, StringBuilder.class));

    private Scalars() {
    }

    static boolean isScalar(Class<?> type) {
        return type.isPrimitive() || type.isEnum() || KNOWN.contains(type) || type.getName().startsWith("java.time.");
    }

    static Object read(Class<?> type, Object tree) {
        if (tree instanceof Map || tree instanceof List && !Times.isTime(type)) {
            throw new JsonException((tree instanceof Map ? "an object" : "a list") + " cannot be a " + type.getName());
        }
        try {
            return type.isEnum() ? constant(type, tree) : Times.isTime(type) ? Times.read(type, tree) : value(type, tree);
        } catch (JsonException e) {
            throw e;
        } catch (RuntimeException e) {
            throw new JsonException("\"" + tree + "\" cannot be a " + type.getName(), e);
        }
    }

    /** Names that are not known are null. */
    private static Object constant(Class<?> type, Object tree) {
        Object[] all = type.getEnumConstants();
        if (tree instanceof Number) {
            int n = ((Number) tree).intValue();
            return n >= 0 && n < all.length ? all[n] : null;
        }
        for (Object one : all) {
            if (((Enum<?>) one).name().equals(tree)) {
                return one;
            }
        }
        return null;
    }

    private static Object value(Class<?> type, Object tree) {
        if (type == String.class || type == CharSequence.class) {
            return tree.toString();
        }
        if (type == StringBuilder.class) {
            return new StringBuilder(tree.toString());
        }
        if (type == ByteBuffer.class) {
            return ByteBuffer.wrap(Base64.getDecoder().decode((String) tree));
        }
        Object told = tree instanceof String ? ((String) tree).trim() : tree;
        if ("".equals(told)) {
            return type.isPrimitive() ? read(type, type == boolean.class ? (Object) false : (Object) 0) : null;
        }
        if (type == boolean.class || type == Boolean.class || type == AtomicBoolean.class) {
            return truth(type, told);
        }
        if (type == char.class || type == Character.class) {
            return told instanceof Number ? (char) ((Number) told).intValue() : character(tree.toString());
        }
        return told instanceof Boolean ? notANumber(type, told) : number(type, told);
    }

    private static Object notANumber(Class<?> type, Object told) {
        throw new JsonException("\"" + told + "\" cannot be a " + type.getName());
    }

    private static char character(String text) {
        if (text.length() != 1) {
            throw new JsonException("\"" + text + "\" is not one character");
        }
        return text.charAt(0);
    }

    private static Object truth(Class<?> type, Object told) {
        boolean value = told instanceof Number ? ((Number) told).doubleValue() != 0
            : told instanceof Boolean ? (Boolean) told : "true".equalsIgnoreCase((String) told);
        if (told instanceof String && !value && !"false".equalsIgnoreCase((String) told)) {
            return notANumber(type, told);
        }
        return type == AtomicBoolean.class ? (Object) new AtomicBoolean(value) : (Object) value;
    }

    private static Object number(Class<?> type, Object told) {
        if (type == double.class || type == Double.class) {
            return Double.valueOf(told.toString());
        }
        if (type == float.class || type == Float.class) {
            return Float.valueOf(told.toString());
        }
        if (type == Number.class) {
            return told instanceof JsonParser.Fraction ? (Number) ((Number) told).doubleValue() : told instanceof Number ? (Number) told
                : (Number) new BigDecimal(told.toString());
        }
        BigDecimal exact = new BigDecimal(told.toString());
        if (type == BigDecimal.class) {
            return exact;
        }
        BigInteger whole = exact.toBigInteger(); // a fraction is cut off
        return type == BigInteger.class ? whole : bounded(type, whole);
    }

    private static Object bounded(Class<?> type, BigInteger whole) {
        if (type == long.class || type == Long.class || type == AtomicLong.class) {
            long value = whole.longValueExact();
            return type == AtomicLong.class ? (Object) new AtomicLong(value) : (Object) value;
        }
        if (type == short.class || type == Short.class) {
            return whole.shortValueExact();
        }
        if (type == byte.class || type == Byte.class) {
            return whole.bitLength() == 8 && whole.signum() > 0 ? (Byte) whole.byteValue() : (Byte) whole.byteValueExact();
        }
        int value = whole.intValueExact();
        return type == AtomicInteger.class ? (Object) new AtomicInteger(value) : (Object) value;
    }

    /** For any other class, made from text by its constructor, or by one of the usual factories; else null. */
    static Object fromText(Class<?> type, Object tree) {
        if (tree instanceof List || tree instanceof Boolean) {
            return null;
        }
        String text = tree.toString();
        try {
            for (String name : new String[] {"fromString", "valueOf", "parse", "of", "create", "forName", "compile", "getInstance", "forLanguageTag"}) {
                Method factory = factory(type, name);
                if (factory != null) {
                    return factory.invoke(null, text);
                }
            }
            if (text.isEmpty()) {
                return null;
            }
            Constructor<?> constructor = type.getConstructor(String.class);
            return constructor.newInstance(text);
        } catch (InvocationTargetException e) {
            throw new JsonException("\"" + text + "\" cannot be a " + type.getName() + ": " + e.getCause().getMessage(), e.getCause());
        } catch (ReflectiveOperationException e) {
            return null;
        }
    }

    private static Method factory(Class<?> type, String name) {
        try {
            Method found = type.getMethod(name, String.class);
            return Modifier.isStatic(found.getModifiers()) && type.isAssignableFrom(found.getReturnType()) ? found : null;
        } catch (NoSuchMethodException e) {
            return null;
        }
    }

    /** Writes `value` if it is of these types. */
    static boolean write(JsonWriter out, Object value) {
        if (value instanceof Number && !(value instanceof AtomicInteger) && !(value instanceof AtomicLong)) {
            out.number((Number) value);
        } else if (value instanceof Boolean || value instanceof AtomicInteger || value instanceof AtomicLong || value instanceof AtomicBoolean) {
            out.raw(value.toString());
        } else if (value instanceof CharSequence || value instanceof Character) {
            out.string(value.toString());
        } else if (value instanceof Enum) {
            out.string(((Enum<?>) value).name());
        } else if (value instanceof Date) {
            out.raw(Long.toString(((Date) value).getTime()));
        } else if (value instanceof Calendar) {
            out.raw(Long.toString(((Calendar) value).getTimeInMillis()));
        } else if (value instanceof ByteBuffer) {
            ByteBuffer copy = ((ByteBuffer) value).duplicate();
            byte[] bytes = new byte[copy.remaining()];
            copy.get(bytes);
            out.string(Base64.getEncoder().encodeToString(bytes));
        } else {
            return Times.write(out, value) || Scalars.writeText(out, value);
        }
        return true;
    }

    /** What the JDK has no other form for than text: UUID, URI, Locale, Path, ... */
    private static boolean writeText(JsonWriter out, Object value) {
        String name = value.getClass().getName();
        if (value instanceof Class) {
            out.string(((Class<?>) value).getName());
        } else if (!(value instanceof Throwable) && (name.startsWith("java.") || name.startsWith("sun.") || name.startsWith("jdk.")
            || name.startsWith("org.joda.time."))) {
            out.string(value.toString());
        } else {
            return false;
        }
        return true;
    }
}
