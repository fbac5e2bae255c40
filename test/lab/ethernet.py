"""An Ethernet across the page: nodes (tether with --tap) on hosts of the lab, and what must work on any Ethernet, as checks.

    server 10.77.0.1   laptop1 10.77.0.2   web 10.77.0.3 …      each with fd77::N and VLAN 7: 10.78.0.N

Which hub joins them is the test's affair: the native relay, or the page in a browser.
"""
import json
import os
import re

import services
import traffic
from cases import expect, tether_binary
from host import LabError, wait_until
from topology import HERE, LAPTOP, PYTHON, SERVER, WEB, Lab

FRAMES = (PYTHON, os.path.join(HERE, "frames.py"))
KINDS = {"short": [], "full": ["--size", 1514], "tagged": ["--size", 1518, "--vlan", 7], "priority": ["--size", 64, "--vlan", 4094],
         "multicast": ["--to", "01:00:5e:00:00:fb", "--size", 300], "group6": ["--to", "33:33:00:00:00:01", "--size", 86]}
LEASES = "10.77.0.100,10.77.0.120"


class Node:
    def __init__(self, net, host, number, url, options):
        self.host, self.number, self.url = host, number, url
        self.ip, self.ip6, self.vlan_ip = f"10.77.0.{number}", f"fd77::{number}", f"10.78.0.{number}"
        self.options, self.net, self.process = options, net, None

    def start(self, *more, secret=None):
        state = os.path.join(self.host.lab.dir, self.host.name, "state")
        self.process = self.host.popen(f"node{self.number}", self.net.binary, *self.options, "--tap", "tap0", "--state-dir", state,
                                       *(self.net.secret if secret is None else secret), *more)
        self.process.wait_log(" ready")
        return self

    def set_up(self):
        """Addresses, as an administrator would."""
        self.host.run("sysctl", "-qw", "net.ipv6.conf.tap0.disable_ipv6=0", "net.ipv6.conf.tap0.accept_dad=0", "net.ipv6.conf.tap0.accept_ra=0")
        self.host.address("tap0", f"{self.ip}/24")
        self.host.run("ip", "address", "add", f"{self.ip6}/64", "dev", "tap0", "nodad")
        tagged = self.host.run("ip", "link", "add", "link", "tap0", "name", "tap0.7", "type", "vlan", "id", "7", check=False)
        self.net.vlans = tagged.returncode == 0  # some kernels have none; count_frames() sends tagged frames all the same
        if self.net.vlans:
            self.host.address("tap0.7", f"{self.vlan_ip}/24")
            self.host.up("tap0.7")
        return self

    def mac(self):
        return re.search(r"link/ether (\S+)", self.host.out("ip", "link", "show", "tap0")).group(1)

    def status(self):
        state = os.path.join(self.host.lab.dir, self.host.name, "state")
        return json.loads(self.host.out(self.net.binary, "status", "--json", "--state-dir", state))

    def sees(self):
        """How many other nodes are up."""
        return sum(n["state"] == "up" for n in self.status()["nodes"])


class Ethernet:
    """@param count 2: server and laptop; 3: the web host too"""

    def __init__(self, count=2, plain=False, lab=None):
        self.lab = lab or Lab(1)
        self.binary = os.path.realpath(tether_binary())
        self.key = self.lab.server.out(self.binary, "key").split()[-1]
        self.secret = ["--plain"] if plain else ["--key", self.key]
        self.plain, self.vlans = plain, False
        hosts = (self.lab.server, self.lab.laptop, self.lab.web)[:count]
        urls = (f"ws://{SERVER}:8080/websocket", f"ws://{LAPTOP}:6354/websocket", f"ws://{WEB}:8080/websocket")
        server = ["server", "--port", "8080"]
        options = (server, ["client", "--wifi", "wlan0", "--server", urls[0]], server)
        self.nodes = [Node(self, h, i + 1, urls[i], options[i]) for i, h in enumerate(hosts)]
        self.server, self.laptop = self.nodes[0], self.nodes[1]
        for host in hosts:
            host.run("sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=0")  # of the TAPs to come

    def start(self):
        for node in self.nodes:
            node.start().set_up()
        return self

    def wait_up(self, timeout=20):
        """Keyed: everybody sees everybody. Plain: everybody hears everybody."""
        for node in self.nodes:
            if self.plain:
                for other in self.nodes:
                    wait_until(lambda a=node, b=other: ping(a, b.ip, 1, check=False), "the first ping", timeout)
            else:
                try:
                    wait_until(lambda n=node: n.sees() == len(self.nodes) - 1, f"{node.host.name} to see the others", timeout, 0.1)
                except LabError as error:
                    raise LabError(f"{error}: {node.status()}\n" + "\n".join(n.process.tail() for n in self.nodes)) from None

    def pairs(self):
        return [(a, b) for a in self.nodes for b in self.nodes if a is not b]

    def check_alive(self):
        for node in self.nodes:
            if not node.process.alive():
                raise LabError(f"{node.host.name} ended with {node.process.popen.returncode}\n{node.process.tail()}")


