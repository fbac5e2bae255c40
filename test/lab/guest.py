"""A guest of `tether switch` written without tether: a websocket of its own, and frames made by hand.

A Wire is opened from inside of a host of the lab by entering that host's network namespace for the moment of connecting; the socket
stays there. What it sends may be cut up, held back or wrong, which no library would do.
"""
import base64
import ctypes
import os
import select
import socket
import struct
import time

from host import LabError

CLONE_NEWNET = 0x40000000
BROADCAST = b"\xff" * 6
ARP, IP4, IP6 = 0x0806, 0x0800, 0x86DD
OP_TEXT, OP_BINARY, OP_CLOSE, OP_PING, OP_PONG = 1, 2, 8, 9, 10
DISCOVER, OFFER, REQUEST, DECLINE, ACK, NAK, RELEASE, INFORM = range(1, 9)
_libc = ctypes.CDLL(None, use_errno=True)


def connect_in(host, address, port, timeout=10):
    """A TCP socket in the host's network namespace."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(f"/proc/{host.anchor.pid}/ns/net", os.O_RDONLY)
    try:
        if _libc.setns(there, CLONE_NEWNET):
            raise LabError(f"setns: {os.strerror(ctypes.get_errno())}")
        try:
            return socket.create_connection((address, port), timeout)
        finally:
            _libc.setns(home, CLONE_NEWNET)
    finally:
        os.close(home)
        os.close(there)


def mac(number):
    """A local address by number."""
    return struct.pack("!BBL", 2, 0, number)


class Wire:
    """A websocket client (RFC 6455), no more than a test needs."""

    def __init__(self, sock, path="/", host="switch"):
        self.sock, self.buffer, self.message = sock, b"", b""
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        key = base64.b64encode(os.urandom(16)).decode()
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
        while b"\r\n\r\n" not in self.buffer:
            self.more(5)
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        self.status = int(head.split()[1])

    def more(self, timeout):
        """Read something. False: nothing came in time."""
        if not select.select([self.sock], [], [], max(0, timeout))[0]:
            return False
        data = self.sock.recv(65536)
        if not data:
            raise ConnectionError("the switch hung up")
        self.buffer += data
        return True

    @staticmethod
    def pack(data, opcode=OP_BINARY, fin=True):
        key = os.urandom(4)
        head = bytes([fin << 7 | opcode])
        if len(data) < 126:
            head += bytes([0x80 | len(data)])
        elif len(data) < 65536:
            head += struct.pack("!BH", 0xFE, len(data))
        else:
            head += struct.pack("!BQ", 0xFF, len(data))
        pad = key * (len(data) // 4 + 1)
        masked = int.from_bytes(data, "big") ^ int.from_bytes(pad[:len(data)], "big")
        return head + key + masked.to_bytes(len(data), "big")

    def send(self, frame, opcode=OP_BINARY):
        self.sock.sendall(self.pack(frame, opcode))

    def _take(self):
        """One websocket frame from the buffer: (opcode, fin, payload) or None."""
        b = self.buffer
        if len(b) < 2:
            return None
        size, at = b[1] & 127, 2
        if size >= 126:
            width = 2 if size == 126 else 8
            if len(b) < 2 + width:
                return None
            size, at = int.from_bytes(b[2:2 + width], "big"), 2 + width
        if len(b) < at + size:
            return None
        self.buffer = b[at + size:]
        return b[0] & 15, bool(b[0] & 128), b[at:at + size]

    def receive(self, timeout=2.0):
        """The next Ethernet frame, or None. Answers pings."""
        end = time.monotonic() + timeout
        while True:
            got = self._take()
            if got is None:
                left = end - time.monotonic()
                if left <= 0 or not self.more(left):
                    return None
                continue
            opcode, fin, data = got
            if opcode == OP_PING:
                self.send(data, OP_PONG)
            elif opcode == OP_CLOSE:
                raise ConnectionError(f"the switch closed: {data[2:].decode(errors='replace')}")
            elif opcode in (0, OP_BINARY):
                self.message += data
                if fin:
                    whole, self.message = self.message, b""
                    return whole

    def wait_for(self, wanted, timeout=2.0):
        """The next frame for which wanted() is true, or None; others are thrown away."""
        end = time.monotonic() + timeout
        while (left := end - time.monotonic()) > 0:
            frame = self.receive(left)
            if frame is not None and wanted(frame):
                return frame
        return None

    def close(self):
        self.sock.close()


# --- frames ---

def ether(dst, src, kind, payload):
    return (dst + src + struct.pack("!H", kind) + payload).ljust(60, b"\0")


def arp(op, sender_mac, sender, target_mac, target, dst=BROADCAST, src=None):
    body = struct.pack("!HHBBH", 1, IP4, 6, 4, op) + sender_mac + socket.inet_aton(sender) + target_mac + socket.inet_aton(target)
    return ether(dst, src or sender_mac, ARP, body)


def is_arp_reply(frame, sender):
    return frame[12:14] == b"\x08\x06" and frame[20:22] == b"\0\2" and frame[28:32] == socket.inet_aton(sender)


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data[:len(data) // 2 * 2])) + (data[-1] << 8 if len(data) % 2 else 0)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ip4(src, dst, proto, payload):
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0x4000, 64, proto, 0) + socket.inet_aton(src) + socket.inet_aton(dst)
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def udp(src, dst, src_port, dst_port, payload):
    """Without a checksum, as IPv4 allows."""
    return ip4(src, dst, 17, struct.pack("!HHHH", src_port, dst_port, 8 + len(payload), 0) + payload)


def echo(src, dst, number, size=56):
    body = struct.pack("!BBHHH", 8, 0, 0, 77, number) + bytes(size)
    return ip4(src, dst, 1, body[:2] + struct.pack("!H", checksum(body)) + body[4:])


def is_echo_reply(frame, source):
    return frame[12:14] == b"\x08\x00" and frame[23] == 1 and frame[34] == 0 and frame[26:30] == socket.inet_aton(source)


# --- neighbour discovery ---

def ip6(src, dst, next_header, payload):
    return struct.pack("!LHBB", 6 << 28, len(payload), next_header, 255) + socket.inet_pton(socket.AF_INET6, src) \
        + socket.inet_pton(socket.AF_INET6, dst) + payload


def icmp6(src, dst, message, before=b""):
    """An ICMPv6 message, its checksum set. @param before a destination options header in front"""
    pseudo = socket.inet_pton(socket.AF_INET6, src) + socket.inet_pton(socket.AF_INET6, dst) + struct.pack("!LL", len(message), 58)
    message = message[:2] + struct.pack("!H", checksum(pseudo + message)) + message[4:]
    return ip6(src, dst, 60 if before else 58, before + message)


def advert(src, dst, target, card):
    """"I have target", to replace what was known."""
    return icmp6(src, dst, struct.pack("!BBHL", 136, 0, 0, 0x60000000) + socket.inet_pton(socket.AF_INET6, target) + b"\2\1" + card)


def router_advert(src, card, before=b""):
    return icmp6(src, "ff02::1", struct.pack("!BBHBBHLL", 134, 0, 0, 64, 0, 1800, 0, 0) + b"\1\1" + card, before)


# --- DHCP ---

def dhcp(kind, card, xid=7, ciaddr="0.0.0.0", options=(), src="0.0.0.0", dst="255.255.255.255"):
    """A client's message as a frame. @param options (code, bytes) pairs"""
    body = struct.pack("!BBBBLHH", 1, 1, 6, 0, xid, 0, 0x8000) + socket.inet_aton(ciaddr) + bytes(12) + card + bytes(10 + 192)
    body += b"\x63\x82\x53\x63" + bytes([53, 1, kind])
    for code, value in options:
        body += bytes([code, len(value)]) + value
    body += b"\xff"
    return ether(BROADCAST, card, IP4, udp(src, dst, 68, 67, body.ljust(300, b"\0")))


def dhcp_parse(frame):
    """A server's answer: {"type", "address", option code: bytes}, or None."""
    if frame[12:14] != b"\x08\x00" or frame[23] != 17 or frame[34:36] != b"\0\x43":
        return None
    body, found = frame[42:], {}
    found["address"] = socket.inet_ntoa(body[16:20])
    at = 240
    while at < len(body) and body[at] != 255:
        if body[at] == 0:
            at += 1
            continue
        found[body[at]] = body[at + 2:at + 2 + body[at + 1]]
        at += 2 + body[at + 1]
    found["type"] = found.get(53, b"\0")[0]
    return found


def dhcp_ask(wire, kind, card, timeout=2.0, **options):
    """Send and return the parsed answer, or None."""
    wire.send(dhcp(kind, card, **options))
    frame = wire.wait_for(dhcp_parse, timeout)
    return dhcp_parse(frame) if frame else None


def lease(wire, card):
    """The whole conversation; the address, or None."""
    offer = dhcp_ask(wire, DISCOVER, card)
    if not offer or offer["type"] != OFFER:
        return None
    got = dhcp_ask(wire, REQUEST, card, options=[(50, socket.inet_aton(offer["address"])), (54, offer[54])])
    return got["address"] if got and got["type"] == ACK else None
