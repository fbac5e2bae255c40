"""The circuits that are compared, each with how it is started and stopped in the lab, and what is missing for it.

    laptop ==== phone ---- internet ---- server ---- web
A tunnel runs from laptop to server. For all but tether the phone forwards packets as a router would, so they have no hop of user
space on the phone; tether's relay or the browser is one more. The server masquerades for kernel forwarding and the peers.
"""
import os
import shutil
import subprocess

import direct
import webdriver
from cases import tether_binary
from host import wait_until
from topology import LAPTOP, SERVER

WIFI_LAPTOP, WIFI_PHONE = "192.168.77.2", "192.168.77.1"
BASE = "OpenVPN, TCP, AES-256-GCM"


class Running:
    """A circuit at work: the process trees by role, and how it ends."""

    def __init__(self, name, roots, stop):
        self.name, self.roots, self._stop, self.faults = name, roots, stop, []

    def stop(self):
        self._stop()


def setup_forwarding(lab):
    """The phone and the server forward."""
    lab.laptop.run("ip", "address", "add", f"{WIFI_LAPTOP}/24", "dev", "wlan0")
    lab.laptop.run("ip", "link", "set", "wlan0", "up")
    lab.phone.run("ip", "address", "add", f"{WIFI_PHONE}/24", "dev", "wlan0")
    for host in (lab.phone, lab.server):
        host.run("sysctl", "-qw", "net.ipv4.ip_forward=1")


def masquerade(lab, phone=False, server=False):
    """These translate addresses, and so track connections; the other does neither."""
    for host, device, wanted in ((lab.phone, "mobile0", phone), (lab.server, "eth0", server)):
        host.run("nft", "delete", "table", "ip", "bench", check=False)
        if wanted:
            host.run("nft", f"add table ip bench; add chain ip bench post {{ type nat hook postrouting priority 100; }}; "
                            f"add rule ip bench post oifname {device} masquerade")


def start_forwarding(circuit, name):
    laptop = circuit.lab.laptop
    masquerade(circuit.lab, phone=True, server=True)
    laptop.run("ip", "route", "add", "default", "via", WIFI_PHONE)
    return Running(name, {}, lambda: laptop.run("ip", "route", "del", "default", check=False))


# -- tether

def start_tether(circuit, name, plain=False, browser=False, server_options=(), client_options=()):
    circuit.plain = plain
    masquerade(circuit.lab)
    circuit.start_server(*server_options)
    circuit.start_client(1, *client_options)
    phone = None
    try:
        if browser:
            with circuit.phones_core():
                phone = webdriver.Browser(netns=circuit.lab.phone.netns)
            phone.open(f"http://{LAPTOP}:6354/")
        else:
            circuit.start_relay()
        circuit.wait_up()
    except BaseException:
        if phone:
            phone.quit()
        circuit.stop()
        raise

    def stop():
        if phone:
            phone.quit()
        circuit.stop()
    roots = {"client": circuit.clients[1].pid, "server": circuit.server.pid,
             "phone": phone.driver.pid if phone else circuit.relays[1].pid}
    return Running(name, roots, stop)


def start_direct(circuit, name, scheme, server_options=()):
    """No relay: the client reaches the server through the phone, which forwards as for the tunnels of others."""
    lab, port = circuit.lab, 3000 if scheme == "udp" else 8080
    more, client_options = [], {}
    if scheme == "wss":
        cert, key = direct.certificate(lab)
        more, client_options = ["--tls-cert", cert, "--tls-key", key], {"ca": cert}
    if scheme == "udp":
        more = ["--udp", "3000"]
    circuit.plain = False
    masquerade(lab, phone=True)
    lab.laptop.run("ip", "route", "add", f"{SERVER}/32", "via", WIFI_PHONE)

    def stop():
        circuit.stop()
        lab.laptop.run("ip", "route", "del", f"{SERVER}/32", check=False)

    try:
        circuit.start_server(*more, *server_options)
        client = direct.start(circuit, f"{scheme}://{SERVER}:{port}", **client_options)
        client.wait_log("session up")
    except BaseException:
        stop()
        raise
    return Running(name, {"client": client.pid, "server": circuit.server.pid}, stop)


# -- tunnels of others: a route to the server beside the tunnel, and two halves of the world through it

