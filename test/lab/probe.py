#!/usr/bin/python3
"""Small things a host does with sockets, as one program so that they run inside its namespace.

    probe.py udp HOST PORT SIZE... [--source P]     echo of each size, one socket; prints "ok N"
    probe.py burst HOST PORT                        datagrams without a pause, many of a size, echoed: each whole, once, in order; prints "ok N"
    probe.py tcp HOST PORT [--source P] [--word W]  200 different lines through an echo service, one connection
    probe.py listen PORT                            prints "got BYTES from ADDRESS PORT" for each datagram, and echoes it
    probe.py spray ADDRESS LO HI                    a UDP datagram and a TCP SYN to each port, answers to nobody's question
    probe.py connect HOST PORT                      prints "open", "refused", "prohibited" (ICMP code 13) or "silent"
    probe.py unreachable HOST PORT                  sends UDP, prints "refused" when the host said port unreachable, "answered",
                                                    "prohibited" or "silent"
"""
import random
import socket
import sys
import time

IP_RECVERR = 11


def take_option(words, name, default=None):
    if name in words:
        at = words.index(name)
        value = words[at + 1]
        del words[at:at + 2]
        return value
    return default


def udp(words):
    source = int(take_option(words, "--source", "0"))
    host, port, sizes = words[0], int(words[1]), [int(w) for w in words[2:]]
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_IP, 10, 0)  # IP_MTU_DISCOVER = DONT: the kernel may fragment
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    sock.bind(("0.0.0.0", source))
    for size in sizes:
        data = random.randbytes(size)
        for attempt in range(3):
            sock.settimeout(1.0)
            sock.sendto(data, (host, port))
            try:
                while sock.recvfrom(65535)[0] != data:
                    pass
                break
            except TimeoutError:
                if attempt == 2:
                    sys.exit(f"no echo of {size} bytes")
    print(f"ok {len(sizes)}")


def burst(words):
    """What is sent without a pause may travel as one packet. Half of the bursts with DF, where the ID need not go on."""
    got, sent = [], []
    for number in range(24):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setsockopt(socket.IPPROTO_IP, 10, 2 * (number % 2))  # IP_MTU_DISCOVER
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        sock.connect((words[0], int(words[1])))
        size = min((16, 64, 700, 1200, 1472)[number % 5], 1472 - 272 * (number % 2))  # what has DF may find a narrower path
        batch = [number.to_bytes(2, "big") + at.to_bytes(2, "big") + random.randbytes(size - 4 - (at % 9 == 8)) for at in range(80)]
        for data in batch:
            sock.send(data)
        sent += batch
        sock.settimeout(0.5)
        try:
            for _ in batch:
                got.append(sock.recv(65535))
        except TimeoutError:
            pass
        sock.close()
    if len(got) < len(sent) * 0.98:
        sys.exit(f"{len(got)} of {len(sent)} datagrams came back")
    known = {data: at for at, data in enumerate(sent)}
    if any(data not in known for data in got):
        sys.exit("a datagram came back that was never sent so")
    order = [known[data] for data in got]
    if any(later <= before for before, later in zip(order, order[1:])):
        sys.exit("datagrams came back twice, or in another order")
    print(f"ok {len(got)}")


def tcp(words):
    source, word = int(take_option(words, "--source", "0")), take_option(words, "--word", "word")
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("0.0.0.0", source))
    sock.settimeout(10)
    sock.connect((words[0], int(words[1])))
    for number in range(200):
        line = f"{word} {number}\n".encode() * 20
        sock.sendall(line)
        got = b""
        while len(got) < len(line):
            piece = sock.recv(65536)
            if not piece:
                sys.exit("connection closed")
            got += piece
        if got != line:
            sys.exit(f"sent {line[:20]!r}, got {got[:20]!r}")
        time.sleep(0.005)
    print("ok")


def listen(words):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("0.0.0.0", int(words[0])))
    print("listening", flush=True)
    while True:
        data, peer = sock.recvfrom(65535)
        print(f"got {len(data)} from {peer[0]} {peer[1]}", flush=True)
        sock.sendto(data, peer)


def spray(words):
    host, low, high = words[0], int(words[1]), int(words[2])
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for port in range(low, high + 1):
        try:
            sock.sendto(b"unasked for", (host, port))
        except OSError:  # an ICMP error for an earlier one
            sock.sendto(b"unasked for", (host, port))
        if port % 50 == 0:
            probe = socket.socket()
            probe.setblocking(False)
            probe.connect_ex((host, port))
            probe.close()
            time.sleep(0.001)
    print("sprayed")


