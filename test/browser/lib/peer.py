"""A laptop or a server for the page's own tests: HTTP and websockets on loopback, by hand and independent of tether's code.

A Peer listens on a port the kernel chose, serves the folder web/ under the headers the real server sends, answers tether.json
from a dictionary and hands each upgraded websocket to the test as a Link. A page that asks for a link's feed gets what the peer's `feeds` says.
Blocking sockets, one thread per connection: the test decides when to read, so a link that nobody reads is a stalled one.
"""
import base64
import hashlib
import json
import os
import queue
import socket
import struct
import threading
import time

WEB = os.path.realpath(os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "..", "..", "web"))
TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml",
         ".mp4": "video/mp4"}
CSP = ("default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self' data:; "
       "media-src 'self' data:; connect-src *; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
FEED_HEAD = (b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nAccess-Control-Allow-Origin: *\r\nCache-Control: no-store\r\n"
             b"Connection: close\r\n\r\n")
# What follows a page's request for a feed: None is the 404 of an end that has none.
FEEDS = {"give": FEED_HEAD + b"feed", "none": None, "held": b"", "head only": FEED_HEAD, "another word": FEED_HEAD + b"food", "part of a word": FEED_HEAD + b"fe"}


class Link:
    """The peer's end of one websocket (RFC 6455): whole messages in and out."""

    def __init__(self, connection):
        self.socket = connection
        self.file = connection.makefile("rb", 1 << 20)
        self.sending = threading.Lock()
        self.frames = 0
        self.feeds = queue.Queue()  # connections by which the page asked for this link's feed
        self.feed = None

    def take_up(self, timeout=10):
        """The page's request for a feed and its word that the first bytes came; what pour() sends is to be taken up after answer_word()."""
        self.feed = self.feeds.get(timeout=timeout)
        got = self.receive(timeout)
        if got != (TEXT, b"feed"):
            raise AssertionError(f"the page did not say that the feed works, but {got}")

    def answer_word(self):
        self.send(TEXT, b"feed")

    def pour(self, data):
        self.feed.sendall(data)

    def feed_is_left(self, timeout=2):
        """The page closes its side of the feed within this time."""
        self.feed.settimeout(timeout)
        try:
            return self.feed.recv(1) == b""
        except ConnectionError:
            return True
        except TimeoutError:
            return False

    def end_feed(self):
        """All that was poured, and then its end."""
        self.feed.shutdown(socket.SHUT_WR)

    def _frame(self):
        head = self.file.read(2)
        if len(head) < 2:
            raise EOFError("connection ended without a close frame")
        length = head[1] & 127
        if length == 126:
            length = struct.unpack("!H", self.file.read(2))[0]
        elif length == 127:
            length = struct.unpack("!Q", self.file.read(8))[0]
        mask = self.file.read(4) if head[1] & 128 else b"\0\0\0\0"
        payload = self.file.read(length)
        if len(payload) < length:
            raise EOFError("connection ended within a frame")
        self.frames += 1
        return head[0], mask, payload

    def receive(self, timeout=10):
        """The next message as (TEXT or BINARY, bytes), or (CLOSE, (code, reason)); (CLOSE, (1006, "")) without one."""
        self.socket.settimeout(timeout)
        kind, parts = None, []
        try:
            while True:
                first, mask, payload = self._frame()
                size = len(payload)
                long_mask = int.from_bytes((mask * (size // 4 + 1))[:size], "little")
                payload = (int.from_bytes(payload, "little") ^ long_mask).to_bytes(size, "little")
                opcode = first & 15
                if opcode == CLOSE:
                    self.send(CLOSE, payload[:2])
                    return CLOSE, (struct.unpack("!H", payload[:2])[0] if size >= 2 else 1005, payload[2:].decode())
                if opcode in (PING, PONG):
                    continue
                kind = opcode or kind
                parts.append(payload)
                if first & 128:
                    return kind, b"".join(parts)
        except (EOFError, ConnectionError):
            return CLOSE, (1006, "")

    def wait_close(self, timeout=10):
        """Read over everything up to the end; (code, reason)."""
        while True:
            kind, value = self.receive(timeout)
            if kind == CLOSE:
                return value

    def count(self, seconds):
        """Bytes that arrive within this time, unmasked and unread: for measuring."""
        total, end, buffer = 0, time.monotonic() + seconds, bytearray(1 << 20)
        self.socket.settimeout(seconds)
        while time.monotonic() < end:
            total += self.socket.recv_into(buffer)
        return total

    def send(self, kind, payload):
        size = len(payload)
        head = bytes([128 | kind]) + (bytes([size]) if size < 126 else struct.pack("!BH", 126, size) if size < 65536
                                      else struct.pack("!BQ", 127, size))
        with self.sending:
            self.socket.sendall(head + payload)

    def close(self, code, reason=""):
        self.send(CLOSE, struct.pack("!H", code) + reason.encode())

    def hang_up(self):
        """Nothing more will be sent: a browser whose close frame was answered waits for this."""
        self.socket.shutdown(socket.SHUT_WR)

    def abort(self):
        """Reset the connection, as a machine that lost its memory does."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.file.close()
        self.socket.close()


class Peer:
    def __init__(self, host="127.0.0.1", port=0, **told):
        self.told = told            # what tether.json says
        self.links = queue.Queue()  # upgraded websockets, for the test
        self.attempts = []          # when somebody asked for a websocket, monotonic seconds
        self.tokens = {}            # links by the token the page gave
        self.feeds = "none"         # of FEEDS
        self.refuse = False         # answer 503 instead
        self.hold = threading.Event()
        self.hold.set()             # cleared: the handshake waits
        self.connections = set()
        self.listener = socket.create_server((host, port))
        self.host, self.port = self.listener.getsockname()[:2]
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self, scheme="ws", path="/websocket"):
        return f"{scheme}://{self.host}:{self.port}{path}"

    def link(self, timeout=10):
        """The next websocket that was opened to this peer."""
        return self.links.get(timeout=timeout)

    def forget(self):
        """Drop the links that no test took, so that the next one gets a fresh pair."""
        while not self.links.empty():
            self.links.get().abort()
        self.attempts.clear()
        self.tokens.clear()

    def end(self):
        """Stop listening and reset what is open: the machine is gone."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in list(self.connections):
            try:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _accept(self):
        while True:
            try:
                connection = self.listener.accept()[0]
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            head = b""
            while b"\r\n\r\n" not in head and len(head) < 16384:
                more = connection.recv(4096)
                if not more:
                    break
                head += more
            lines = head.decode("latin-1").split("\r\n")
            fields = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:])}
            path, _, query = (lines[0].split(" ") + ["", ""])[1].partition("?")
            token = query.partition("feed=")[2]
            if fields.get("upgrade", "").lower() == "websocket":
                self._upgrade(connection, fields, token)
                return
            if token in self.tokens and FEEDS[self.feeds] is not None:
                connection.sendall(FEEDS[self.feeds])
                self.tokens[token].feeds.put(connection)
                return
            self._page(connection, path)
        except OSError:
            pass
        connection.close()
        self.connections.discard(connection)

    def _upgrade(self, connection, fields, token):
        self.attempts.append(time.monotonic())
        self.hold.wait(30)
        if self.refuse:
            connection.sendall(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            connection.close()
            return
        digest = hashlib.sha1((fields["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                           b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n")
        link = Link(connection)
        if token:
            self.tokens[token] = link
        self.links.put(link)

    def _page(self, connection, path):
        name = os.path.basename(path) or "index.html"
        status, kind, body = "404 Not Found", "text/plain", b"no such page\n"
        if path == "/tether.json" and self.told:
            status, kind, body = "200 OK", "application/json", json.dumps(self.told).encode()
        elif os.path.isfile(os.path.join(WEB, name)):
            with open(os.path.join(WEB, name), "rb") as f:
                status, kind, body = "200 OK", TYPES.get(os.path.splitext(name)[1], "application/octet-stream"), f.read()
        connection.sendall((f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
                            f"Cache-Control: no-store\r\nContent-Security-Policy: {CSP}\r\n\r\n").encode() + body)
