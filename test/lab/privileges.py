"""What a running tether may do: its process with the packets nothing; its keeper, where it has one, everything, and that one is small."""
import os

from cases import expect
from host import process_status, rss_kb, wait_until

NONE = "0" * 16
KEEPER_KB = 8 * 1024


def has_none(pid, task):
    told = process_status(pid, task)
    return all(number == told["Uid"].split()[0] != "0" for number in told["Uid"].split()) and told["Gid"].split()[0] != "0" and \
        told["Groups"] == "" and told["NoNewPrivs"] == "1" and told["Seccomp"] == "2" and all(told[kind] == NONE for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"))


def threads(process):
    return [int(task) for task in os.listdir(f"/proc/{process.pid}/task")]


def expect_no_thread_has_any(process):
    """A moment after it said that it is ready."""
    wait_until(lambda: all(has_none(process.pid, task) for task in threads(process)), f"{process.name} to be without privileges: {process_status(process.pid)}", 2)


def expect_none(process):
    """Of a role that changes the machine: its keeper is what has them."""
    expect_no_thread_has_any(process)
    told = process_status(process.keeper())
    expect(told["Uid"].split()[1] == "0", f"the keeper of {process.name} has become {told['Uid']}")
    expect(rss_kb(process.keeper()) < KEEPER_KB, f"the keeper of {process.name}: {rss_kb(process.keeper())} KB resident")


def expect_none_alone(process):
    """Of a role that changes nothing, and so has no keeper."""
    expect_no_thread_has_any(process)
    expect(not process.children(), f"{process.name} has a child")
