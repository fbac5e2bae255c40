#!/usr/bin/python3
"""The server's NAT under load beside the kernel's masquerade, in the same lab and the same run.

    sudo TETHER=build/release/tether TETHER_BUILD=build/dev test/bench/nat_load.py [--out FILE]      # 3 minutes

tether's packets cross the whole circuit (TUN, TLS, relay, websocket, NAT, injection), masquerade's a cable between laptop and server: figures tell what
a user gets, not what the two tables cost alone. For those see nat_bench. CPU is user and system time of the processes on the way; what the kernel forwards by
itself runs inside the sender's system calls and counts there.

    new flows      100,000 UDP flows, 10,000 a second; a steady flow beside them
    steady state   200,000 datagrams over 10, 1,000, 10,000 and 60,000 flows
    exhaustion     60,000 flows fill the table, 5,000 more are refused, the idle end, 60,000 new ones come through (tether only: masquerade
                   lends a port twice, and its table is the machine's)
    100 laptops    as many clients, without phones (--direct), 640 flows each, sending at once through a server pinned to one core, with its defaults
"""
import argparse
import json
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lab"))

import storm  # noqa: E402
from circuit import Circuit  # noqa: E402
from host import wait_until  # noqa: E402
from topology import WEB  # noqa: E402

NEW_FLOWS, RATE, TABLE, OVER, IDLE_S = 100000, 10000, 60000, 5000, 20
STEADY, STEADY_RATE = 200000, 20000
LAPTOPS, PIECE, PIECE_PORTS, HUNDRED_RATE = 100, 64, 10, 10000
DIRECT = ("172.31.255.1", "172.31.255.2")


def processes(circuit):
    return [p for p in (circuit.clients.get(1), circuit.relays.get(1), circuit.server) if p]


def measured(circuit, host, source, flows, rate, count, **options):
    """One storm: what came through, and the CPU time of all on the way, in µs a datagram; of the server alone as well."""
    watched = processes(circuit)
    sink = storm.Sink(circuit.lab)
    before = [storm.cpu_s(p.pid) for p in watched]
    sender = storm.start(host, flows, rate, count=count, source=source, **options)
    cpu = 0.0
    while sender.alive():  # its time is gone with it
        cpu = max(cpu, storm.cpu_s(sender.pid))
        time.sleep(0.02)
    sent = storm.finish(sender)
    time.sleep(0.5)
    spent = [storm.cpu_s(p.pid) - b for p, b in zip(watched, before)]
    arrived = sink.end()
    return {"sent": sent["sent"], "rate": sent["sent"] / sent["seconds"], "arrived": arrived["datagrams"], "flows": arrived["flows"],
            "cpu_us": (sum(spent) + cpu + arrived["cpu_s"]) * 1e6 / sent["sent"],
            "server_us": spent[-1] * 1e6 / sent["sent"] if spent else None}


def new_flows(circuit, host, source):
    probe = storm.probe(host, NEW_FLOWS / RATE + 1.5)
    time.sleep(0.5)
    result = measured(circuit, host, source, NEW_FLOWS, RATE, NEW_FLOWS)
    result["probe"] = storm.probed(probe)
    return result


def steady(circuit, host, source):
    """Each number of flows twice: the first makes them, the second is measured."""
    table = {}
    for flows in (10, 1000, 10000, 60000):
        storm.run(host, flows, RATE, source=source)
        table[flows] = measured(circuit, host, source, flows, STEADY_RATE, STEADY)
    return table


def tether(circuit):
    results = {}
    host = circuit.lab.laptop
    circuit.server_options = ["--max-flows", 200000, *storm.NO_LIMITS]
    for name, function in (("new", new_flows), ("steady", steady)):
        circuit.start_roles()
        results[name] = function(circuit, host, "10.0.0.1")
        results[name + "_rss_mb"] = circuit.server.rss_kb() / 1024
        circuit.stop()
    return results


def exhaustion(circuit):
    circuit.server_options = ["--max-flows", TABLE, "--udp-timeout", IDLE_S, "--port-rest", 1, *storm.NO_LIMITS]
    circuit.start_roles()
    host, result = circuit.lab.laptop, {}
    probe = storm.probe(host, 8)
    result["fill"] = measured(circuit, host, "10.0.0.1", TABLE, RATE, TABLE)
    result["over"] = measured(circuit, host, "10.0.0.1", OVER, RATE, OVER, first=TABLE)
    result["refused"] = circuit.server_status()["drops_in2out"].get("full", 0)
    result["probe"] = storm.probed(probe)
    begin = time.monotonic()
    wait_until(lambda: circuit.server_status()["flows"] < 10, "an empty table", IDLE_S + 10, 0.25)
    result["empty_after_s"] = time.monotonic() - begin
    time.sleep(1)
    result["again"] = measured(circuit, host, "10.0.0.1", TABLE, RATE, TABLE, first=200000)
    circuit.stop()
    return result


def client(circuit, number):
    """One of many clients on one host, each with a TUN and a piece of the target range of its own."""
    first = number * PIECE
    return circuit.lab.phone.popen(
        f"client{number}", circuit.binary, "client", "--direct", circuit.server_url(), "--tun", f"tun{number}", "--dns", "none", "--state-dir",
        os.path.join(circuit.lab.dir, f"client{number}"), "--route", f"198.18.{first // 256}.{first % 256}/26", *circuit.secret())


