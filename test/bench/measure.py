"""The measurements: TCP, UDP without loss, round trips, processor time, memory. Each returns plain numbers."""
import json
import os
import re
import time

from cases import test_program
from host import LabError, wait_until
from topology import WEB

TICKS = os.sysconf("SC_CLK_TCK")
LOSS_ALLOWED = 0.001  # of a flow that counts as one without loss: one hiccup of a shared machine
FLOOD_PORT = 9009
CONGESTION = "cubic"  # what hosts use unless told otherwise; some test machines are told otherwise


def quantile(values, part):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else None


def spread(times):
    return {"count": len(times), "p50": quantile(times, 0.5), "p95": quantile(times, 0.95), "p99": quantile(times, 0.99)}


# -- processes

def tree(root):
    """The process and all that descend from it."""
    found = [root]
    for pid in found:
        try:
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/children") as listed:
                    found += [int(child) for child in listed.read().split()]
        except OSError:
            pass
    return found


def processor_seconds(roots):
    """utime + stime of the trees."""
    total = 0
    for root in roots:
        for pid in tree(root):
            try:
                with open(f"/proc/{pid}/stat") as stat:
                    fields = stat.read().rsplit(")", 1)[1].split()
            except OSError:
                continue
            total += int(fields[11]) + int(fields[12])
    return total / TICKS


