package com.amazonaws.services.lambda.runtime;

/** The caller's identity, when Amazon Cognito gave it. */
public interface CognitoIdentity {
    String getIdentityId();

    String getIdentityPoolId();
}
