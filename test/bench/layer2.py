#!/usr/bin/python3
"""Ethernet through the page (--tap) beside the circuit for IP, in one run: native relay, and real Chromium with two and three legs.

    layer2.py [--seconds N] [--only WORD]... [--out FILE]

Layer 2 ends in iperf3 at the server's TAP; layer 3 goes through the NAT to iperf3 on the lab's web host. Prints Mbit/s that arrived,
processor time per Gbit of the whole machine (iperf3 and browser included), and idle round trips.
"""
import argparse
import json
import os
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lab"), os.path.join(HERE, "..", "browser", "lib"), HERE]

import ethernet  # noqa: E402
import measure  # noqa: E402
import peers  # noqa: E402
import webdriver  # noqa: E402
from cases import need_lab  # noqa: E402
from circuit import Circuit  # noqa: E402
from host import LabError  # noqa: E402
from topology import LAPTOP, WEB  # noqa: E402


def tcp(laptop, where, seconds, streams, down):
    """Twice, if need be: iperf3's server hangs up on who comes while it still ends the test before."""
    try:
        return measure.tcp(laptop, seconds, streams, down, where=where)
    except LabError as error:
        if "reset by peer" not in str(error) and "busy" not in str(error):
            raise
        time.sleep(2)
        return measure.tcp(laptop, seconds, streams, down, where=where)


def figures(laptop, where, seconds):
    out = {}
    for name, down in (("up", False), ("down", True)):
        for streams in (1, 8):
            out[f"{name}_{streams}"] = tcp(laptop, where, seconds, streams, down)
    out["ping_ms"] = measure.spread(measure.ping_times(laptop.out("ping", "-n", "-c", "100", "-i", "0.01", where)))["p50"]
    return out


def layer3(circuit, seconds, browser):
    running = peers.start_tether(circuit, "layer 3", browser=browser)
    try:
        return figures(circuit.lab.laptop, WEB, seconds)
    finally:
        running.stop()


def layer2(lab, seconds, browser, count):
    net = ethernet.Ethernet(count, lab=lab).start()
    phone = hub = None
    try:
        if browser:
            phone = webdriver.Browser(netns=lab.phone.netns)
            phone.open(f"http://{LAPTOP}:6354/#" + "&".join(f"leg={n.host.name}@{n.url}" for n in net.nodes if n is not net.laptop))
        else:
            hub = lab.phone.popen("relay", net.binary, "relay", "--local", net.laptop.url, "--remote", net.server.url)
        net.wait_up()
        iperf = net.server.host.popen("iperf3", "iperf3", "-s")
        try:
            measure.wait_for_port(net.server.host, 5201)
            return figures(lab.laptop, net.server.ip, seconds)
        finally:
            iperf.end()
    finally:
        if phone:
            phone.quit()
        if hub:
            hub.end()
        for node in net.nodes:
            node.process.end()


CIRCUITS = {
    "layer 3, relay": lambda c, s: layer3(c, s, False),
    "layer 2, relay": lambda c, s: layer2(c.lab, s, False, 2),
    "layer 3, Chromium": lambda c, s: layer3(c, s, True),
    "layer 2, Chromium, two legs": lambda c, s: layer2(c.lab, s, True, 2),
    "layer 2, Chromium, three legs": lambda c, s: layer2(c.lab, s, True, 3),
}


def table(result):
    lines = ["| TCP, Mbit/s | 1 up | 1 down | 8 up | 8 down | machine s/Gbit up | down | ping idle, ms |", "|---|" + "---:|" * 7]
    for name, r in result.items():
        cells = [f"{r[key]['mbit']:,.0f}" for key in ("up_1", "down_1", "up_8", "down_8")]
        cells += [f"{r[key]['machine_s_per_gbit']:.2f}" for key in ("up_1", "down_1")] + [f"{r['ping_ms']:.2f}"]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--only", action="append", metavar="WORD", help="circuits whose name has this in it; may be repeated")
    parser.add_argument("--out", metavar="FILE", help="the figures as JSON")
    args = parser.parse_args()
    need_lab("bench")
    circuit, result = Circuit(), {}
    circuit.start_web()
    circuit.lab.web.popen("iperf3", "iperf3", "-s")
    measure.wait_for_port(circuit.lab.web, 5201)
    for name, run in CIRCUITS.items():
        if args.only and not any(word in name for word in args.only):
            continue
        if "Chromium" in name and webdriver.available():
            print(f"LEFT OUT {name}: {webdriver.available()}")
            continue
        result[name] = run(circuit, args.seconds)
        print(name, json.dumps(result[name]), file=sys.stderr, flush=True)
    print(table(result))
    if args.out:
        with open(args.out, "w") as f:
            json.dump(result, f, indent=1)


if __name__ == "__main__":
    main()