def machine_seconds():
    """What all processors did, kernel and interrupts included."""
    with open("/proc/stat") as stat:
        fields = [int(word) for word in stat.readline().split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / TICKS


def memory_kb(root):
    """Resident now and at most, of the largest process of a tree; None when it is gone."""
    best = None
    for pid in tree(root):
        try:
            with open(f"/proc/{pid}/status") as status:
                text = status.read()
        except OSError:
            continue
        now, peak = (re.search(rf"{name}:\s+(\d+)", text) for name in ("VmRSS", "VmHWM"))
        if now and (best is None or int(now.group(1)) > best["rss_kb"]):
            best = {"rss_kb": int(now.group(1)), "peak_kb": int(peak.group(1))}
    return best


# -- flows

def wait_for_port(host, port):
    wait_until(lambda: f":{port}" in host.out("ss", "-ltn"), f"port {port} of {host.name}")


def tcp(laptop, seconds, streams=1, down=False, roots=(), where=WEB):
    """Mbit/s that arrived after the first second, and processor seconds per Gbit of what all of it moved."""
    before, machine_before = processor_seconds(roots), machine_seconds()
    done = laptop.run("iperf3", "-c", where, "-J", "-t", seconds, "-O", "1", "-P", streams, "-C", CONGESTION, *(["-R"] if down else []), check=False,
                      timeout=seconds + 25)
    used, machine = processor_seconds(roots) - before, machine_seconds() - machine_before
    told = json.loads(done.stdout or "{}")
    if "sum_received" not in told.get("end", {}):
        raise LabError(f"iperf3: {told.get('error') or done.stderr.strip() or 'no answer'}")
    gbit = sum(one["sum"]["bytes"] for one in told["intervals"]) * 8 / 1e9
    return {"mbit": told["end"]["sum_received"]["bits_per_second"] / 1e6,
            "cpu_s_per_gbit": used / gbit if gbit and roots else None, "machine_s_per_gbit": machine / gbit if gbit else None}


def ping_times(text):
    return [float(time_ms) for time_ms in re.findall(r"time=([\d.]+) ms", text)]


def ping(laptop, count, interval=0.01):
    return spread(ping_times(laptop.run("ping", "-n", "-c", count, "-i", interval, "-W", "2", WEB, check=False,
                                        timeout=count * interval + 20).stdout))


class PingMeanwhile:
    """Pings in the background until the block ends: `with PingMeanwhile(laptop) as p: ...`, then p.times."""

    def __init__(self, laptop, interval=0.05, where=WEB):
        self.laptop, self.interval, self.where, self.times, self.lines = laptop, interval, where, [], []

    def __enter__(self):
        self.process = self.laptop.popen("ping", "ping", "-D", "-n", "-i", str(self.interval), self.where)
        return self

    def __exit__(self, *_):
        self.process.end(2)  # SIGINT: it prints its sum
        text = self.process.log()
        self.times = ping_times(text)
        self.stamped = [(float(at), float(took)) for at, took in re.findall(r"\[([\d.]+)\] .*time=([\d.]+) ms", text)]
        answered = [int(number) for number in re.findall(r"icmp_seq=(\d+) .*time=", text)]
        self.sent, self.received = max(answered, default=0), len(answered)  # those under way at the end are not lost


def loaded(laptop, seconds, streams, down, roots):
    """TCP and the round trips during it."""
    with PingMeanwhile(laptop) as pings:
        result = tcp(laptop, seconds, streams, down, roots)
    return result, spread(pings.times)


# -- datagrams

def flood(laptop, down, size, rate, ms):
    done = laptop.run(test_program("udp_flood"), "down" if down else "up", WEB, FLOOD_PORT, size, int(rate), int(ms), check=False,
                      timeout=ms / 1000 + 15)
    return json.loads(done.stdout) if done.returncode == 0 else None


class UdpLimit:
    """The highest rate without loss, by doubling, halving and then closing in; starts where the last search ended."""

    def __init__(self, start=40000, trials=9, ms=400, most=1_000_000):
        self.start, self.trials, self.ms, self.most, self.last = start, trials, ms, most, {}

    def passes(self, laptop, down, size, rate):
        """The rate of arrivals when (almost) all of it came, and as fast as it was sent: what long queues swallow and give
        back later is not carried. Else 0."""
        for _ in range(2):
            told = flood(laptop, down, size, rate, self.ms)
            if told and told["sent"] and told["received"] >= told["sent"] * (1 - LOSS_ALLOWED) and (
                    told["span_s"] <= told["send_s"] * 1.05 + 0.03):
                return told["received"] / max(told["send_s"], told["span_s"])
        return 0

    def search(self, who, laptop, down, size):
        low, high, left = 0.0, None, self.trials
        known = self.last.get((who, down, size))
        rate, factor = (known, 1.25) if known else (self.start, 1.7)
        while left > 0 and 100 < rate <= self.most:
            left -= 1
            got = self.passes(laptop, down, size, rate)
            if got:
                low = max(low, got)
                if got < rate * 0.85:
                    break  # the sender's own limit
            else:
                high = rate
            if high is None:
                rate *= factor
            elif not low:
                rate /= factor
            elif high / low < 1.08:
                break
            else:
                rate = (low * high) ** 0.5
        if low:
            self.last[(who, down, size)] = low
        return low or None


def serve_floods(web):
    web.popen("udp_flood", test_program("udp_flood"), "serve", str(FLOOD_PORT)).wait_log("serving")


def everything(circuit, running, args, limit, udp):
    """All figures of one circuit in one round; what fails is told and left out."""
    laptop, roots, figures = circuit.lab.laptop, list(running.roots.values()), {}

    def attempt(name, function):
        try:
            figures[name] = function()
        except (LabError, ValueError, OSError) as error:
            running.faults.append(f"{name}: {str(error).strip()[:200]}")

    attempt("ping", lambda: ping(laptop, args.pings))
    for direction, down in (("up", False), ("down", True)):
        attempt(f"tcp1 {direction}", lambda: tcp(laptop, args.seconds, 1, down, roots))

        def eight():
            result, figures[f"ping tcp8 {direction}"] = loaded(laptop, args.seconds, 8, down, roots)
            return result
        attempt(f"tcp8 {direction}", eight)
        for size in (1400, 64) if udp else ():
            attempt(f"udp{size} {direction}", lambda: limit.search(running.name, laptop, down, size))
    figures["memory"] = {role: memory_kb(pid) for role, pid in running.roots.items()}
    time.sleep(0.2)
    return figures