def through_tunnel(circuit, name, device, inside, server_side, client_side, routed=True):
    """Processes are started by the two functions; inside is (laptop's, server's) address to set, or None."""
    lab = circuit.lab
    masquerade(lab, phone=True, server=True)
    lab.laptop.run("ip", "route", "add", f"{SERVER}/32", "via", WIFI_PHONE)
    processes = []

    def stop():
        for process in reversed(processes):
            process.end()
        lab.laptop.run("ip", "route", "del", f"{SERVER}/32", check=False)
        for host in (lab.laptop, lab.server):  # a device may be persistent
            host.run("ip", "link", "del", device, check=False)

    try:
        processes.append(server_side())
        processes.append(client_side())
        if inside:
            for host, own, other in ((lab.laptop, *inside), (lab.server, *reversed(inside))):
                wait_until(lambda: host.run("ip", "link", "show", device, check=False).returncode == 0, f"{device} of {name}", 15, 0.1)
                host.run("ip", "address", "add", own, "peer", other, "dev", device)
                host.run("ip", "link", "set", device, "mtu", "1400", "up")
        far = inside[1] if inside else routed
        wait_until(lambda: lab.laptop.run("ping", "-c1", "-W1", far, check=False).returncode == 0, f"an answer through {name}", 20, 0.2)
        for half in ("0.0.0.0/1", "128.0.0.0/1"):
            lab.laptop.run("ip", "route", "add", half, "dev", device)
    except BaseException:
        stop()
        raise
    return Running(name, {"server": processes[0].pid, "client": processes[1].pid}, stop)


def make_identity(folder, name):
    cert, key = f"{folder}/{name}.crt", f"{folder}/{name}.key"
    if not os.path.exists(cert):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
                        "9", "-subj", f"/CN={name}", "-keyout", key, "-out", cert], check=True, capture_output=True)
    text = subprocess.run(["openssl", "x509", "-in", cert, "-noout", "-fingerprint", "-sha256"], check=True,
                          capture_output=True, text=True).stdout
    return cert, key, text.split("=")[1].strip()


def start_openvpn(circuit, name, cipher="AES-256-GCM", udp=False):
    lab = circuit.lab
    common = ["--dev", "tunv", "--dev-type", "tun", "--data-ciphers", cipher, "--verb", "3", "--txqueuelen", "1000"]
    common += [] if udp else ["--socket-flags", "TCP_NODELAY"]
    server_proto, client_proto = ("udp", "udp") if udp else ("tcp-server", "tcp-client")
    if cipher == "none":
        common += ["--auth", "none", "--cipher", "none", "--data-ciphers-fallback", "none"]
    sides = {side: make_identity(lab.dir, side) for side in ("vpnserver", "vpnclient")}

    def command(own, other, *more):
        cert, key, _ = sides[own]
        return ["openvpn", *common, "--cert", cert, "--key", key, "--peer-fingerprint", sides[other][2], *more]

    def server():
        return lab.server.popen("openvpn", *command("vpnserver", "vpnclient", "--tls-server", "--dh", "none", "--proto", server_proto,
                                                    "--port", "1194", "--ifconfig", "10.9.0.1", "10.9.0.2"))

    def client():
        return lab.laptop.popen("openvpn", *command("vpnclient", "vpnserver", "--tls-client", "--proto", client_proto, "--remote",
                                                    SERVER, "1194", "--ifconfig", "10.9.0.2", "10.9.0.1"))
    return through_tunnel(circuit, name, "tunv", None, server, client, routed="10.9.0.1")


def start_vtun(circuit, name):
    """vtun: packets in a TCP stream, no encryption: the class of vpn-ws and wsnic without their websockets."""
    lab, path = circuit.lab, f"{circuit.lab.dir}/vtund.conf"
    with open(path, "w") as conf:
        conf.write("options { port 5900; timeout 30; }\n"
                   "bench { passwd bench; type tun; device tunu; proto tcp; encrypt no; compress no; keepalive no; stat no; }\n")
    for host in (lab.server, lab.laptop):
        host.run("mkdir", "-p", "/run/lock/vtund", "/var/lock/vtund", check=False)
    return through_tunnel(circuit, name, "tunu", ("10.11.0.2", "10.11.0.1"),
                          lambda: lab.server.popen("vtund", "vtund", "-n", "-s", "-f", path),
                          lambda: lab.laptop.popen("vtund", "vtund", "-n", "-f", path, "bench", SERVER))


def start_tinc(circuit, name):
    """tinc with TCPOnly: encrypted packets in its meta connection."""
    lab, keys = circuit.lab, {}
    for own in ("server", "laptop"):
        folder = f"{lab.dir}/tinc-{own}"
        keys[own] = folder
        if os.path.isdir(folder):
            continue
        os.makedirs(f"{folder}/hosts")
        with open(f"{folder}/tinc.conf", "w") as conf:
            conf.write(f"Name = {own}\nInterface = tunt\nDeviceType = tun\nAddressFamily = ipv4\nTCPOnly = yes\n"
                       + ("ConnectTo = server\n" if own == "laptop" else ""))
        with open(f"{folder}/hosts/{own}", "w") as host:
            host.write((f"Address = {SERVER}\nSubnet = 0.0.0.0/0\n" if own == "server" else "Subnet = 10.10.0.2/32\n") + "TCPOnly = yes\n")
        subprocess.run(["tincd", "-c", folder, "-K", "2048"], stdin=subprocess.DEVNULL, capture_output=True, check=True)
    shutil.copy(f"{keys['server']}/hosts/server", f"{keys['laptop']}/hosts/server")
    shutil.copy(f"{keys['laptop']}/hosts/laptop", f"{keys['server']}/hosts/laptop")

    def start(host, own):
        return host.popen("tincd", "tincd", "-D", "-d1", "-c", keys[own], f"--pidfile={keys[own]}/pid")
    return through_tunnel(circuit, name, "tunt", ("10.10.0.2", "10.10.0.1"), lambda: start(lab.server, "server"),
                          lambda: start(lab.laptop, "laptop"))


