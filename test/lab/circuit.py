"""tether's roles in the lab: who is started where, with which options, and when each is ready."""
import contextlib
import json
import os
import signal

import house
from cases import tether_binary
from host import LabError, wait_until
from topology import LAPTOP, SERVER, WEB, Lab

UP_TIMEOUT = 15


class Circuit:
    def __init__(self, laptops=1, plain=False, server_options=(), client_options=(), lab=None, ipv6=(), emulated=None):
        self.binary = os.path.realpath(tether_binary())
        self.lab = lab or Lab(laptops, ipv6, emulated)
        self.plain = plain
        self.server_options, self.client_options = list(server_options), list(client_options)
        self.key = None if plain else self.new_key()
        self.server, self.clients, self.relays = None, {}, {}
        self.phones_core = contextlib.nullcontext  # in which a browser is started

    def new_key(self):
        return self.lab.server.out(self.binary, "key").split()[-1]

    def secret(self, key=None):
        return ["--plain"] if self.plain else ["--key", key or self.key]

    def state_dir(self, host):
        return os.path.join(self.lab.dir, host.name, "state")

    def server_command(self, *more, secret=None):
        words = ["--iface", "eth0", "--state-dir", self.state_dir(self.lab.server), *(self.secret() if secret is None else secret),
                 *self.server_options, *more]
        return house.command(self.binary, "server", words, self.lab.dir)

    def client_command(self, number=1, *more, key=None):
        return [self.binary, "client", "--wifi", "wlan0", "--server", self.server_url(), "--state-dir",
                self.state_dir(self.lab.laptops[number - 1]), *self.secret(key), *self.client_options, *more]

    def relay_command(self, local=f"ws://{LAPTOP}:6354/websocket", remote=None):
        return [self.binary, "relay", "--local", local, "--remote", remote or self.server_url()]

    @staticmethod
    def server_url(path="/websocket"):
        return f"ws://{SERVER}:8080{path}"

    def start_server(self, *more, prefix=()):
        self.server = self.lab.server.popen("server", *prefix, *self.server_command(*more))
        self.server.wait_log("server ready")
        return self.server

    def start_serve_web(self):
        """At the server's port 80."""
        if house.SHARED:  # it is there already
            return self.server.wait_log("serve-web ready")
        web = self.lab.server.popen("serve-web", self.binary, "serve-web", "--port", "80", "--listen", SERVER)
        return web.wait_log("serve-web ready")

    def start_client(self, number=1, *more, key=None, prefix=()):
        host = self.lab.laptops[number - 1]
        client = host.popen("client", *prefix, *self.client_command(number, *more, key=key))
        client.wait_log("client ready")
        self.clients[number] = client
        return client

    def start_relay(self, number=1, prefix=(), **urls):
        relay = self.lab.phones[number - 1].popen("relay", *prefix, *self.relay_command(**urls))
        self.relays[number] = relay
        return relay

    def tether_json(self, number=1):
        """/tether.json as the phone sees it, or None."""
        done = self.lab.phones[number - 1].run("curl", "-s", "-m", "3", f"http://{LAPTOP}:6354/tether.json", check=False)
        try:
            return json.loads(done.stdout)
        except ValueError:
            return None

    def server_status(self):
        """What `tether status --json` says of the server."""
        return house.status(self.lab.server.out(self.binary, "status", "--json", "--state-dir", self.state_dir(self.lab.server)), "server")

    def client_status(self, number=1):
        """What `tether status --json` says of a laptop's client."""
        laptop = self.lab.laptops[number - 1]
        return house.status(laptop.out(self.binary, "status", "--json", "--state-dir", self.state_dir(laptop)), "client")

    def feeds(self):
        """Whether laptop and server send to the first phone by feeds: a pair of booleans."""
        return self.client_status()["session"]["path"]["feed"], self.server_status()["sessions"][0]["path"]["feed"]

    def is_up(self, number=1):
        return (self.tether_json(number) or {}).get("state") == "up"

    def wait_up(self, number=1, timeout=UP_TIMEOUT):
        try:
            wait_until(lambda: self.is_up(number), "state \"up\" in /tether.json", timeout, 0.1)
        except LabError as error:
            logs = [p.tail() for p in (self.server, self.clients.get(number), self.relays.get(number)) if p]
            raise LabError(f"{error}; last answer: {self.tether_json(number)}\n" + "\n".join(logs)) from None

    def start_web(self):
        """The internet: a web host with names, and something that echoes."""
        self.lab.serve(self.lab.web, "--http", "80", "--dns", "--echo", "7")

    def start_all(self):
        self.start_web()
        return self.start_roles()

    def start_roles(self):
        self.start_server()
        for number in range(1, len(self.lab.laptops) + 1):
            self.start_client(number)
            self.start_relay(number)
        for number in range(1, len(self.lab.laptops) + 1):
            self.wait_up(number)
        return self

    def stop(self):
        """The roles, not the lab."""
        for process in [*self.relays.values(), *self.clients.values(), self.server]:
            if process and process.alive():
                process.end(signal.SIGTERM)
        self.relays, self.clients, self.server = {}, {}, None

    def check_sanitizers(self):
        """No sanitizer may have spoken, nor a loop that was not empty in the end."""
        for process in self.lab.processes:
            text = process.log()
            for word in ("ERROR: AddressSanitizer", "runtime error:", "ERROR: LeakSanitizer", "a role left something open"):
                if word in text:
                    raise LabError(f"{process.name}: {word}\n{process.tail(60)}")

    def check_alive(self):
        """No role may have ended on its own, and no sanitizer may have spoken."""
        self.check_sanitizers()
        for process in [self.server, *self.clients.values(), *self.relays.values()]:
            if process and not process.alive():
                raise LabError(f"{process.name} ended with {process.popen.returncode}\n{process.tail()}")


__all__ = ["Circuit", "LAPTOP", "SERVER", "WEB", "UP_TIMEOUT"]
