"""Reports one line per case and goes on after a failure, so one run tells everything. Exit code 0, 1, or 77 for a skip.

    cases = Cases("circuit")
    with cases.case("ping answers"):
        laptop.run("ping", "-c1", WEB)
    cases.finish()
"""
import contextlib
import os
import sys
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
from host import LabError


class Skip(Exception):
    """The machine cannot show this case; the text says why."""


class Cases:
    def __init__(self, name):
        self.name, self.passed, self.failed, self.skipped = name, 0, [], []
        self.lab = None  # when set, its logs are shown on failure
        self.only = os.environ.get("TETHER_CASE", "")  # run just the cases whose name contains this
        self.start = time.monotonic()

    @contextlib.contextmanager
    def _watch(self, what):
        begin = time.monotonic()
        try:
            yield
        except Skip as why:
            self.skipped.append(what)
            self._line("SKIPPED", what, begin, f": {why}")
        except Exception as error:
            self.failed.append(what)
            self._line("FAIL", what, begin)
            text = str(error) if isinstance(error, (LabError, AssertionError)) and str(error) else traceback.format_exc()
            print("\n".join("     " + line for line in text.splitlines()), flush=True)
            self._show_logs()
        else:
            self.passed += 1
            self._line("ok", what, begin)

    def case(self, what):
        return self._watch(what)

    def run(self, what, function, *arguments):
        """The same for a function; left out when TETHER_CASE asks for others."""
        if self.only and self.only not in what:
            return
        with self._watch(what):
            function(*arguments)

    def _line(self, result, what, begin, more=""):
        print(f"{result:<4} {self.name}: {what} ({time.monotonic() - begin:.1f} s){more}", flush=True)

    def _show_logs(self):
        for process in (self.lab.processes if self.lab else [])[-6:]:
            if process.name != "services" and process.log():
                print(process.tail(), flush=True)

    def finish(self):
        print(f"{self.name}: {self.passed} passed, {len(self.failed)} failed, {len(self.skipped)} skipped"
              f" in {time.monotonic() - self.start:.1f} s", flush=True)
        if self.passed + len(self.failed) == 0:
            skip_all(self.name, "no case ran")
        sys.exit(1 if self.failed else 0)


def skip_all(name, why):
    print(f"SKIPPED {name}: {why}", flush=True)
    sys.exit(77)


def need_lab(name):
    """Skip loudly where namespaces cannot be made; fail where the binary is missing."""
    if os.geteuid() != 0:
        skip_all(name, "needs root for network namespaces (sudo ctest ..., or ./bootstrap.sh test)")
    if not os.access(tether_binary(), os.X_OK):
        print(f"FAIL {name}: no binary at {tether_binary()}; set TETHER=path")
        sys.exit(1)


def tether_binary():
    """Absolute, as the programs of the tests: what enters a namespace leaves the directory it was started in."""
    here = os.path.dirname(os.path.realpath(__file__))
    return os.path.abspath(os.environ.get("TETHER") or os.path.join(here, "..", "..", "build", "dev", "tether"))


def test_program(name):
    """A program that is built with the tests, beside the binary under test unless TETHER_BUILD names another build."""
    build = os.environ.get("TETHER_BUILD") or os.path.dirname(os.path.realpath(tether_binary()))
    path = os.path.abspath(os.path.join(build, "test", name))
    if not os.access(path, os.X_OK):
        raise LabError(f"no {path}: it is built with the tests (-DTETHER_TESTS=ON); TETHER_BUILD can name another build")
    return path


def expect(condition, text):
    if not condition:
        raise AssertionError(text)
