"""Results as a table, as JSON and as hand-drawn SVG. Medians over the rounds, each also as a ratio to the base circuit."""
import html
import json
import os
import statistics

import cores
import svg

# key of a figure -> (heading, digits, which field of a result)
COLUMNS = {
    "tcp1 up": ("TCP 1 up Mbit/s", 0, "mbit"), "tcp1 down": ("TCP 1 down Mbit/s", 0, "mbit"),
    "tcp8 up": ("TCP 8 up Mbit/s", 0, "mbit"), "tcp8 down": ("TCP 8 down Mbit/s", 0, "mbit"),
    "udp1400 up": ("UDP 1400 B up /s", 0, None), "udp1400 down": ("UDP 1400 B down /s", 0, None),
    "udp64 up": ("UDP 64 B up /s", 0, None), "udp64 down": ("UDP 64 B down /s", 0, None),
    "ping p50": ("ping idle p50 ms", 2, None), "ping p95": ("p95", 2, None), "ping p99": ("p99", 2, None),
    "ping tcp8 up p50": ("ping loaded up p50 ms", 1, None), "ping tcp8 up p95": ("p95", 1, None), "ping tcp8 up p99": ("p99", 1, None),
    "ping tcp8 down p50": ("ping loaded down p50 ms", 1, None), "ping tcp8 down p95": ("p95", 1, None),
    "ping tcp8 down p99": ("p99", 1, None),
    "cpu up": ("CPU s/Gbit up", 2, None), "cpu down": ("CPU s/Gbit down", 2, None),
    "machine up": ("whole machine s/Gbit up", 2, None), "machine down": ("whole machine s/Gbit down", 2, None),
    "client MB": ("client MB", 1, None), "server MB": ("server MB", 1, None),
}
GROUPS = (("tcp", ("tcp1 up", "tcp1 down", "tcp8 up", "tcp8 down")), ("udp", ("udp1400 up", "udp1400 down", "udp64 up", "udp64 down")),
          ("rtt", ("ping p50", "ping p95", "ping tcp8 up p50", "ping tcp8 up p95", "ping tcp8 down p50", "ping tcp8 down p95")),
          ("cpu", ("cpu up", "cpu down", "machine up", "machine down")), ("memory", ("client MB", "server MB")))


def flat(figures):
    """One round of one circuit as {column: number}."""
    row = {}
    for key, value in figures.items():
        if key.startswith("tcp"):
            row[key] = value["mbit"]
            way = key.split()[1]
            if key.startswith("tcp1"):
                row[f"cpu {way}"], row[f"machine {way}"] = value["cpu_s_per_gbit"], value["machine_s_per_gbit"]
        elif key.startswith("ping"):
            row.update({f"{key} {part}": value[part] for part in ("p50", "p95", "p99")})
        elif key == "memory":
            row.update({f"{role} MB": value[role]["peak_kb"] / 1024 for role in ("client", "server") if value.get(role)})
        else:
            row[key] = value
    return {key: value for key, value in row.items() if value is not None}


def medians(rounds):
    """{circuit: [figures of each round]} -> {circuit: {column: median}}"""
    table = {}
    for name, all_of in rounds.items():
        rows = [flat(figures) for figures in all_of]
        table[name] = {key: statistics.median(row[key] for row in rows if key in row)
                       for key in COLUMNS if any(key in row for row in rows)}
    return table


def ratio(table, name, key, base):
    mine, other = table[name].get(key), table.get(base, {}).get(key)
    return mine / other if mine is not None and other else None


def markdown(table, base):
    """One small table for each group of figures; a ratio stands behind each number."""
    text = []
    for _, keys in GROUPS:
        keys = [key for key in keys if any(key in row for row in table.values())]
        if not keys:
            continue
        text.append("| | " + " | ".join(f"{COLUMNS[key][0]} | ratio" for key in keys) + " |\n|---|" + "---:|" * (2 * len(keys)))
        for name, row in table.items():
            cells = []
            for key in keys:
                part = ratio(table, name, key, base)
                cells.append("-" if key not in row else f"{row[key]:,.{COLUMNS[key][1]}f}")
                cells.append("-" if part is None else f"{part:.2f}")
            if any(cell != "-" for cell in cells):
                text.append(f"| {name} | " + " | ".join(cells) + " |")
        text.append("")
    return "\n".join(text)


