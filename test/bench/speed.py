#!/usr/bin/python3
"""How fast the circuit is, beside plain forwarding through the kernel and OpenVPN over TCP, in one run in the lab.

    sudo TETHER=build/release/tether test/bench/speed.py [--rounds 3] [--seconds 4] [--soak 300]

Needs iperf3 and openvpn. Candidates alternate; each figure is the median of the rounds and is told as a ratio to OpenVPN's too,
for machines are noisy and only ratios within one run mean something.
"""
import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lab"), os.path.join(HERE, "..", "browser", "lib")]

import webdriver  # noqa: E402
from circuit import Circuit  # noqa: E402
from host import wait_until  # noqa: E402
from topology import LAPTOP, SERVER, WEB  # noqa: E402

WIFI_LAPTOP, WIFI_PHONE = "192.168.77.2", "192.168.77.1"


def setup_forwarding(lab):
    """The phone forwards as a router would, for the candidates that know nothing of browsers."""
    lab.laptop.run("ip", "address", "add", f"{WIFI_LAPTOP}/24", "dev", "wlan0")
    lab.laptop.run("ip", "link", "set", "wlan0", "up")
    lab.phones[0].run("ip", "address", "add", f"{WIFI_PHONE}/24", "dev", "wlan0")
    for host, device in ((lab.phones[0], "mobile0"), (lab.server, "eth0")):
        host.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        host.run("nft", f"add table ip bench; add chain ip bench post {{ type nat hook postrouting priority 100; }}; "
                        f"add rule ip bench post oifname {device} masquerade")


def start_plain(circuit):
    circuit.lab.laptop.run("ip", "route", "add", "default", "via", WIFI_PHONE)
    return lambda: circuit.lab.laptop.run("ip", "route", "del", "default")


def make_identity(folder, name):
    cert, key = f"{folder}/{name}.crt", f"{folder}/{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "9",
                    "-subj", f"/CN={name}", "-keyout", key, "-out", cert], check=True, capture_output=True)
    text = subprocess.run(["openssl", "x509", "-in", cert, "-noout", "-fingerprint", "-sha256"], check=True,
                          capture_output=True, text=True).stdout
    return cert, key, text.split("=")[1].strip()


def start_openvpn(circuit):
    lab, common = circuit.lab, ["--dev", "tunv", "--dev-type", "tun", "--data-ciphers", "AES-256-GCM", "--verb", "3", "--dh", "none", "--txqueuelen", "1000",
                                   "--socket-flags", "TCP_NODELAY"]
    sides = {name: make_identity(lab.dir, name) for name in ("vpnserver", "vpnclient")}
    lab.laptop.run("ip", "route", "add", f"{SERVER}/32", "via", WIFI_PHONE)

    def command(name, other, *more):
        cert, key, _ = sides[name]
        return ["openvpn", *common, "--cert", cert, "--key", key, "--peer-fingerprint", sides[other][2], *more]

    server = lab.server.popen("openvpn", *command("vpnserver", "vpnclient", "--tls-server", "--proto", "tcp-server", "--port", "1194",
                                                  "--ifconfig", "10.9.0.1", "10.9.0.2"))
    client_command = command("vpnclient", "vpnserver", "--tls-client", "--proto", "tcp-client", "--remote", SERVER, "1194",
                             "--ifconfig", "10.9.0.2", "10.9.0.1")
    client = lab.laptop.popen("openvpn", *[word for word in client_command if word not in ("--dh", "none")])
    wait_until(lambda: lab.laptop.run("ping", "-c1", "-W1", "10.9.0.1", check=False).returncode == 0, "OpenVPN", 20, 0.2)
    for half in ("0.0.0.0/1", "128.0.0.0/1"):
        lab.laptop.run("ip", "route", "add", half, "dev", "tunv")

    def stop():
        client.end()
        server.end()
        lab.laptop.run("ip", "route", "del", f"{SERVER}/32", check=False)
    return stop


