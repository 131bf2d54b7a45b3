package mayfly.runtime;

import java.lang.reflect.Array;
import java.lang.reflect.Constructor;
import java.lang.reflect.GenericArrayType;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Modifier;
import java.lang.reflect.Type;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collection;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * Makes values of a type from parsed JSON, as leniently as Lambda's mapper: unknown members are ignored, unknown
 * constants are null, one value will do for a list, a list of one for a value, text for numbers.
 */
final class Mapper {
    private static final Map<Type, Bean> beans = new HashMap<>();

    private Mapper() {
    }

    static synchronized Bean bean(Type type) {
        Bean bean = beans.get(type);
        if (bean == null) {
            bean = new Bean(type);
            beans.put(type, bean);
        }
        return bean;
    }

    /** Whether plain maps and lists will do, so that nothing has to be converted. */
    static boolean isUntyped(Type type) {
        Class<?> raw = Types.raw(type);
        if (raw == Map.class || raw == LinkedHashMap.class) {
            return Types.argument(type, Map.class, 1) == Object.class && keysAreText(type);
        }
        return raw == Object.class
            || (raw == List.class || raw == ArrayList.class) && Types.argument(type, Collection.class, 0) == Object.class;
    }

    private static boolean keysAreText(Type type) {
        Type key = Types.argument(type, Map.class, 0);
        return key == Object.class || key == String.class;
    }

    static Object read(byte[] bytes, int start, int length, Type type) {
        boolean untyped = isUntyped(type);
        Object tree = JsonParser.parse(bytes, start, length, !untyped);
        Class<?> wanted = Types.raw(type);
        return untyped && (tree == null || wanted.isInstance(tree)) ? tree : to(type, tree);
    }

    static Object to(Type declared, Object tree) {
        Type type = Types.plain(declared);
        Class<?> raw = Types.raw(type);
        if (raw == Optional.class) {
            return Optional.ofNullable(to(Types.argument(type, Optional.class, 0), tree));
        }
        if (tree == null) {
            return raw.isPrimitive() && raw != void.class ? Array.get(Array.newInstance(raw, 1), 0) : null;
        }
        if (raw == Object.class || raw == java.io.Serializable.class) {
            return untyped(tree);
        }
        if (raw.isArray()) {
            return array(type, raw, tree);
        }
        if (Collection.class.isAssignableFrom(raw) || raw == Iterable.class) {
            return collection(type, raw, tree);
        }
        if (Map.class.isAssignableFrom(raw)) {
            return map(type, raw, tree);
        }
        if (Scalars.isScalar(raw)) {
            return Scalars.read(raw, single(tree));
        }
        return object(type, raw, tree);
    }

    /** A list of one stands for what it holds. */
    private static Object single(Object tree) {
        return tree instanceof List && ((List<?>) tree).size() == 1 ? ((List<?>) tree).get(0) : tree;
    }

    @SuppressWarnings("unchecked")
    private static Object untyped(Object tree) {
        if (tree instanceof JsonParser.Fraction) {
            return ((JsonParser.Fraction) tree).doubleValue();
        }
        if (tree instanceof Map) {
            for (Map.Entry<String, Object> entry : ((Map<String, Object>) tree).entrySet()) {
                entry.setValue(untyped(entry.getValue()));
            }
        } else if (tree instanceof List) {
            List<Object> list = (List<Object>) tree;
            for (int i = 0; i < list.size(); i++) {
                list.set(i, untyped(list.get(i)));
            }
        }
        return tree;
    }

    private static Object array(Type type, Class<?> raw, Object tree) {
        if (raw == byte[].class && tree instanceof String) {
            try {
                return Base64.getDecoder().decode((String) tree);
            } catch (IllegalArgumentException e) {
                throw new JsonException("no base64: " + e.getMessage(), e);
            }
        }
        if (raw == char[].class && tree instanceof String) {
            return ((String) tree).toCharArray();
        }
        Type element = type instanceof GenericArrayType ? ((GenericArrayType) type).getGenericComponentType() : raw.getComponentType();
        List<?> list = tree instanceof List ? (List<?>) tree : List.of(tree);
        Object array = Array.newInstance(raw.getComponentType(), list.size());
        for (int i = 0; i < list.size(); i++) {
            Array.set(array, i, to(element, list.get(i)));
        }
        return array;
    }

    private static Object collection(Type type, Class<?> raw, Object tree) {
        if (tree instanceof String && ((String) tree).isEmpty()) {
            return null;
        }
        Type element = raw == Iterable.class ? Types.argument(type, Iterable.class, 0) : Types.argument(type, Collection.class, 0);
        Collection<Object> result = newCollection(raw, Types.raw(element));
        for (Object item : tree instanceof List ? (List<?>) tree : List.of(tree)) {
            result.add(to(element, item));
        }
        return result;
    }

