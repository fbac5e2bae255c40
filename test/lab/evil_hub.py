#!/usr/bin/python3
"""A hub that means harm, at one node's websocket (docs/PROTOCOL.md, section 5).

    evil_hub.py URL mirror      leads the node to itself: what it sends to a node it is told of comes back as from another
    evil_hub.py URL mask URL2   joins two nodes, and gives the first another number towards the second
    evil_hub.py URL strangers   a thousand nodes announce themselves, open streams and say nothing more
    evil_hub.py URL garbage     headers cut short, unknown kinds, streams that do not exist, records that are no TLS

Prints what it did, and "done" after the node had time to answer; the node's own view is for the test to look at.
"""
import asyncio
import random
import struct
import sys
import time

import websockets

ANNOUNCE, OPEN, DATA, CLOSE, GONE = range(1, 6)
HEAD = struct.Struct("!BBHII")


class Socket:
    """A websocket for a program that does one thing after the other."""

    loop = asyncio.new_event_loop()

    def __init__(self, url):
        self.socket = self._do(self._open(url))

    async def _open(self, url):
        return await websockets.connect(url, max_size=None, compression=None)

    def _do(self, coroutine):
        return self.loop.run_until_complete(coroutine)

    def send(self, data):
        self._do(self.socket.send(data))

    def recv(self, timeout):
        return self._do(asyncio.wait_for(self.socket.recv(), timeout))

    def close(self):
        self._do(self.socket.close())

    def wait(self, seconds):
        self._do(asyncio.sleep(seconds))


def message(kind, stream, source, to, body=b""):
    return HEAD.pack(0xF7, kind, stream, source, to) + body


def node_of(socket):
    """The node tells its number by itself."""
    kind, _, source = HEAD.unpack(socket.recv(timeout=5)[:12])[1:4]
    assert kind == ANNOUNCE
    return source


def mirror(socket):
    """It opens a stream to `above`, as the smaller number does; the same bytes reach it as a stream from `below`."""
    me = node_of(socket)
    above, below = me + 1, me - 1
    socket.send(message(ANNOUNCE, 0, above, 0))
    carried, closed = 0, None
    end = time.monotonic() + 5
    while time.monotonic() < end and closed is None:
        try:
            data = socket.recv(timeout=1)
        except asyncio.TimeoutError:
            break
        _, kind, stream, _, to = HEAD.unpack(data[:12])
        if kind in (OPEN, DATA) and to in (above, below):
            carried += 1
            socket.send(message(kind, stream, below if to == above else above, me, data[12:]))
        elif kind == CLOSE:
            closed = data[14:].decode()
    print(f"carried {carried}, closed {closed!r}", flush=True)


def mask(socket):
    other = Socket(sys.argv[3])
    true, carried, end = node_of(socket), 0, time.monotonic() + 4
    false = true ^ 1
    other.send(message(ANNOUNCE, 0, false, 0))
    while time.monotonic() < end:
        for source, to, old, new in ((socket, other, true, false), (other, socket, false, true)):
            try:
                data = source.recv(timeout=0.02)
            except asyncio.TimeoutError:
                continue
            _, kind, stream, giver, taker = HEAD.unpack(data[:12])
            carried += kind == DATA
            to.send(message(kind, stream, *(new if number == old else number for number in (giver, taker)), data[12:]))
    print(f"carried {carried}", flush=True)
    other.close()


def strangers(socket):
    me = node_of(socket)
    for number in range(1000):
        socket.send(message(ANNOUNCE, 0, (me + 1 + number) & 0xFFFFFFFF or 1, 0))
        socket.send(message(OPEN, number, (me - 1 - number) & 0xFFFFFFFF or 1, me, b"\x16\x03\x01\x02\x00"))
    socket.wait(2)


def garbage(socket):
    me = node_of(socket)
    rng = random.Random(7)
    socket.send(message(OPEN, 3, me - 1, me, b"\x16\x03\x01\x00\x05hello"))
    for _ in range(300):
        body = rng.randbytes(rng.choice((0, 1, 11, 100, 5000)))
        socket.send(message(rng.randrange(256), rng.randrange(5), rng.choice((0, 1, me, me - 1, 0xFFFFFFFF)), rng.choice((0, me, 9)), body))
        if rng.random() < 0.2:
            socket.send(b"\xf7" + rng.randbytes(rng.randrange(11)))
    for first in (b"\xf7", b"\xf7" + bytes(11), b"\x45" + bytes(40)):  # the last one is no header: the node hangs up
        socket.send(first)
    socket.wait(1)


if __name__ == "__main__":
    wire = Socket(sys.argv[1])
    try:
        {"mirror": mirror, "mask": mask, "strangers": strangers, "garbage": garbage}[sys.argv[2]](wire)
    except Exception as error:  # the node hung up: for the test to judge by the node's state
        print(f"ended: {error!r}"[:200], flush=True)
    wire.close()
    print("done", flush=True)
