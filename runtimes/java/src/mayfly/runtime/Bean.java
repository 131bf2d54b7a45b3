package mayfly.runtime;

import java.lang.reflect.AccessibleObject;
import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Member;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.RecordComponent;
import java.lang.reflect.Type;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * How a class looks as a JSON object: properties by the naming of Java beans, from getters and setters, public fields
 * and records' components, in the order of the fields, as Lambda's mapper has them.
 */
final class Bean {
    private static final String EVENTS = "com.amazonaws.services.lambda.runtime.events.";

    /** One property: a way to read it, a way to set it, or both. */
    static final class Property {
        final String name;
        Member getter;
        Member setter;
        Type setterType;
        private boolean known; // by more than a field that nobody may see

        Property(String name) {
            this.name = name;
        }

        Object get(Object bean) {
            try {
                return getter instanceof Method ? ((Method) getter).invoke(bean) : ((Field) getter).get(bean);
            } catch (InvocationTargetException e) {
                throw new JsonException("reading '" + name + "' of " + bean.getClass().getName() + ": " + e.getCause(), e.getCause());
            } catch (IllegalAccessException e) {
                throw new JsonException("reading '" + name + "' of " + bean.getClass().getName() + ": " + e.getMessage(), e);
            }
        }

        void set(Object bean, Object value) {
            try {
                if (setter instanceof Method) {
                    ((Method) setter).invoke(bean, value);
                } else {
                    ((Field) setter).set(bean, value);
                }
            } catch (InvocationTargetException e) {
                throw new JsonException("setting '" + name + "' of " + bean.getClass().getName() + ": " + e.getCause(), e.getCause());
            } catch (IllegalAccessException | IllegalArgumentException e) {
                throw new JsonException("setting '" + name + "' of " + bean.getClass().getName() + ": " + e.getMessage(), e);
            }
        }
    }

    final Class<?> type;
    final List<Property> readable = new ArrayList<>();
    /** Null when instances are made from all properties at once; see parameters. */
    Constructor<?> empty;
    Constructor<?> whole;
    final List<Property> parameters = new ArrayList<>();
    private final Map<String, Property> properties = new LinkedHashMap<>();
    private final boolean anyCase;

    Bean(Type of) {
        type = Types.raw(of);
        anyCase = type.getName().startsWith(EVENTS);
        collectFields(of, type);
        collectMethods(of, type);
        Iterator<Property> all = properties.values().iterator();
        while (all.hasNext()) {
            Property property = all.next();
            if (!property.known) {
                all.remove();
            } else if (property.getter != null) {
                readable.add(property);
            }
        }
        findConstructor(of);
    }

    Property find(String name) {
        Property found = properties.get(name);
        if (found != null || !anyCase) {
            return found;
        }
        // The classes of aws-lambda-java-events name `Records`, `eventSourceARN` and the like otherwise.
        for (Property property : properties.values()) {
            if (property.name.equalsIgnoreCase(name)) {
                return property;
            }
        }
        return null;
    }

    private Property property(String name) {
        Property found = properties.get(name);
        if (found == null) {
            found = new Property(name);
            properties.put(name, found);
        }
        return found;
    }

    /** Fields nobody may see give their properties' order. */
    private void collectFields(Type of, Class<?> from) {
        if (from == null || from == Object.class) {
            return;
        }
        collectFields(of, from.getSuperclass());
        for (Field field : from.getDeclaredFields()) {
            int modifiers = field.getModifiers();
            if (Modifier.isStatic(modifiers) || Modifier.isTransient(modifiers) || field.isSynthetic()) {
                continue;
            }
            Property property = property(field.getName());
            if (Modifier.isPublic(modifiers) && open(field)) {
                property.known = true;
                property.getter = property.setter = field;
                property.setterType = Types.within(Types.as(of, from), field.getGenericType());
            }
        }
    }