def hundred(circuit):
    """Each laptop's flows go from ten ports to the 64 addresses that its TUN leads to."""
    circuit.server_options = []
    circuit.start_server(prefix=("taskset", "-c", "0"))
    phone, server, flows = circuit.lab.phone, circuit.server, PIECE * PIECE_PORTS
    clients = [client(circuit, number) for number in range(LAPTOPS)]
    wait_until(lambda: circuit.server.log().count("laptop up") == LAPTOPS, f"{LAPTOPS} laptops", 30, 0.5)
    table = {}
    for name, count in (("new", flows), ("steady", 4 * flows)):
        sink, before = storm.Sink(circuit.lab), storm.cpu_s(server.pid)
        begin = time.monotonic()
        storms = [storm.start(phone, flows, HUNDRED_RATE // LAPTOPS, count=count, first=number * flows, ports=PIECE_PORTS) for number in range(LAPTOPS)]
        sent = sum(storm.finish(process)["sent"] for process in storms)
        seconds = time.monotonic() - begin
        time.sleep(0.5)
        table[name] = dict(sink.end(), sent=sent, server_us=(storm.cpu_s(server.pid) - before) * 1e6 / sent, core=(storm.cpu_s(server.pid) - before) / seconds)
    status = circuit.server_status()
    tuns = [link["stats64"]["tx"]["dropped"] for link in json.loads(phone.out("ip", "-s", "-j", "link")) if link["ifname"].startswith("tun")]
    table.update(tun_drops=sum(tuns), inject_failed=status["inject_failed"], table_flows=status["flows"], drops=status["drops_in2out"], rss_mb=server.rss_kb() / 1024)
    for process in [*clients, server]:
        process.end()
    circuit.server = None
    return table


def masquerade(circuit):
    """A cable from laptop to server, and the kernel translates."""
    lab = circuit.lab
    lab.link(lab.laptop, "direct", f"{DIRECT[0]}/30", lab.server, "direct", f"{DIRECT[1]}/30")
    lab.server.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    lab.server.run("nft", "add table ip bench; add chain ip bench post { type nat hook postrouting priority 100; };"
                          " add rule ip bench post oifname eth0 masquerade")
    for target in (storm.RANGE, f"{WEB}/32"):
        lab.laptop.route(target, "via", DIRECT[1])
    return {"new": new_flows(circuit, lab.laptop, DIRECT[0]), "steady": steady(circuit, lab.laptop, DIRECT[0])}


def show(results):
    print(f"\n{'':34}{'tether':>12}{'masquerade':>12}{'ratio':>8}")
    both = [results[name] for name in ("tether", "masquerade")]

    def row(what, values, unit=""):
        ratio = f"{values[0] / values[1]:8.2f}" if values[1] else ""
        print(f"{what:34}{values[0]:>12,.2f}{values[1]:>12,.2f}{ratio} {unit}")
    for name in ("arrived", "flows"):
        row(f"new flows: {name}", [r["new"][name] for r in both])
    for name, unit in (("lost", "datagrams"), ("p50_ms", "ms"), ("p99_ms", "ms"), ("max_ms", "ms")):
        row(f"new flows: probe's {name}", [r["new"]["probe"][name] for r in both], unit)
    row("new flows: CPU a flow", [r["new"]["cpu_us"] for r in both], "µs")
    for flows in both[0]["steady"]:
        row(f"{flows} flows: CPU a datagram", [r["steady"][flows]["cpu_us"] for r in both], "µs")
        print(f"{'   of it the server process':34}{both[0]['steady'][flows]['server_us']:>12,.2f}{'':20} µs")
        row(f"{flows} flows: lost", [r["steady"][flows]["sent"] - r["steady"][flows]["arrived"] for r in both], "datagrams")
    e = results["exhaustion"]
    print(f"exhaustion: {e['fill']['flows']} flows fill the table, {e['over']['flows']} of {e['over']['sent']} more come through, {e['refused']} refused;"
          f" the probe lost {e['probe']['lost']} of {e['probe']['sent']}; empty after {e['empty_after_s']:.0f} s, then {e['again']['flows']} of"
          f" {e['again']['sent']} new ones come through")
    h = results["hundred"]
    for name in ("new", "steady"):
        print(f"{LAPTOPS} laptops, {name}: {h[name]['flows']} flows, {h[name]['datagrams']} of {h[name]['sent']} datagrams arrived, {h[name]['overflowed']} found the counter's"
              f" own socket full; server {h[name]['server_us']:.1f} µs"
              f" a datagram, {h[name]['core'] * 100:.0f} % of its core")
    print(f"{LAPTOPS} laptops: {h['table_flows']} flows in the table, {h['rss_mb']:.0f} MB, drops in the NAT {h['drops']}, in the clients' TUN queues"
          f" {h['tun_drops']}")
    print(f"server's memory: {both[0]['new_rss_mb']:.0f} MB after {NEW_FLOWS} flows")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", metavar="FILE", help="write all figures as JSON")
    args = parser.parse_args()
    circuit = Circuit()
    storm.route(circuit.lab)
    circuit.start_web()
    try:
        results = {"load": os.getloadavg()[0], "tether": tether(circuit), "exhaustion": exhaustion(circuit),
                   "hundred": hundred(circuit), "masquerade": masquerade(circuit)}
    finally:
        circuit.lab.close()
    if args.out:
        with open(args.out, "w") as f:
            json.dump(results, f, indent=1)
    show(results)


if __name__ == "__main__":
    main()
