#!/usr/bin/python3
"""How responsive the circuit stays while a slow link is full, in the lab, over the project's own link emulator.

    sudo TETHER=build/release/tether TETHER_BUILD=build/dev test/bench/lag.py [--phone relay|chromium|udp|ws|openvpn|openvpn-udp] [--plain]
                                                            [--only 10M,step] [--quick] [--wifi "delay=2 jitter=3"] [--out DIR]

Mobile data is emulated: rate, delay, and a drop-tail queue as long as mobile networks have them (--queue). 8 TCP flows fill
each direction; meanwhile a ping 20 times a second, a flow like a telephone call (50 datagrams of 50 bytes a second, echoed,
so loss and jitter are those of both ways together), and new connections. How much of the rate is used is counted by the
emulator, on the wire. --plain is the same without any tunnel, the kernel's own forwarding. Prints what is reached and what is not;
DIR receives lag-*.json and plots of the lag over time.
"""
import argparse
import json
import os
import random
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lab"), os.path.join(HERE, "..", "browser", "lib"), HERE]

import measure  # noqa: E402
import peers  # noqa: E402
import report  # noqa: E402
import svg  # noqa: E402
import webdriver  # noqa: E402
from circuit import Circuit  # noqa: E402
from host import LabError  # noqa: E402
from topology import HERE as LAB, PYTHON, WEB  # noqa: E402

YIELDING = ("nice", "-n", "10")  # what only fills the link leaves the processors, which are few here, to what carries it
FLOW = (PYTHON, os.path.join(LAB, "flow.py"))
PING_EVERY, CALLS, CALL_BYTES, CONNECTIONS = 0.05, 50, 50, 4
CIRCUITS = {"relay": "tether, relay", "chromium": "tether, Chromium", "udp": "tether, udp", "ws": "tether, direct ws",
            "openvpn": peers.BASE, "openvpn-udp": "OpenVPN, UDP, AES-256-GCM", "kernel": "kernel forwarding"}
# name -> (rate, round trip ms, lag allowed ms, least share of the rate)
LINKS = {"10M": ("10M", 40, 25, 0.93), "2M": ("2M", 80, 60, 0.90), "100M": ("100M", 20, 10, 0.90)}
CALL_LOSS, CALL_JITTER_MS, CONNECT_MORE_MS, STEP_SECONDS, DROP_SECONDS, SETTLED_SECONDS = 0.01, 30, 60, 2, 12, 6
TRAIN_SEED, TRAIN_SECONDS, TRAIN_LAG_MS, TRAIN_USED = 3, 16, {"p50": 30, "p95": 200}, 0.5


class Bench:
    """One lab, one kind of circuit, started anew for each scenario; collects figures, verdicts and points to plot."""

    def __init__(self, args):
        self.args, self.figures, self.rows, self.plots = args, {}, [], []
        self.kind = "kernel" if args.plain else args.phone
        emulated = {"mobile": ""}
        if args.wifi is not None:
            emulated["wifi"] = args.wifi
        self.circuit = Circuit(emulated=emulated)
        self.laptop, self.wan = self.circuit.lab.laptop, self.circuit.lab.wans["mobile"]
        self.circuit.start_web()
        self.servers, self.running = [], None
        if self.kind not in ("relay", "chromium"):
            peers.setup_forwarding(self.circuit.lab)

    def link(self, rate, round_trip_ms, more=""):
        self.wan.set(f"rate={rate} delay={round_trip_ms / 2} jitter=0 loss=0 stall=0 queue={self.args.queue} {more}")

    def start(self):
        self.running = None
        self.servers = [self.circuit.lab.web.popen(f"iperf3-{port}", *YIELDING, "iperf3", "-s", "-p", port) for port in (5201, 5202)]
        self.running = peers.start(CIRCUITS[self.kind], self.circuit)
        time.sleep(1)

    def stop(self):
        try:
            if self.running:
                self.running.stop()
        finally:
            self.end_all(self.servers)

    def fill(self):
        """8 flows each way until they are ended."""
        return [self.laptop.popen(f"load-{port}", *YIELDING, "iperf3", "-c", WEB, "-p", port, "-t", 600, "-P", 8, "-C", measure.CONGESTION, *more)
                for port, more in ((5201, []), (5202, ["-R"]))]

    @staticmethod
    def check_full(loads):
        for load in loads:
            if not load.alive():
                raise LabError(f"a load ended by itself:\n{load.tail()}")

    @staticmethod
    def end_all(processes):
        for process in processes:
            process.end(9)

    def demand(self, what, value, sign, bound):
        met = None if value is None else value <= bound if sign == "<=" else value >= bound
        self.rows.append((what, value, f"{sign} {bound:g}", met))

    def session_lives(self, scenario):
        """tether's roles run, the session is up, and is still the first one; other circuits have none to lose."""
        if self.kind not in ("relay", "chromium", "udp", "ws"):
            return
        self.circuit.check_alive()
        ups = self.circuit.clients[1].log().count("session up")
        self.demand(f"{scenario}: sessions begun (one, never lost)", ups, "<=", 1)
        if self.kind in ("relay", "chromium"):
            self.demand(f"{scenario}: circuit up at the end (1)", float(self.circuit.is_up()), ">=", 1)

    def answer(self, process):
        """The line of JSON a probe ends with."""
        process.popen.wait(20)
        return json.loads(process.log().splitlines()[-1])