    private void collectMethods(Type of, Class<?> from) {
        if (from == null || from == Object.class) {
            return;
        }
        collectMethods(of, from.getSuperclass());
        for (Method method : from.getDeclaredMethods()) {
            if (Modifier.isStatic(method.getModifiers()) || method.isBridge() || method.isSynthetic()) {
                continue;
            }
            String name = method.getName();
            if (method.getParameterCount() == 1 && name.length() > 3 && name.startsWith("set")) {
                addSetter(of, from, method);
            } else if (method.getParameterCount() == 0 && Modifier.isPublic(method.getModifiers())) {
                addGetter(method, getterName(method));
            }
        }
        if (from.isRecord()) {
            for (RecordComponent component : from.getRecordComponents()) {
                addGetter(component.getAccessor(), component.getName());
            }
        }
    }

    private static String getterName(Method method) {
        String name = method.getName();
        Class<?> result = method.getReturnType();
        if (name.startsWith("get") && name.length() > 3 && result != void.class && !name.equals("getClass")) {
            return decapitalized(name, 3);
        }
        if (name.startsWith("is") && name.length() > 2 && (result == boolean.class || result == Boolean.class)) {
            return decapitalized(name, 2);
        }
        return null;
    }

    private void addGetter(Method method, String name) {
        if (name == null) {
            return;
        }
        Property property = property(name);
        boolean better = !(property.getter instanceof Method) || !method.getName().startsWith("is")
            || property.getter.getName().startsWith("is");
        if (better && open(method)) {
            property.getter = method;
            property.known = true;
        }
    }

    private void addSetter(Type of, Class<?> from, Method method) {
        Property property = property(decapitalized(method.getName(), 3));
        // Of several, the one that takes what the getter, or the field, gives.
        if (property.setter instanceof Method && property.setter.getDeclaringClass() == from && !fits(property, from, method)) {
            return;
        }
        if (open(method)) {
            property.known = true;
            property.setter = method;
            property.setterType = Types.within(Types.as(of, from), method.getGenericParameterTypes()[0]);
        }
    }

    private static boolean fits(Property property, Class<?> from, Method method) {
        try {
            return from.getDeclaredField(property.name).getType() == method.getParameterTypes()[0];
        } catch (NoSuchFieldException e) {
            return false;
        }
    }

    /** `getURL` is "URL", `getName` is "name". */
    private static String decapitalized(String name, int from) {
        String rest = name.substring(from);
        if (rest.length() > 1 && Character.isUpperCase(rest.charAt(0)) && Character.isUpperCase(rest.charAt(1))) {
            return rest;
        }
        return rest.substring(0, 1).toLowerCase(Locale.ROOT) + rest.substring(1);
    }

    private static boolean open(AccessibleObject member) {
        return member.trySetAccessible();
    }

    private void findConstructor(Type of) {
        if (type.isInterface() || Modifier.isAbstract(type.getModifiers())) {
            return;
        }
        for (Constructor<?> constructor : type.getDeclaredConstructors()) {
            if (constructor.getParameterCount() == 0 && open(constructor)) {
                empty = constructor;
                return;
            }
        }
        if (type.isRecord()) {
            findWhole(of, type.getRecordComponents().length);
        } else {
            int fields = 0;
            for (Field field : type.getDeclaredFields()) {
                fields += Modifier.isStatic(field.getModifiers()) || field.isSynthetic() ? 0 : 1;
            }
            findWhole(of, fields);
        }
    }

    /** A constructor with one parameter for each field, in their order. */
    private void findWhole(Type of, int count) {
        Constructor<?> found = null;
        for (Constructor<?> constructor : type.getDeclaredConstructors()) {
            if (constructor.getParameterCount() == count && (found == null || matchesFields(constructor))) {
                found = constructor;
            }
        }
        if (found == null || !open(found)) {
            return;
        }
        whole = found;
        Type[] types = found.getGenericParameterTypes();
        int i = 0;
        for (Field field : type.getDeclaredFields()) {
            if (!Modifier.isStatic(field.getModifiers()) && !field.isSynthetic()) {
                Property property = property(field.getName());
                property.setterType = Types.within(of, types[i++]);
                parameters.add(property);
            }
        }
    }

    private boolean matchesFields(Constructor<?> constructor) {
        int i = 0;
        for (Field field : type.getDeclaredFields()) {
            if (!Modifier.isStatic(field.getModifiers()) && !field.isSynthetic()
                && field.getType() != constructor.getParameterTypes()[i++]) {
                return false;
            }
        }
        return true;
    }
}
