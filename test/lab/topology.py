"""The lab's map: laptops, phones, a server, two routers and a web host, each a namespace.

    laptop1            phone1                  internet                    server
    wlan0 ------------ wlan0   mobile0 ------- mobile1     srv ----------- eth0
    tether's address   169.254.1.1/16          203.0.113.17/28  198.51.100.1   198.51.100.2/24
                       203.0.113.18/28             |
    laptop2            phone2                      |  core 192.0.2.1/30
    wlan0 ------------ wlan0   mobile0 ------- mobile2                     web
                       169.254.2.1/16          203.0.113.33/28             eth0 192.0.2.200/25
                       203.0.113.34/28             |                         |
                                               backbone -------------------- web 192.0.2.129/25
                                               192.0.2.2/30

Each laptop shares a Wi-Fi with its own phone only, and has no other way out. The phone does not forward: what reaches the
internet went through its relay. Traceroute from the server to web shows internet, backbone, web. The addresses are from
the documentation blocks (RFC 5737), which look public to the server and to browsers. No IPv6 unless a test adds it.
Links are plain cables; the phones' mobile links and Wi-Fi can lead through the link emulator instead (see Lab).
"""
import atexit
import os
import shutil
import signal
import sys

from host import Host, LabError, sh, sweep_dead_labs
from wan import Wan

HERE = os.path.dirname(os.path.realpath(__file__))
PYTHON = "/usr/bin/python3"
WEB, SERVER, CORE, BACKBONE = "192.0.2.200", "198.51.100.2", "198.51.100.1", "192.0.2.2"
WEB_NAME = "web.example"
LAPTOP = "169.254.134.89"
MTU = 1500


def phone_mobile(number):
    return f"203.0.113.{16 * number + 2}"


class Lab:
    """
    @param emulated  settings of the link emulator (wan_link.h) by link: {"mobile": "rate=10M delay=20", "wifi": ""};
                     it is then found as lab.wans["mobile"] or, of the second phone, lab.wans["mobile2"]. "up" is towards
                     the internet.
    """

    def __init__(self, laptops=1, ipv6=(), emulated=None):
        if os.geteuid() != 0:
            raise LabError("the lab needs root: it makes network namespaces")
        sweep_dead_labs()
        self.hosts, self.processes, self.closed, self.serial = [], [], False, 0
        self.emulated, self.wans = emulated or {}, {}
        self.dir = f"/tmp/th-lab{os.getpid()}"
        shutil.rmtree(self.dir, ignore_errors=True)
        os.makedirs(self.dir, mode=0o755)
        atexit.register(self.close)
        for signo in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(signo, lambda number, frame: sys.exit(128 + number))
        try:
            self._build(laptops, ipv6)
        except BaseException:
            self.close()
            raise

    def _build(self, laptops, ipv6):
        self.internet = Host(self, "internet")
        self.backbone = Host(self, "backbone")
        self.web = Host(self, "web")
        self.server = Host(self, "server", resolver=WEB)
        self.phones, self.laptops = [], []
        self.link(self.server, "eth0", f"{SERVER}/24", self.internet, "srv", f"{CORE}/24")
        self.link(self.internet, "core", "192.0.2.1/30", self.backbone, "core", f"{BACKBONE}/30")
        self.link(self.backbone, "web", "192.0.2.129/25", self.web, "eth0", f"{WEB}/25")
        for router in (self.internet, self.backbone):
            router.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.icmp_ratelimit=0")
        self.internet.route("192.0.2.128/25", "via", BACKBONE)
        self.backbone.route("default", "via", "192.0.2.1")
        self.server.route("default", "via", CORE)
        self.web.route("default", "via", "192.0.2.129")
        for number in range(1, laptops + 1):
            self._pair(number, "laptop" in ipv6)

    def _pair(self, number, laptop_ipv6):
        """A laptop and its phone on a Wi-Fi of their own."""
        laptop = Host(self, f"laptop{number}", ipv6=laptop_ipv6)
        phone = Host(self, f"phone{number}", resolver=WEB)
        self.link(laptop, "wlan0", None, phone, "wlan0", f"169.254.{number}.1/16", wan=("wifi", number))
        self.link(phone, "mobile0", f"{phone_mobile(number)}/28", self.internet, f"mobile{number}",
                  f"203.0.113.{16 * number + 1}/28", wan=("mobile", number))
        phone.route("default", "via", f"203.0.113.{16 * number + 1}")
        self.laptops.append(laptop)
        phone.run("sysctl", "-qw", "net.ipv4.tcp_congestion_control=reno")  # steered by loss, as on phones; Cubic may not be set here
        self.phones.append(phone)

    def link(self, a, a_name, a_cidr, b, b_name, b_cidr, wan=(None, 1)):
        """A cable, or the emulator: both ends are born inside their namespaces, the machine's own never sees them."""
        kind, number = wan
        if kind in self.emulated:
            name = kind if number == 1 else f"{kind}{number}"
            self.wans[name] = Wan(a, a_name, b, b_name, self.emulated[kind])
        else:
            sh("ip", "-n", a.netns, "link", "add", a_name, "type", "veth", "peer", "name", b_name, "netns", b.netns)
        for host, name, cidr in ((a, a_name, a_cidr), (b, b_name, b_cidr)):
            if cidr:
                host.address(name, cidr)
            host.up(name)

    @property
    def laptop(self):
        return self.laptops[0]

    @property
    def phone(self):
        return self.phones[0]

    def log_path(self, name):
        self.serial += 1
        return os.path.join(self.dir, f"{self.serial:02d}-{name}.log")

    def serve(self, host, *options):
        """The web host's services (services.py) on some host."""
        process = host.popen("services", PYTHON, os.path.join(HERE, "services.py"), *options)
        process.wait_log("services ready", 15)
        return process

    def close(self):
        """End every process by pid, delete every namespace. Safe to call twice."""
        if self.closed:
            return
        self.closed = True
        for process in reversed(self.processes):
            if process.alive():
                process.popen.terminate()
        for process in reversed(self.processes):
            try:
                process.popen.wait(3)
            except Exception:
                process.popen.kill()
                process.popen.wait(3)
        for wan in self.wans.values():  # after those who say goodbye over it
            wan.kill()
        for host in reversed(self.hosts):
            host.close()
        if os.environ.get("TETHER_KEEP_LOGS"):
            print(f"logs kept in {self.dir}")
        else:
            shutil.rmtree(self.dir, ignore_errors=True)
