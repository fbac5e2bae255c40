#!/usr/bin/python3
"""Pack a directory as a kernel's initrd: cpio in its "newc" form, compressed.    initrd.py DIRECTORY FILE"""
import gzip
import os
import sys


def entry(number, name, mode, data=b""):
    name = name.encode() + b"\0"
    fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0)
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + name
    return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)


def main(root, out):
    entries = []
    for folder, _, files in os.walk(root):
        relative = os.path.relpath(folder, root)
        if relative != ".":
            entries.append((relative, 0o40755, b""))
        for name in sorted(files):
            path = os.path.join(folder, name)
            with open(path, "rb") as f:
                entries.append((os.path.relpath(path, root), 0o100755, f.read()))
    archive = b"".join(entry(number, *one) for number, one in enumerate(entries, 1)) + entry(0, "TRAILER!!!", 0)
    with open(out, "wb") as f:
        f.write(gzip.compress(archive, 1))


if __name__ == "__main__":
    main(*sys.argv[1:3])
