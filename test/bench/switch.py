#!/usr/bin/python3
"""Guest to internet through `tether switch`, beside the circuit's way through the same NAT, in one run.

    switch.py [--seconds N] [--only circuit|switch] [--out FILE]

The guest is native: a TAP device whose frames a small C program (switch_guest.c) carries to the switch, one message each. The circuit
is laptop, native relay, server. Both end in iperf3 on the lab's web host. Prints Mbit/s that arrived and the processor time per Gbit
of the whole machine, iperf3 and the guest's kernel included.
"""
import argparse
import json
import os
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lab"))
import measure
from cases import need_lab, test_program
from circuit import Circuit
from host import Host, wait_until
from switch import GATEWAY, PORT
from topology import HERE as LAB


def flows(host, seconds, roots):
    out = {}
    for name, down in (("down", True), ("up", False)):
        for streams in (1, 8):
            got = measure.tcp(host, seconds, streams, down, roots)
            out[f"{name}_{streams}"] = got
            print(f"    {name}, {streams} streams: {json.dumps(got)}", flush=True)
    return out


def through_circuit(circuit, seconds):
    circuit.start_server()
    circuit.start_client()
    circuit.start_relay()
    circuit.wait_up()
    print("circuit: laptop, native relay, server", flush=True)
    result = flows(circuit.lab.laptop, seconds, [circuit.server.pid])
    circuit.stop()
    return result


def through_switch(circuit, guest, seconds, *options):
    lab = circuit.lab
    switch = lab.server.popen("switch", circuit.binary, "switch", "--port", PORT, "--iface", "eth0", "--state-dir",
                              circuit.state_dir(lab.server), *options)
    switch.wait_log("switch ready")
    peer = guest.popen("guest", test_program("switch_guest"), "172.31.1.1", PORT, "net0")
    peer.wait_log("guest ready")
    guest.run("ip", "link", "set", "net0", "address", "02:00:00:00:00:01", "txqueuelen", "1000", "up")
    guest.run("udhcpc", "-i", "net0", "-n", "-q", "-f", "-t", "5", "-T", "1", "-s", os.path.join(LAB, "udhcpc.sh"))
    wait_until(lambda: guest.run("ping", "-n", "-c1", "-W1", GATEWAY, check=False).returncode == 0, "the gateway")
    print("switch: native guest", flush=True)
    result = flows(guest, seconds, [switch.pid])
    result["status"] = json.loads(lab.server.out(circuit.binary, "status", "--json", "--state-dir", circuit.state_dir(lab.server)))["ports"]
    peer.end()
    switch.end()
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--only", choices=("circuit", "switch"))
    parser.add_argument("--out")
    options = parser.parse_args()
    need_lab("bench")
    circuit = Circuit(1)
    lab = circuit.lab
    guest = Host(lab, "guest1")
    lab.link(guest, "cable", "172.31.1.2/24", lab.server, "g1", "172.31.1.1/24")
    lab.web.popen("iperf3", "iperf3", "-s")
    wait_until(lambda: ":5201" in lab.web.out("ss", "-ltn"), "iperf3 on the web host")
    result = {}
    if options.only != "switch":
        result["circuit"] = through_circuit(circuit, options.seconds)
    if options.only != "circuit":
        result["switch"] = through_switch(circuit, guest, options.seconds)
    if options.out:
        with open(options.out, "w") as f:
            json.dump(result, f, indent=1)


if __name__ == "__main__":
    main()
