import java.util.Map;

/** The bench's function in Java: a plain method. */
public class Handler {
    public Map<String, Object> handle(Map<String, Object> event) throws InterruptedException {
        if (event.get("sleep_ms") instanceof Number ms)
            Thread.sleep(ms.longValue());
        return Map.of("answer", ((Number) event.get("n")).intValue() + 1);
    }
}
