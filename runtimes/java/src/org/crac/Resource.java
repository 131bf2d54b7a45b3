package org.crac;

/** Something that prepares for a checkpoint, and recovers from a restore. */
public interface Resource {
    void beforeCheckpoint(Context<? extends Resource> context) throws Exception;

    void afterRestore(Context<? extends Resource> context) throws Exception;
}
