package mayfly.runtime;

import java.lang.reflect.Array;
import java.util.Base64;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.OptionalLong;

/** Writes values as Lambda's mapper does: what is null is left out of objects, NaN is text, byte arrays are base64. */
final class JsonWriter {
    private static final int DEPTH_MAX = 1000;
    private static final String HEX = "0123456789ABCDEF";

    private final Output out;
    private int depth;

    JsonWriter(Output out) {
        this.out = out;
    }

    void raw(String ascii) {
        out.ascii(ascii);
    }

    void number(Number value) {
        if (value instanceof Double && !Double.isFinite(value.doubleValue()) || value instanceof Float && !Float.isFinite(value.floatValue())) {
            string(value.toString());
        } else {
            raw(value.toString());
        }
    }

    void string(String text) {
        out.write('"');
        int n = text.length();
        int from = 0;
        boolean ascii = true;
        for (int i = 0; i < n; i++) {
            char c = text.charAt(i);
            if (c >= ' ' && c != '"' && c != '\\') {
                ascii &= c < 128;
                continue;
            }
            piece(text, from, i, ascii);
            escape(c);
            from = i + 1;
            ascii = true;
        }
        piece(text, from, n, ascii);
        out.write('"');
    }

    private void piece(String text, int from, int to, boolean ascii) {
        if (from == to) {
            return;
        }
        String piece = from == 0 && to == text.length() ? text : text.substring(from, to);
        if (ascii) {
            out.ascii(piece);
        } else {
            out.utf8(piece);
        }
    }

    private void escape(char c) {
        out.write('\\');
        int at = "\b\t\n\f\r\"\\".indexOf(c);
        if (at >= 0) {
            out.write("btnfr\"\\".charAt(at));
        } else {
            out.ascii("u00");
            out.write(HEX.charAt(c >> 4));
            out.write(HEX.charAt(c & 15));
        }
    }

    void value(Object value) {
        if (value == null) {
            raw("null");
        } else if (value instanceof String) {
            string((String) value);
        } else if (value instanceof Map) {
            map((Map<?, ?>) value);
        } else if (value instanceof Iterable && !(value instanceof java.nio.file.Path)) {
            list((Iterable<?>) value);
        } else if (value.getClass().isArray()) {
            array(value);
        } else if (!optional(value) && !Scalars.write(this, value)) {
            bean(value);
        }
    }

    private boolean optional(Object value) {
        if (value instanceof Optional) {
            value(((Optional<?>) value).orElse(null));
        } else if (value instanceof OptionalInt) {
            value(((OptionalInt) value).isPresent() ? ((OptionalInt) value).getAsInt() : null);
        } else if (value instanceof OptionalLong) {
            value(((OptionalLong) value).isPresent() ? ((OptionalLong) value).getAsLong() : null);
        } else if (value instanceof OptionalDouble) {
            value(((OptionalDouble) value).isPresent() ? ((OptionalDouble) value).getAsDouble() : null);
        } else {
            return false;
        }
        return true;
    }

    private void open(char mark) {
        if (++depth > DEPTH_MAX) {
            throw new JsonException("nested more than " + DEPTH_MAX + " levels deep, or within itself");
        }
        out.write(mark);
    }

    private void close(char mark) {
        depth--;
        out.write(mark);
    }

    private void map(Map<?, ?> map) {
        open('{');
        boolean first = true;
        for (Map.Entry<?, ?> entry : map.entrySet()) {
            Object key = entry.getKey();
            if (key == null) {
                throw new JsonException("null cannot be the name of an object's member");
            }
            first = member(key instanceof Enum ? ((Enum<?>) key).name() : key.toString(), entry.getValue(), first);
        }
        close('}');
    }

    private void bean(Object bean) {
        open('{');
        boolean first = true;
        for (Bean.Property property : Mapper.bean(bean.getClass()).readable) {
            first = member(property.name, property.get(bean), first);
        }
        close('}');
    }

    private boolean member(String name, Object value, boolean first) {
        if (value == null) {
            return first;
        }
        if (!first) {
            out.write(',');
        }
        string(name);
        out.write(':');
        value(value);
        return false;
    }

    private void list(Iterable<?> list) {
        open('[');
        boolean first = true;
        for (Object item : list) {
            if (!first) {
                out.write(',');
            }
            first = false;
            value(item);
        }
        close(']');
    }

    private void array(Object array) {
        if (array instanceof byte[]) {
            string(Base64.getEncoder().encodeToString((byte[]) array));
            return;
        }
        if (array instanceof char[]) {
            string(new String((char[]) array));
            return;
        }
        open('[');
        for (int i = 0; i < Array.getLength(array); i++) {
            if (i > 0) {
                out.write(',');
            }
            value(Array.get(array, i));
        }
        close(']');
    }
}
