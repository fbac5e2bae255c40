#!/usr/bin/python3
"""A guest with a whole kernel behind it: a TAP device whose frames travel as messages of a websocket. Written without tether.

    tap_peer.py --url HOST:PORT/PATH --tap NAME [--mac MAC]
"""
import argparse
import fcntl
import os
import select
import socket
import struct
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
from guest import Wire

TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 2, 0x1000


def open_tap(name, address):
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    if address:
        subprocess.run(["ip", "link", "set", name, "address", address], check=True)
    subprocess.run(["ip", "link", "set", name, "up"], check=True)
    return fd


def pump(wire, tap):
    while True:
        ready = select.select([wire.sock, tap], [], [])[0]
        if tap in ready:
            try:
                for _ in range(64):
                    wire.send(os.read(tap, 65535))
            except BlockingIOError:
                pass
        if wire.sock in ready:
            wire.more(0)
            while (frame := wire.receive(0)) is not None:
                try:
                    os.write(tap, frame)
                except OSError as error:
                    print(f"tap: {error}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--tap", default="net0")
    parser.add_argument("--mac")
    options = parser.parse_args()
    place, _, path = options.url.partition("/")
    host, _, port = place.partition(":")
    wire = Wire(socket.create_connection((host, int(port)), 10), "/" + path, place)
    tap = open_tap(options.tap, options.mac)
    print("tap peer ready", flush=True)
    try:
        pump(wire, tap)
    except ConnectionError as error:
        print(f"tap peer: {error}", flush=True)


if __name__ == "__main__":
    main()
