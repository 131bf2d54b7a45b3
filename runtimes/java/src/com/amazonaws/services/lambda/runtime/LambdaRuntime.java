package com.amazonaws.services.lambda.runtime;

import mayfly.runtime.Log;

public final class LambdaRuntime {
    private LambdaRuntime() {
    }

    public static LambdaLogger getLogger() {
        return Log.get();
    }
}