def start_tether(circuit, plain=False, browser=False):
    circuit.plain = plain
    circuit.start_server()
    circuit.start_client()
    phone = None
    if browser:
        phone = webdriver.Browser(netns=circuit.lab.phones[0].netns)
        phone.open(f"http://{LAPTOP}:6354/")
    else:
        circuit.start_relay()
    circuit.wait_up()

    def stop():
        if phone:
            phone.quit()
        for process in (*circuit.relays.values(), *circuit.clients.values(), circuit.server):
            process.end()
        circuit.relays.clear()
    return stop


def iperf(laptop, seconds, *more):
    done = laptop.run("iperf3", "-c", WEB, "-J", "-t", seconds, "-O", "1", *more, timeout=seconds + 20)
    return json.loads(done.stdout)["end"]["sum_received"]["bits_per_second"] / 1e6


def ping(laptop):
    text = laptop.out("ping", "-n", "-c", "60", "-i", "0.01", WEB)
    return float(re.search(r"= [\d.]+/([\d.]+)/", text).group(1))


def measure(circuit, seconds):
    laptop = circuit.lab.laptop
    return {"up Mbit/s": iperf(laptop, seconds), "down Mbit/s": iperf(laptop, seconds, "-R"), "ping ms": ping(laptop)}


CANDIDATES = {
    "kernel forwarding": start_plain,
    "OpenVPN, TCP, AES-256-GCM": start_openvpn,
    "tether, native relay": start_tether,
    "tether --plain, native relay": lambda circuit: start_tether(circuit, plain=True),
    "tether, Chromium": lambda circuit: start_tether(circuit, browser=True),
}


def resident_kb(process):
    children = [process.popen.pid]
    for pid in children:
        with open(f"/proc/{pid}/task/{pid}/children") as listed:
            children += [int(child) for child in listed.read().split()]
    sizes = [0]
    for pid in children:
        with open(f"/proc/{pid}/status") as status:
            text = status.read()
        if "tether" in text.split("\n")[0]:
            sizes.append(int(re.search(r"VmRSS:\s+(\d+)", text).group(1)))
    return max(sizes)


def soak(circuit, seconds):
    """Resident memory of both ends while one download after the other runs."""
    stop = start_tether(circuit)
    load = circuit.lab.laptop.popen("load", "iperf3", "-c", WEB, "-R", "-t", str(seconds), "-P", "4")
    seen = {"client": [], "server": []}
    while load.popen.poll() is None:
        time.sleep(1)
        seen["client"].append(resident_kb(circuit.clients[1]))
        seen["server"].append(resident_kb(circuit.server))
    stop()
    for name, sizes in seen.items():
        quarter = max(1, len(sizes) // 4)
        print(f"{name}: {min(sizes)} to {max(sizes)} kB resident over {len(sizes)} s; median of the second quarter "
              f"{statistics.median(sizes[quarter:2 * quarter])}, of the last {statistics.median(sizes[-quarter:])}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--soak", type=int, default=0, metavar="SECONDS")
    parser.add_argument("--json", metavar="FILE")
    args = parser.parse_args()
    circuit = Circuit()
    circuit.start_web()
    circuit.lab.web.popen("iperf3", "iperf3", "-s")
    if args.soak:
        soak(circuit, args.soak)
        return
    setup_forwarding(circuit.lab)
    rounds = {name: [] for name in CANDIDATES}
    for number in range(args.rounds):
        for name, start in CANDIDATES.items():
            stop = start(circuit)
            rounds[name].append(measure(circuit, args.seconds))
            stop()
            print(f"round {number + 1}: {name}: {rounds[name][-1]}", file=sys.stderr, flush=True)
    table = {name: {figure: statistics.median(one[figure] for one in all_of) for figure in all_of[0]} for name, all_of in rounds.items()}
    base = table["OpenVPN, TCP, AES-256-GCM"]
    print("| | " + " | ".join(f"{figure} | ratio" for figure in base) + " |\n|---|" + "---:|" * (2 * len(base)))
    for name, figures in table.items():
        print(f"| {name} | " + " | ".join(f"{value:.1f} | {value / base[figure]:.2f}" for figure, value in figures.items()) + " |")
    if args.json:
        with open(args.json, "w") as out:
            json.dump({"rounds": rounds, "median": table}, out, indent=1)


if __name__ == "__main__":
    main()
