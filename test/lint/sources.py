# The lints' common ground: which files belong to the project, and C text without its comments and strings.
import os
import re
import subprocess
import sys

ROOT = os.environ.get("TETHER_SOURCE") or os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
TEXT_ENDINGS = (".c", ".h", ".S", ".py", ".sh", ".test", ".js", ".mjs", ".html", ".css", ".svg", ".cmake", ".md", ".txt",
                ".json", ".1", ".ini", ".yml")
TEXT_NAMES = ("CMakeLists.txt", "LICENSE", ".gitignore", ".editorconfig", ".clang-format", "run")


def tracked():
    """Every file of the project, relative to its root: what git knows and what it would take."""
    try:
        out = subprocess.run(["git", "-c", "safe.directory=*", "-C", ROOT, "ls-files", "-z", "-co", "--exclude-standard"],
                             check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
        names = [n.decode() for n in out.split(b"\0") if n]
    except (OSError, subprocess.CalledProcessError):  # a tarball without .git
        names = []
        for folder, folders, files in os.walk(ROOT):
            folders[:] = [f for f in folders if f not in (".git", "__pycache__") and not f.startswith("build")]
            names += [os.path.relpath(os.path.join(folder, f), ROOT) for f in files]
    return sorted(n for n in names if os.path.isfile(os.path.join(ROOT, n)))


def text_files():
    return [n for n in tracked() if "/corpus/" not in n
            and (n.endswith(TEXT_ENDINGS) or os.path.basename(n) in TEXT_NAMES)]


def c_files(under=""):
    return [n for n in tracked() if n.startswith(under) and n.endswith((".c", ".h"))]


def read(name):
    with open(os.path.join(ROOT, name), encoding="utf-8", errors="strict") as f:
        return f.read()


_TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def bare_c(text):
    """C without comments and without the insides of strings; line numbers stay."""
    def blank(match):
        token = match.group(0)
        if token[0] in "\"'":
            return token[0] * 2
        return "\n" * token.count("\n") or " "
    return _TOKEN.sub(blank, text)


def without_comments(text):
    """C without comments, strings kept (for #include lines); line numbers stay."""
    def blank(match):
        token = match.group(0)
        return token if token[0] in "\"'" else "\n" * token.count("\n") or " "
    return _TOKEN.sub(blank, text)


def shebang(name):
    with open(os.path.join(ROOT, name), "rb") as f:
        first = f.readline(200)
    return first.decode(errors="replace").strip() if first.startswith(b"#!") else ""


def finish(what, faults, looked_at):
    """Print the faults, say how much was looked at, and exit."""
    for fault in faults:
        print(fault)
    print(f"{what}: {looked_at} looked at, {len(faults)} faults")
    if looked_at == 0:
        print(f"{what}: nothing to look at, so nothing was shown")
        sys.exit(1)
    sys.exit(1 if faults else 0)
