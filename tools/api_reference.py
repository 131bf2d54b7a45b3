#!/usr/bin/env python3
"""Prints docs/reference/lambda-api.md: which operations of the Lambda API there are, out of src/control/api/routes.def."""
import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROW = re.compile(r'^R\((\w+), "([^"]+)", (?:NULL|"([^"]*)"), (\w+), (\w+), ([&\w]+), (\w+), "([^"]*)"\)$', re.M)


def main():
    with open(os.path.join(ROOT, "src/control/api/routes.def"), encoding="utf-8") as f:
        rows = ROW.findall(f.read())
    there = sum(handler != "NULL" for _, _, _, _, handler, _, _, _ in rows)
    print("# The Lambda API\n")
    print("Generated from `src/control/api/routes.def` (`make` does it); to change a row, change it there.\n")
    print("%d of %d operations answer; each of the others answers 501 `NotImplementedException` with its name in the text.\n" % (there, len(rows)))
    print("| operation | request | here | note |\n|---|---|---|---|")
    for method, path, query, name, handler, _, _, note in sorted(rows, key=lambda r: r[3]):
        request = "%s %s%s" % (method, path, "?" + query if query else "")
        print("| %s | `%s` | %s | %s |" % (name, request, "no" if handler == "NULL" else "yes", note))


if __name__ == "__main__":
    main()
