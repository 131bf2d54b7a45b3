package mayfly.runtime;

import java.lang.reflect.GenericArrayType;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.lang.reflect.TypeVariable;
import java.lang.reflect.WildcardType;
import java.util.Arrays;

/** What generic types come down to. */
final class Types {
    private Types() {
    }

    /** A generic type whose arguments were put in. */
    private static final class Applied implements ParameterizedType {
        private final Class<?> raw;
        private final Type[] arguments;

        Applied(Class<?> raw, Type[] arguments) {
            this.raw = raw;
            this.arguments = arguments;
        }

        @Override
        public Type[] getActualTypeArguments() {
            return arguments;
        }

        @Override
        public Type getRawType() {
            return raw;
        }

        @Override
        public Type getOwnerType() {
            return raw.getDeclaringClass();
        }

        @Override
        public boolean equals(Object other) {
            return other instanceof ParameterizedType && raw.equals(((ParameterizedType) other).getRawType())
                && Arrays.equals(arguments, ((ParameterizedType) other).getActualTypeArguments());
        }

        @Override
        public int hashCode() {
            return raw.hashCode() ^ Arrays.hashCode(arguments);
        }

        @Override
        public String toString() {
            return raw.getName() + Arrays.toString(arguments);
        }
    }

    static Class<?> raw(Type type) {
        if (type instanceof Class) {
            return (Class<?>) type;
        }
        if (type instanceof ParameterizedType) {
            return (Class<?>) ((ParameterizedType) type).getRawType();
        }
        if (type instanceof GenericArrayType) {
            return raw(((GenericArrayType) type).getGenericComponentType()).arrayType();
        }
        if (type instanceof TypeVariable) {
            return raw(((TypeVariable<?>) type).getBounds()[0]);
        }
        return raw(((WildcardType) type).getUpperBounds()[0]);
    }

    /** The type behind variables and wildcards. */
    static Type plain(Type type) {
        if (type instanceof TypeVariable) {
            return plain(((TypeVariable<?>) type).getBounds()[0]);
        }
        if (type instanceof WildcardType) {
            return plain(((WildcardType) type).getUpperBounds()[0]);
        }
        return type;
    }

    /** What `type`, used inside the declaration of `owner`'s class, is for `owner`. */
    static Type within(Type owner, Type type) {
        if (type instanceof TypeVariable && owner instanceof ParameterizedType) {
            TypeVariable<?>[] names = raw(owner).getTypeParameters();
            for (int i = 0; i < names.length; i++) {
                if (names[i].equals(type)) {
                    return ((ParameterizedType) owner).getActualTypeArguments()[i];
                }
            }
        }
        if (type instanceof ParameterizedType) {
            Type[] arguments = ((ParameterizedType) type).getActualTypeArguments().clone();
            for (int i = 0; i < arguments.length; i++) {
                arguments[i] = within(owner, arguments[i]);
            }
            return new Applied(raw(type), arguments);
        }
        if (type instanceof WildcardType) {
            return within(owner, ((WildcardType) type).getUpperBounds()[0]);
        }
        return type;
    }

    /** `type` as its supertype `wanted`; null when it is none. */
    static Type as(Type type, Class<?> wanted) {
        Class<?> raw = raw(type);
        if (raw == wanted) {
            return type;
        }
        for (Type parent : raw.getGenericInterfaces()) {
            if (wanted.isAssignableFrom(raw(parent))) {
                return as(within(type, parent), wanted);
            }
        }
        Type parent = raw.getGenericSuperclass();
        return parent == null ? null : as(within(type, parent), wanted);
    }

    /** Argument `n` of `type` seen as `wanted`; Object where nothing is said. */
    static Type argument(Type type, Class<?> wanted, int n) {
        Type found = as(type, wanted);
        return found instanceof ParameterizedType ? plain(((ParameterizedType) found).getActualTypeArguments()[n]) : Object.class;
    }
}
