"""All of the server's roles in one process: with TETHER_RUN=1 in the environment the lab starts each by `tether run FILE`, the others beside it.

So a role's whole test can run against a shared process:      TETHER_RUN=1 test/netns/switch.test
"""
import json
import os

SHARED = os.environ.get("TETHER_RUN") == "1"
BESIDE = {"server": {"iface": "eth0"}, "serve-web": {"port": "80"}, "switch": {"port": "8070", "iface": "eth0", "ports": "50000-50999"}}


def _options(words):
    """A command line's options as a section has them: name and value, "yes" for a flag."""
    found, words = [], list(words)
    while words:
        name = words.pop(0)
        if not str(name).startswith("--"):
            raise ValueError(f"{name}: not an option a section can have")
        found.append((name[2:], words.pop(0) if words and not str(words[0]).startswith("-") else "yes"))
    return found


def command(binary, role, words, folder):
    """`tether ROLE WORDS`, or `tether run FILE` with this section and one for each of the others."""
    if not SHARED:
        return [binary, role, *words]
    sections = {name: list(options.items()) for name, options in BESIDE.items()}
    sections[role] = _options(word for word in words if word != "-v")
    state = [pair for pair in sections[role] if pair[0] == "state-dir"]
    path = os.path.join(folder, f"run-{role}.ini")
    with open(path, "w") as f:
        for name, options in sections.items():
            f.write(f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in [*options, *(state if name != role else [])]))
    return [binary, "run", path, *(["-v"] if "-v" in words else [])]


def status(text, role):
    """Of what `tether status --json` says: the object of this role."""
    decoder, at, text = json.JSONDecoder(), 0, text.strip()
    while at < len(text):
        told, at = decoder.raw_decode(text, at)
        if told["role"] == role:
            return told
        while at < len(text) and text[at].isspace():
            at += 1
    raise ValueError(f"no status of {role} in {text}")
