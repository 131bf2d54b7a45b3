package org.crac;

/** Why there is no checkpoint: the resources' exceptions are its suppressed ones. */
public class CheckpointException extends Exception {
    private static final long serialVersionUID = 1;

    public CheckpointException() {
    }

    public CheckpointException(String message) {
        super(message);
    }
}
