#!/usr/bin/python3
"""A steady flow of UDP datagrams and what became of it, for tests of links and for a flow like a telephone call.

    flow.py receive PORT                           counts until "end" comes, then one line of JSON; also echoes to nobody
    flow.py send HOST PORT SIZE RATE SECONDS       RATE datagrams a second of SIZE bytes each, then "end"
    flow.py echo HOST PORT SIZE RATE SECONDS       the same to a service that echoes; one line of JSON about the round trips
    flow.py connect HOST PORT RATE SECONDS         opens RATE connections a second; one line of JSON: how long each took, in ms

Each datagram carries its number and the time it was sent, on the machine's one clock: delays are one-way where the
receiver is another host of the lab. The JSON: sent, received, lost, reordered, delay p50/p95/p99/max in ms, jitter as RFC
3550 section 6.4.1 estimates it, the mean over all arrivals, in ms, bytes and the span between the first and last arrival; "arrivals" is a list of
(seconds since the first, bytes) by 100 ms.
"""
import json
import select
import socket
import struct
import sys
import time

HEAD = struct.Struct("!4sId")
END = b"end."
DATA = b"flow"


def share(ordered, part):
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else None


class Seen:
    def __init__(self):
        self.delays, self.arrivals, self.bytes, self.first, self.last = [], {}, 0, None, None
        self.highest, self.reordered, self.jitter, self.jitter_sum, self.transit = -1, 0, 0.0, 0.0, None
        self.numbers = set()

    def add(self, number, sent_at, size, now):
        if number in self.numbers:
            return
        self.numbers.add(number)
        transit = now - sent_at
        if self.transit is not None:
            self.jitter += (abs(transit - self.transit) - self.jitter) / 16
            self.jitter_sum += self.jitter
        self.transit = transit
        self.delays.append(transit * 1000)
        self.reordered += number < self.highest
        self.highest = max(self.highest, number)
        self.first = now if self.first is None else self.first
        self.last = now
        self.bytes += size
        bucket = int((now - self.first) * 10)
        self.arrivals[bucket] = self.arrivals.get(bucket, 0) + size

    def tell(self, sent):
        ordered = sorted(self.delays)
        print(json.dumps({
            "sent": sent, "received": len(ordered), "lost": sent - len(ordered), "reordered": self.reordered,
            "min_ms": share(ordered, 0), "p50_ms": share(ordered, 0.5), "p95_ms": share(ordered, 0.95),
            "p99_ms": share(ordered, 0.99), "max_ms": share(ordered, 1), "jitter_ms": self.jitter_sum * 1000 / max(1, len(ordered)), "bytes": self.bytes,
            "span_s": (self.last - self.first) if ordered else 0,
            "arrivals": [[bucket / 10, size] for bucket, size in sorted(self.arrivals.items())]}), flush=True)


def pace(rate, seconds):
    """Numbers, each when it is due; what is late is sent at once."""
    begin = time.monotonic()
    for number in range(int(rate * seconds)):
        wait = begin + number / rate - time.monotonic()
        if wait > 0.0002:
            time.sleep(wait)
        yield number


def udp_socket():
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for option in (socket.SO_RCVBUF, 33):  # 33 is SO_RCVBUFFORCE, for root
        try:
            sock.setsockopt(socket.SOL_SOCKET, option, 8 << 20)
        except OSError:
            pass
    return sock


def send(host, port, size, rate, seconds):
    sock = udp_socket()
    sock.connect((host, int(port)))
    sent, filler = 0, bytes(max(0, int(size) - HEAD.size))
    for number in pace(float(rate), float(seconds)):
        try:
            sock.send(HEAD.pack(DATA, number, time.monotonic()) + filler)
        except (ConnectionRefusedError, BlockingIOError):
            pass
        sent += 1
    for _ in range(20):  # the end must arrive over a link that loses, and behind what it queues
        time.sleep(0.1)
        try:
            sock.send(HEAD.pack(END, sent, 0.0))
        except ConnectionRefusedError:
            break


def receive(port):
    sock, seen = udp_socket(), Seen()
    sock.bind(("0.0.0.0", int(port)))
    print("receiving", flush=True)
    while True:
        data = sock.recv(65535)
        now = time.monotonic()
        if len(data) < HEAD.size:
            continue
        mark, number, sent_at = HEAD.unpack_from(data)
        if mark == END:
            seen.tell(number)
            return
        seen.add(number, sent_at, len(data), now)


def echo(host, port, size, rate, seconds):
    sock, seen, sent = udp_socket(), Seen(), 0
    sock.connect((host, int(port)))
    filler = bytes(max(0, int(size) - HEAD.size))

    def drain(until):
        while (left := until - time.monotonic()) > 0 and select.select([sock], [], [], left)[0]:
            try:
                data = sock.recv(65535)
            except ConnectionRefusedError:
                continue
            _, number, sent_at = HEAD.unpack_from(data)
            seen.add(number, sent_at, len(data), time.monotonic())

    begin = time.monotonic()
    for number in range(int(float(rate) * float(seconds))):
        drain(begin + number / float(rate))
        sock.send(HEAD.pack(DATA, number, time.monotonic()) + filler)
        sent += 1
    drain(time.monotonic() + 1.5)
    seen.tell(sent)


def connect(host, port, rate, seconds):
    """One after the other; one that takes longer than its turn delays the next."""
    took, failed = [], 0
    for _ in pace(float(rate), float(seconds)):
        begin = time.monotonic()
        try:
            with socket.create_connection((host, int(port)), 5):
                took.append((time.monotonic() - begin) * 1000)
        except OSError:
            failed += 1
    took.sort()
    print(json.dumps({"count": len(took), "failed": failed, "p50_ms": share(took, 0.5), "p95_ms": share(took, 0.95),
                      "max_ms": share(took, 1)}), flush=True)


if __name__ == "__main__":
    {"send": send, "receive": receive, "echo": echo, "connect": connect}[sys.argv[1]](*sys.argv[2:])
