#!/usr/bin/python3
"""How fast the circuit is, beside plain forwarding through the kernel and other tunnels over TCP, in one run in the lab.

    sudo TETHER=build/release/tether test/bench/bench.py [--quick] [--only NAME]... [--out DIR]
    sudo TETHER=build/release/tether test/bench/bench.py --soak 600          memory under load

Circuits alternate within each round; each figure is the median of the rounds and is also told as a ratio to OpenVPN's, for
machines are noisy and only ratios within one run mean something. Needs iperf3 and openvpn; other peers and Chromium are
measured when they are installed. DIR receives bench.json, the plots and index.html. Responsiveness on slow links: lag.py.
"""
import argparse
import collections
import contextlib
import os
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lab"), os.path.join(HERE, "..", "browser", "lib"), HERE]

import cores  # noqa: E402
import measure  # noqa: E402
import peers  # noqa: E402
import pipe  # noqa: E402
import report  # noqa: E402
import webdriver  # noqa: E402
from circuit import Circuit  # noqa: E402
from host import LabError  # noqa: E402
from topology import WEB  # noqa: E402

IDLE = (peers.BASE, "tether, relay")  # whose idle round trips are compared with a bound


def machine():
    with open("/proc/cpuinfo") as cpuinfo:
        model = next((line.split(":")[1].strip() for line in cpuinfo if line.startswith("model name")), "?")
    return {"processors": os.cpu_count(), "model": model, "kernel": os.uname().release, "load": os.getloadavg(),
            "when": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())}


def chosen(args):
    """Names of the circuits to measure; what cannot be is told."""
    apart = [name + cores.NAME for name in ("tether, Chromium", pipe.NAME)]
    names = [*(peers.QUICK if args.quick else peers.ALL), pipe.NAME, *apart]
    if args.only:
        known = [*peers.ALL, pipe.NAME, *apart]
        names = [name for name in known if name in args.only or any(word.lower() in name.lower() for word in args.only if word not in known)]
        if peers.BASE not in names and not args.no_base:
            names.insert(0, peers.BASE)
    ready = []
    for name in names:
        plain = name.removesuffix(cores.NAME)
        lacking = webdriver.available() if plain == pipe.NAME else ", ".join(peers.missing(plain))
        if plain != name:
            lacking = lacking or cores.missing()
        if lacking:
            print(f"LEFT OUT {name}: not installed: {lacking}", flush=True)
        else:
            ready.append(name)
    return ready


def one(circuit, name, args, limit, bare):
    """One circuit in one round: its figures and the faults it had."""
    plain = name.removesuffix(cores.NAME)
    with contextlib.nullcontext() if plain == name else cores.apart(circuit):
        if plain == pipe.NAME:
            return bare[name].measure(circuit, args.seconds), []
        running = peers.start(plain, circuit)
        try:
            return measure.everything(circuit, running, args, limit, udp=args.udp and plain == name), running.faults
        finally:
            running.stop()


def run_rounds(circuit, names, args):
    rounds, faults = {name: [] for name in names}, []
    limit, bare, begin = measure.UdpLimit(trials=args.trials, ms=args.flood_ms), collections.defaultdict(pipe.BarePipe), time.monotonic()
    longest = 0.0
    for number in range(args.rounds):
        round_begin = time.monotonic()
        for name in names:
            if time.monotonic() - begin > args.budget:
                faults.append(f"round {number + 1}: {name}: out of time")
                continue
            try:
                figures, troubles = one(circuit, name, args, limit, bare)
                rounds[name].append(figures)
            except (LabError, OSError, subprocess.SubprocessError, webdriver.BrowserError) as error:
                troubles = [str(error).strip()[:600]]
            faults += [f"round {number + 1}: {name}: {trouble}" for trouble in troubles]
            short = {key: round(value, 1) for key, value in report.flat(rounds[name][-1]).items()} if rounds[name] else "nothing"
            print(f"[{time.monotonic() - begin:5.0f} s] round {number + 1}: {name}: {short}", file=sys.stderr, flush=True)
        longest = max(longest, time.monotonic() - round_begin)
        if time.monotonic() - begin + longest > args.budget:
            break
    return rounds, faults


