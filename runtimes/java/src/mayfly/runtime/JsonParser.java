package mayfly.runtime;

import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * JSON text to maps, lists, strings, numbers and booleans. Numbers become Integer, Long, BigInteger or Double, as in
 * Lambda; with `exact`, those with a fraction or an exponent stay text, for who wants a BigDecimal of them.
 */
final class JsonParser {
    private static final int DEPTH_MAX = 1000;

    /** A number whose digits were kept. */
    static final class Fraction extends Number {
        private static final long serialVersionUID = 1;
        final String text;

        Fraction(String text) {
            this.text = text;
        }

        @Override
        public int intValue() {
            return (int) doubleValue();
        }

        @Override
        public long longValue() {
            return (long) doubleValue();
        }

        @Override
        public float floatValue() {
            return Float.parseFloat(text);
        }

        @Override
        public double doubleValue() {
            return Double.parseDouble(text);
        }

        @Override
        public String toString() {
            return text;
        }
    }

    private final byte[] bytes;
    private final int end;
    private final boolean exact;
    private int at;
    private int depth;

    private JsonParser(byte[] bytes, int start, int length, boolean exact) {
        this.bytes = bytes;
        this.at = start;
        this.end = start + length;
        this.exact = exact;
    }

    static Object parse(byte[] bytes, int start, int length, boolean exact) {
        JsonParser parser = new JsonParser(bytes, start, length, exact);
        Object value = parser.value();
        parser.space();
        if (parser.at != parser.end) {
            throw parser.unexpected("the end of the text");
        }
        return value;
    }

    private JsonException unexpected(String wanted) {
        String found = at >= end ? "the end" : "'" + (char) (bytes[at] & 0xff) + "'";
        return new JsonException("Unexpected " + found + " at byte " + at + " where " + wanted + " should be");
    }

    private int space() {
        while (at < end) {
            int c = bytes[at];
            if (c != ' ' && c != '\n' && c != '\r' && c != '\t') {
                return c;
            }
            at++;
        }
        return -1;
    }

    private Object value() {
        switch (space()) {
        case '{':
            return object();
        case '[':
            return array();
        case '"':
            return string();
        case 't':
            return word("true", Boolean.TRUE);
        case 'f':
            return word("false", Boolean.FALSE);
        case 'n':
            return word("null", null);
        default:
            return number();
        }
    }

    private Object word(String word, Object value) {
        for (int i = 0; i < word.length(); i++, at++) {
            if (at >= end || bytes[at] != word.charAt(i)) {
                throw unexpected("a value");
            }
        }
        return value;
    }

    private void deeper() {
        at++;
        if (++depth > DEPTH_MAX) {
            throw new JsonException("nested more than " + DEPTH_MAX + " levels deep");
        }
    }

    private Map<String, Object> object() {
        Map<String, Object> map = new LinkedHashMap<>();
        deeper();
        if (space() != '}') {
            do {
                if (space() != '"') {
                    throw unexpected("a member's name");
                }
                String name = string();
                if (space() != ':') {
                    throw unexpected("':'");
                }
                at++;
                map.put(name, value());
            } while (comma());
        }
        close('}');
        return map;
    }

    private List<Object> array() {
        List<Object> list = new ArrayList<>();
        deeper();
        if (space() != ']') {
            do {
                list.add(value());
            } while (comma());
        }
        close(']');
        return list;
    }

    private boolean comma() {
        if (space() != ',') {
            return false;
        }
        at++;
        return true;
    }

    private void close(char mark) {
        if (space() != mark) {
            throw unexpected("',' or '" + mark + "'");
        }
        at++;
        depth--;
    }

    private String string() {
        int start = ++at;
        boolean ascii = true;
        while (at < end && bytes[at] != '"' && bytes[at] != '\\') {
            ascii &= bytes[at] >= 0;
            at++;
        }
        if (at < end && bytes[at] == '"') {
            String text = new String(bytes, start, at - start, ascii ? StandardCharsets.ISO_8859_1 : StandardCharsets.UTF_8);
            at++;
            return text;
        }
        return escaped(start);
    }

    private String escaped(int start) {
        StringBuilder text = new StringBuilder();
        for (;;) {
            int from = at;
            while (at < end && bytes[at] != '"' && bytes[at] != '\\') {
                at++;
            }
            int first = start >= 0 ? start : from;
            start = -1;
            text.append(new String(bytes, first, at - first, StandardCharsets.UTF_8));
            if (at >= end) {
                throw unexpected("'\"'");
            }
            if (bytes[at++] == '"') {
                return text.toString();
            }
            text.append(escape());
        }
    }

    private char escape() {
        if (at >= end) {
            throw unexpected("an escape");
        }
        int c = bytes[at++];
        switch (c) {
        case 'n':
            return '\n';
        case 't':
            return '\t';
        case 'r':
            return '\r';
        case 'b':
            return '\b';
        case 'f':
            return '\f';
        case 'u':
            return hex();
        default:
            return (char) (c & 0xff);
        }
    }

    private char hex() {
        int code = 0;
        for (int i = 0; i < 4; i++, at++) {
            int digit = at < end ? Character.digit(bytes[at], 16) : -1;
            if (digit < 0) {
                throw unexpected("four hexadecimal digits");
            }
            code = code << 4 | digit;
        }
        return (char) code;
    }

    private Object number() {
        int start = at;
        boolean whole = true;
        while (at < end) {
            int c = bytes[at];
            if (c == '.' || c == 'e' || c == 'E') {
                whole = false;
            } else if ((c < '0' || c > '9') && c != '-' && c != '+') {
                break;
            }
            at++;
        }
        if (at == start) {
            throw unexpected("a value");
        }
        try {
            return whole ? whole(start) : fraction(new String(bytes, start, at - start, StandardCharsets.ISO_8859_1));
        } catch (NumberFormatException e) {
            at = start;
            throw unexpected("a number");
        }
    }

    private Object fraction(String text) {
        return exact ? new Fraction(text) : (Object) Double.valueOf(text);
    }

    private Object whole(int start) {
        int digits = at - start;
        if (digits > 18) {
            BigInteger big = new BigInteger(new String(bytes, start, digits, StandardCharsets.ISO_8859_1));
            return big.bitLength() < 64 ? (Object) big.longValue() : big;
        }
        boolean negative = bytes[start] == '-';
        long value = 0;
        for (int i = negative ? start + 1 : start; i < at; i++) {
            if (bytes[i] < '0') {
                throw new NumberFormatException();
            }
            value = value * 10 + bytes[i] - '0';
        }
        if (negative && digits == 1) {
            throw new NumberFormatException();
        }
        value = negative ? -value : value;
        return value == (int) value ? (Object) (int) value : (Object) value;
    }
}
