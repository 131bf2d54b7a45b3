package mayfly.runtime;

import java.io.FileInputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Gives the generators of the class library states of their own after a restore. They are found before the checkpoint,
 * in fields that are nobody's business; one that is not there in some version of Java is left out.
 */
final class Reseed {
    private static final int SEED_BYTES = 1024;
    private static final String[] JDK_RANDOM = {"L32X64MixRandom", "L64X128MixRandom", "L64X128StarStarRandom", "L64X256MixRandom",
        "L64X1024MixRandom", "L128X128MixRandom", "L128X256MixRandom", "L128X1024MixRandom", "Xoroshiro128PlusPlus", "Xoshiro256PlusPlus"};

    private final byte[] bytes = new byte[SEED_BYTES];
    private final ByteBuffer seeds = ByteBuffer.wrap(bytes);
    private final List<AtomicLong> counters = new ArrayList<>();
    private final List<Random> randoms = new ArrayList<>();
    private final List<Thread> threads = new ArrayList<>();
    private final long threadSeed = Hidden.longAt(Thread.class, "threadLocalRandomSeed");
    private final SecureRandom secure = new SecureRandom();

    Reseed() {
        Math.random();
        ThreadLocalRandom.current().nextInt();
        Collections.shuffle(new ArrayList<>(List.of(1, 2, 3)));
        addRandom("java.lang.Math$RandomNumberGeneratorHolder", "randomNumberGenerator");
        addRandom("java.util.Collections", "r");
        addCounter("java.util.Random", "seedUniquifier");
        addCounter("java.util.concurrent.ThreadLocalRandom", "seeder");
        addCounter("java.util.SplittableRandom", "defaultGen");
        for (String name : JDK_RANDOM) {
            addCounter("jdk.random." + name, "defaultGen");
        }
        if (threadSeed >= 0) {
            findThreads();
        }
        secure.nextBytes(new byte[32]); // loads what it needs
    }

    private void addRandom(String type, String name) {
        Object found = Hidden.get(type, name, null);
        if (found instanceof Random) {
            randoms.add((Random) found);
        }
    }

    private void addCounter(String type, String name) {
        Object found = Hidden.get(type, name, null);
        if (found instanceof AtomicLong) {
            counters.add((AtomicLong) found);
        }
    }

    /** Each thread has a seed of its own, for ThreadLocalRandom; threads that run none have none. */
    private void findThreads() {
        ThreadGroup group = Thread.currentThread().getThreadGroup();
        while (group.getParent() != null) {
            group = group.getParent();
        }
        Thread[] all = new Thread[group.activeCount() + 16];
        int n = group.enumerate(all, true);
        for (int i = 0; i < n; i++) {
            threads.add(all[i]);
        }
    }

    void run() {
        try (FileInputStream urandom = new FileInputStream("/dev/urandom")) {
            int got = urandom.readNBytes(bytes, 0, SEED_BYTES);
            seeds.position(0).limit(got);
        } catch (IOException e) {
            secure.nextBytes(bytes);
            seeds.position(0).limit(SEED_BYTES);
        }
        byte[] own = new byte[20];
        seeds.get(own);
        secure.setSeed(own); // mixed into what all SecureRandoms of the system's kind draw from
        for (AtomicLong counter : counters) {
            counter.set(seed());
        }
        for (Random random : randoms) {
            random.setSeed(seed());
        }
        for (Thread thread : threads) {
            reseed(thread);
        }
    }

    private void reseed(Thread thread) {
        if (Hidden.getLong(thread, threadSeed) != 0) {
            Hidden.putLong(thread, threadSeed, seed());
        }
    }

    private long seed() {
        if (seeds.remaining() < Long.BYTES) {
            secure.nextBytes(bytes);
            seeds.position(0).limit(SEED_BYTES);
        }
        return seeds.getLong();
    }
}
