#!/usr/bin/env python3
"""Keeps files and functions small: above the first limit somebody asks, above the second the tests say no.

    tools/size.py [ROOT]

Lines of constant tables (`static const ... = {` to `};`, and *.def files) do not count. C functions are found by the
project's style (opening and closing brace in the first column), Python's by its own parser.
"""
import ast
import os
import re
import sys

FILE_WARN, FILE_MAX = 600, 1000
FUNCTION_WARN, FUNCTION_MAX = 60, 100
SUFFIXES = (".c", ".h", ".py", ".cjs", ".mjs", ".js", ".sh")
SKIPPED = {".git", "node_modules", "__pycache__"}
TABLE = re.compile(r"^\s*(static\s+)?const\s.*=\s*\{\s*$|^\s*static\s+const\s.*=\s*\{\s*$")
NAME = re.compile(r"(\w+)\s*\(")


def counted(lines):
    """For each line whether it counts: lines inside constant tables do not."""
    result, closing = [], None
    for line in lines:
        if closing is None and TABLE.match(line):
            closing = line[:len(line) - len(line.lstrip())] + "};"
        result.append(closing is None)
        if closing is not None and line.startswith(closing):
            closing = None
    return result


def c_functions(lines):
    """(name, first line, line after the last), first lines counted from 0."""
    start, name = None, None
    for i, line in enumerate(lines):
        if line == "{" and i and lines[i - 1].rstrip().endswith(")"):
            start = i
            at = i - 1
            while at and lines[at][:1] in ("\t", " "):
                at -= 1
            found = NAME.search(lines[at])
            name = found.group(1) if found else "?"
        elif line.rstrip() in ("}", "};") and start is not None:
            yield name, start, i + 1
            start = None


def python_functions(text):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, node.lineno - 1, node.end_lineno


def judge(path, line, what, size, warn, most):
    if size > most:
        return "%s:%d: %s has %d lines, more than %d: split it" % (path, line, what, size, most), True
    if size > warn:
        return "%s:%d: %s has %d lines; above %d needs a reason" % (path, line, what, size, warn), False
    return None, False


def check_file(path, shown):
    with open(path, encoding="utf-8", errors="replace") as f:
        text = f.read()
    lines = text.split("\n")
    counts = counted(lines) if path.endswith((".c", ".h")) else [True] * len(lines)
    functions = []
    if path.endswith((".c", ".h")):
        functions = c_functions(lines)
    elif path.endswith(".py"):
        functions = python_functions(text)
    yield judge(shown, 1, "the file", sum(counts) - 1, FILE_WARN, FILE_MAX)
    for name, first, after in functions:
        yield judge(shown, first + 1, "%s()" % name, sum(counts[first:after]), FUNCTION_WARN, FUNCTION_MAX)


def files(root):
    for where, folders, names in os.walk(root):
        folders[:] = sorted(f for f in folders if f not in SKIPPED and not f.startswith("build"))
        for name in sorted(names):
            if name.endswith(SUFFIXES):
                yield os.path.join(where, name)


def check(root):
    """(messages, how many of them are over the hard limit, files seen)"""
    messages, bad, seen = [], 0, 0
    for path in files(root):
        seen += 1
        for message, is_bad in check_file(path, os.path.relpath(path, root)):
            if message:
                messages.append(message)
                bad += is_bad
    return messages, bad, seen


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    messages, bad, seen = check(root)
    for message in messages:
        print(message)
    print("%d files, %d too large, %d to be asked about" % (seen, bad, len(messages) - bad))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
