#!/usr/bin/python3
"""IPv4 packets that no honest host sends, put on a cable.  evil_packets.py IFACE MAC ADDRESS SEED COUNT

They are for ports that a NAT may have lent, so its capture takes them. No router stands between, so nobody straightens them out.
"""
import random
import socket
import struct
import sys

REMOTE, PORTS = "192.0.2.200", (61000, 65535)


def checksum(data):
    data += b"\0" * (len(data) & 1)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total ^ 0xffff


def ip4(to, proto, payload, r, options=b"", fragment=0, total=None):
    words = 5 + len(options) // 4
    head = struct.pack("!BBHHHBBH4s4s", 0x40 | words, r.choice((0, 1, 2, 3)), 4 * words + len(payload) if total is None else total,
                       r.getrandbits(16), fragment, r.choice((0, 1, 2, 64, 255)), proto, 0, socket.inet_aton(REMOTE), socket.inet_aton(to))
    head += options
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def tcp(r):
    return struct.pack("!HHIIBBHHH", 80, r.randint(*PORTS), r.getrandbits(32), r.getrandbits(32), r.getrandbits(4) << 4, r.getrandbits(8),
                       r.getrandbits(16), r.getrandbits(16), r.getrandbits(16)) + r.randbytes(r.randrange(60))


def udp(r):
    body = r.randbytes(r.randrange(40))
    return struct.pack("!HHHH", 7, r.randint(*PORTS), r.choice((0, 7, 8, 8 + len(body), 0xffff)), r.getrandbits(16)) + body


def icmp_error(to, r):
    """About a packet that was never sent, or only half of it."""
    about = ip4(REMOTE, r.choice((1, 6, 17)), r.randbytes(r.randrange(20)), r, r.choice((b"", b"\1" * 8)))
    body = struct.pack("!BBHI", r.choice((3, 4, 5, 11, 12)), r.randrange(16), 0, r.getrandbits(32)) + about[:r.randrange(len(about) + 1)]
    return body[:2] + struct.pack("!H", checksum(body)) + body[4:]


def one(to, r):
    proto, payload = r.choice(((6, tcp(r)), (17, udp(r)), (1, icmp_error(to, r)), (1, r.randbytes(r.randrange(1, 40)))))
    options = r.choice((b"", b"", b"\x07\x04\x04\0", b"\x83\x03\x04\0", b"\x44\xff\x05\0", r.randbytes(4), r.randbytes(40)))
    fragment = r.choice((0, 0, 0x4000, 0x8000, 0x2000, 0x2001, 0x1fff, 0x2000 | r.getrandbits(13)))
    packet = ip4(to, proto, payload, r, options, fragment, r.choice((None, None, None, 0, 19, 20, 65535)))
    kind = r.randrange(6)
    if kind == 0:
        packet = packet[:r.randrange(len(packet))]
    elif kind == 1:
        at = r.randrange(len(packet))
        packet = packet[:at] + bytes([r.getrandbits(8)]) + packet[at + 1:]
    elif kind == 2:
        packet += r.randbytes(r.randrange(1400 - len(packet)))
    return packet


if __name__ == "__main__":
    interface, mac, address, seed, count = sys.argv[1], bytes.fromhex(sys.argv[2].replace(":", "")), sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
    random_ = random.Random(seed)
    cable = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    cable.bind((interface, 0))
    for _ in range(count):
        cable.send(mac + b"\2\0\0\0\0\2\x08\0" + one(address, random_))
