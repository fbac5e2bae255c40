#!/usr/bin/python3
"""Adds up test reports and closes with one line: N passed, N failed, N skipped. Exit 1 when anything failed or nothing ran.

A report is ctest's JUnit XML, or lines "passed NAME" / "failed NAME". A missing report counts as a failure.
"""
import sys
import xml.etree.ElementTree as ElementTree


def read_report(path):
    """(result, name, seconds) of each test."""
    if path.endswith(".xml"):
        for case in ElementTree.parse(path).getroot().iter("testcase"):
            why = case.find("skipped")
            skipped = why is not None and "SKIP" in (why.get("message") or "")  # else it could not even be started
            result = {"run": "passed", "notrun": "skipped" if skipped else "failed"}.get(case.get("status"), "failed")
            yield result, case.get("name"), float(case.get("time") or 0)
    else:
        with open(path) as f:
            for line in f:
                result, name = line.split(maxsplit=1)
                yield result, name.strip(), 0.0


def main():
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    slowest = []
    for path in sys.argv[1:]:
        try:
            for result, name, seconds in read_report(path):
                counts[result] += 1
                slowest.append((seconds, name))
                if result != "passed":
                    print(f"{result}: {name} ({path})")
        except (OSError, ElementTree.ParseError, KeyError) as error:
            counts["failed"] += 1
            print(f"failed: no report {path}: {error}")
    print("slowest: " + ", ".join(f"{name} {seconds:.0f} s" for seconds, name in sorted(slowest, reverse=True)[:5]))
    print(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
    sys.exit(1 if counts["failed"] or not counts["passed"] else 0)


if __name__ == "__main__":
    main()
