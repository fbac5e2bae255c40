"""A processor for the phone alone. The lab plays four machines on the cores of one, and a bare pipe, whose browser may borrow those of
laptop and server as no phone can, is compared with a tunnel whose ends need them. Here the phone has the first core to itself and
everything else the others: what goes through then is what a phone's browser carries.
"""
import contextlib
import os

NAME = ", a core for the phone"


def missing():
    return "" if len(os.sched_getaffinity(0)) > 1 else "a second processor"


def move(lab, cores):
    """This program, and so all it starts from now on, and what runs in the lab."""
    os.sched_setaffinity(0, cores)
    for process in lab.processes:
        with contextlib.suppress(OSError):  # it ended
            for thread in os.listdir(f"/proc/{process.pid}/task"):
                os.sched_setaffinity(int(thread), cores)


@contextlib.contextmanager
def apart(circuit):
    """Within, what is started with circuit.phones_core() has the first core, and all else the others."""
    before, others = os.sched_getaffinity(0), circuit.phones_core
    first = {min(before)}

    @contextlib.contextmanager
    def phones_core():
        os.sched_setaffinity(0, first)
        try:
            yield
        finally:
            os.sched_setaffinity(0, before - first)

    move(circuit.lab, before - first)
    circuit.phones_core = phones_core
    try:
        yield
    finally:
        circuit.phones_core = others
        move(circuit.lab, before)
