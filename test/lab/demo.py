#!/usr/bin/python3
"""The main job, shown on one machine: a laptop without internet browses through a phone's browser.

Laptop, phone, server, routers and a web host are network namespaces; the phone is a real headless Chromium that opens the
laptop's page (tether's native relay where there is no Chromium, and that is said). Everything is taken back at the end.
"""
import argparse
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "browser", "lib")]

import traffic  # noqa: E402
import webdriver  # noqa: E402
from circuit import Circuit  # noqa: E402
from topology import LAPTOP, SERVER, WEB, WEB_NAME  # noqa: E402

PICTURE = """
  laptop            phone                    server                   the internet
 +-------------+   +---------------------+   +--------------------+   +-------------+
 | curl, ping  |   | Chromium with the   |   | tether server      |   | web, DNS    |
 | tun0        |   | laptop's page: pipes|   | userspace NAT      |   | 192.0.2.200 |
 | tether      |===| websocket messages, |===| raw socket, pcap   |===|             |
 |   client    |   | unread              |   | eth0               |   |             |
 +-------------+   +---------------------+   +--------------------+   +-------------+
   169.254.134.89    Wi-Fi and mobile data     198.51.100.2
"""


class Demo:
    def __init__(self):
        self.failed = 0

    def step(self, what, function):
        print(f"  {what:<56}", end="", flush=True)
        begin = time.monotonic()
        try:
            result = function()
        except Exception as error:  # shown, counted, and the next step is tried
            self.failed += 1
            print(f"FAILED\n      {str(error).strip()[:600]}", flush=True)
            return False
        print(f"ok  {result or f'{time.monotonic() - begin:.1f} s'}", flush=True)
        return True


def open_page(browser):
    browser.open(f"http://{LAPTOP}:6354/")
    browser.wait_for("document.getElementById('end-to-end').dataset.state === 'up'", 20)
    return "the page connected by itself: " + browser.text("#end-to-end .word")


def use(demo, laptop):
    """What a person would do with the internet."""
    demo.step("ping the web host", lambda: f"round trip {traffic.ping(laptop):.2f} ms")
    demo.step(f"load a web page by address ({WEB})", lambda: traffic.page(laptop))
    demo.step(f"load a web page by name ({WEB_NAME})", lambda: traffic.page_by_name(laptop))
    demo.step("20 MB file by address, checksum equal", lambda: f"{traffic.big(laptop) * 8:.0f} Mbit/s")
    demo.step("20 MB file by name, checksum equal", lambda: f"{traffic.big(laptop, WEB_NAME) * 8:.0f} Mbit/s")


def picture(browser, path):
    time.sleep(1.2)  # the page counts twice a second
    browser.screenshot(path)
    return path


def show(demo, circuit, args):
    circuit.start_web()
    if not demo.step("tether server --iface eth0 (on the server)", lambda: circuit.start_server() and None):
        return
    if not demo.step("tether client --wifi wlan0 (on the laptop)", lambda: circuit.start_client() and None):
        return
    laptop = circuit.lab.laptop
    missing = "asked for by --relay" if args.relay else webdriver.available()
    if missing:
        print(f"  NO BROWSER: {missing}; tether's native relay takes the phone's place")
        if demo.step("tether relay (on the phone)", lambda: (circuit.start_relay(), circuit.wait_up())[1]):
            use(demo, laptop)
        return
    with webdriver.Browser(netns=circuit.lab.phones[0].netns, window=(390, 844)) as browser:
        if demo.step(f"Chromium on the phone opens http://{LAPTOP}:6354/", lambda: open_page(browser)):
            use(demo, laptop)
            demo.step("screenshot of the phone's page", lambda: picture(browser, args.screenshot))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--screenshot", default="demo-phone.png", metavar="FILE")
    parser.add_argument("--relay", action="store_true", help="use the native relay even where Chromium is installed")
    args = parser.parse_args()
    demo = Demo()
    print(PICTURE)
    circuit = Circuit()  # its lab is closed at exit, whatever the way out
    try:
        show(demo, circuit, args)
    finally:
        circuit.lab.close()
    print("  the machine is as it was" if demo.failed == 0 else f"  {demo.failed} step(s) failed")
    return 1 if demo.failed else 0


if __name__ == "__main__":
    sys.exit(main())
