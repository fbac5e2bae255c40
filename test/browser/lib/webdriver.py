#!/usr/bin/python3
"""One real headless Chromium, driven by plain W3C WebDriver, optionally inside a network namespace.

The phone of the tests and of the demo. chromedriver listens on the namespace's own loopback, so the connection to it is
made by a thread that has entered that namespace: a socket stays where it was made, while the test itself stays outside.
Chromium forks many processes; all of them live in one pid namespace whose first process is chromedriver, so ending that
one ends them all, even when the test is killed: nothing is searched for by name.

In a script:    with Browser(netns="phone") as b: b.open(url); b.wait_for("document.title === 'tether'")
As a program:   webdriver.py --netns NS --url URL --screenshot FILE --hold
                prints "ready"; then reads lines: "screenshot [FILE]", "reload", "text SELECTOR"; ends on SIGTERM or end of input
"""
import argparse
import atexit
import base64
import ctypes
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the key W3C WebDriver uses for element references
# A browser that talks to nobody but the page under test; QUIC and the GPU have no place in a namespace.
FLAGS = ("--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
         "--disable-component-update --disable-sync --disable-dev-shm-usage --disable-default-apps --mute-audio "
         "--disable-domain-reliability --no-pings --disable-features=OptimizationHints,MediaRouter,Translate").split()
START = {"restore_on_startup": 4, "startup_urls": ["about:blank"]}  # a distribution's own start page would wait for its name's address
KEYS = {"Tab": "\ue004", "Enter": "\ue007", "Space": " ", "Shift": "\ue008", "Escape": "\ue00c"}
libc = ctypes.CDLL(None, use_errno=True)


class BrowserError(Exception):
    """What chromedriver answered instead of a value, or what did not come true in time."""


def available():
    """What is missing to drive a browser, or "" when nothing is."""
    for program, package in (("chromium", "chromium"), ("chromedriver", "chromium-driver")):
        if not shutil.which(program):
            return f"{program} is not installed (apt install {package})"
    return ""


