package org.crac;

/** Why a restore failed: the resources' exceptions are its suppressed ones. */
public class RestoreException extends Exception {
    private static final long serialVersionUID = 1;

    public RestoreException() {
    }

    public RestoreException(String message) {
        super(message);
    }
}
