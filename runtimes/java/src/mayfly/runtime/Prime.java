package mayfly.runtime;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.lang.invoke.StringConcatException;
import java.lang.invoke.StringConcatFactory;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * What most functions use at their first call, and the JVM then loads and links for tens of milliseconds: joined
 * strings, lambdas, streams, formats, patterns. Before a checkpoint it is used once, so that restored processes have
 * it. This file is compiled with joined strings as functions have them, by invokedynamic.
 */
final class Prime {
    private Prime() {
    }

    /** Returns something that depends on all of it. */
    static int run(int n, long l, double d, boolean b, char c, Object o, String s) {
        int sum = joined(n, l, d, b, c, o, s) + lambdas(n, s) + streams(n) + texts(n, l, d, s);
        shapes();
        try {
            return sum + CompletableFuture.supplyAsync(() -> n, Runnable::run).get();
        } catch (Exception e) {
            return sum;
        }
    }

    private static int joined(int n, long l, double d, boolean b, char c, Object o, String s) {
        String text = s + n;
        text += n + s;
        text = text + s;
        text = "a" + s;
        text += s + "b";
        text = "a" + n + "b";
        text += "a" + l;
        text += "a" + d;
        text += "a" + b + c;
        text += "a" + o;
        text += "a" + s + "b" + s;
        text += "a" + s + "b" + s + "c";
        text += "a" + s + "b" + n + "c";
        text += "a" + n + "b" + s;
        text += "a" + n + "b" + n;
        text += "a" + s + "b" + o + "c" + s;
        text += s + s + s + s;
        return text.length();
    }

    /** Each list of types that is joined needs code of its own, with text between them or not. */
    private static void shapes() {
        Class<?>[] types = {String.class, int.class, long.class, Object.class};
        for (Class<?> first : types) {
            for (Class<?> second : types) {
                shape("\1 \1", first, second);
                shape("a\1 \1", first, second);
                shape("\1 \1 \1", first, second, String.class);
                shape("\1 \1 \1", first, second, int.class);
            }
        }
    }

    private static void shape(String recipe, Class<?>... types) {
        try {
            StringConcatFactory.makeConcatWithConstants(MethodHandles.lookup(), "joined", MethodType.methodType(String.class, types), recipe);
        } catch (StringConcatException e) {
            throw new IllegalStateException(e);
        }
    }

    private static int lambdas(int n, String s) {
        Supplier<String> supplier = () -> s;
        Function<String, Integer> function = String::length;
        Runnable runnable = () -> supplier.get();
        runnable.run();
        Map<String, Integer> map = new HashMap<>();
        map.computeIfAbsent(s, function);
        map.merge(s, n, Integer::sum);
        map.forEach((key, value) -> supplier.get());
        new ConcurrentHashMap<>(map).compute(s, (key, value) -> value == null ? n : value + n);
        List<String> list = new ArrayList<>(List.of(s, "b", "a"));
        list.sort((x, y) -> x.compareTo(y));
        return map.get(s) + new TreeMap<>(Map.of(s, n, "other", n)).size();
    }

    private static int streams(int n) {
        List<Integer> list = IntStream.range(0, 5).boxed().filter(i -> i != n).map(i -> i + 1).sorted().collect(Collectors.toList());
        Map<Boolean, List<Integer>> groups = list.stream().collect(Collectors.groupingBy(i -> i > 2));
        String text = Arrays.asList("a", "b").stream().map(String::toUpperCase).collect(Collectors.joining(","));
        return groups.size() + text.length() + list.stream().mapToInt(Integer::intValue).sum();
    }

    private static int texts(int n, long l, double d, String s) {
        String text = String.format(Locale.ROOT, "%s %d %5.2f %x %tF", s, n, d, l, Instant.EPOCH.atZone(java.time.ZoneOffset.UTC));
        text += String.join(",", text.split(" ")) + text.replaceAll("[0-9]+", "#");
        text += Pattern.compile("(\\w+)\\s(.*)").matcher(text).replaceFirst("$2");
        text += Instant.now().toString() + Base64.getEncoder().encodeToString(text.getBytes());
        return text.length() + UUID.randomUUID().toString().length() + Double.compare(Double.parseDouble("1.5"), d);
    }
}
