"""`tether switch` in the lab: it runs on the server, guests are hosts of their own whose only cable leads there.

    guest1 ---------- server ---------- internet ---- web     (topology.py's)
    cable             g1   eth0
    172.31.1.2/24     172.31.1.1/24
    net0: the emulated card, 192.168.86.x by DHCP

The cable carries only the websocket; a guest's default route, resolver and all else come from its emulated card.
"""
import os

import house
from cases import tether_binary
from host import Host, LabError, wait_until
from topology import HERE, PYTHON, Lab

PORT, GATEWAY = 8070, "192.168.86.1"


def mac_text(number):
    return f"02:00:{number >> 24 & 255:02x}:{number >> 16 & 255:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"


class Switch:
    def __init__(self, guests=2, options=()):
        self.binary = os.path.realpath(tether_binary())
        self.lab = Lab(laptops=0)
        self.options, self.process, self.peers = list(options), None, {}
        self.guests = [self._guest(number) for number in range(1, guests + 1)]

    def _guest(self, number):
        guest = Host(self.lab, f"guest{number}")
        self.lab.link(guest, "cable", f"172.31.{number}.2/24", self.lab.server, f"g{number}", f"172.31.{number}.1/24")
        guest.number = number
        return guest

    @property
    def state_dir(self):
        return os.path.join(self.lab.dir, "server", "state")

    def start(self, *more):
        words = ["--port", PORT, "--state-dir", self.state_dir, "-v", *self.options, *more]
        self.process = self.lab.server.popen("switch", *house.command(self.binary, "switch", words, self.lab.dir))
        self.process.wait_log("switch ready")
        return self.process

    def restart(self, *more):
        self.stop()
        return self.start(*more)

    def stop(self):
        for peer in self.peers.values():
            peer.end()
        self.peers = {}
        if self.process and self.process.alive():
            code = self.process.end()
            if code:
                raise LabError(f"the switch ended with {code}\n{self.process.tail(60)}")
        for process in self.lab.processes:
            text = process.log()
            for word in ("ERROR: AddressSanitizer", "runtime error:", "ERROR: LeakSanitizer"):
                if word in text:
                    raise LabError(f"{process.name}: {word}\n{process.tail(60)}")

    def status(self):
        return house.status(self.lab.server.out(self.binary, "status", "--json", "--state-dir", self.state_dir), "switch")

    @staticmethod
    def address_of(guest):
        """Where the guest reaches the switch."""
        return f"172.31.{guest.number}.1"

    def plug(self, guest, path="any/path", tap="net0"):
        """A kernel's network card on the switch."""
        peer = guest.popen("tap-peer", PYTHON, os.path.join(HERE, "tap_peer.py"), "--url", f"{self.address_of(guest)}:{PORT}/{path}",
                           "--tap", tap, "--mac", mac_text(guest.number))
        peer.wait_log("tap peer ready")
        self.peers[guest.number] = peer
        return peer

    def lease(self, guest, tap="net0", *more):
        """An address by a real client; what its script said."""
        return guest.out("udhcpc", "-i", tap, "-n", "-q", "-f", "-t", "5", "-T", "1", "-s", os.path.join(HERE, "udhcpc.sh"), *more)

    def online(self, guest):
        """Plugged in, with an address; returns the address."""
        self.plug(guest)
        said = self.lease(guest)
        return next(line.split()[2] for line in said.splitlines() if line.startswith("LEASE"))

    def wait_guests(self, count, timeout=10):
        wait_until(lambda: self.status()["guests"] == count, f"{count} guests at the switch", timeout, 0.1)
