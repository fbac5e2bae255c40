"""Everything about a host that tether may touch, as text, to be compared byte for byte before and after."""
import difflib
import time

from cases import expect

# Counters and caches that change by themselves; everything else must stay.
VOLATILE = ("nf_conntrack_count", "nf_conntrack_buckets", "stable_secret", "tcp_fastopen_key", "fs.", "random.")
COMMANDS = {
    "links": "ip -o link show",
    "addresses": "ip -o address show | sed 's/ *valid_lft.*//'",
    "routes": "ip route show table all",
    "routes6": "ip -6 route show table all | grep -v 'expires'",
    "rules": "ip rule; ip -6 rule",
    "neighbour settings": "ip ntable show | grep -c name",
    "nft": "nft list ruleset",
    "resolv.conf": "stat -c '%F %a %u:%g %N' /etc/resolv.conf; cat /etc/resolv.conf",
    "/etc": "ls -1A /etc",
    "mounts": "cut -d' ' -f5- /proc/self/mountinfo | sed 's/ - .*//' | grep -v '^/run/netns'",
}


def snapshot(host):
    parts = {what: host.run("sh", "-c", command, check=False).stdout for what, command in COMMANDS.items()}
    lines = host.run("sysctl", "-a", "-r", r"^net\.", check=False).stdout.splitlines()
    parts["sysctl"] = "\n".join(sorted(line for line in lines if not any(word in line for word in VOLATILE)))
    return parts


def difference(before, after):
    lines = []
    for what in before:
        if before[what] != after[what]:
            lines += difflib.unified_diff(before[what].splitlines(), after[what].splitlines(), f"{what} before",
                                          f"{what} after", lineterm="", n=0)
    return "\n".join(lines)


def expect_same(before, host, when):
    found = difference(before, snapshot(host))
    expect(not found, f"{host.name} is not as it was {when}:\n{found}")


def expect_same_soon(before, host, when, seconds=2):
    """What the kernel, nft or a keeper take back a moment after a process is gone."""
    end = time.monotonic() + seconds
    while difference(before, snapshot(host)) and time.monotonic() < end:
        time.sleep(0.05)
    expect_same(before, host, when)
