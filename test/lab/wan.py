"""The link emulator (wan.c) between two hosts of the lab: makes the devices, changes settings at run time, reads counters."""
import contextlib
import json
import os
import select
import subprocess

from cases import test_program
from host import LabError, _die_with_parent


class Wan:
    """A link from host a ("up" begins there) to host b; settings as wan_link.h tells, such as "rate=10M delay=20"."""

    def __init__(self, a, a_name, b, b_name, settings=""):
        binary = os.environ.get("TETHER_WAN") or test_program("wan")
        ends = [f"/proc/{a.anchor.pid}/ns/net", a_name, f"/proc/{b.anchor.pid}/ns/net", b_name]
        with open(a.lab.log_path(f"{a.name}-{a_name}-wan"), "wb") as log:
            self.popen = subprocess.Popen([binary, *ends, *settings.split()], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                          stderr=log, text=True, bufsize=1, preexec_fn=_die_with_parent)
        self.pid, self.name = self.popen.pid, "wan"
        if self._line(5) != "ready":
            raise LabError(f"the link emulator did not start: wan {' '.join(ends)} {settings}")
        self._be_punctual()

    def _be_punctual(self):
        """A link does not wait for a processor. Where this may not be (a container), it is less exact."""
        with contextlib.suppress(OSError):
            os.sched_setscheduler(self.pid, os.SCHED_FIFO, os.sched_param(1))

    def _line(self, timeout):
        """Each question has one line of answer, so nothing is ever left in the stream's buffer."""
        if not select.select([self.popen.stdout], [], [], timeout)[0]:
            raise LabError(f"the link emulator said nothing for {timeout} s")
        return self.popen.stdout.readline().strip()

    def _tell(self, line):
        try:
            self.popen.stdin.write(line + "\n")
        except OSError as error:
            raise LabError(f"the link emulator is gone: {error}") from None

    def set(self, settings):
        """A word it does not know is an error; the others hold."""
        self._tell(settings)
        answer = self._line(5)
        if answer != "ok":
            raise LabError(f"the link emulator knows no setting {answer[:80]}")

    def reset(self):
        """Counters start from zero."""
        self._tell("reset")

    def show(self):
        """Counters of both directions since the last reset; "share" is the part of the rate that was used."""
        self._tell("show")
        return self._parse(self._line(5))

    @staticmethod
    def _parse(line):
        told = json.loads(line)
        for way in ("up", "down"):
            capacity = told[way]["capacity_bytes"]
            told[way]["share"] = told[way]["sent_bytes"] / capacity if capacity > 0 else None
        return told

    def alive(self):
        return self.popen.poll() is None

    def close(self):
        """Ends it, and with it both devices; its last counters."""
        self.popen.stdin.close()
        try:
            return self._parse(self._line(5))
        finally:
            self.kill()

    def kill(self):
        """Ends it whatever it does. Harmless when repeated."""
        self.popen.kill()
        self.popen.wait(5)
        for stream in (self.popen.stdin, self.popen.stdout):
            if not stream.closed:
                stream.close()
