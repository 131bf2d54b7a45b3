#!/usr/bin/env python3
"""Prints docs/reference/logs-api.md: which operations of CloudWatch Logs answer, out of src/control/logs/operations.def."""
import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROW = re.compile(r'^L\((\w+), "([^"]*)"\)$', re.M)
LIVE_TAIL = ("StartLiveTail", "twice a second, at most 500 events each; 15 sessions at a time, of three hours. The command-line interface and boto3 put "
             "`streaming-` or `stream-` before the host's name unless `AWS_DISABLE_HOST_PREFIX_INJECTION=true` (`mayfly env` says so); in the "
             "JavaScript SDK it is `disableHostPrefix: true`")

TEXT = """# The CloudWatch Logs API

Generated from `src/control/logs/operations.def` (`make` does it); to change a row, change it there.

Functions' logs, and what anybody puts there, are kept in files below the data folder, and are read, followed and managed as CloudWatch Logs does:

```
aws logs tail /aws/lambda/thumb --follow --filter-pattern ERROR
aws logs filter-log-events --log-group-name /aws/lambda/thumb --filter-pattern '{ $.level = "ERROR" && $.ms > 100 }'
aws logs start-live-tail --log-group-identifiers arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/thumb
```

Filter patterns are AWS's: terms, `"phrases"`, `-without`, `?one ?of`, `%%regular expressions%%`, `[ip, ..., status = 4*, bytes > 1000]` and
`{ $.level = "ERROR" && $.items[*].price >= 10 }`. A call looks at a bounded part of a large log: a page may be empty and still have a next one.

A log group holds at most `log-max` megabytes; then its oldest part goes. It keeps what it has for its own retention, or for
`log-retention-days` when it has none of its own (DescribeLogGroups shows only the former).

These %d operations answer; any other is refused with `UnknownOperationException` and its name in the text.

| operation | note |
|---|---|"""


def main():
    with open(os.path.join(ROOT, "src/control/logs/operations.def"), encoding="utf-8") as f:
        rows = sorted(ROW.findall(f.read()) + [LIVE_TAIL])
    print(TEXT % len(rows))
    for name, note in rows:
        print("| %s | %s |" % (name, note))


if __name__ == "__main__":
    main()
