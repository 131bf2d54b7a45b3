import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** The contract of plain.py; a plain method, with a pool of threads in use when the image is taken. */
public class Handler {
    private static final String LOADED = UUID.randomUUID().toString();
    private static final Map<Integer, String> TABLE = new HashMap<>();
    private static final ExecutorService POOL = Executors.newFixedThreadPool(2, r -> {
        Thread t = new Thread(r, "own");
        t.setDaemon(true);
        return t;
    });
    private static final SecureRandom SECURE = new SecureRandom();
    private static final List<byte[]> KEPT = new ArrayList<>();
    private int calls;

    static {
        for (int i = 0; i < 20000; i++)
            TABLE.put(i, i + "" + i);
        SECURE.nextLong();
        Math.random();
        try {
            POOL.submit(System::nanoTime).get(); // no lambda of this class, which is not initialised yet
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    public Map<String, Object> handle(Map<String, Object> event) throws Exception {
        calls++;
        if (Boolean.TRUE.equals(event.get("exit")))
            Runtime.getRuntime().halt(3);
        if (event.get("s") instanceof Number s)
            Thread.sleep((long) (s.doubleValue() * 1000));
        int n = ((Number) event.get("n")).intValue();
        for (int i = 0; i < 20; i++)
            KEPT.add(new byte[20000 + n % 1000]);
        while (KEPT.size() > 200)
            KEPT.remove(0);
        Future<Integer> twice = POOL.submit(() -> 2 * n);
        if (Boolean.TRUE.equals(event.get("gc")))
            System.gc();
        if (!TABLE.get(n % 20000).equals((n % 20000) + "" + (n % 20000)))
            throw new IllegalStateException("lost data");
        Map<String, Object> answer = new HashMap<>();
        answer.put("n", n);
        answer.put("twice", twice.get());
        answer.put("loaded", LOADED);
        answer.put("calls", calls);
        if (Boolean.TRUE.equals(event.get("unique")))
            answer.put("unique", Map.of("secure", Long.toHexString(SECURE.nextLong()), "fresh", Long.toHexString(new SecureRandom().nextLong()),
                "random", Math.random(), "uuid", UUID.randomUUID().toString()));
        return answer;
    }
}
