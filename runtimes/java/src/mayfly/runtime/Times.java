package mayfly.runtime;

import java.math.BigDecimal;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.MonthDay;
import java.time.OffsetDateTime;
import java.time.Year;
import java.time.YearMonth;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.time.temporal.TemporalAccessor;
import java.util.Calendar;
import java.util.Date;
import java.util.List;

/**
 * Dates and times, in the form that Lambda's mapper gives them: points in time are numbers of seconds with nanoseconds
 * (Date: milliseconds), local ones are lists of their parts. Read are these, and ISO 8601.
 */
final class Times {
    private Times() {
    }

    static boolean isTime(Class<?> type) {
        return type == Date.class || type == Calendar.class || type.getName().startsWith("java.time.");
    }

    static Object read(Class<?> type, Object tree) {
        if (tree instanceof String && ((String) tree).isBlank()) {
            return null;
        }
        if (type == Date.class || type == Calendar.class) {
            Date date = tree instanceof Number ? new Date(((Number) tree).longValue()) : Date.from(instant((String) tree));
            return type == Date.class ? date : calendar(date);
        }
        if (tree instanceof Number) {
            return fromNumber(type, new BigDecimal(tree.toString()));
        }
        if (tree instanceof List) {
            return fromParts(type, (List<?>) tree);
        }
        String text = (String) tree;
        if (type == Instant.class) {
            return instant(text);
        }
        if (type == LocalDateTime.class && text.endsWith("Z")) {
            return LocalDateTime.ofInstant(Instant.parse(text), ZoneOffset.UTC);
        }
        return Scalars.fromText(type, text) != null ? Scalars.fromText(type, text) : parsed(type, text);
    }

    private static Calendar calendar(Date date) {
        Calendar calendar = Calendar.getInstance(java.util.TimeZone.getTimeZone("UTC"));
        calendar.setTime(date);
        return calendar;
    }

    /** java.time's own `parse` takes a CharSequence. */
    private static Object parsed(Class<?> type, String text) {
        try {
            return type.getMethod("parse", CharSequence.class).invoke(null, text);
        } catch (java.lang.reflect.InvocationTargetException e) {
            throw new JsonException("\"" + text + "\" cannot be a " + type.getName() + ": " + e.getCause().getMessage(), e.getCause());
        } catch (ReflectiveOperationException e) {
            throw new JsonException("\"" + text + "\" cannot be a " + type.getName(), e);
        }
    }

    /** With an offset, `+0000` included, without one, or a date alone. */
    private static Instant instant(String text) {
        String iso = text.matches(".*[+-]\\d{4}$") ? text.substring(0, text.length() - 2) + ":" + text.substring(text.length() - 2) : text;
        if (iso.length() == 10) {
            return LocalDate.parse(iso).atStartOfDay(ZoneOffset.UTC).toInstant();
        }
        TemporalAccessor found = DateTimeFormatter.ISO_DATE_TIME.parseBest(iso, ZonedDateTime::from, LocalDateTime::from);
        return found instanceof ZonedDateTime ? ((ZonedDateTime) found).toInstant() : ((LocalDateTime) found).toInstant(ZoneOffset.UTC);
    }

    private static Object fromNumber(Class<?> type, BigDecimal seconds) {
        long whole = seconds.longValue();
        long nanos = seconds.subtract(BigDecimal.valueOf(whole)).movePointRight(9).longValue();
        if (type == Duration.class) {
            return Duration.ofSeconds(whole, nanos);
        }
        if (type == Year.class) {
            return Year.of((int) whole);
        }
        if (type == LocalDate.class) {
            return LocalDate.ofEpochDay(whole);
        }
        Instant instant = Instant.ofEpochSecond(whole, nanos);
        if (type == Instant.class) {
            return instant;
        }
        if (type == ZonedDateTime.class) {
            return instant.atZone(ZoneOffset.UTC);
        }
        if (type == OffsetDateTime.class) {
            return instant.atOffset(ZoneOffset.UTC);
        }
        throw new JsonException("a number cannot be a " + type.getName());
    }

    private static Object fromParts(Class<?> type, List<?> parts) {
        int[] n = new int[7];
        for (int i = 0; i < parts.size(); i++) {
            n[i] = ((Number) parts.get(i)).intValue();
        }
        if (type == LocalDate.class) {
            return LocalDate.of(n[0], n[1], n[2]);
        }
        if (type == LocalTime.class) {
            return LocalTime.of(n[0], n[1], n[2], n[3]);
        }
        if (type == LocalDateTime.class) {
            return LocalDateTime.of(n[0], n[1], n[2], n[3], n[4], n[5], n[6]);
        }
        if (type == YearMonth.class) {
            return YearMonth.of(n[0], n[1]);
        }
        throw new JsonException("a list cannot be a " + type.getName());
    }

    static boolean write(JsonWriter out, Object value) {
        if (value instanceof Instant) {
            seconds(out, ((Instant) value).getEpochSecond(), ((Instant) value).getNano());
        } else if (value instanceof ZonedDateTime) {
            seconds(out, ((ZonedDateTime) value).toEpochSecond(), ((ZonedDateTime) value).getNano());
        } else if (value instanceof OffsetDateTime) {
            seconds(out, ((OffsetDateTime) value).toEpochSecond(), ((OffsetDateTime) value).getNano());
        } else if (value instanceof Duration) {
            seconds(out, ((Duration) value).getSeconds(), ((Duration) value).getNano());
        } else if (value instanceof LocalDate) {
            parts(out, date((LocalDate) value), "");
        } else if (value instanceof LocalTime) {
            parts(out, "", time((LocalTime) value));
        } else if (value instanceof LocalDateTime) {
            parts(out, date(((LocalDateTime) value).toLocalDate()), "," + time(((LocalDateTime) value).toLocalTime()));
        } else if (value instanceof YearMonth) {
            parts(out, ((YearMonth) value).getYear() + "," + ((YearMonth) value).getMonthValue(), "");
        } else if (value instanceof Year) {
            out.raw(value.toString());
        } else if (value instanceof MonthDay) {
            out.string(value.toString());
        } else {
            return false;
        }
        return true;
    }

    private static void seconds(JsonWriter out, long seconds, int nanos) {
        out.raw(BigDecimal.valueOf(seconds).add(BigDecimal.valueOf(nanos, 9)).toPlainString());
    }

    private static void parts(JsonWriter out, String date, String time) {
        out.raw("[" + date + time + "]");
    }

    private static String date(LocalDate date) {
        return date.getYear() + "," + date.getMonthValue() + "," + date.getDayOfMonth();
    }

    /** Seconds and nanoseconds are left out while they, and what follows, are none. */
    private static String time(LocalTime time) {
        String text = time.getHour() + "," + time.getMinute();
        if (time.getSecond() > 0 || time.getNano() > 0) {
            text += "," + time.getSecond();
        }
        return time.getNano() > 0 ? text + "," + time.getNano() : text;
    }
}