def in_netns(netns, function):
    """Run function in a thread that has entered the namespace; sockets it makes stay there. None: here."""
    if netns is None:
        return function()
    outcome = {}

    def run():
        try:
            fd = os.open(f"/run/netns/{netns}", os.O_RDONLY | os.O_CLOEXEC)
            try:
                if libc.setns(fd, CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), f"cannot enter namespace {netns}")
            finally:
                os.close(fd)
            outcome["value"] = function()
        except BaseException as error:  # handed to the caller's thread
            outcome["error"] = error

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if "error" in outcome:
        raise outcome["error"]
    return outcome["value"]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def _die_with_parent():
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Browser:
    """A browser of its own with a fresh profile; quit() or leaving the with block ends every process of it."""

    def __init__(self, netns=None, window=(1000, 800), flags=()):
        missing = available()
        if missing:
            raise BrowserError(missing)
        self.netns = netns
        self.session = None
        self.driver = None
        self.connection = None
        self.folder = tempfile.mkdtemp(prefix="tether-browser-")
        atexit.register(self.quit)
        try:
            self._start_driver()
            self._start_session(window, flags)
        except BaseException:
            self.quit()
            raise

    def _start_driver(self):
        if self.netns:
            subprocess.run(["ip", "-n", self.netns, "link", "set", "lo", "up"], check=True)
        # --port=0 is no use: without IPv6 chromedriver then says that its port is 0
        self.port = in_netns(self.netns, free_port)
        command = ["chromedriver", f"--port={self.port}"]
        if self.netns:
            command = ["ip", "netns", "exec", self.netns] + command
        if os.geteuid() == 0:
            command = ["unshare", "--fork", "--pid", "--mount-proc", "--kill-child"] + command
        env = dict(os.environ, HOME=self.folder, XDG_CONFIG_HOME=self.folder, XDG_CACHE_HOME=self.folder)
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            env.pop(name, None)
        self.driver = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, cwd=self.folder,
                                       stderr=subprocess.DEVNULL, env=env, preexec_fn=_die_with_parent)
        for line in self.driver.stdout:
            if "started successfully" in line:
                break
        else:
            raise BrowserError("chromedriver ended before it was ready")
        # chromedriver writes little, but a full pipe would stop it
        threading.Thread(target=self.driver.stdout.read, daemon=True).start()

    def _start_session(self, window, flags):
        arguments = FLAGS + [f"--user-data-dir={self.folder}/profile", f"--window-size={window[0]},{window[1]}", *flags]
        wanted = {"browserName": "chrome", "goog:loggingPrefs": {"browser": "ALL"},
                  "goog:chromeOptions": {"args": arguments, "binary": shutil.which("chromium"), "prefs": {"session": START}}}
        answer = self._call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}}, timeout=90)
        self.session = answer["sessionId"]
        self.version = answer["capabilities"].get("browserVersion", "?")
        self._call("POST", "/timeouts", {"script": 30000, "pageLoad": 60000})
        if window[0] < 500:  # a window is never narrower than that, a phone's screen is
            self.resize(*window)

    # -- talking to chromedriver

    def _connect(self):
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port)
        deadline = time.monotonic() + 5  # it tells its port a moment before it listens there
        while True:
            try:
                self.connection.sock = in_netns(self.netns, lambda: socket.create_connection(("127.0.0.1", self.port), 10))
                return
            except ConnectionRefusedError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def _call(self, method, path, body=None, timeout=70):
        """One WebDriver command; path is relative to the session once there is one."""
        if self.connection is None or self.connection.sock is None:
            self._connect()
        self.connection.sock.settimeout(timeout)
        where = (f"/session/{self.session}" if self.session else "") + path
        data = None if body is None else json.dumps(body)
        try:
            self.connection.request(method, where, data, {"Content-Type": "application/json"} if data else {})
            answer = json.loads(self.connection.getresponse().read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.connection.close()
            self.connection = None
            raise BrowserError(f"{method} {path}: chromedriver does not answer: {error!r}") from error
        value = answer.get("value")
        if isinstance(value, dict) and "error" in value:
            raise BrowserError(f"{value['error']}: {value.get('message', '').splitlines()[0]}")
        return value

    def cdp(self, command, **params):
        """A DevTools command, for what WebDriver has no word for (screen size, dark mode, network off)."""
        return self._call("POST", "/goog/cdp/execute", {"cmd": command, "params": params})

    # -- pages

    def open(self, url):
        self._call("POST", "/url", {"url": url})

    def url(self):
        return self._call("GET", "/url")

    def reload(self):
        self._call("POST", "/refresh", {})

    def js(self, script, *args):
        """Run a function body ("return 1 + 1") in the page; a promise is awaited."""
        return self._call("POST", "/execute/sync", {"script": script, "args": list(args)})

    def wait_for(self, condition, timeout=10):
        """Poll a JavaScript expression until it is truthy, and return its value."""
        end = time.monotonic() + timeout
        while True:
            try:
                value = self.js(f"return ({condition});")
            except BrowserError as error:  # between two pages there is none to ask
                value, condition_error = None, error
            else:
                condition_error = None
            if value:
                return value
            if time.monotonic() > end:
                raise BrowserError(f"not true within {timeout} s: {condition} ({condition_error or value!r})\n{self.words()}")
            time.sleep(0.05)

    def words(self):
        """What a person would read on the page now: for messages of tests that fail."""
        try:
            return self.js("return location.href + '\\n' + document.body.innerText;")
        except BrowserError as error:
            return str(error)

    def find(self, css):
        return self._call("POST", "/element", {"using": "css selector", "value": css})[ELEMENT]

    def click(self, css):
        self._call("POST", f"/element/{self.find(css)}/click", {})

    def text(self, css):
        return self._call("GET", f"/element/{self.find(css)}/text")

    def attribute(self, css, name):
        return self._call("GET", f"/element/{self.find(css)}/attribute/{name}")

    def fill(self, css, text):
        """Replace the content of a field as a typist would."""
        element = self.find(css)
        self._call("POST", f"/element/{element}/clear", {})
        self._call("POST", f"/element/{element}/value", {"text": text})

    def press(self, *keys):
        """Press keys by name ("Tab", "Enter", "Space", "Shift"), held together in the order given."""
        codes = [KEYS.get(key, key) for key in keys]
        actions = [{"type": "keyDown", "value": c} for c in codes] + [{"type": "keyUp", "value": c} for c in reversed(codes)]
        self._call("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def accessible(self, css):
        """(role, name) as a screen reader is told."""
        element = self.find(css)
        return (self._call("GET", f"/element/{element}/computedrole"), self._call("GET", f"/element/{element}/computedlabel"))

    def log(self):
        """Lines of the browser's console since the last call."""
        return [f"{e['level']} {e['message']}" for e in self._call("POST", "/se/log", {"type": "browser"})]

    # -- circumstances

    def resize(self, width, height):
        """The page's own size in CSS pixels, also narrower than a desktop window may be."""
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=2, mobile=width < 600)

    def dark(self, on=True):
        self.cdp("Emulation.setEmulatedMedia",
                 features=[{"name": "prefers-color-scheme", "value": "dark" if on else "light"}])

    def offline(self, on=True):
        """Cut the page off as the flight mode does (navigator.onLine and its events; open sockets stay)."""
        self.cdp("Network.enable")
        self.cdp("Network.emulateNetworkConditions", offline=on, latency=0, downloadThroughput=-1, uploadThroughput=-1)

    def hide(self, on=True):
        """Take the window away and bring it back: the page's visibilityState becomes "hidden", then "visible"."""
        window = self.cdp("Browser.getWindowForTarget")["windowId"]
        self.cdp("Browser.setWindowBounds", windowId=window, bounds={"windowState": "minimized" if on else "normal"})
        self.wait_for(f"document.visibilityState === '{'hidden' if on else 'visible'}'", 5)

    def screenshot(self, path, full=True):
        """Save what the page shows, by default its whole length, as PNG."""
        shot = self.cdp("Page.captureScreenshot", format="png", captureBeyondViewport=full)["data"]
        with open(path, "wb") as f:
            f.write(base64.b64decode(shot))

    # -- the end

    def quit(self):
        """End the browser and its profile; harmless when repeated."""
        atexit.unregister(self.quit)
        if self.driver is not None:
            if self.session and self.connection is not None:
                try:
                    self._call("DELETE", "", timeout=5)
                except BrowserError:
                    pass  # it is about to be killed
            self.driver.kill()
            self.driver.wait()
            self.driver = None
        if self.connection is not None:
            self.connection.close()
            self.connection = None
        for _ in range(20):  # processes being killed may still write for a moment
            shutil.rmtree(self.folder, ignore_errors=True)
            if not os.path.exists(self.folder):
                break
            time.sleep(0.05)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.quit()


def obey(browser, line, screenshot):
    """One line of the program's standard input."""
    word, _, rest = line.strip().partition(" ")
    if word == "screenshot" and (rest or screenshot):
        browser.screenshot(rest or screenshot)
        print("saved", rest or screenshot, flush=True)
    elif word == "reload":
        browser.reload()
        print("reloaded", flush=True)
    elif word == "text":
        print(browser.text(rest).replace("\n", " "), flush=True)
    elif word:
        print(f"unknown: {word}", flush=True)


def main():
    parser = argparse.ArgumentParser(description="Open one page in a headless Chromium.")
    parser.add_argument("--netns", help="network namespace to live in")
    parser.add_argument("--url", required=True)
    parser.add_argument("--screenshot", help="file the page's picture is saved to")
    parser.add_argument("--window", default="420x900", help="size of the page in pixels")
    parser.add_argument("--wait", help="JavaScript expression that must come true before 'ready'")
    parser.add_argument("--hold", action="store_true", help="stay until SIGTERM or end of input")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        width, height = (int(n) for n in args.window.split("x"))
        with Browser(args.netns, (width, height)) as browser:
            browser.open(args.url)
            if args.wait:
                browser.wait_for(args.wait, 60)
            if not args.hold and args.screenshot:
                browser.screenshot(args.screenshot)
            print("ready", flush=True)
            if args.hold:
                for line in sys.stdin:
                    try:
                        obey(browser, line, args.screenshot)
                    except BrowserError as error:
                        print(f"failed: {error}", flush=True)
    except BrowserError as error:
        sys.exit(f"webdriver: {error}")


if __name__ == "__main__":
    main()