def unreachable_code(sock):
    """Which ICMP error the kernel kept beside the socket: "prohibited", "host" (code 1), "code N"; None without one."""
    try:
        told = sock.recvmsg(512, 512, socket.MSG_ERRQUEUE)[1]
    except OSError:
        return None
    for level, kind, data in told:
        if (level, kind) == (socket.IPPROTO_IP, IP_RECVERR):  # struct sock_extended_err
            origin, icmp_type, code = data[4], data[5], data[6]
            if origin == 2 and icmp_type == 3:
                return {1: "host", 13: "prohibited"}.get(code, f"code {code}")
    return None


def connect(words):
    sock = socket.socket()
    sock.settimeout(1.5)
    sock.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)  # else TCP keeps trying whatever ICMP says
    try:
        sock.connect((words[0], int(words[1])))
        print("open")
    except ConnectionRefusedError:
        print("refused")
    except TimeoutError:
        print("silent")
    except OSError as error:
        print(unreachable_code(sock) or error)


def unreachable(words):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(1.0)
    sock.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
    sock.connect((words[0], int(words[1])))
    sock.send(b"anybody there?")
    try:
        sock.recv(100)
        print("answered")
    except ConnectionRefusedError:
        print("refused")
    except TimeoutError:
        print("silent")
    except OSError as error:
        print(unreachable_code(sock) or error)


def _answers(sock, wait=1.0):
    got = []
    sock.settimeout(wait)
    try:
        while True:
            got.append(len(sock.recv(65535)))
    except (TimeoutError, ConnectionRefusedError):
        return got


def udp_strangers(words):
    sock, sent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), 0
    sock.connect((words[0], int(words[1])))
    rng = random.Random(1)
    heads = [bytes([kind]) + rng.randbytes(8) for kind in range(8)]
    for head in heads:
        for size in (0, 1, 8, 15, 16, 17, 31, 32, 33, 200, 1300):
            for data in (head + rng.randbytes(size), head + bytes(size)):
                sent += sock.send(data)
    hello = bytes.fromhex("16fefd0000000000000000") + rng.randbytes(150)
    for head in heads:
        sent += sock.send(head + bytes(32) + hello)
    for _ in range(300):
        sent += sock.send(rng.randbytes(rng.randrange(0, 400)))
    got = _answers(sock)
    print(f"sent {sent} got {sum(got)} longest {max(got, default=0)}")


def udp_replay(words):
    with open(words[2], "rb") as f:
        data = f.read()
    at, payloads = 24, []
    while at + 16 <= len(data):
        size = int.from_bytes(data[at + 8:at + 12], "little")
        payloads.append(data[at + 16 + 14 + 20 + 8:at + 16 + size])
        at += 16 + size
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect((words[0], int(words[1])))
    for payload in payloads:
        sock.send(payload)
    print(f"sent {len(payloads)} got {len(_answers(sock))}")


REFLECTED_TTL = 77


def udp_reflect(words):
    """Sends back each UDP datagram seen on DEVICE from or to PORT, both ways, as if the other end had sent it; counts for SECONDS."""
    device, port, seconds = words[0], int(words[1]), float(words[2])
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0003))
    tap.bind((device, 0))
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    seen, back, end = [0, 0], 0, time.monotonic() + seconds
    tap.settimeout(0.2)
    print("reflecting", flush=True)
    while time.monotonic() < end:
        try:
            packet = bytearray(tap.recv(65535))
        except TimeoutError:
            continue
        if packet[0] != 0x45 or packet[9] != 17 or packet[8] == REFLECTED_TTL or packet[6] & 0x3f or packet[7]:
            continue
        ports = packet[20:22], packet[22:24]
        if port not in (int.from_bytes(ports[0], "big"), int.from_bytes(ports[1], "big")):
            continue
        seen[int.from_bytes(ports[0], "big") == port] += 1
        packet[12:16], packet[16:20] = packet[16:20], packet[12:16]
        packet[20:22], packet[22:24] = ports[1], ports[0]
        packet[8], packet[10:12], packet[26:28] = REFLECTED_TTL, bytes(2), bytes(2)  # sums: by the kernel; UDP's may be missing
        try:
            raw.sendto(packet, (socket.inet_ntoa(packet[16:20]), 0))
            back += 1
        except OSError:
            pass
    print(f"up {seen[0]} down {seen[1]} reflected {back}")


if __name__ == "__main__":
    globals()[sys.argv[1]](sys.argv[2:])
