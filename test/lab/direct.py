"""A laptop with a network of its own: what `tether client --direct` needs around it."""
import hashlib
import os
import re

import services
from cases import expect
from circuit import Circuit
from host import wait_until
from topology import BACKBONE, SERVER, WEB
from traffic import PROBE

HOME, HOME_ROUTER = "203.0.113.66", "203.0.113.65"
CAFE, CAFE_ROUTER = "203.0.113.82", "203.0.113.81"
PROXY = f"http://{BACKBONE}:3128"
USER, PASSWORD = "traveller", "pass-word"


def home(lab):
    """eth0 of the laptop leads to the internet by a router at home; everything goes there."""
    lab.link(lab.laptop, "eth0", f"{HOME}/28", lab.internet, "home", f"{HOME_ROUTER}/28")
    lab.laptop.route("default", "via", HOME_ROUTER)


def cafe(lab):
    """A second device, with another address: the laptop moved."""
    lab.link(lab.laptop, "eth1", f"{CAFE}/28", lab.internet, "cafe", f"{CAFE_ROUTER}/28")


def certificate(lab):
    """A certificate that signs itself, for the server's address. Returns the paths of certificate and key."""
    cert, key = (os.path.join(lab.dir, name) for name in ("cert.pem", "key.pem"))
    lab.server.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                   "-subj", "/CN=lab", "-addext", f"subjectAltName=IP:{SERVER}", "-keyout", key, "-out", cert)
    os.chmod(key, 0o600)
    return cert, key


def proxy(lab, password=False):
    """tinyproxy on the backbone, which connects to the ports of the server."""
    path = os.path.join(lab.dir, f"tinyproxy{password}.conf")
    lines = ["Port 3128", f"Listen {BACKBONE}", "Timeout 600", "MaxClients 20", "ConnectPort 8080", "ConnectPort 443",
             "LogLevel Connect"]
    lines += [f"BasicAuth {USER} {PASSWORD}"] if password else []
    with open(path, "w") as f:
        f.write("\n".join(lines) + "\n")
    process = lab.backbone.popen("tinyproxy", "tinyproxy", "-d", "-c", path)
    wait_until(lambda: "open" in lab.backbone.out(*PROBE, "connect", BACKBONE, 3128), "the proxy's port")
    return process


def start(circuit, *urls, env=None, **options):
    """A client that reaches the server itself, by the first of the addresses that works; options as on the command line."""
    words = [word for url in urls for word in ("--direct", url)]
    words += [word for name, value in options.items() for word in ("--" + name, value)]
    laptop = circuit.lab.laptop
    command = [circuit.binary, "client", "--state-dir", circuit.state_dir(laptop), *circuit.secret(), *circuit.client_options, *words]
    client = laptop.popen("client", *command, env={**os.environ, **(env or {})})
    client.wait_log("client ready")
    circuit.clients[1] = client
    return client


class Direct(Circuit):
    """No phone: the client reaches the server itself."""

    def start_direct(self, *urls, env=None, **options):
        return start(self, *urls, env=env, **options)

    def end_client(self):
        return self.clients.pop(1).end()


class Download:
    """A download at a limited rate that runs meanwhile."""

    def __init__(self, laptop, size, rate):
        self.laptop, self.wanted = laptop, size
        self.process = laptop.popen("curl", "curl", "-sS", "-m", "60", "-o", "/run/slow", f"http://{WEB}/slow?bytes={size}&rate={rate}")
        self.wait_size(size // 10)

    def size(self):
        return int(self.laptop.run("stat", "-c", "%s", "/run/slow", check=False).stdout or 0)

    def wait_size(self, size):
        wait_until(lambda: self.size() >= size, f"{size} bytes of the download", 30, 0.05)

    def finish(self):
        code = self.process.popen.wait(60)
        expect(code == 0, f"curl ended with {code}: {self.process.log()}")
        digest = self.laptop.out("sha256sum", "/run/slow").split()[0]
        self.laptop.run("rm", "/run/slow")
        expect(digest == hashlib.sha256(services.BIG[:self.wanted]).hexdigest(), "the checksum differs")


def block(lab, *ports):
    """The laptop's own networks do not let them through; the phone's does."""
    lab.internet.run("nft", "add table ip wall; add chain ip wall way { type filter hook forward priority 0; }")
    for port in ports:
        kind = "udp" if port == "3000" else "tcp"
        lab.internet.run("nft", f"add rule ip wall way ip saddr {{ {HOME}, {CAFE} }} {kind} dport {port} drop comment \"p{port}\"")


def unblock(lab, *ports):
    listing = lab.internet.out("nft", "-a", "list", "chain", "ip", "wall", "way")
    for port in ports:
        for handle in re.findall(rf'comment "p{port}" # handle (\d+)', listing):
            lab.internet.run("nft", "delete", "rule", "ip", "wall", "way", "handle", handle)


def move(laptop, there=True):
    """Home's cable is pulled, another device leads to the server with another address; or back."""
    if there:
        laptop.route("default", "via", CAFE_ROUTER, "metric", "9")
        laptop.run("ip", "link", "set", "eth0", "down")  # its route goes with it
        return
    laptop.up("eth0")
    laptop.route("default", "via", HOME_ROUTER)  # two of one metric could not stand beside each other
    laptop.run("ip", "route", "del", "default", "via", CAFE_ROUTER)


def wander(circuit, start_phone):
    """One download and one session: phone, direct websocket, UDP, UDP from another address, phone. The lab has home() and cafe()."""
    lab, url = circuit.lab, f"ws://{SERVER}:8080"
    fresh, moved = circuit.server.log().count("resumed=no"), circuit.server.log().count("moved here")
    block(lab, "3000", "8080")
    client = start(circuit, f"udp://{SERVER}:3000", url, wifi="wlan0", server=url, route="192.0.2.0/24")
    start_phone()
    client.wait_log("session up", 30)
    download = Download(lab.laptop, 11_000_000, 600_000)
    unblock(lab, "8080")
    client.wait_log("session up", 30, 2)
    download.wait_size(4_000_000)
    unblock(lab, "3000")
    block(lab, "8080")
    client.wait_log("session up", 40, 3)
    expect(f"direct connection url=udp://{SERVER}" in client.log(), client.log())
    download.wait_size(6_500_000)
    move(lab.laptop)
    wait_until(lambda: circuit.server.log().count("moved here") > moved, "the server to follow", 10)
    download.wait_size(8_500_000)
    given_up = client.log().count("given up")
    block(lab, "3000")
    client.wait_log("given up", 20, given_up + 1)
    download.finish()
    expect(circuit.server.log().count("resumed=no") == fresh + 1, circuit.server.log())
    lab.internet.run("nft", "delete", "table", "ip", "wall")
    move(lab.laptop, False)
