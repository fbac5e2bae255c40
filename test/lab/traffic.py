"""What a laptop does with an internet, as checks that raise when the answer is wrong. Used with every kind of relay."""
import os
import re
import time

import services
from cases import expect
from topology import BACKBONE, CORE, HERE, PYTHON, SERVER, WEB, WEB_NAME

PROBE = (PYTHON, os.path.join(HERE, "probe.py"))
UDP_SIZES = (1, 2, 3, 100, 512, 1371, 1372, 1373, 1400, 1471, 1472, 1473, 1480, 2000, 2953, 3000, 4500, 8972, 9000)


def page(laptop, where=WEB):
    """The web page, whole."""
    done = laptop.run("curl", "-sS", "-m", "15", f"http://{where}/")
    expect(done.stdout.encode() == services.PAGE, f"http://{where}/ came with {len(done.stdout)} bytes, not as it was sent")


def page_by_name(laptop):
    page(laptop, WEB_NAME)


def source(laptop, ports=(61000, 65535)):
    """The web host sees the server's address and a port of the NAT's."""
    address, port = laptop.out("curl", "-sS", "-m", "10", f"http://{WEB}/ip").split()
    expect(address == SERVER and ports[0] <= int(port) <= ports[1], f"the web host sees {address}:{port}")


def big(laptop, where=WEB, timeout=60):
    """20 MB with checksum; returns megabytes a second."""
    begin = time.monotonic()
    command = f"curl -sS -m {timeout} http://{where}/big | sha256sum"
    digest = laptop.out("sh", "-c", command, timeout=timeout + 5).split()[0]
    expect(digest == services.BIG_SHA256, f"checksum is {digest}, not {services.BIG_SHA256}")
    return services.BIG_SIZE / 1e6 / (time.monotonic() - begin)


def upload(laptop, size=3_000_000):
    command = f"head -c {size} /dev/urandom > /run/up && sha256sum < /run/up && curl -sS -m 30 --data-binary @/run/up " \
              f"http://{WEB}/sum"
    words = laptop.out("sh", "-c", command).replace("-", "").split()
    expect(words[0] == words[1], f"sent {words[0]}, the web host got {words[1]}")


def udp_echo(laptop, sizes=UDP_SIZES):
    laptop.run(*PROBE, "udp", WEB, 7, *sizes)


def udp_bursts(laptop):
    laptop.run(*PROBE, "burst", WEB, 7)


def ping(laptop, where=WEB):
    """Returns the round-trip time in ms, the best of the lot."""
    return float(re.search(r"= ([\d.]+)/", ping_all(laptop, where, 5, 0.05)).group(1))


def ping_all(host, where=WEB, count=10, interval=0.02, size=56):
    """
    No echo is lost or comes twice, however long it takes. Without a deadline ping waits for the last answer two round trips only, which on a
    busy link is a loss that was none; with one it goes on until so many answers are there.
    """
    text = host.out("ping", "-n", "-M", "do", "-s", size, "-c", count + 2, "-i", interval, "-w", "20", where, check=False)
    answered = {int(number) for number in re.findall(r"icmp_seq=(\d+) .*time=", text)}
    expect(set(range(1, count + 1)) <= answered and "DUP!" not in text, text)
    return text


def ping_sizes(laptop):
    for size in (0, 1, 56, 1372, 1472, 1473, 4000, 9000):
        text = laptop.out("ping", "-n", "-c", "1", "-W", "2", "-s", size, WEB, check=False)
        expect(" 0% packet loss" in text, f"ping -s {size}: {text}")


def traceroute(laptop, *options):
    text = laptop.out("traceroute", "-n", "-w", "2", "-q", "1", "-m", "8", *options, WEB)
    hops = re.findall(r"^ *\d+ +([\d.]+) ", text, re.M)
    for hop in (CORE, BACKBONE, WEB):
        expect(hop in hops, f"traceroute {' '.join(options)} does not show {hop}:\n{text}")
    expect(hops.index(CORE) < hops.index(BACKBONE) < hops.index(WEB), f"hops out of order:\n{text}")


def parallel(laptop, count=50):
    script = (f"for i in $(seq {count}); do curl -sS -m 30 -o /dev/null -w '%{{http_code}} %{{size_download}}\\n'"
              f" 'http://{WEB}/slow?bytes=100000&rate=200000' & done; wait")
    lines = laptop.out("sh", "-c", script, timeout=60).splitlines()
    good = lines.count("200 100000")
    expect(good == count, f"{good} of {count} downloads came whole")


def path_mtu(laptop, backbone, web):
    """A narrower link behind the server: the router's "fragmentation needed" must find its way to the laptop."""
    for host, name in ((backbone, "web"), (web, "eth0")):
        host.run("ip", "link", "set", name, "mtu", "1300")
    try:
        text = laptop.out("ping", "-n", "-c", "3", "-i", "0.2", "-W", "1", "-M", "do", "-s", "1400", WEB, check=False)
        expect("mtu = 1300" in text or "mtu=1300" in text, f"no word of the narrower path:\n{text}")
        text = laptop.out("ping", "-n", "-c", "1", "-W", "2", "-M", "do", "-s", "1272", WEB, check=False)
        expect(" 0% packet loss" in text, f"what fits does not pass:\n{text}")
        upload(laptop, 1_000_000)
        laptop.run(*PROBE, "udp", WEB, 7, 1400, 5000)
    finally:
        for host, name in ((backbone, "web"), (web, "eth0")):
            host.run("ip", "link", "set", name, "mtu", "1500")
        laptop.run("ip", "route", "flush", "cache", check=False)


def everything(cases, laptop, label="", ports=(61000, 65535)):
    """The list of the assignment and more, one case each."""
    cases.run(f"{label}page by address", page, laptop)
    cases.run(f"{label}page by name", page_by_name, laptop)
    cases.run(f"{label}the web host sees the server", source, laptop, ports)
    cases.run(f"{label}20 MB by curl, checksum equal", big, laptop)
    cases.run(f"{label}upload, checksum equal", upload, laptop)
    cases.run(f"{label}UDP echo, 1 to 9000 bytes", udp_echo, laptop)
    cases.run(f"{label}bursts of datagrams, each whole, once and in order", udp_bursts, laptop)
    cases.run(f"{label}ping", ping, laptop)
    cases.run(f"{label}ping of every size", ping_sizes, laptop)
    cases.run(f"{label}traceroute by UDP shows hops", traceroute, laptop)
    cases.run(f"{label}traceroute by ICMP shows hops", traceroute, laptop, "-I")
    cases.run(f"{label}50 parallel downloads", parallel, laptop)
