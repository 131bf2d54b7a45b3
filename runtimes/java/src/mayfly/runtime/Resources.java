package mayfly.runtime;

import java.util.ArrayList;
import java.util.List;
import org.crac.CheckpointException;
import org.crac.Context;
import org.crac.Resource;
import org.crac.RestoreException;

/** Those that registered for the checkpoint: told of it in reverse order, of the restore in order of registration. */
public final class Resources extends Context<Resource> {
    public static final Resources GLOBAL = new Resources();

    private final List<Resource> registered = new ArrayList<>();

    @Override
    public synchronized void register(Resource resource) {
        registered.add(resource);
    }

    synchronized boolean isEmpty() {
        return registered.isEmpty();
    }

    @Override
    public void beforeCheckpoint(Context<? extends Resource> context) throws CheckpointException {
        CheckpointException failed = null;
        List<Resource> all = copy();
        for (int i = all.size() - 1; i >= 0; i--) {
            try {
                all.get(i).beforeCheckpoint(this);
            } catch (Exception e) {
                failed = failed == null ? new CheckpointException(e.toString()) : failed;
                add(failed, e);
            }
        }
        if (failed != null) {
            throw failed;
        }
    }

    @Override
    public void afterRestore(Context<? extends Resource> context) throws RestoreException {
        RestoreException failed = null;
        for (Resource resource : copy()) {
            try {
                resource.afterRestore(this);
            } catch (Exception e) {
                failed = failed == null ? new RestoreException(e.toString()) : failed;
                add(failed, e);
            }
        }
        if (failed != null) {
            throw failed;
        }
    }

    private synchronized List<Resource> copy() {
        return new ArrayList<>(registered);
    }

    /** A nested context's exception only carries others. */
    private static void add(Exception all, Exception one) {
        boolean carrier = (one instanceof CheckpointException || one instanceof RestoreException) && one.getSuppressed().length > 0;
        if (!carrier) {
            all.addSuppressed(one);
            return;
        }
        for (Throwable inner : one.getSuppressed()) {
            all.addSuppressed(inner);
        }
    }
}
