package com.amazonaws.services.lambda.runtime;

/** A function whose event and answer are values made from JSON and written as JSON. */
public interface RequestHandler<I, O> {
    O handleRequest(I input, Context context);
}
