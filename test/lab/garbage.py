#!/usr/bin/python3
"""Bytes that no honest peer sends, to one HTTP and websocket port.  garbage.py HOST PORT SEED

Each attempt is bounded in time; what the other side answers does not matter, that it lives is for the test to see.
"""
import base64
import random
import socket
import struct
import sys

UPGRADE = ("GET /websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
           "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n")


def frame(random_, opcode, payload, fin=True, masked=True, length=None):
    head = bytes([(0x80 if fin else 0) | opcode])
    size = len(payload) if length is None else length
    bit = 0x80 if masked else 0
    if size < 126:
        head += bytes([bit | size])
    elif size < 65536:
        head += bytes([bit | 126]) + struct.pack("!H", size)
    else:
        head += bytes([bit | 127]) + struct.pack("!Q", size)
    if not masked:
        return head + payload
    mask = random_.randbytes(4)
    return head + mask + bytes(b ^ mask[i & 3] for i, b in enumerate(payload))


def exchange(host, port, pieces, wait_head=False):
    """Send the pieces, read what comes for a moment, close. Ends of the connection are what is expected."""
    try:
        sock = socket.create_connection((host, port), 2)
        sock.settimeout(0.1)
        for number, piece in enumerate(pieces):
            sock.sendall(piece)
            if wait_head and number == 0:
                sock.settimeout(2)
                sock.recv(4096)
                sock.settimeout(0.1)
        while sock.recv(65536):
            pass
    except OSError:
        pass
    else:
        sock.close()


def heads(r):
    """What is not an HTTP request, or one nobody should take."""
    yield [r.randbytes(5000)]
    yield [b"\0" * 20000]
    yield [b"GET / HTTP/1.1\r\nA: " + b"x" * 200000]
    yield [b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n\r\n"]
    yield [b"\r\n" * 30000]
    yield [b"GET /../../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n"]
    yield [b"GET /%00%ff%2e%2e HTTP/1.1\r\nHost: x\r\n\r\n"]
    yield [b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n", r.randbytes(1000)]
    yield [b"GET / HTTP/9.9\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]
    yield [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + r.randbytes(500)]  # a TLS hello
    yield [UPGRADE.format(key="short").encode()]
    yield [UPGRADE.format(key="A" * 9000).encode()]
    yield [UPGRADE.replace("13", "8").format(key=base64.b64encode(r.randbytes(16)).decode()).encode()]
    for _ in range(10):
        text = bytearray(UPGRADE.format(key=base64.b64encode(r.randbytes(16)).decode()).encode())
        for _ in range(r.randrange(1, 12)):
            text[r.randrange(len(text))] = r.randrange(256)
        yield [bytes(text)]


def frames(r):
    """Behind a good upgrade."""
    yield [r.randbytes(3000)]
    yield [frame(r, 2, b"unmasked", masked=False)]
    yield [frame(r, 2, b"", length=(1 << 63) - 1), r.randbytes(5000)]
    yield [frame(r, 2, b"", length=(1 << 63) | 5), r.randbytes(50)]
    yield [frame(r, 9, b"p" * 125, fin=False), frame(r, 9, b"p" * 126), frame(r, 8, b"x")]
    yield [frame(r, 0, b"continuation of nothing")]
    yield [frame(r, 2, b"a", fin=False), frame(r, 1, b"another begins")]
    yield [frame(r, 3, b"reserved"), frame(r, 0xB, b"reserved")]
    yield [frame(r, 1, b"\xff\xfe not utf-8")]
    yield [frame(r, 8, struct.pack("!H", 1) + b"\xff")]
    yield [frame(r, 9, b"") * 3000]
    yield [frame(r, 2, b"", fin=False) * 3000]
    for size in (0, 1, 4, 5, 19, 20, 28, 60, 1500, 70000):
        yield [frame(r, 2, r.randbytes(size))]
        yield [frame(r, 1, base64.encodebytes(r.randbytes(size)))]
        yield [frame(r, 2, b"\x45" + r.randbytes(size)), frame(r, 1, r.randbytes(size).hex().encode())]
    hello = b"\x16\x03\x01\x01\x00\x01\x00\x00\xfc\x03\x03" + r.randbytes(245)
    yield [frame(r, 2, hello), frame(r, 2, r.randbytes(2000))]
    yield [frame(r, 2, hello[:cut]) for cut in (1, 5, 6, 50)]
    yield [frame(r, 2, bytes([b])) for b in hello]


def main():
    host, port, r = sys.argv[1], int(sys.argv[2]), random.Random(int(sys.argv[3]))
    count = 0
    for pieces in heads(r):
        exchange(host, port, pieces)
        count += 1
    for pieces in frames(r):
        key = base64.b64encode(r.randbytes(16)).decode()
        exchange(host, port, [UPGRADE.format(key=key).encode(), *pieces], wait_head=True)
        count += 1
    print(f"ok {count}")


if __name__ == "__main__":
    main()