def plots(table, base, folder):
    for group, keys in GROUPS:
        keys = [key for key in keys if any(key in row for row in table.values())]
        charts = [(COLUMNS[key][0] if not COLUMNS[key][0].startswith("p") or key == "ping p50" else f"ping {key[5:]} ms",
                   [(name, row.get(key), ratio(table, name, key, base)) for name, row in table.items() if key in row]) for key in keys]
        if charts:
            with open(os.path.join(folder, f"{group}.svg"), "w") as out:
                out.write(svg.bars(charts, base))


def requirements(table, base):
    """(what, value, bound or "" where there is none, met or None when it was not measured or has no bound)"""
    def least(name, keys, other=base):
        parts = [ratio(table, name, key, other) for key in keys if name in table]
        return min(parts) if parts and None not in parts else None

    def best_placed(mine, other, keys):
        """Each as fast as it was in either placement: all processes on all cores, or the phone's on one and the rest on the others."""
        parts = []
        for key in keys:
            pair = [max((table[name][key] for name in (who, who + cores.NAME) if key in table.get(name, {})), default=None) for who in (mine, other)]
            parts.append(pair[0] / pair[1] if None not in pair else None)
        return min(parts) if None not in parts else None

    tcp, udp = GROUPS[0][1], ("udp64 up", "udp64 down")
    one_way, pipe = tcp[:2], "bare pipe page, Chromium"
    rows = [
        ("relay, encrypted, TCP 1 and 8 streams: times OpenVPN", least("tether, relay", tcp), ">=", 5),
        ("relay, raw-socket injection, TCP 1 and 8 streams: times OpenVPN", least("tether, relay, raw socket", tcp), ">=", 3),
        ("Chromium, encrypted, TCP: times OpenVPN", least("tether, Chromium", tcp), ">=", 2),
        ("Chromium, encrypted, TCP: times one packet per message", least("tether, Chromium", tcp, "tether --plain, Chromium"), ">=", 8),
        ("Chromium, encrypted, TCP 1: share of the bare pipe, each as well placed on the cores as can be",
         best_placed("tether, Chromium", pipe, one_way), ">=", 0.8),
        ("the same, all processes of both free on all cores", least("tether, Chromium", one_way, pipe), "", None),
        ("the same, a core for the phone of both", least("tether, Chromium" + cores.NAME, one_way, pipe + cores.NAME), "", None),
        ("relay, UDP 64 B without loss: times OpenVPN", least("tether, relay", udp), ">=", 2),
        ("relay, idle round trip: times OpenVPN", least("tether, relay", ("ping p50",)), "<=", 1.5),
    ]
    for way in ("up", "down"):
        mine = least("tether, relay", (f"ping tcp8 {way} p95",))
        rows.append((f"relay, loaded {way} (8 streams), ping p95: times OpenVPN", mine, "<=", 1))
    for role in ("client", "server"):
        for name in ("tether, relay", "tether, Chromium"):
            rows.append((f"{name}: {role}, most memory resident, MB", table.get(name, {}).get(f"{role} MB"), "<=", 64))
    return [(what, value, "" if bound is None else f"{sign} {bound:g}", None if value is None or bound is None else value >= bound if sign == ">=" else value <= bound)
            for what, value, sign, bound in rows]


def verdicts(rows):
    words = {True: "pass", False: "FAIL", None: "not measured"}
    return "\n".join(f"{words[met] if bound or value is None else 'told':<12} {what}: {'-' if value is None else f'{value:.2f}'}{f' (wanted {bound})' if bound else ''}"
                     for what, value, bound, met in rows)


def write_json(folder, name, content):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "w") as out:
        json.dump(content, out, indent=1)


def write_page(folder, title, text, names):
    """All plots and the words on one page that opens from the disk."""
    with open(os.path.join(folder, "index.html"), "w") as out:
        out.write(f"<!doctype html><meta charset=\"utf-8\"><title>{html.escape(title)}</title><h1>{html.escape(title)}</h1>"
                  + "".join(f"<p><img src=\"{html.escape(name)}\" alt=\"{html.escape(name)}\">" for name in names)
                  + f"<pre>{html.escape(text)}</pre>\n")
