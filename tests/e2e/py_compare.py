#!/usr/bin/python3
"""Compares the results of Python's test suite natively and in a box.

    py_compare.py compare NATIVE.xml BOX.xml DOC   prints each difference; exits 1 when one is not listed in DOC
    py_compare.py differing NATIVE.xml BOX.xml     prints the names of the differing tests, one a line
    py_compare.py merge INTO.xml MORE.xml          takes results of a second run into the first, where it has them

A row of DOC's table: | test (shell pattern) | natively | in a box | reason |
"""
import fnmatch
import sys
import xml.etree.ElementTree as ET


def load(path):
    results = {}
    for case in ET.parse(path).getroot().iter("testcase"):
        result = "pass"
        for child in case:
            if child.tag in ("error", "failure"):
                result = "fail"
            elif child.tag == "skipped":
                result = "skip"
        name = case.get("name")
        # of a test that is there twice (subtests) the worst counts
        if results.get(name) != "fail":
            results[name] = result
    return results


def allowed(doc):
    rows = []
    try:
        for line in open(doc, encoding="utf-8"):
            cells = [c.strip().strip("`") for c in line.strip().strip("|").split("|")]
            if line.startswith("|") and len(cells) >= 4 and cells[1] in ("pass", "fail", "skip", "none", "any"):
                rows.append(cells)
    except FileNotFoundError:
        pass
    return rows


def differences(native, box):
    for name in sorted(set(native) | set(box)):
        a, b = native.get(name, "none"), box.get(name, "none")
        if a != b:
            yield name, a, b


def compare(native_path, box_path, doc):
    native, box = load(native_path), load(box_path)
    rows = allowed(doc)
    bad = 0
    for name, a, b in differences(native, box):
        reason = next((r[3] for r in rows if fnmatch.fnmatchcase(name, r[0]) and r[1] in (a, "any") and r[2] in (b, "any")), None)
        print("%s: %s: natively %s, in a box %s%s" % ("listed" if reason else "DIFFERS", name, a, b, ": " + reason if reason else ""))
        bad += not reason
    counts = {k: (list(native.values()).count(k), list(box.values()).count(k)) for k in ("pass", "fail", "skip")}
    print("tests: " + ", ".join("%s %d natively, %d in a box" % (k, *v) for k, v in counts.items()))
    if not native:
        print("no test ran natively")
        bad += 1
    return 1 if bad else 0


def merge(into, more):
    tree = ET.parse(into)
    new = {c.get("name"): c for c in ET.parse(more).getroot().iter("testcase")}
    for suite in tree.getroot().iter("testsuite"):
        for case in list(suite):
            if case.get("name") in new:
                suite.remove(case)
        break
    suite.extend(new.values())
    tree.write(into)


def main():
    verb, args = sys.argv[1], sys.argv[2:]
    if verb == "compare":
        return compare(*args)
    if verb == "differing":
        for name, _, _ in differences(load(args[0]), load(args[1])):
            print(name)
    elif verb == "merge":
        merge(*args)
    return 0


sys.exit(main())
