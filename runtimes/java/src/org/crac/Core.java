package org.crac;

import mayfly.runtime.Resources;

public final class Core {
    private Core() {
    }

    public static Context<Resource> getGlobalContext() {
        return Resources.GLOBAL;
    }

    /** The platform takes the checkpoints. */
    public static void checkpointRestore() throws CheckpointException, RestoreException {
        throw new UnsupportedOperationException("a checkpoint is taken by the platform after the initialization, not on demand");
    }
}
