"""What a running tether may do: its process with the packets nothing, its keeper everything, and that one is small."""
import os

from cases import expect
from host import process_status, rss_kb, wait_until

NONE = "0" * 16
KEEPER_KB = 8 * 1024


def has_none(pid, task):
    told = process_status(pid, task)
    return all(number == told["Uid"].split()[0] != "0" for number in told["Uid"].split()) and told["Gid"].split()[0] != "0" and \
        told["Groups"] == "" and told["NoNewPrivs"] == "1" and told["Seccomp"] == "2" and all(told[kind] == NONE for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"))


def expect_none(process):
    """Of each thread of it, a moment after it said that it is ready."""
    wait_until(lambda: all(has_none(process.pid, int(task)) for task in os.listdir(f"/proc/{process.pid}/task")),
               f"{process.name} to be without privileges: {process_status(process.pid)}", 2)
    told = process_status(process.keeper())
    expect(told["Uid"].split()[1] == "0", f"the keeper of {process.name} has become {told['Uid']}")
    expect(rss_kb(process.keeper()) < KEEPER_KB, f"the keeper of {process.name}: {rss_kb(process.keeper())} KB resident")
