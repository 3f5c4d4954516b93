# SPDX-License-Identifier: GPL-3.0-or-later
"""The extension inside of the real Nautilus: it is loaded, called, and answers, on a screen that nobody sees.

A folder with a drive's attributes stands for a drive, and a program that notes its words for `lacuna`;
everything between them is real. The drive's own attributes are tested with the drive."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PATIENCE = 60

FILES = {
    "synced": {"state": "synced", "pinned": "0"},
    "kept": {"state": "synced", "pinned": "1"},
    "online": {"state": "online", "pinned": "0"},
    "sending": {"state": "uploading", "pinned": "0"},
}
EMBLEMS = {
    "synced": ["lacuna-synced"],
    "kept": ["lacuna-synced", "lacuna-pinned"],
    "online": ["lacuna-online"],
    "sending": ["lacuna-uploading"],
}
KEEP, STOP, FREE, COPY = "Always keep on this device", "Stop keeping on this device", "Free up space", "Copy path"
MENUS = {
    "synced": [KEEP, FREE, COPY],
    "kept": [STOP, COPY],
    "online": [KEEP, COPY],
    "sending": [KEEP, COPY],
    ".": [KEEP, STOP, FREE, COPY],
    "/usr": [],
}


def main():
    # Attributes are not supported everywhere, on a tmpfs for one; in the user's cache they are.
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    os.makedirs(cache, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="lacuna-nautilus-", dir=cache) as work:
        report, log = run(work)
    if report is None:
        sys.exit("Nautilus did not report:\n" + log)
    wrong = differences(report, work)
    if wrong or "Traceback" in log:
        sys.exit("\n".join(wrong) + "\n" + log)
    print("Nautilus", report["nautilus"], "shows", report["emblems"])


def run(work):
    """Shows a folder in Nautilus; the probe's report (or None) and what Nautilus said."""
    folder = os.path.join(work, "drive")
    os.mkdir(folder)
    for name, attributes in FILES.items():
        path = os.path.join(folder, name)
        with open(path, "w", encoding="ascii") as file:
            file.write(name)
        for key, value in attributes.items():
            os.setxattr(path, "user.lacuna." + key, value.encode())
    data = os.path.join(work, "data")
    extensions = os.path.join(data, "nautilus-python", "extensions")
    os.makedirs(extensions)
    for name in ("lacuna.py", "probe.py"):
        shutil.copy(os.path.join(HERE, name), extensions)
    programs = os.path.join(work, "bin")
    os.mkdir(programs)
    with open(os.path.join(programs, "lacuna"), "w", encoding="ascii") as program:
        program.write('#!/bin/sh\nprintf "%s\\n" "$*" >>"$PROBE_REPORT.ran"\n')
    os.chmod(program.name, 0o755)
    mounts = os.path.join(work, "mountinfo")
    with open(mounts, "w", encoding="utf-8") as table:
        table.write("90 25 0:50 / %s rw - fuse.lacuna lacuna rw\n" % folder)
    runtime = os.path.join(work, "run")
    os.mkdir(runtime, 0o700)

    environment = dict(
        os.environ,
        HOME=work,
        XDG_RUNTIME_DIR=runtime,
        XDG_DATA_HOME=data,
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
        PROBE_MOUNTS=mounts,
        PROBE_FOLDER=folder,
        PROBE_FILES=" ".join(FILES),
        PROBE_REPORT=os.path.join(work, "report"),
    )
    for name in ("WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS"):
        environment.pop(name, None)
    display, screen = start_screen(environment)
    environment["DISPLAY"] = display
    log = os.path.join(work, "log")
    try:
        with open(log, "wb") as out:
            session = subprocess.Popen(
                ["dbus-run-session", "--config-file", bus(work), "--", "nautilus", "--new-window", folder],
                env=environment,
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
    """The report and the commands that were run, once it is there."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if os.path.exists(path):
            with open(path, encoding="utf-8") as text:
                report = json.load(text)
            with open(path + ".ran", encoding="utf-8") as ran:
                report["ran"] = ran.read()
            return report
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
    synced = os.path.join(work, "drive", "synced")
    expected = {
        "emblems": EMBLEMS,
        "menus": MENUS,
        "ran": "evict -- %s\n" % synced,
        "clipboard": synced,
        "same file": True,
    }
    return ["%s: %r, not %r" % (k, report.get(k), v) for k, v in expected.items() if report.get(k) != v]


if __name__ == "__main__":
    main()
