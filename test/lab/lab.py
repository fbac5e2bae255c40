#!/usr/bin/python3
"""The lab by hand: builds the map of topology.py, starts services and (with --circuit) tether's roles, and says how to
enter each host. Ends, and leaves nothing, on Ctrl-C or when a --run command is done.

    test/lab/lab.py --shell                 hosts and services
    test/lab/lab.py --shell --circuit       the whole circuit, with the native relay
    test/lab/lab.py --circuit --run 'curl -s http://web.example/ip'       one command on the laptop
"""
import argparse
import os
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import topology
from circuit import Circuit


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shell", action="store_true", help="stay until Ctrl-C and say how to enter the hosts")
    parser.add_argument("--circuit", action="store_true", help="start server, client and relay ($TETHER or build/dev)")
    parser.add_argument("--laptops", type=int, default=1)
    parser.add_argument("--run", help="a command for the laptop's shell")
    options = parser.parse_args()
    if options.circuit:
        circuit = Circuit(options.laptops).start_all()
        lab = circuit.lab
    else:
        lab = topology.Lab(options.laptops)
        lab.serve(lab.web, "--http", "80", "--dns", "--echo", "7")
    if options.run:
        done = lab.laptop.run("sh", "-c", options.run, check=False, timeout=600)
        sys.stdout.write(done.stdout)
        sys.stderr.write(done.stderr)
        sys.exit(done.returncode)
    print(topology.__doc__)
    for host in lab.hosts:
        print(f"{host.name:10} nsenter -t {host.anchor.pid} -m -n bash        namespace {host.netns}")
    print(f"logs: {lab.dir}\nCtrl-C ends it.", flush=True)
    if options.shell:
        threading.Event().wait()


if __name__ == "__main__":
    main()
