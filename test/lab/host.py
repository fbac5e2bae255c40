"""One simulated machine: a network namespace, a mount namespace with its own /etc and /run, and what runs in it.

An anchor process holds both namespaces, and everything else enters them through nsenter, which execs the command: the
pid a caller gets is the command's own. So a change to /etc/resolv.conf is seen by every process of that machine and by
nobody else, rename over it included (a bind mount of the single file, as `ip netns exec` makes it, would forbid that).
/run is empty: no D-Bus, no systemd-resolved of the machine the lab runs on can be reached by accident.
"""
import ctypes
import os
import shutil
import signal
import subprocess
import time

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class LabError(Exception):
    """Something the lab needed did not happen; the text says what."""


def _die_with_parent():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def wait_until(true, what, timeout=10.0, interval=0.02):
    """Poll until true() returns something true, and return that."""
    end = time.monotonic() + timeout
    while True:
        value = true()
        if value:
            return value
        if time.monotonic() >= end:
            raise LabError(f"waited {timeout:g} s in vain for {what}")
        time.sleep(interval)


def sh(*argv, check=True, timeout=60):
    """Run a command on the machine itself; its output as text."""
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=timeout)
    if check and done.returncode:
        raise LabError(f"{' '.join(argv)}: exit {done.returncode}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def process_status(pid, task=None):
    """/proc/PID/status of a process, or of a thread of it, as a dictionary."""
    with open(f"/proc/{pid}/task/{task or pid}/status") as f:
        return {name: value.strip() for name, value in (line.split(":", 1) for line in f)}


def rss_kb(pid):
    return int(process_status(pid)["VmRSS"].split()[0])


class Process:
    """A program that runs in a host; its output goes to a file that can be polled."""

    def __init__(self, host, name, argv, env=None, stdin=subprocess.DEVNULL):
        self.host, self.name = host, name
        self.log_path = host.lab.log_path(f"{host.name}-{name}")
        with open(self.log_path, "wb") as log:
            self.popen = subprocess.Popen(host.enter(argv), stdin=stdin, stdout=log, stderr=subprocess.STDOUT, env=env,
                                          preexec_fn=_die_with_parent)
        self.pid = self.popen.pid
        host.lab.processes.append(self)

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def wait_log(self, text, timeout=10.0, count=1):
        """Until the text stands in the log `count` times; fails at once when the program ends before."""
        def seen():
            if self.log().count(text) >= count:
                return True
            if self.popen.poll() is not None and self.log().count(text) < count:
                raise LabError(f"{self.name} ended with {self.popen.returncode} before it said \"{text}\":\n{self.log()}")
            return False
        try:
            wait_until(seen, f"\"{text}\" from {self.name}", timeout)
        except LabError as error:
            raise LabError(f"{error}\n{self.tail()}") from None
        return self

    def tail(self, lines=15):
        return "\n".join(f"    {self.name}| {line}" for line in self.log().splitlines()[-lines:])

    def alive(self):
        return self.popen.poll() is None

    def send(self, signo):
        if self.alive():
            os.kill(self.pid, signo)

    def end(self, signo=signal.SIGTERM, timeout=10.0):
        """Signal, wait, and return the exit status (negative: killed by that signal)."""
        self.send(signo)
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait(5)
            raise LabError(f"{self.name} did not end within {timeout:g} s of signal {signo}\n{self.tail()}") from None

    def rss_kb(self):
        return rss_kb(self.pid)

    def children(self):
        with open(f"/proc/{self.pid}/task/{self.pid}/children") as f:
            return [int(pid) for pid in f.read().split()]

    def keeper(self):
        """The pid of tether's process that changes the machine."""
        return wait_until(self.children, f"the keeper of {self.name}")[0]


class Host:
    def __init__(self, lab, name, resolver=None, ipv6=False):
        self.lab, self.name = lab, name
        self.netns = f"th-lab{os.getpid()}-{name}"
        self.anchor = None
        sh("ip", "netns", "add", self.netns)
        lab.hosts.append(self)
        self._start_anchor()
        self.etc = f"/proc/{self.anchor.pid}/root/etc"  # the way there from outside
        self.set_resolver(resolver)
        if not ipv6:
            self.run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1",
                     check=False)
        self.run("ip", "link", "set", "lo", "up")

    def _start_anchor(self):
        """The copy of /etc lies in memory: on a slow disk its many small files would take a second."""
        place = os.path.join(self.lab.dir, self.name, "etc")
        os.makedirs(place)
        script = (f"mount --make-rprivate / && mount -t tmpfs tmpfs '{place}' && cp -a /etc/. '{place}' && mount --bind '{place}' /etc"
                  " && mount -t tmpfs -o mode=755 tmpfs /run && echo ready && exec sleep infinity")
        self.anchor = subprocess.Popen(["ip", "netns", "exec", self.netns, "sh", "-c", script], stdin=subprocess.DEVNULL,
                                       stdout=subprocess.PIPE, preexec_fn=_die_with_parent)
        if self.anchor.stdout.readline() != b"ready\n":
            raise LabError(f"cannot make a mount namespace for {self.name}")

    def set_resolver(self, resolver):
        path = os.path.join(self.etc, "resolv.conf")
        if os.path.lexists(path):
            os.unlink(path)
        with open(path, "w") as f:
            f.write(f"nameserver {resolver}\n" if resolver else "# no resolver\n")

    def enter(self, argv):
        return ["nsenter", "-t", str(self.anchor.pid), "-m", "-n", "--", *map(str, argv)]

    def run(self, *argv, check=True, timeout=60, input=None, env=None):
        """Run to completion; the CompletedProcess has text stdout and stderr."""
        try:
            done = subprocess.run(self.enter(argv), stdin=subprocess.DEVNULL if input is None else None, input=input,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace",
                                  timeout=timeout, env=env, preexec_fn=_die_with_parent)
        except subprocess.TimeoutExpired:
            raise LabError(f"{self.name}: {' '.join(map(str, argv))}: not done within {timeout} s") from None
        if check and done.returncode:
            raise LabError(f"{self.name}: {' '.join(map(str, argv))}: exit {done.returncode}: "
                           f"{done.stderr.strip() or done.stdout.strip()}")
        return done

    def out(self, *argv, **options):
        return self.run(*argv, **options).stdout

    def popen(self, name, *argv, env=None):
        return Process(self, name, argv, env)

    def address(self, ifname, cidr):
        self.run("ip", "address", "add", cidr, "dev", ifname)

    def up(self, ifname):
        self.run("ip", "link", "set", ifname, "up")

    def route(self, *words):
        self.run("ip", "route", "add", *words)

    def offloads(self, ifname, on):
        """Checksum and segmentation offloads of one device; what a device does not have is left."""
        word = "on" if on else "off"
        for feature in ("tx", "sg", "tso", "gso", "gro"):
            self.run("ethtool", "-K", ifname, feature, word, check=False)

    def close(self):
        """End what still runs here, by pid, then delete the namespace."""
        for _ in range(3):
            pids = [int(p) for p in sh("ip", "netns", "pids", self.netns, check=False).split()]
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            if not pids:
                break
            time.sleep(0.02)
        if self.anchor:
            self.anchor.kill()
            self.anchor.wait()
            self.anchor.stdout.close()
        sh("ip", "netns", "delete", self.netns, check=False)


def sweep_dead_labs():
    """Namespaces and folders of labs whose process is gone (a test runner may end a test with SIGKILL)."""
    for line in sh("ip", "netns", "list", check=False).splitlines():
        name = line.split()[0] if line.split() else ""
        number = name[len("th-lab"):].split("-")[0] if name.startswith("th-lab") else ""
        if number.isdigit() and not os.path.exists(f"/proc/{number}"):
            for pid in sh("ip", "netns", "pids", name, check=False).split():
                try:
                    os.kill(int(pid), signal.SIGKILL)
                except (ProcessLookupError, PermissionError):
                    pass
            sh("ip", "netns", "delete", name, check=False)
            shutil.rmtree(f"/tmp/th-lab{number}", ignore_errors=True)
