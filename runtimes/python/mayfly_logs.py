"""Lambda's handler of the root logger, installed when `logging` is imported for the first time."""
import json
import sys
import time

import mayfly_loop

TEXT = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s\n"
# Attributes of every record; what a caller added with `extra` is anything else.
RESERVED = frozenset((
    "name", "msg", "args", "levelname", "levelno", "pathname", "filename", "module", "exc_info", "exc_text",
    "stack_info", "lineno", "funcName", "created", "msecs", "relativeCreated", "thread", "threadName", "processName",
    "process", "taskName", "aws_request_id", "tenant_id"))


def install(logging):
    as_json = mayfly_loop._env(b"AWS_LAMBDA_LOG_FORMAT").upper() == "JSON"
    logging.Formatter.converter = time.gmtime

    class LambdaLoggerHandler(logging.Handler):
        def emit(self, record):
            try:
                sys.stdout.write(self.format(record))
            except Exception:
                self.handleError(record)

    class LambdaLoggerFilter(logging.Filter):
        def filter(self, record):
            record.aws_request_id = mayfly_loop.request_id or ""
            record.tenant_id = mayfly_loop.tenant_id
            return True

    class JsonFormatter(logging.Formatter):
        def format(self, record):
            return _json_record(self, record)

    handler = LambdaLoggerHandler()
    handler.setFormatter(JsonFormatter() if as_json else logging.Formatter(TEXT, "%Y-%m-%dT%H:%M:%S"))
    handler.addFilter(LambdaLoggerFilter())
    root = logging.getLogger()
    root.addHandler(handler)
    level = mayfly_loop._env(b"AWS_LAMBDA_LOG_LEVEL").upper()
    level = {"TRACE": "DEBUG"}.get(level, level)
    if level in logging._nameToLevel:
        root.setLevel(level)


def _level_name(number):
    """Numbers in between belong to the named level below them."""
    import logging
    return logging.getLevelName(min(50, max(0, number)) // 10 * 10)


def _json_record(formatter, record):
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    result = {
        "timestamp": "%s.%03dZ" % (stamp, record.msecs),
        "level": _level_name(record.levelno),
        "message": record.getMessage(),
        "logger": record.name,
        **_exception(record),
        "requestId": record.aws_request_id,
        "tenantId": record.tenant_id,
    }
    extra = {k: v for k, v in vars(record).items() if k not in RESERVED and k not in result}
    result = {k: v for k, v in {**result, **extra}.items() if v is not None}
    return json.dumps(result, ensure_ascii=False, default=str) + "\n"


def _exception(record):
    if not record.exc_info:
        return {}
    import traceback
    kind, error, tb = record.exc_info
    return {
        "stackTrace": traceback.format_tb(tb),
        "errorType": getattr(kind, "__name__", None),
        "errorMessage": str(error),
        "location": "%s:%s:%s" % (record.pathname, record.funcName, record.lineno),
    }
