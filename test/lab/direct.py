"""A laptop with a network of its own: what `tether client --direct` needs around it."""
import os

from circuit import Circuit
from host import wait_until
from topology import BACKBONE, SERVER
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
