#!/usr/bin/env python3
"""Checks src/LAYERS: which folder may include which, and which folder owns which system header.

    tools/layers.py [ROOT]      ROOT holds src/LAYERS (default: the project)

Prints one line for each breach, `file:line: what; what is allowed`, and exits 1 when there is any.
"""
import os
import re
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


class Rules:
    """Rows of LAYERS. A name that ends with "/" means every folder below."""

    def __init__(self, path):
        self.folders, self.headers, self.faults = {}, {}, []
        with open(path, encoding="utf-8") as f:
            for number, line in enumerate(f, 1):
                self.row(path, number, line.split("#")[0].strip())

    def row(self, path, number, line):
        if not line:
            return
        name, colon, rest = line.partition(":")
        if not colon:
            self.faults.append("%s:%d: a row is `folder: folders` or `header NAME: folders`" % (path, number))
        elif name.startswith("header "):
            self.headers[name[len("header "):].strip()] = rest.split()
        else:
            self.folders[name.strip()] = rest.split()


def matches(folder, names):
    return any(folder == n or (n.endswith("/") and folder.startswith(n)) for n in names)


def owner_rule(rules, header):
    for name, folders in rules.headers.items():
        if header == name or header.startswith(name + "/"):
            return name, folders
    return None, None


def check_include(rules, src, folder, quote, header):
    if quote == "<":
        name, owners = owner_rule(rules, header)
        if name and not matches(folder, owners):
            return "<%s> belongs to %s" % (header, ", ".join(owners))
        return None
    target = os.path.dirname(header)
    if not target:
        return None  # made by the build, in the folder's own place
    if not os.path.exists(os.path.join(src, header)):
        return '"%s" is not below src/ (includes are written from there)' % header
    if target != folder and not matches(target, rules.folders[folder]):
        return '"%s" must not be included here; %s may include %s' % (
            header, folder, " ".join(rules.folders[folder]) or "nothing")
    return None


def check_file(rules, src, path):
    folder = os.path.relpath(os.path.dirname(path), src)
    if folder not in rules.folders:
        return ["%s: folder %s has no row in src/LAYERS" % (path, folder)]
    faults = []
    with open(path, encoding="utf-8", errors="replace") as f:
        for number, line in enumerate(f, 1):
            found = INCLUDE.match(line)
            fault = found and check_include(rules, src, folder, found.group(1), found.group(2))
            if fault:
                faults.append("%s:%d: %s" % (path, number, fault))
    return faults


def check(root):
    src = os.path.join(root, "src")
    rules = Rules(os.path.join(src, "LAYERS"))
    faults, files = rules.faults, 0
    for folder in sorted(rules.folders):
        if not os.path.isdir(os.path.join(src, folder)):
            faults.append("%s/LAYERS: there is no folder %s" % (src, folder))
    for where, _, names in sorted(os.walk(src)):
        for name in sorted(names):
            if name.endswith((".c", ".h", ".def")):
                files += 1
                faults += check_file(rules, src, os.path.join(where, name))
    return faults, files


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    faults, files = check(root)
    for fault in faults:
        print(os.path.relpath(fault) if fault.startswith("/") else fault)
    print("%d files, %d breaches of src/LAYERS" % (files, len(faults)))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
