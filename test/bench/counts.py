#!/usr/bin/python3
"""Instructions that a packet costs in each role, counted by callgrind in the running circuit (native relay, encrypted).

    sudo TETHER=build/release/tether TETHER_BUILD=build/dev test/bench/counts.py [--out FILE]

Client, relay and server run in valgrind, which counts what they execute outside of the kernel while one kind of traffic passes. For
single packets that depends little on the machine and its other work; for TCP on how much comes at once, which valgrind changes by slowing all roles. Needs valgrind and iperf3.
"""
import argparse
import collections
import json
import os
import re
import shutil
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lab"), os.path.join(HERE, "..", "browser", "lib"), HERE]

import measure  # noqa: E402
from cases import need_lab, skip_all  # noqa: E402
from circuit import Circuit  # noqa: E402
from topology import WEB  # noqa: E402

PINGS, MEGABYTES, DATAGRAMS, DATAGRAM_RATE = 100, 30, 2000, 2000
# what a shared object is called in the table
OBJECTS = ((r"/tether$", "tether"), (r"/lib(crypto|ssl)\.", "OpenSSL"), (r"/libuv\.", "libuv"), (r"/libwslay\.", "wslay"), (r"", "libc and others"))
COLUMNS = [name for _, name in OBJECTS]


def by_object(path):
    """{column: instructions} of one dump; a call's own line repeats what the callee's lines say already."""
    names, counts, current, called = {}, collections.Counter(), "", False
    with open(path) as dump:
        for line in dump:
            if line.startswith("ob="):
                number, _, name = line[3:].strip().partition(" ")
                current = names.setdefault(number, name)
            elif line.startswith("cob="):
                number, _, name = line[4:].strip().partition(" ")
                names.setdefault(number, name)
            elif line.startswith("calls="):
                called = True
            elif line[0] in "+-*0123456789":
                if not called:
                    counts[next(column for pattern, column in OBJECTS if re.search(pattern, current))] += int(line.split()[1])
                called = False
    return counts


def one_run(circuit, folder, load):
    """{role: what it executed} from its start to its end, load() meanwhile."""
    def prefix(role):
        return "valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/{role}.%p"

    server, client = circuit.start_server(prefix=prefix("server")), circuit.start_client(prefix=prefix("client"))
    processes = {"client": client, "relay": circuit.start_relay(prefix=prefix("relay")), "server": server}
    circuit.wait_up(timeout=60)
    paths = {role: f"{folder}/{role}.{process.pid}" for role, process in processes.items()}
    for path in paths.values():
        os.chmod(path, 0o666)  # valgrind made it as root, which the roles no longer are when they end
    circuit.lab.laptop.out("ping", "-c", "5", "-i", "0.2", WEB)
    load()
    circuit.stop()
    return {role: by_object(path) for role, path in paths.items()}


def tcp(laptop, *more):
    laptop.run("iperf3", "-c", WEB, "-p", "5201", "-n", f"{MEGABYTES}M", "-C", measure.CONGESTION, *more, timeout=120)


def count_all(circuit, folder):
    """[(what, {role: {column: instructions}})]; what a run without any load executes is subtracted."""
    laptop, flood_ms = circuit.lab.laptop, 1000 * DATAGRAMS / DATAGRAM_RATE
    loads = (("ping, round trip", PINGS, lambda: laptop.out("ping", "-c", str(PINGS), "-i", "0.02", WEB)),
             ("datagram of 64 bytes up", DATAGRAMS, lambda: measure.flood(laptop, False, 64, DATAGRAM_RATE, flood_ms)),
             ("datagram of 64 bytes down", DATAGRAMS, lambda: measure.flood(laptop, True, 64, DATAGRAM_RATE, flood_ms)),
             ("TCP, 1,460 bytes up", MEGABYTES * 2**20 / 1460, lambda: tcp(laptop)),
             ("TCP, 1,460 bytes down", MEGABYTES * 2**20 / 1460, lambda: tcp(laptop, "-R")))
    os.chmod(folder, 0o755)
    circuit.start_web()
    circuit.lab.web.popen("iperf3", "iperf3", "-s", "-p", "5201")
    measure.serve_floods(circuit.lab.web)
    nothing, rows = one_run(circuit, folder, lambda: time.sleep(2)), []
    for what, units, load in loads:
        counts = one_run(circuit, folder, load)
        rows.append((what, {role: {column: (counts[role][column] - nothing[role][column]) / units for column in COLUMNS} for role in nothing}))
        print(f"{what}: {sum(sum(part.values()) for part in rows[-1][1].values()):,.0f} instructions", file=sys.stderr, flush=True)
    return rows


def markdown(rows):
    lines = ["| instructions | role | all | " + " | ".join(COLUMNS) + " |", "|---|---|" + "---:|" * (1 + len(COLUMNS))]
    for what, roles in rows:
        for role, part in roles.items():
            lines.append(f"| {what} | {role} | {sum(part.values()):,.0f} | " + " | ".join(f"{part[column]:,.0f}" for column in COLUMNS) + " |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", metavar="FILE", help="the same as JSON")
    args = parser.parse_args()
    need_lab("counts")
    for program in ("valgrind", "iperf3"):
        if not shutil.which(program):
            skip_all("counts", f"{program} is not installed (apt install {program})")
    with tempfile.TemporaryDirectory() as folder:
        rows = count_all(Circuit(), folder)
    print(markdown(rows))
    if args.out:
        with open(args.out, "w") as out:
            json.dump(dict(rows), out, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
