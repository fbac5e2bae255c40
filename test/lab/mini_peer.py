#!/usr/bin/python3
"""One end of the plain wire, written without tether: a websocket server that pumps IP packets to and from a TUN device.

Both ends of the assignment are websocket servers (the phone connects to both), so this is either: the laptop's end when
the laptop's routes lead into the TUN, the server's end when the kernel masquerades what comes out of it. Uses Debian's
python3-websockets, and text the way old implementations send it: base64 in lines of 76 characters.

    mini_peer.py --listen ADDR --port PORT --tun NAME --form binary|base64
"""
import argparse
import asyncio
import base64
import fcntl
import os
import struct

import websockets

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 1, 0x1000
PATHS = ("/websocket", "/websocket/")


def open_tun(name):
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    return fd


def path_of(websocket):
    """Old versions of the library keep it on the connection, new ones on the request."""
    request = getattr(websocket, "request", None)
    return getattr(request, "path", None) or websocket.path


async def serve(options):
    tun, peers, loop = open_tun(options.tun), set(), asyncio.get_running_loop()
    heard, queue = {"text": 0, "binary": 0}, asyncio.Queue(2000)

    def readable():
        try:
            packet = os.read(tun, 65535)
        except BlockingIOError:
            return
        if peers and not queue.full():
            queue.put_nowait(packet)

    async def send_packets():
        while True:
            packet = await queue.get()
            message = base64.encodebytes(packet).decode() if options.form == "base64" else packet
            for peer in list(peers):
                try:
                    await peer.send(message)
                except websockets.ConnectionClosed:
                    peers.discard(peer)

    async def talk(websocket, _path=None):
        if path_of(websocket) not in PATHS:
            await websocket.close(1008, "wrong path")
            return
        print(f"peer at {path_of(websocket)}", flush=True)
        peers.add(websocket)
        try:
            async for message in websocket:
                text = isinstance(message, str)
                form = "text" if text else "binary"
                heard[form] += 1
                if heard[form] == 1:
                    print(f"first {form} message", flush=True)
                os.write(tun, base64.b64decode(message) if text else message)
        except (websockets.ConnectionClosed, OSError) as error:
            print(f"peer gone: {error}", flush=True)
        finally:
            peers.discard(websocket)

    loop.add_reader(tun, readable)
    async with websockets.serve(talk, options.listen, options.port, max_size=1 << 20, compression=None):
        print("mini peer ready", flush=True)
        await send_packets()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--listen", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--tun", default="tun9")
    parser.add_argument("--form", choices=("binary", "base64"), required=True)
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