def idle(bench):
    """Round trips and connections before any load."""
    with measure.PingMeanwhile(bench.laptop, PING_EVERY) as pings:
        connect = bench.answer(bench.laptop.popen("connect", *FLOW, "connect", WEB, 80, CONNECTIONS, bench.args.idle))
    if not pings.times or not connect["count"]:
        raise LabError("the idle link answers neither pings nor connections")
    return {"ping": measure.spread(pings.times), "connect": connect}


def full(bench, seconds, warm_up):
    """All measurements on a full link; the first seconds, in which the flows find their rate, are not counted."""
    loads = bench.fill()
    try:
        time.sleep(warm_up)
        bench.check_full(loads)
        bench.wan.reset()
        with measure.PingMeanwhile(bench.laptop, PING_EVERY) as pings:
            call = bench.laptop.popen("call", *FLOW, "echo", WEB, 7, CALL_BYTES, CALLS, seconds)
            connect = bench.laptop.popen("connect", *FLOW, "connect", WEB, 80, CONNECTIONS, seconds)
            time.sleep(seconds)
            told = bench.wan.show()
            bench.check_full(loads)
            call, connect = bench.answer(call), bench.answer(connect)
        return {"ping": measure.spread(pings.times), "ping_sent": pings.sent, "ping_received": pings.received, "call": call,
                "connect": connect, "link": told, "points": pings.stamped}
    finally:
        bench.end_all(loads)


def relative(points):
    return [(at - points[0][0], took) for at, took in points]


def steady(bench, name):
    rate, round_trip, more_ms, least = LINKS[name]
    before = idle(bench)
    after = full(bench, bench.args.seconds, bench.args.warm_up)
    points = relative(after.pop("points"))
    bench.figures[name] = {"idle": before, "full": after}
    base = before["ping"]["p50"]
    label = f"{rate}bit/s, {round_trip} ms"
    bench.demand(f"{label}: ping p95 above idle, ms", after["ping"]["p95"] - base if after["ping"]["count"] else None, "<=", more_ms)
    for way in ("up", "down"):
        bench.demand(f"{label}: share of the rate used {way}", after["link"][way]["share"], ">=", least)
    call = after["call"]
    bench.demand(f"{label}: call's loss, percent", 100 * call["lost"] / call["sent"], "<=", 100 * CALL_LOSS)
    bench.demand(f"{label}: call's jitter, ms", call["jitter_ms"], "<=", CALL_JITTER_MS)
    connect = after["connect"]["p95_ms"]
    bench.demand(f"{label}: new connections p95 above idle, ms",
                 None if connect is None else connect - before["connect"]["p50_ms"], "<=", CONNECT_MORE_MS)
    bench.session_lives(label)
    bench.plots.append((f"lag-{name}.svg", f"{label}, full both ways: round trip of ping, {bench.kind}", points, base + more_ms))


def settled(points, start, end, bound):
    """Seconds after start from which on 95 % of the answers until end are below the bound; None: never."""
    phase = [(at - start, took) for at, took in points if start <= at < end]
    for index in range(len(phase)):
        rest = [took for _, took in phase[index:]]
        if len(rest) < 20:
            return None
        if sum(took <= bound for took in rest) >= 0.95 * len(rest):
            return phase[index][0] if index else 0.0
    return None


