#!/usr/bin/env python3
"""Prints docs/reference/lambda-api.md: which operations of the Lambda API there are, out of src/control/api/routes.def."""
import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROW = re.compile(r'^R\((\w+), "([^"]+)", (?:NULL|"([^"]*)"), (\w+), (\w+), ([&\w]+), (\w+), "([^"]*)"\)$', re.M)


def here(handler, note):
    """yes, partly (what not), no (what instead)."""
    if handler == "NULL":
        return "no: %s" % note if note else "no"
    return note or "yes"


def main():
    with open(os.path.join(ROOT, "src/control/api/routes.def"), encoding="utf-8") as f:
        rows = ROW.findall(f.read())
    cells = [here(handler, note) for _, _, _, _, handler, _, _, note in rows]
    count = {word: sum(re.match(word + r"\b", cell) is not None for cell in cells) for word in ("yes", "partly", "no")}
    assert sum(count.values()) == len(rows), [c for c in cells if not re.match(r"(yes|partly|no)\b", c)]
    print("# The Lambda API\n")
    print("Generated from `src/control/api/routes.def` (`make` does it); to change a row, change it there.\n")
    print("Of %d operations %d are there, %d partly: the table says what is not. The other %d check their request as AWS does and answer 501 "
          "`NotImplementedException` with the reason.\n" % (len(rows), count["yes"], count["partly"], count["no"]))
    print("| operation | request | here |\n|---|---|---|")
    for (method, path, query, name, *_), cell in sorted(zip(rows, cells), key=lambda pair: pair[0][3]):
        request = "%s %s%s" % (method, path, "?" + query if query else "")
        print("| %s | `%s` | %s |" % (name, request, cell))


if __name__ == "__main__":
    main()
