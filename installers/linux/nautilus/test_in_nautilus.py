# SPDX-License-Identifier: GPL-3.0-or-later
"""The extension inside of the real Nautilus, on a real drive, on a screen that nobody sees.

    test_in_nautilus.py PROGRAM

PROGRAM is the command line `lacuna`. A drive is mounted with a file in each state, its folder is shown, and
probe.py, an extension too, notes the emblems, chooses from the menus and notes what becomes of the emblems."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PATIENCE = 120

KEEP, STOP, FREE, COPY = "Always keep on this device", "Stop keeping on this device", "Free up space", "Copy path"

# By their names Nautilus knows what the files are, so it need not look into them, which would fetch bytes.
BEFORE = {
    "synced.zip": ["lacuna-synced"],
    "kept.zip": ["lacuna-synced", "lacuna-pinned"],
    "online.zip": ["lacuna-online"],
    "wanted.zip": ["lacuna-online"],
    "changed.zip": ["lacuna-modified"],
    "new.zip": ["lacuna-modified"],
}
MENUS = {
    "synced.zip": [KEEP, FREE, COPY],
    "kept.zip": [STOP, COPY],
    "online.zip": [KEEP, COPY],
    "wanted.zip": [KEEP, COPY],
    "changed.zip": [KEEP, COPY],
    "new.zip": [KEEP, COPY],
    "the folder": [KEEP, STOP, FREE, COPY],
    "/usr": [],
}
CHOICES = [(FREE, "synced.zip"), (STOP, "kept.zip"), (KEEP, "wanted.zip"), (COPY, "online.zip")]
AFTER = {
    "synced.zip": ["lacuna-online"],
    "kept.zip": ["lacuna-synced"],
    "online.zip": ["lacuna-online"],
    "wanted.zip": ["lacuna-synced", "lacuna-pinned"],
    "changed.zip": ["lacuna-synced"],
    "new.zip": ["lacuna-synced"],
}


def main():
    with tempfile.TemporaryDirectory(prefix="lacuna-nautilus-") as work:
        report, log = run(work, os.path.abspath(sys.argv[1]))
        wrong = differences(report, work) if report else ["Nautilus did not report"]
    if wrong or "Traceback" in log:
        sys.exit("\n".join(wrong) + "\n" + log)
    print("Nautilus", report["nautilus"], "shows", report["before"], "then", report["after"])


def run(work, program):
    """Shows a drive in Nautilus; the probe's report (or None) and what Nautilus said."""
    folder = os.path.join(work, "drive")
    extensions = os.path.join(work, "data", "nautilus-python", "extensions")
    programs, runtime = os.path.join(work, "bin"), os.path.join(work, "run")
    for new in (folder, extensions, programs):
        os.makedirs(new)
    os.mkdir(runtime, 0o700)
    for name in ("lacuna.py", "probe.py"):
        shutil.copy(os.path.join(HERE, name), extensions)
    os.symlink(program, os.path.join(programs, "lacuna"))
    environment = dict(
        os.environ,
        HOME=work,
        LACUNA_HOME=os.path.join(work, "home"),
        XDG_RUNTIME_DIR=runtime,
        XDG_DATA_HOME=os.path.join(work, "data"),
        XDG_CONFIG_HOME=os.path.join(work, "config"),
        XDG_CACHE_HOME=os.path.join(work, "cache"),
        # Another Python that is found first would be taken for the one that Nautilus is built with.
        PATH=programs + ":/usr/sbin:/usr/bin:/sbin:/bin",
        GSETTINGS_BACKEND="memory",
        GSK_RENDERER="cairo",
        GDK_BACKEND="x11",
        NO_AT_BRIDGE="1",
        GTK_A11Y="none",
        GIO_USE_VFS="local",
        GIO_USE_VOLUME_MONITOR="unix",
        LC_ALL="C.UTF-8",
        PROBE_FOLDER=folder,
        PROBE_BEFORE=json.dumps(BEFORE),
        PROBE_AFTER=json.dumps(AFTER),
        PROBE_CHOICES=json.dumps(CHOICES),
        PROBE_REPORT=os.path.join(work, "report"),
    )
    for name in ("WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS"):
        environment.pop(name, None)

    def lacuna(*words):
        done = subprocess.run(["lacuna", *words], env=environment, cwd=work, capture_output=True, text=True)
        if done.returncode:
            sys.exit("lacuna %s: %s" % (" ".join(words), done.stderr))

    lacuna("store", "init", "bucket")
    lacuna("mount", "store:" + os.path.join(work, "bucket"), folder)
    try:
        fill(folder, lacuna)
        return show(work, folder, environment)
    finally:
        lacuna("unmount", folder)
        end_agent(environment["LACUNA_HOME"])