def step(bench):
    """20 Mbit/s, then 2, then 20 again, full all the time."""
    hold, round_trip = bench.args.hold, 40
    bench.link("20M", round_trip)
    base = idle(bench)["ping"]["p50"]
    loads = bench.fill()
    try:
        time.sleep(bench.args.warm_up)
        with measure.PingMeanwhile(bench.laptop, PING_EVERY) as pings:
            begin = time.time()
            bench.wan.set(f"rate=20M@0,2M@{hold},20M@{2 * hold}")
            time.sleep(2 * hold)
            bench.wan.reset()
            time.sleep(hold)
            told = bench.wan.show()
            bench.check_full(loads)
    finally:
        bench.end_all(loads)
    found = {"idle_p50": base, "link_after": told}
    for name, start, more in (("down to 2 Mbit/s", begin + hold, LINKS["2M"][2]), ("back to 20 Mbit/s", begin + 2 * hold, LINKS["10M"][2])):
        found[name] = settled(pings.stamped, start, start + hold, base + more)
        bench.demand(f"rate step {name}: seconds until lag is below idle + {more} ms", hold if found[name] is None else found[name],
                     "<=", STEP_SECONDS)
    bench.session_lives("rate step 20-2-20")
    bench.figures["step"] = found
    bench.plots.append(("lag-step.svg", f"20, 2, 20 Mbit/s, full both ways: round trip of ping, {bench.kind}", relative(pings.stamped),
                        base + LINKS["2M"][2]))


def drop(bench):
    """A phone leaves a good cell: 60 Mbit/s, then 2, full all the time. Looked at when what was on its way has had time to pass."""
    bench.link("60M", 50)
    base = idle(bench)["ping"]["p50"]
    loads = bench.fill()
    try:
        time.sleep(bench.args.warm_up)
        with measure.PingMeanwhile(bench.laptop, PING_EVERY) as pings:
            fell = time.time()
            bench.wan.set("rate=2M")
            time.sleep(DROP_SECONDS)
            bench.wan.reset()
            begin = time.time()
            time.sleep(bench.args.seconds)
            told = bench.wan.show()
            bench.check_full(loads)
    finally:
        bench.end_all(loads)
    late = measure.spread([took for at, took in pings.stamped if at >= begin])
    more, least = LINKS["2M"][2:]
    soon = settled(pings.stamped, fell, begin, base + more)
    bench.demand(f"from 60 to 2 Mbit/s: seconds until lag is below idle + {more} ms", DROP_SECONDS if soon is None else soon, "<=", SETTLED_SECONDS)
    label = f"from 60 to 2 Mbit/s, {DROP_SECONDS} s later"
    bench.demand(f"{label}: ping p95 above idle, ms", late["p95"] - base if late["count"] else None, "<=", more)
    for way in ("up", "down"):
        bench.demand(f"{label}: share of the rate used {way}", told[way]["share"], ">=", least)
    bench.session_lives(label)
    bench.figures["drop"] = {"idle_p50": base, "ping": late, "link": told, "settled": soon}
    bench.plots.append(("lag-drop.svg", f"from 60 to 2 Mbit/s, full both ways: round trip of ping, {bench.kind}", relative(pings.stamped), base + more))


def train(bench):
    """On a train: another rate each second, up to three times or down to a third of it, each direction by itself."""
    base_rate, round_trip, luck = 10.0, 50, random.Random(TRAIN_SEED)

    def rates():
        rate, words = base_rate, []
        for second in range(TRAIN_SECONDS):
            rate = min(60.0, max(2.0, rate * (1 + 2 * luck.random()) ** luck.choice((-1, 1))))
            words.append(f"{rate:.1f}M@{second}")
        return ",".join(words)

    bench.link(f"{base_rate:g}M", round_trip)
    base = idle(bench)["ping"]["p50"]
    loads = bench.fill()
    try:
        time.sleep(bench.args.warm_up)
        bench.wan.reset()
        with measure.PingMeanwhile(bench.laptop, PING_EVERY) as pings:
            bench.wan.set(f"up.rate={rates()} down.rate={rates()}")
            time.sleep(TRAIN_SECONDS)
            told = bench.wan.show()
            bench.check_full(loads)
    finally:
        bench.end_all(loads)
    found = measure.spread(pings.times)
    label = "another rate each second, 2 to 60 Mbit/s"
    for part, most in TRAIN_LAG_MS.items():
        bench.demand(f"{label}: ping {part} above idle, ms", found[part] - base if found["count"] else None, "<=", most)
    for way in ("up", "down"):
        bench.demand(f"{label}: share of the rate used {way}", told[way]["share"], ">=", TRAIN_USED)
    bench.session_lives(label)
    bench.figures["train"] = {"idle_p50": base, "ping": found, "link": told}
    bench.plots.append(("lag-train.svg", f"{label}, full both ways: round trip of ping, {bench.kind}", relative(pings.stamped), None))


def trouble(bench, name, settings, seconds):
    """The link loses or rests while it is full: the session must live, lag is told."""
    bench.link("10M", 40, settings)
    after = full(bench, seconds, bench.args.warm_up)
    points = relative(after.pop("points"))
    bench.session_lives(name)
    traffic_goes_on = measure.ping(bench.laptop, 10, 0.2)  # ping does not wait for the last ones if a stall holds up three
    bench.demand(f"{name}: pings answered afterwards, of 10", traffic_goes_on["count"], ">=", 6)
    bench.figures[name] = {"full": after}
    bench.plots.append((f"lag-{name.split()[-1]}.svg", f"10 Mbit/s, 40 ms, {name}, full: round trip of ping, {bench.kind}", points, None))


