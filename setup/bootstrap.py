"""
Starts the set-up under a Python that is new enough, whatever `python3` happens to be.

Every Python since 2.7 must be able to read this file, or a person with an old one would get a
SyntaxError instead of one clear line: so no f-strings, no annotations, nothing newer here. All
the rest is in install.py, imported only once the version is known to be right.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
import os
import subprocess
import sys

OLDEST = (3, 11)
# Newest tested first; 3.14 last because the checks do not run on it yet.
CANDIDATES = ("python3.13", "python3.12", "python3.11", "python3.14")


def version_of(command):
    """The version of the interpreter `command`, such as (3, 12); None if it does not start."""
    ask = "import sys; sys.stdout.write('%d.%d' % sys.version_info[:2])"
    try:
        # stderr is read and dropped: version managers put names on PATH that start nothing.
        child = subprocess.Popen(
            [command, "-c", ask], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        answer = child.communicate()[0].decode("ascii", "replace")
    except OSError:
        return None
    try:
        major, minor = answer.split(".")
        return (int(major), int(minor)) if child.returncode == 0 else None
    except ValueError:
        return None


def known_to_uv():
    """A new enough interpreter that uv keeps off PATH, or None."""
    try:
        child = subprocess.Popen(
            ["uv", "python", "find", "--no-python-downloads", ">=%d.%d" % OLDEST],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        answer = child.communicate()[0].decode("utf-8", "replace").strip()
    except OSError:
        return None
    return answer or None


def newer_python():
    """The first interpreter on this machine that is new enough, or None."""
    for command in CANDIDATES:
        version = version_of(command)
        if version is not None and version >= OLDEST:
            return command
    command = known_to_uv()
    if command is not None and (version_of(command) or (0, 0)) >= OLDEST:
        return command
    return None


def main():
    """The exit code; with an old Python and a new one at hand, the new one takes over."""
    if sys.version_info[:2] >= OLDEST:
        root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        sys.path.insert(0, root)
        from setup.install import main as install

        return install(sys.argv[1:])
    command = newer_python()
    if command is None:
        sys.stderr.write(
            "setup: Python %s or newer is needed and %s is %s; install one from "
            "https://www.python.org/downloads/ or with `uv python install 3.13`, then run make "
            "again (make PYTHON=/path/to/python3 names one)\n"
            % ("%d.%d" % OLDEST, sys.executable, "%d.%d" % sys.version_info[:2])
        )
        return 1
    arguments = [command, os.path.abspath(__file__)]
    arguments.extend(sys.argv[1:])
    if os.name == "nt":  # exec on Windows returns to the shell before the work is done
        return subprocess.call(arguments)
    os.execvp(command, arguments)


if __name__ == "__main__":
    sys.exit(main())