def start_openconnect(circuit, name):
    """ocserv and openconnect without DTLS: packets in records of one TLS connection."""
    lab, folder = circuit.lab, circuit.lab.dir
    cert, key, _ = make_identity(folder, "ocserver")
    subprocess.run(["ocpasswd", "-c", f"{folder}/ocpasswd", "bench"], input="bench\nbench\n", text=True, check=True, capture_output=True)
    with open(f"{folder}/ocserv.conf", "w") as conf:
        conf.write(f'auth = "plain[passwd={folder}/ocpasswd]"\ntcp-port = 4443\nrun-as-user = root\nrun-as-group = root\n'
                   f"socket-file = {folder}/ocserv.sock\nserver-cert = {cert}\nserver-key = {key}\nisolate-workers = false\n"
                   "max-clients = 4\nmax-same-clients = 4\nkeepalive = 300\nauth-timeout = 40\ndevice = vpns\n"
                   "ipv4-network = 10.12.0.0/24\ncisco-client-compat = true\nroute = default\ncompression = false\n"
                   "use-occtl = false\nrate-limit-ms = 0\nmax-ban-score = 0\n")
    shell = (f"openssl x509 -in {cert} -pubkey -noout | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | base64")
    pin = subprocess.run(["sh", "-c", shell], check=True, capture_output=True, text=True).stdout.strip()
    script = f"{folder}/vpnc-script"
    with open(script, "w") as text:
        text.write('#!/bin/sh\n[ "$reason" = connect ] || exit 0\nip address add "$INTERNAL_IP4_ADDRESS/24" dev "$TUNDEV"\n'
                   'ip link set "$TUNDEV" mtu "$INTERNAL_IP4_MTU" up\n')
    os.chmod(script, 0o755)

    def server():
        process = lab.server.popen("ocserv", "ocserv", "-f", "-d", "1", "-c", f"{folder}/ocserv.conf")
        wait_until(lambda: "4443" in lab.server.out("ss", "-ltn"), "ocserv", 10, 0.1)
        return process

    def client():
        return lab.laptop.popen("openconnect", "sh", "-c", f"echo bench | exec openconnect --protocol=anyconnect --no-dtls --user=bench "
                                f"--passwd-on-stdin --servercert pin-sha256:{pin} --script {script} --interface tuno "
                                f"https://{SERVER}:4443/")
    return through_tunnel(circuit, name, "tuno", None, server, client, routed="10.12.0.1")


# name -> (how, programs it needs)
ALL = {
    "kernel forwarding": (start_forwarding, ()),
    BASE: (start_openvpn, ("openvpn",)),
    "OpenVPN, UDP, AES-256-GCM": (lambda c, n: start_openvpn(c, n, udp=True), ("openvpn",)),
    "OpenVPN, TCP, no cipher": (lambda c, n: start_openvpn(c, n, "none"), ("openvpn",)),
    "vtun, TCP, no cipher": (start_vtun, ("vtund",)),
    "tinc, TCP only": (start_tinc, ("tincd",)),
    "openconnect, TLS": (start_openconnect, ("openconnect", "ocserv", "ocpasswd")),
    "tether, relay": (start_tether, ()),
    "tether, relay, raw socket": (lambda c, n: start_tether(c, n, server_options=("--inject", "raw")), ("tether server --inject",)),
    "tether, relay, --nat kernel": (lambda c, n: start_tether(c, n, server_options=("--nat", "kernel")), ("tether server --nat",)),
    "tether, udp": (lambda c, n: start_direct(c, n, "udp"), ("tether client --direct",)),
    "tether, direct ws": (lambda c, n: start_direct(c, n, "ws"), ("tether client --direct",)),
    "tether, direct wss": (lambda c, n: start_direct(c, n, "wss"), ("tether client --direct",)),
    "tether --plain, relay": (lambda c, n: start_tether(c, n, plain=True), ()),
    "tether, Chromium": (lambda c, n: start_tether(c, n, browser=True), ("chromium", "chromedriver")),
    "tether --plain, Chromium": (lambda c, n: start_tether(c, n, plain=True, browser=True), ("chromium", "chromedriver")),
}
QUICK = ("kernel forwarding", BASE, "tether, relay", "tether --plain, relay", "tether, Chromium", "tether --plain, Chromium")


def missing(name):
    """Programs a circuit needs and this machine has not, or options of this tether ("tether ROLE --OPTION")."""
    return [need for need in ALL[name][1] if not (has_option(*need.split()[1:]) if " " in need else shutil.which(need))]


def has_option(role, option):
    return option in subprocess.run([tether_binary(), role, "--help"], capture_output=True, text=True, check=False).stdout.split()


def start(name, circuit):
    return ALL[name][0](circuit, name)