SCENARIOS = {**{name: (lambda bench, name=name: steady(bench, name)) for name in LINKS}, "step": step, "drop": drop, "train": train,
             "loss": lambda bench: trouble(bench, "2 % loss", "loss=2", bench.args.seconds),
             "stalls": lambda bench: trouble(bench, "500 ms stalls", "stall=3/0.5", bench.args.seconds + 3)}


def table(figures):
    """The steady links side by side."""
    lines = ["| link | idle p50 | p95 | full p50 | p95 | p99 | pings lost | used up | down | link's queue up, mean | down | call lost | jitter "
             "| connect idle | p95 |", "|---|" + "---:|" * 14]
    for name, found in figures.items():
        after = found.get("full")
        if not after:
            continue
        before, call, link = found.get("idle"), after["call"], after["link"]

        def ms(value):
            return "-" if value is None else f"{value:.1f}"
        cells = [ms(before["ping"][part]) if before else "-" for part in ("p50", "p95")]
        cells += [ms(after["ping"][part]) for part in ("p50", "p95", "p99")]
        cells += [str(after["ping_sent"] - after["ping_received"]), *(f"{link[way]['share']:.0%}" for way in ("up", "down")),
                  *(ms(link[way]["wait_mean_ms"]) for way in ("up", "down")), f"{call['lost'] / call['sent']:.1%}", ms(call["jitter_ms"]),
                  ms(before["connect"]["p50_ms"]) if before else "-", ms(after["connect"]["p95_ms"])]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def run(bench, names):
    faults = []
    for name in names:
        print(f"{name} ...", file=sys.stderr, flush=True)
        try:
            bench.link(*LINKS.get(name, LINKS["10M"])[:2])
            try:
                bench.start()
                SCENARIOS[name](bench)
            finally:
                bench.stop()
        except (LabError, OSError, ValueError, webdriver.BrowserError) as error:
            faults.append(f"{name}: {str(error).strip()[:600]}")
            bench.rows.append((f"{name}: could be measured", None, "at all", False))
    return faults


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--phone", choices=[kind for kind in CIRCUITS if kind != "kernel"], default="relay", help="what carries the packets")
    parser.add_argument("--plain", action="store_true", help="no tunnel at all, for comparison")
    parser.add_argument("--only", metavar="NAMES", help=f"comma between: {', '.join(SCENARIOS)}")
    parser.add_argument("--quick", action="store_true", help="shorter measurements")
    parser.add_argument("--queue", default="500ms", help="of the emulated link (default 500ms)")
    parser.add_argument("--wifi", metavar="SETTINGS", help="emulate the Wi-Fi too, such as \"delay=2 jitter=3\"")
    parser.add_argument("--out", default="bench-results", metavar="DIR")
    args = parser.parse_args()
    args.seconds, args.warm_up, args.idle, args.hold = (5, 3, 2, 6) if args.quick else (12, 4, 4, 10)
    return args


def main():
    args = arguments()
    names = args.only.split(",") if args.only else list(SCENARIOS)
    wrong = [name for name in names if name not in SCENARIOS]
    if wrong or (args.phone == "chromium" and webdriver.available()):
        sys.exit(f"lag.py: no scenario {', '.join(wrong)}" if wrong else f"lag.py: {webdriver.available()}")
    bench = Bench(args)
    faults = run(bench, names)
    text = f"{CIRCUITS[bench.kind]}\n\n{table(bench.figures)}\n\n{report.verdicts(bench.rows)}"
    if faults:
        text += "\n\nFaults:\n" + "\n".join(faults)
    print(text)
    folder = os.path.join(args.out, f"lag-{bench.kind}")
    report.write_json(folder, "lag.json", {"circuit": CIRCUITS[bench.kind], "figures": bench.figures, "faults": faults, "requirements": [
        {"what": what, "value": value, "wanted": bound, "met": met} for what, value, bound, met in bench.rows]})
    for name, title, points, bound in bench.plots:
        with open(os.path.join(folder, name), "w") as out:
            out.write(svg.points(title, [("ping", points)], bound))
    report.write_page(folder, f"Lag on slow links: {CIRCUITS[bench.kind]}", text, [name for name, *_ in bench.plots])
    return 0 if all(met is not False for *_, met in bench.rows) else 1


if __name__ == "__main__":
    sys.exit(main())
