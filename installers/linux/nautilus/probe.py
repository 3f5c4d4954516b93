# SPDX-License-Identifier: GPL-3.0-or-later
"""An extension that watches Lacuna's at work inside of a real Nautilus, for test_in_nautilus.py.

It notes what is shown, chooses from the menus, notes what is shown then, writes all of that as JSON to the
file named in PROBE_REPORT, and ends Nautilus."""

import json
import os

from gi.repository import Gio, GLib, GObject, Nautilus

import lacuna

FOLDER = os.environ["PROBE_FOLDER"]
# The emblems that each file is expected to have, before and after the menus were used.
BEFORE = json.loads(os.environ["PROBE_BEFORE"])
AFTER = json.loads(os.environ["PROBE_AFTER"])
# What is chosen: the entries by their words, for each the file.
CHOICES = json.loads(os.environ["PROBE_CHOICES"])

TICK_MS = 200
PATIENCE = 30_000 // TICK_MS

files = {}  # files of Nautilus, by name
shown = {}  # their emblems, as last shown
extensions = []
report = {"nautilus": Nautilus._version, "menus": {}}

init, show = lacuna.LacunaExtension.__init__, lacuna.LacunaExtension.show


def watched_init(self):
    init(self)
    extensions.append(self)


def watched_show(self, file, known):
    show(self, file, known)
    name = os.path.basename(lacuna.path_of(file))
    files[name], shown[name] = file, lacuna.emblems(known)


lacuna.LacunaExtension.__init__ = watched_init
lacuna.LacunaExtension.show = watched_show


def wait_for(expected, then):
    """Calls then() once what is shown is as expected, or it has been waited for long enough."""
    ticks = [0]

    def look():
        ticks[0] += 1
        if shown != expected and ticks[0] < PATIENCE:
            return GLib.SOURCE_CONTINUE
        then()
        return GLib.SOURCE_REMOVE

    GLib.timeout_add(TICK_MS, look)


def labels(items):
    return [item.get_property("label") for item in items]


def use_the_menus():
    report["before"] = dict(shown)
    extension = extensions[0]
    for name, file in files.items():
        report["menus"][name] = labels(extension.get_file_items([file]))
    here = Nautilus.FileInfo.create_for_uri("file://" + FOLDER)
    report["menus"]["the folder"] = labels(extension.get_background_items(here))
    elsewhere = Nautilus.FileInfo.create_for_uri("file:///usr")
    report["menus"]["/usr"] = labels(extension.get_file_items([elsewhere]))
    for label, name in CHOICES:
        for item in extension.get_file_items([files[name]]):
            if item.get_property("label") == label:
                item.emit("activate")
    # Nobody chooses this: what waited is sent, and the emblems follow by themselves.
    Gio.Subprocess.new(["lacuna", "resume"], Gio.SubprocessFlags.STDOUT_SILENCE)
    wait_for(AFTER, read_clipboard)


def read_clipboard():
    report["after"] = dict(shown)
    import gi

    gi.require_version("Gdk", "4.0")
    from gi.repository import Gdk

    def ready(clipboard, result):
        report["clipboard"] = clipboard.read_text_finish(result)
        path = os.environ["PROBE_REPORT"]
        with open(path + ".new", "w", encoding="utf-8") as out:
            json.dump(report, out)
        os.rename(path + ".new", path)
        Gio.Application.get_default().quit()

    Gdk.Display.get_default().get_clipboard().read_text_async(None, ready)


class Probe(GObject.GObject, Nautilus.MenuProvider):
    """Nautilus keeps a module only if it offers something."""

    def __init__(self):
        super().__init__()
        wait_for(BEFORE, use_the_menus)

    def get_file_items(self, *_):
        return []

    def get_background_items(self, *_):
        return []
