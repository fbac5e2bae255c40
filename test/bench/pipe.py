"""The bare pipe: a page of two websockets and nothing else, fed and emptied by native programs. The most a browser carries."""
import os
import time

import webdriver
from cases import test_program
from host import LabError, wait_until
from measure import machine_seconds, processor_seconds
from peers import WIFI_LAPTOP, masquerade
from topology import SERVER

PAGE = os.path.join(os.path.dirname(os.path.realpath(__file__)), "pipe.html")
SIZES = (16384, 65536, 262144, 524288)
LAPTOP_PORT, SERVER_PORT = 7001, 7002
NAME = "bare pipe page, Chromium"


def samples(process):
    return [(int(words[0]), float(words[1])) for words in (line.split() for line in process.log().splitlines()[1:]) if len(words) == 2]


def one_way(circuit, down, size, seconds):
    """Mbit/s through the page and processor seconds per Gbit, after the first second."""
    lab = circuit.lab
    near, far = ("sink", "source") if down else ("source", "sink")
    ends = [(lab.laptop, WIFI_LAPTOP, LAPTOP_PORT, near), (lab.server, SERVER, SERVER_PORT, far)]
    processes = [host.popen(f"pipe-{kind}", test_program("pipe_peer"), address, port, kind, size, PAGE).wait_log("listening")
                 for host, address, port, kind in ends]
    urls = ",".join(f"ws://{address}:{port}/pipe" for _, address, port, _ in ends)
    try:
        with circuit.phones_core():
            phone = webdriver.Browser(netns=lab.phone.netns)
        with phone as browser:
            browser.open(f"http://{WIFI_LAPTOP}:{LAPTOP_PORT}/?{urls}")
            browser.wait_for("document.title === 'up'", 10)
            sink, roots = processes[0 if down else 1], [browser.driver.pid, *(process.pid for process in processes)]
            wait_until(lambda: samples(sink), "bytes through the bare pipe", 10, 0.1)
            time.sleep(1)
            begin, used, machine = samples(sink)[-1], processor_seconds(roots), machine_seconds()
            time.sleep(seconds)
            end, used, machine = samples(sink)[-1], processor_seconds(roots) - used, machine_seconds() - machine
    finally:
        for process in processes:
            process.end()
    gbit = (end[0] - begin[0]) * 8 / 1e9
    if gbit <= 0:
        raise LabError(f"the bare pipe stood still with messages of {size} bytes")
    return {"mbit": gbit * 1000 / (end[1] - begin[1]), "cpu_s_per_gbit": used / gbit, "machine_s_per_gbit": machine / gbit, "size": size}


class BarePipe:
    """Tries all message sizes in its first round and keeps to the best."""

    def __init__(self):
        self.best = {}

    def measure(self, circuit, seconds):
        figures = {}
        masquerade(circuit.lab)
        for direction, down in (("up", False), ("down", True)):
            sizes = [self.best[down]] if down in self.best else SIZES
            results = [one_way(circuit, down, size, seconds) for size in sizes]
            best = max(results, key=lambda result: result["mbit"])
            self.best[down] = best["size"]
            figures[f"tcp1 {direction}"] = best
        return figures
