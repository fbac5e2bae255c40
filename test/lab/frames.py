#!/usr/bin/python3
"""Ethernet frames that can be counted: each has its sender's name, a kind and a number inside (local experimental type 0x88b5).

    frames.py send IFACE NAME KIND COUNT [--to MAC] [--size N] [--vlan V] [--gap US]
                                     N bytes each, tag and header included; default to everybody, 60 bytes
    frames.py listen IFACE           until SIGTERM; prints "listening", then at the end a JSON object:
                                     "NAME KIND" -> [different frames, all frames, wrong ones (size, tag or content)]

What a host sends itself is not counted, so a frame of its own that comes in has come back.
"""
import json
import signal
import socket
import struct
import sys
import time

TYPE, ALL, OUTGOING = 0x88B5, 3, 4
SOL_PACKET, PACKET_AUXDATA, TAG_VALID = 263, 8, 1 << 4


def option(words, name, default):
    if name not in words:
        return default
    at = words.index(name)
    value = words[at + 1]
    del words[at:at + 2]
    return value


def body(name, kind, number, size, vlan):
    text = f"{name} {kind} {number} {size} {vlan} ".encode()
    room = size - 14 - (4 if vlan else 0)
    return text + bytes((number + i) & 255 for i in range(room - len(text)))


def send(words):
    to, size = option(words, "--to", "ff:ff:ff:ff:ff:ff"), int(option(words, "--size", "60"))
    vlan, gap = int(option(words, "--vlan", "0")), float(option(words, "--gap", "0")) / 1e6
    iface, name, kind, count = words[0], words[1], words[2], int(words[3])
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    sock.bind((iface, 0))
    head = bytes.fromhex(to.replace(":", "")) + sock.getsockname()[4]
    head += struct.pack("!HH", 0x8100, vlan) if vlan else b""
    head += struct.pack("!H", TYPE)
    for number in range(count):
        sock.send(head + body(name, kind, number, size, vlan))
        if gap:
            time.sleep(gap)
    print(f"sent {count}")


def untagged(frame, ancillary):
    """(tag or 0, payload) of a frame of ours, or None. The kernel keeps the tag beside the frame."""
    vlan = 0
    for level, kind, data in ancillary:
        if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
            status, _, _, _, _, tci = struct.unpack("IIIHHH", data[:18])
            vlan = tci & 0xFFF if status & TAG_VALID else 0
    if frame[12:14] == b"\x81\x00":
        vlan, frame = struct.unpack("!H", frame[14:16])[0] & 0xFFF, frame[:12] + frame[16:]
    return (vlan, frame[14:]) if frame[12:14] == struct.pack("!H", TYPE) else None


def listen(words):
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 20)
    sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    sock.bind((words[0], ALL))
    seen = {}

    def tell(*_):
        print(json.dumps({key: [len(numbers), total, wrong] for key, (numbers, total, wrong) in seen.items()}), flush=True)
        sys.exit(0)
    signal.signal(signal.SIGTERM, tell)
    print("listening", flush=True)
    while True:
        frame, ancillary, _, address = sock.recvmsg(70000, 256)
        mine = untagged(frame, ancillary) if address[2] != OUTGOING else None
        if mine is None:
            continue
        vlan, payload = mine
        name, kind, number, size, tag = payload.split(b" ", 5)[:5]
        key = f"{name.decode()} {kind.decode()}"
        good = int(tag) == vlan and payload == body(*key.split(), int(number), int(size), int(tag))
        numbers, total, wrong = seen.get(key, (set(), 0, 0))
        seen[key] = (numbers | {int(number)}, total + 1, wrong + (not good))


if __name__ == "__main__":
    {"send": send, "listen": listen}[sys.argv[1]](sys.argv[2:])
