# SPDX-License-Identifier: GPL-3.0-or-later
"""An extension that watches Lacuna's at work inside of a real Nautilus, for test_in_nautilus.py.

It writes what it saw to the file named in PROBE_REPORT, as JSON, and ends Nautilus."""

import json
import os

from gi.repository import Gio, GLib, GObject, Nautilus

import lacuna

lacuna.MOUNTS = os.environ["PROBE_MOUNTS"]
FOLDER = os.environ["PROBE_FOLDER"]
WANTED = set(os.environ["PROBE_FILES"].split())
seen = {}
extensions = []

init, show = lacuna.LacunaExtension.__init__, lacuna.LacunaExtension.show


def watched_init(self):
    init(self)
    extensions.append(self)


def watched_show(self, file, known):
    show(self, file, known)
    seen[os.path.basename(lacuna.path_of(file))] = (file, lacuna.emblems(known))
    if WANTED <= set(seen):
        GLib.idle_add(once)


lacuna.LacunaExtension.__init__ = watched_init
lacuna.LacunaExtension.show = watched_show
done = []


def once():
    """All files have been shown: look at the menus, choose from them, then report."""
    if done:
        return GLib.SOURCE_REMOVE
    done.append(True)
    extension = extensions[0]
    report = {
        "nautilus": Nautilus._version,
        "emblems": {name: emblems for name, (_, emblems) in seen.items()},
        "menus": {},
    }
    for name, (file, _) in seen.items():
        items = extension.get_file_items([file])
        report["menus"][name] = [item.get_property("label") for item in items]
    here = Nautilus.FileInfo.create_for_uri("file://" + FOLDER)
    report["menus"]["."] = [i.get_property("label") for i in extension.get_background_items(here)]
    elsewhere = Nautilus.FileInfo.create_for_uri("file:///usr")
    report["menus"]["/usr"] = [i.get_property("label") for i in extension.get_file_items([elsewhere])]

    def choose(name, label):
        for item in extension.get_file_items([seen[name][0]]):
            if item.get_property("label") == label:
                item.emit("activate")

    again = seen["synced"][0]
    choose("synced", "Free up space")
    choose("synced", "Copy path")
    del seen["synced"]

    def finish():
        # The command has ended, and the file was asked about once more, by Nautilus itself.
        if "synced" not in seen:
            report["updated again"] = False
        report["same file"] = "synced" in seen and seen["synced"][0] == again
        read_clipboard(report)
        return GLib.SOURCE_REMOVE

    GLib.timeout_add_seconds(3, finish)
    return GLib.SOURCE_REMOVE


def read_clipboard(report):
    import gi

    gi.require_version("Gdk", "4.0")
    from gi.repository import Gdk

    def ready(clipboard, result):
        report["clipboard"] = clipboard.read_text_finish(result)
        with open(os.environ["PROBE_REPORT"] + ".new", "w", encoding="utf-8") as out:
            json.dump(report, out)
        os.rename(os.environ["PROBE_REPORT"] + ".new", os.environ["PROBE_REPORT"])
        if not os.environ.get("PROBE_STAYS"):
            Gio.Application.get_default().quit()

    Gdk.Display.get_default().get_clipboard().read_text_async(None, ready)


class Probe(GObject.GObject, Nautilus.MenuProvider):
    """Nautilus keeps a module only if it offers something."""

    def get_file_items(self, *_):
        return []

    def get_background_items(self, *_):
        return []