    @SuppressWarnings({"unchecked", "rawtypes"})
    private static Collection<Object> newCollection(Class<?> raw, Class<?> element) {
        if (EnumSet.class.isAssignableFrom(raw)) {
            return (Collection) EnumSet.noneOf((Class) element);
        }
        if (!raw.isInterface() && !Modifier.isAbstract(raw.getModifiers())) {
            return (Collection<Object>) make(raw);
        }
        if (raw.isAssignableFrom(ArrayList.class)) {
            return new ArrayList<>();
        }
        if (raw.isAssignableFrom(LinkedHashSet.class)) {
            return new LinkedHashSet<>();
        }
        if (SortedSet.class.isAssignableFrom(raw)) {
            return new TreeSet<>();
        }
        if (raw.isAssignableFrom(ArrayDeque.class)) {
            return new ArrayDeque<>();
        }
        throw new JsonException("no list can be a " + raw.getName());
    }

    private static Object map(Type type, Class<?> raw, Object tree) {
        Object found = single(tree);
        if (!(found instanceof Map)) {
            return emptyOr(raw, found);
        }
        Type key = Types.argument(type, Map.class, 0);
        Type value = Types.argument(type, Map.class, 1);
        Map<Object, Object> result = newMap(raw, Types.raw(key));
        for (Map.Entry<?, ?> entry : ((Map<?, ?>) found).entrySet()) {
            result.put(to(key, entry.getKey()), to(value, entry.getValue()));
        }
        return result;
    }

    @SuppressWarnings({"unchecked", "rawtypes"})
    private static Map<Object, Object> newMap(Class<?> raw, Class<?> key) {
        if (raw == EnumMap.class) {
            return (Map) new EnumMap(key);
        }
        if (!raw.isInterface() && !Modifier.isAbstract(raw.getModifiers())) {
            return (Map<Object, Object>) make(raw);
        }
        return SortedMap.class.isAssignableFrom(raw) ? new TreeMap<>() : new LinkedHashMap<>();
    }

    private static Object make(Class<?> raw) {
        Constructor<?> constructor = bean(raw).empty;
        if (constructor == null) {
            throw new JsonException("no " + raw.getName() + " can be made, for it has no constructor without parameters");
        }
        return call(constructor);
    }

    private static Object call(Constructor<?> constructor, Object... arguments) {
        try {
            return constructor.newInstance(arguments);
        } catch (InvocationTargetException e) {
            throw new JsonException("making a " + constructor.getDeclaringClass().getName() + ": " + e.getCause(), e.getCause());
        } catch (ReflectiveOperationException | IllegalArgumentException e) {
            throw new JsonException("making a " + constructor.getDeclaringClass().getName() + ": " + e, e);
        }
    }

    /** Nothing, where an empty text or list stands for it. */
    private static Object emptyOr(Class<?> raw, Object tree) {
        if (tree instanceof List && ((List<?>) tree).isEmpty() || tree instanceof String && ((String) tree).isEmpty()) {
            return null;
        }
        String kind = tree instanceof List ? "a list" : tree instanceof Map ? "an object" : tree instanceof String ? "text"
            : tree instanceof Boolean ? "a boolean" : "a number";
        throw new JsonException(kind + " cannot be a " + raw.getName());
    }

    private static Object object(Type type, Class<?> raw, Object tree) {
        Object found = single(tree);
        if (!(found instanceof Map)) {
            Object made = Scalars.fromText(raw, found);
            return made != null ? made : emptyOr(raw, found);
        }
        Bean bean = bean(type);
        if (bean.empty != null) {
            return filled(bean, call(bean.empty), (Map<?, ?>) found);
        }
        if (bean.whole == null) {
            throw new JsonException("no " + raw.getName() + " can be made, for it has no constructor without parameters");
        }
        Object[] arguments = new Object[bean.parameters.size()];
        for (int i = 0; i < arguments.length; i++) {
            Bean.Property property = bean.parameters.get(i);
            arguments[i] = to(property.setterType, ((Map<?, ?>) found).get(property.name));
        }
        return call(bean.whole, arguments);
    }

    private static Object filled(Bean bean, Object object, Map<?, ?> members) {
        for (Map.Entry<?, ?> member : members.entrySet()) {
            Bean.Property property = bean.find((String) member.getKey());
            if (property != null && property.setter != null) {
                property.set(object, to(property.setterType, member.getValue()));
            }
        }
        return object;
    }
}