def idle_starts(circuit, names, args, rounds, faults):
    """Idle round trips, of more starts: where processes come to lie on the processors moves them by a fifth from start to start."""
    for number in range(args.idle_starts):
        print(f"idle round trips: start {number + 1} of {args.idle_starts}", file=sys.stderr, flush=True)
        for name in [name for name in names if name in IDLE]:
            try:
                running = peers.start(name, circuit)
                try:
                    rounds[name].append({"ping": measure.ping(circuit.lab.laptop, args.pings)})
                finally:
                    running.stop()
            except (LabError, OSError, subprocess.SubprocessError) as error:
                faults.append(f"idle: {name}: {str(error).strip()[:600]}")


def soak(circuit, seconds):
    """Resident memory of both ends while downloads and uploads run."""
    running = peers.start("tether, relay", circuit)
    loads = [circuit.lab.laptop.popen(f"load{port}", "iperf3", "-c", WEB, "-p", str(port), "-t", str(seconds), "-P", "4", "-C", measure.CONGESTION, *more)
             for port, more in ((5201, ["-R"]), (5202, []))]
    seen = {"client": [], "server": []}
    while any(load.alive() for load in loads):
        time.sleep(1)
        for role, sizes in seen.items():
            sizes.append(measure.memory_kb(running.roots[role])["rss_kb"])
    running.stop()
    for role, sizes in seen.items():
        quarter = max(1, len(sizes) // 4)
        print(f"{role}: {min(sizes)} to {max(sizes)} kB resident over {len(sizes)} s; median of the second quarter "
              f"{statistics.median(sizes[quarter:2 * quarter])}, of the last {statistics.median(sizes[-quarter:])}")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one short round of the main circuits, below 5 minutes")
    parser.add_argument("--only", metavar="WORD", action="append", help="a circuit's name or a part of names; may be repeated")
    parser.add_argument("--no-base", action="store_true", help="with --only: without OpenVPN, so without ratios")
    parser.add_argument("--no-udp", dest="udp", action="store_false", help="leave out the search for the highest UDP rates")
    parser.add_argument("--out", default="bench-results", metavar="DIR")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=int, help="length of one TCP measurement")
    parser.add_argument("--budget", type=int, help="seconds after which no other circuit is begun; the idle round trips follow, two minutes")
    parser.add_argument("--soak", type=int, default=0, metavar="SECONDS")
    args = parser.parse_args()
    args.rounds = args.rounds or (1 if args.quick else 3)
    args.seconds = args.seconds or (1 if args.quick else 2)
    args.budget = args.budget or (270 if args.quick else 1320)
    args.idle_starts = 2 if args.quick else 16
    args.trials, args.flood_ms, args.pings = (7, 250, 100) if args.quick else (8, 350, 200)
    return args


def main():
    args = arguments()
    names = chosen(args) if not args.soak else []
    circuit = Circuit()
    circuit.start_web()
    for port in ("5201", "5202"):
        circuit.lab.web.popen("iperf3", "iperf3", "-s", "-p", port)
    measure.serve_floods(circuit.lab.web)
    if args.soak:
        soak(circuit, args.soak)
        return 0
    peers.setup_forwarding(circuit.lab)
    where = machine()
    rounds, faults = run_rounds(circuit, names, args)
    idle_starts(circuit, names, args, rounds, faults)
    table = report.medians(rounds)
    rows = report.requirements(table, peers.BASE)
    text = report.markdown(table, peers.BASE) + "\n" + report.verdicts(rows)
    if faults:
        text += "\n\nFaults:\n" + "\n".join(faults)
    print(f"{where['processors']} processors, {where['model']}, Linux {where['kernel']}, load {where['load'][0]:.1f} at the start\n\n{text}")
    report.write_json(args.out, "bench.json", {"machine": where, "rounds": rounds, "median": table, "faults": faults, "requirements": [
        {"what": what, "value": value, "wanted": bound, "met": met} for what, value, bound, met in rows]})
    report.plots(table, peers.BASE, args.out)
    report.write_page(args.out, "tether's benchmark", text, [f"{group}.svg" for group, _ in report.GROUPS
                                                             if os.path.exists(os.path.join(args.out, f"{group}.svg"))])
    return 0


if __name__ == "__main__":
    sys.exit(main())