def ping(node, where, count=5, check=True, size=56):
    """@param check False: does anything answer within 2 s?"""
    if check:
        traffic.ping_all(node.host, where, count, 0.05, size)
        return True
    return node.host.run("ping", "-n", "-c", count, "-i", "0.05", "-W", "2", where, check=False).returncode == 0


def pings(net):
    """ARP, then packets of every size that fits: 1472 bytes make a frame of 1514; on the VLAN one of 1518."""
    for a, b in net.pairs():
        ping(a, b.ip)
        ping(a, b.ip, 2, size=1472)
        if net.vlans:
            ping(a, b.vlan_ip, 2, size=1472)


def neighbour_discovery(net):
    for a, b in net.pairs():
        a.host.run("ip", "-6", "neigh", "flush", "dev", "tap0")
        ping(a, b.ip6)
        ping(a, b.ip6, 2, size=1452)
        table = a.host.out("ip", "-6", "neigh", "show", b.ip6, "dev", "tap0")
        expect(b.mac() in table, f"{a.host.name} has {table!r} for {b.ip6}, not {b.mac()}")


def checksum(source, sink, timeout=60):
    """20 MB by HTTP from one node to another."""
    if not getattr(source, "serving", False):
        source.host.lab.serve(source.host, "--http", "8077")
        source.serving = True
    command = f"curl -sS -m {timeout} http://{source.ip}:8077/big | sha256sum"
    digest = sink.host.out("sh", "-c", command, timeout=timeout + 5).split()[0]
    expect(digest == services.BIG_SHA256, f"checksum is {digest}, not {services.BIG_SHA256}")


def dhcp(source, sink):
    """A real server leases, a real client takes the lease and uses it."""
    lease_file = os.path.join(source.host.lab.dir, "leases")
    server = source.host.popen("dnsmasq", "dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--port=0", "--interface=tap0",
                               "--bind-interfaces", "--user=root", f"--dhcp-range={LEASES},10m", f"--dhcp-leasefile={lease_file}")
    server.wait_log("DHCP, sockets bound")
    script = os.path.join(sink.host.lab.dir, "udhcpc.sh")
    with open(script, "w") as f:
        f.write("#!/bin/sh\n[ \"$1\" = bound ] && ip address add $ip/$mask dev $interface\nexit 0\n")
    os.chmod(script, 0o755)
    try:
        done = sink.host.run("udhcpc", "-i", "tap0", "-n", "-q", "-f", "-t", "5", "-T", "1", "-s", script, check=False, timeout=30)
        found = re.search(r"lease of ([\d.]+) obtained", done.stdout + done.stderr)
        expect(found, f"no lease: {done.stdout}{done.stderr}\n{server.tail()}")
        expect(" inet " + found.group(1) in sink.host.out("ip", "address", "show", "tap0"), "the lease is not on tap0")
        ping(source, found.group(1))
        sink.host.run("ip", "address", "del", found.group(1) + "/24", "dev", "tap0")
    finally:
        server.end()


def queue_drops(node):
    return sum(other["queue_drops"] for other in node.status()["nodes"])


def count_frames(net, number=200):
    """
    Every node sends numbered frames to all, to groups and to each other alone: each arrives once where it must, and nowhere else. Missing may
    only be what its sender's queue says it dropped: on a machine that is busy with other things a path is slow for a moment, and CoDel sets in.
    """
    missing, before = {n.host.name: 0 for n in net.nodes}, [queue_drops(n) for n in net.nodes]
    for a, b in net.pairs():  # from here on everybody knows who lives where
        ping(a, b.ip, 1)
    listeners = [n.host.popen("listen", *FRAMES, "listen", "tap0").wait_log("listening") for n in net.nodes]
    expected = {n.host.name: {} for n in net.nodes}
    for a in net.nodes:
        for kind, options in KINDS.items():
            a.host.run(*FRAMES, "send", "tap0", a.host.name, kind, number, "--gap", 200, *options)
        for b in net.nodes:
            if a is b:
                continue
            expected[b.host.name].update({f"{a.host.name} {kind}": [number, number, 0] for kind in KINDS})
            alone = f"to-{b.host.name}"
            a.host.run(*FRAMES, "send", "tap0", a.host.name, alone, number, "--to", b.mac(), "--size", 1514, "--gap", 200)
            expected[b.host.name][f"{a.host.name} {alone}"] = [number, number, 0]
    ping(net.nodes[0], net.nodes[1].ip)
    for node, listener in zip(net.nodes, listeners):
        listener.end()
        seen = json.loads(listener.log().splitlines()[-1])
        wanted, faults = expected[node.host.name], []
        for what in sorted({*seen, *wanted}):
            (different, every, wrong), right = seen.get(what, [0, 0, 0]), wanted.get(what, [0])[0]
            if different != every or every > right or wrong:
                faults.append(f"{what}: {seen[what]} for {wanted.get(what)}")
            elif every < right:
                missing[what.split()[0]] += right - every
        expect(not faults, f"{node.host.name} [different, all, wrong]: " + "; ".join(faults))
    dropped = {n.host.name: queue_drops(n) - drops for n, drops in zip(net.nodes, before)}
    expect(all(missing[name] <= dropped[name] for name in missing), f"missing by sender: {missing}; dropped by their queues: {dropped}")
