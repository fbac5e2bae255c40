"""Floods of UDP flows through the NAT, and what they do to a flow that was there before: for tests and for the benchmark.

The flows go to 198.18.0.0/15, the benchmark range (RFC 2544), which the lab routes to the web host whole; flow_storm counts there what arrives.
"""
import json
import os
import signal

from cases import expect, test_program
from topology import BACKBONE, HERE, PYTHON, WEB

TARGET, RANGE, SINK_PORT, PROBE_PORT = "198.18.0.0", "198.18.0.0/15", 9, 7
NO_LIMITS = ("--client-rate", 0, "--client-flows", 0, "--client-ports", 0)
TICKS = os.sysconf("SC_CLK_TCK")


def route(lab):
    lab.internet.route(RANGE, "via", BACKBONE)
    lab.backbone.route(RANGE, "via", WEB)
    lab.web.run("ip", "route", "add", "local", RANGE, "dev", "lo")


def cpu_s(pid):
    """User and system time of a process so far, its threads included."""
    with open(f"/proc/{pid}/stat") as f:
        words = f.read().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / TICKS


def overflowed(host):
    """Datagrams that found the socket's buffer full: its program was too slow, not the way there."""
    names, values = (line.split() for line in host.out("cat", "/proc/net/snmp").splitlines() if line.startswith("Udp:"))
    return int(values[names.index("RcvbufErrors")])


class Sink:
    """What arrived between here and there."""

    def __init__(self, lab):
        self.host, self.before = lab.web, overflowed(lab.web)
        self.process = lab.web.popen("sink", test_program("flow_storm"), "sink", SINK_PORT)
        self.process.wait_log("sinking")

    def end(self):
        """{"datagrams", "flows", "overflowed"}; the last datagrams have a moment to arrive."""
        cpu = cpu_s(self.process.pid)
        self.process.end(signal.SIGTERM)
        return dict(json.loads(self.process.log().splitlines()[-1]), cpu_s=cpu, overflowed=overflowed(self.host) - self.before)


def start(host, flows, rate, count=None, first=0, ports=4000, source="10.0.0.1"):
    """`count` datagrams over `flows` flows from `first` on; by default each flow once."""
    return host.popen("storm", test_program("flow_storm"), "send", source, TARGET, SINK_PORT, flows, ports, rate, count or flows, first)


def finish(process, timeout=60):
    expect(process.popen.wait(timeout) == 0, f"the storm broke off: {process.tail()}")
    return json.loads(process.log())


def run(host, *flows_and_rate, **options):
    return finish(start(host, *flows_and_rate, **options))


def probe(host, seconds, rate=100):
    """A steady flow to the web host's echo, such as a telephone call."""
    return host.popen("probe", PYTHON, os.path.join(HERE, "flow.py"), "echo", WEB, PROBE_PORT, 60, rate, seconds)


def probed(process, timeout=60):
    expect(process.popen.wait(timeout) == 0, f"the probe broke off: {process.tail()}")
    result = json.loads(process.log())
    del result["arrivals"]
    return result
