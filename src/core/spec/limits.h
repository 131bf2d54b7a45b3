/* Limits that both privilege planes know. Source: AWS Lambda quotas (developer guide, "Lambda quotas"). */
#ifndef MAYFLY_SPEC_LIMITS_H
#define MAYFLY_SPEC_LIMITS_H

#define LIMIT_ZIP_BYTES 52428800u          /* a package sent in a request, zipped */
#define LIMIT_UNZIPPED_BYTES 262144000u    /* code and layers, unzipped */
#define LIMIT_CODE_STORAGE_BYTES 80530636800ull
#define LIMIT_PAYLOAD_BYTES 6291456u       /* synchronous request and answer */
#define LIMIT_EVENT_BYTES 1048576u         /* asynchronous request */
#define LIMIT_POLICY_BYTES 20480u          /* a function's resource-based policy */
#define LIMIT_RESPONSE_BYTES 6291556u      /* what the Runtime API takes: the answer plus 100 bytes */
#define LIMIT_STREAM_BYTES 209715200u      /* an answer in streaming mode */
#define LIMIT_ENVIRONMENT_BYTES 4096u      /* environment variables, as JSON */
#define LIMIT_MEMORY_MIN_MB 128u
#define LIMIT_MEMORY_MAX_MB 10240u
#define LIMIT_TIMEOUT_MAX_S 900u
#define LIMIT_EPHEMERAL_MIN_MB 512u
#define LIMIT_EPHEMERAL_MAX_MB 10240u
#define LIMIT_LAYERS 5u
#define LIMIT_EXTENSIONS 10u             /* of one environment */
#define LIMIT_INIT_MS 10000u
#define LIMIT_FILES 1024u
#define LIMIT_PROCESSES 1024u
#define MEMORY_MB_PER_VCPU 1769u           /* CPU time is proportional to memory */
#define LIMIT_IMAGE_ENVIRONMENTS 2u        /* beside --max-environments: from which an image is taken, or tried */
#define RUNTIME_API_PORT 9001
#define ENDPOINT_PORT 4566                 /* the main endpoint as an environment sees it */

#endif