def fill(folder, lacuna):
    """A file in each state. What waits stays so: uploads are held."""

    def write(name, text):
        with open(os.path.join(folder, name), "w", encoding="ascii") as file:
            file.write(text)

    for name in BEFORE:
        if name != "new.zip":
            write(name, name)
    lacuna("flush")
    lacuna("pin", os.path.join(folder, "kept.zip"))
    for name in ("online.zip", "wanted.zip"):
        lacuna("evict", os.path.join(folder, name))
    lacuna("pause")
    write("changed.zip", "something else")
    write("new.zip", "new")


def show(work, folder, environment):
    environment["DISPLAY"], screen = start_screen(environment)
    log = os.path.join(work, "log")
    try:
        with open(log, "wb") as out:
            session = subprocess.Popen(
                ["dbus-run-session", "--config-file", bus(work), "--", "nautilus", "--new-window", folder],
                env=environment,
                cwd="/",
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
            report = wait_for(environment["PROBE_REPORT"], session)
            end(session)
    finally:
        screen.terminate()
        screen.wait()
    with open(log, encoding="utf-8", errors="replace") as text:
        return report, text.read()


def end_agent(home):
    """The agent stays for the next mount; here there is none. Its process id is in its lock."""
    with open(os.path.join(home, "agent.lock"), encoding="ascii") as lock:
        pid = int(lock.read().split()[0])
    os.kill(pid, 15)
    deadline = time.monotonic() + 20
    while os.path.exists("/proc/%d/exe" % pid) and time.monotonic() < deadline:
        time.sleep(0.05)


def bus(work):
    """The settings of a session bus that starts no services: no indexers, no monitors of volumes."""
    path = os.path.join(work, "bus.conf")
    with open(path, "w", encoding="ascii") as file:
        file.write(
            "<busconfig><type>session</type><listen>unix:tmpdir=%s</listen><auth>EXTERNAL</auth>"
            '<policy context="default"><allow send_destination="*"/><allow eavesdrop="true"/><allow own="*"/>'
            "</policy></busconfig>" % work
        )
    return path


def start_screen(environment):
    """Starts an X server on a display of its own choice."""
    ours, theirs = os.pipe()
    screen = subprocess.Popen(
        ["Xvfb", "-displayfd", str(theirs), "-screen", "0", "1024x768x24", "-nolisten", "tcp"],
        env=environment,
        pass_fds=[theirs],
        stderr=subprocess.DEVNULL,
    )
    os.close(theirs)
    with os.fdopen(ours) as told:
        number = told.readline().strip()
    if not number:
        sys.exit("Xvfb has not started")
    return ":" + number, screen


def wait_for(path, session):
    """The report, once it is there."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if os.path.exists(path):
            with open(path, encoding="utf-8") as text:
                return json.load(text)
        if session.poll() is not None:
            return None
        time.sleep(0.1)
    return None


def end(session):
    """Ends the session with all that it has started."""
    for signal in (15, 9):
        try:
            os.killpg(session.pid, signal)
        except ProcessLookupError:
            pass
        try:
            session.wait(10)
            return
        except subprocess.TimeoutExpired:
            pass


def differences(report, work):
    """What the report says that it should not."""
    clipboard = os.path.join(work, "drive", "online.zip")
    expected = {"before": BEFORE, "menus": MENUS, "after": AFTER, "clipboard": clipboard}
    return ["%s: %r, not %r" % (k, report.get(k), v) for k, v in expected.items() if report.get(k) != v]


if __name__ == "__main__":
    main()
