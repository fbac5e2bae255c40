#!/usr/bin/python3
"""What the internet offers in the lab: HTTP, DNS, TCP and UDP echo. Standard library only.

    services.py [--http PORT] [--dns] [--echo PORT] [--answer IPV4]

HTTP:  /          a page of HTML                       /ip       the address and port the request came from
       /big       20 MB of random bytes, always the same ones (see BIG_SHA256)
       /slow?bytes=N&rate=R   N of those bytes at R bytes a second, for downloads that must survive something
       POST /sum  sha256 of the body
DNS:   every A question for *.example is answered with --answer, AAAA with no record, other names do not exist.
"""
import argparse
import hashlib
import http.server
import random
import socket
import socketserver
import struct
import threading
import time
import urllib.parse

BIG_SIZE = 20 * 1000 * 1000
BIG = random.Random(168).randbytes(BIG_SIZE)
BIG_SHA256 = hashlib.sha256(BIG).hexdigest()
PAGE = b"<!doctype html><title>The lab's web page</title><h1>It works</h1>\n" + b"<p>Some text to load.</p>\n" * 40


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 120
    disable_nagle_algorithm = True

    def _head(self, length, kind="application/octet-stream"):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        if url.path == "/":
            self._head(len(PAGE), "text/html")
            self.wfile.write(PAGE)
        elif url.path == "/ip":
            body = f"{self.client_address[0]} {self.client_address[1]}\n".encode()
            self._head(len(body), "text/plain")
            self.wfile.write(body)
        elif url.path == "/big":
            self._head(BIG_SIZE)
            self.wfile.write(BIG)
        elif url.path == "/slow":
            self._drip(urllib.parse.parse_qs(url.query))
        else:
            self.send_error(404)

    def _drip(self, query):
        size, rate = int(query["bytes"][0]), int(query["rate"][0])
        self._head(size)
        start, sent, step = time.monotonic(), 0, max(1, rate // 50)
        while sent < size:
            self.wfile.write(BIG[sent:min(sent + step, size)])
            sent = min(sent + step, size)
            time.sleep(max(0.0, start + sent / rate - time.monotonic()))

    def do_POST(self):
        digest, left = hashlib.sha256(), int(self.headers.get("Content-Length", 0))
        while left:
            piece = self.rfile.read(min(left, 65536))
            if not piece:
                return
            digest.update(piece)
            left -= len(piece)
        body = digest.hexdigest().encode()
        self._head(len(body), "text/plain")
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class HttpServer(http.server.ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # clients that go away are part of the tests

    def server_bind(self):
        socketserver.TCPServer.server_bind(self)  # the base class would ask DNS for its own name
        self.server_name, self.server_port = "lab", self.server_address[1]


def dns_answer(query, address):
    """One A or AAAA question in, one answer out; None for what is not a question."""
    if len(query) < 17 or query[2] & 0x80:
        return None
    at, labels = 12, []
    while at < len(query) and query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode(errors="replace").lower())
        at += 1 + query[at]
    question = query[12:at + 5]
    kind = struct.unpack("!H", query[at + 1:at + 3])[0]
    known = labels[-1:] == ["example"]
    records = b""
    if known and kind == 1:
        records = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 5, 4) + socket.inet_aton(address)
    flags = 0x8580 | (0 if known else 3)
    return query[:2] + struct.pack("!HHHHH", flags, 1, 1 if records else 0, 0, 0) + question + records


def udp_loop(port, answer):
    """A bound socket and the loop that answers on it: answer(data) gives the reply, or None for silence."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    sock.bind(("0.0.0.0", port))

    def loop():
        while True:
            data, peer = sock.recvfrom(65535)
            reply = answer(data)
            if reply is not None:
                try:
                    sock.sendto(reply, peer)
                except OSError:
                    pass
    return loop


class EchoTcp(socketserver.BaseRequestHandler):
    def handle(self):
        try:
            while data := self.request.recv(65536):
                self.request.sendall(data)
        except OSError:
            pass


class ThreadingTcp(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--http", type=int)
    parser.add_argument("--echo", type=int)
    parser.add_argument("--dns", action="store_true")
    parser.add_argument("--answer", default="192.0.2.200")
    options = parser.parse_args()
    loops = []
    if options.http:
        loops.append(HttpServer(("0.0.0.0", options.http), Handler).serve_forever)
    if options.echo:
        loops.append(udp_loop(options.echo, lambda data: data))
        loops.append(ThreadingTcp(("0.0.0.0", options.echo), EchoTcp).serve_forever)
    if options.dns:
        loops.append(udp_loop(53, lambda data: dns_answer(data, options.answer)))
    for loop in loops:
        threading.Thread(target=loop, daemon=True).start()
    print("services ready", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
