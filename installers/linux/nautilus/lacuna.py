# SPDX-License-Identifier: GPL-3.0-or-later
"""Lacuna in Nautilus ("Files"): emblems that show a file's state, and what can be done with it.

Everything on a drive carries two extended attributes, which the agent answers from this machine:
`user.lacuna.state`, one of the words of EMBLEMS, and `user.lacuna.pinned` for what is kept here.
Which folders are drives is in the kernel's table of mounts. What acts is the command line.

Nautilus runs this in the thread that draws its windows, so nothing here waits: attributes are read
by GIO's threads, and commands run as processes of their own.

It works with nautilus-python 4.0 (Nautilus 43 and later) and 1.2 (before that).
"""

import collections
import os
import time

import gi

# Nautilus has chosen its version before it loads this; elsewhere (in tests) the newest there is.
if not any(name.startswith("Nautilus") for name in getattr(gi, "_versions", {})):
    for _version in ("4.1", "4.0", "3.0"):
        try:
            gi.require_version("Nautilus", _version)
            break
        except ValueError:
            pass

from gi.repository import Gio, GLib, GObject, Nautilus  # noqa: E402

MOUNTS = "/proc/self/mountinfo"
MOUNTS_SECONDS = 1
PROGRAM = "lacuna"

# The emblem of each state. Icons of the package, in hicolor.
EMBLEMS = {
    "synced": "lacuna-synced",
    "modified": "lacuna-modified",
    "uploading": "lacuna-uploading",
    "new": "lacuna-modified",
    "online": "lacuna-online",
}
PINNED = "lacuna-pinned"

# States that pass by themselves, so a file that shows one is looked at again.
PASSING = ("modified", "uploading", "new")
AGAIN_SECONDS = 2
# At most so many files are looked at again, and so many remembered.
MOST_PASSING = 500
MOST_KNOWN = 10000

Known = collections.namedtuple("Known", "state pinned")
Action = collections.namedtuple("Action", "word label tip verb")

PIN = Action("pin", "Always keep on this device", "Fetch all of it and never free its space", "keep")
UNPIN = Action("unpin", "Stop keeping on this device", "Its space may be freed again", "stop keeping")
EVICT = Action("evict", "Free up space", "Remove this device's copy; it stays in the bucket", "free the space of")
COPY = Action("copy", "Copy path", "Copy where it is, for a terminal or a message", None)


# --- What decides, without Nautilus and without the system ---


def drives(table):
    """The mount points of Lacuna in the text of a mountinfo table (proc_pid_mountinfo(5))."""
    found = []
    for line in table.splitlines():
        left, dash, right = line.partition(" - ")
        words = left.split(" ")
        if dash and len(words) > 4 and right.split(" ")[0] == "fuse.lacuna":
            found.append(unescape(words[4]))
    return found


def unescape(text):
    """Undoes the kernel's octal escapes: `\\040` is a space."""
    out = bytearray()
    raw = os.fsencode(text)
    at = 0
    while at < len(raw):
        digits = raw[at + 1 : at + 4]
        if raw[at : at + 1] == b"\\" and len(digits) == 3 and all(c in b"01234567" for c in digits):
            out.append(int(digits, 8) & 0xFF)
            at += 4
        else:
            out.append(raw[at])
            at += 1
    return os.fsdecode(bytes(out))


def on_a_drive(path, mountpoints):
    """Whether a path lies on one of the drives, or is one."""
    return any(path == at or path.startswith(at.rstrip("/") + "/") for at in mountpoints)


def emblems(known):
    """The emblems of what is known of a file."""
    shown = [EMBLEMS[known.state]] if known.state in EMBLEMS else []
    return shown + [PINNED] if known.pinned else shown


def passes(known):
    """Whether what is known changes by itself soon: it waits to be sent, or, kept here, to be fetched."""
    return known.state in PASSING or (known.state == "online" and known.pinned)


def actions(selected):
    """What is offered for the selected files; for each what is known of it, or None."""
    offered = []
    if not all(known and known.pinned for known in selected):
        offered.append(PIN)
    if any(known is None or known.pinned for known in selected):
        offered.append(UNPIN)
    # What is not here has no space to free, and what waits to be sent keeps its space.
    if any(known is None or (known.state == "synced" and not known.pinned) for known in selected):
        offered.append(EVICT)
    return offered + [COPY]


def failure(action, path, says):
    """The title and the text that tell of a command that failed."""
    text = says.strip()
    if text.startswith("error: "):
        text = text[len("error: ") :]
    title = "Lacuna could not {} {}".format(action.verb, os.path.basename(path) or path)
    return title, text or "The command `{} {}` failed.".format(PROGRAM, action.word)


# --- What asks the system ---

_table = {"until": 0.0, "drives": []}


def mountpoints():
    """Where drives are now. Asked for each file of a folder, so the table is read once a second at most."""
    now = time.monotonic()
    if now >= _table["until"]:
        try:
            with open(MOUNTS, encoding="utf-8", errors="surrogateescape") as table:
                _table["drives"] = drives(table.read())
        except OSError:
            _table["drives"] = []
        _table["until"] = now + MOUNTS_SECONDS
    return _table["drives"]


def path_of(file):
    """The local path of a file of Nautilus, or None."""
    location = file.get_location() if file is not None else None
    return location.get_path() if location is not None else None


def notify(title, text):
    """Shows a notification; where nobody shows them there is nobody to tell."""

    def connected(_source, result):
        try:
            bus = Gio.bus_get_finish(result)
        except GLib.Error:
            return
        arguments = GLib.Variant("(susssasa{sv}i)", ("Lacuna", 0, "lacuna", title, text, [], {}, -1))
        names = ("org.freedesktop.Notifications", "/org/freedesktop/Notifications") + ("org.freedesktop.Notifications",)
        bus.call(*names, "Notify", arguments, None, Gio.DBusCallFlags.NONE, -1, None, None)

    Gio.bus_get(Gio.BusType.SESSION, None, connected)


def run(action, paths, done):
    """Runs `lacuna WORD PATH` for one path after the other, in the background; then calls done()."""
    if not paths:
        done()
        return
    path, rest = paths[0], paths[1:]
    try:
        flags = Gio.SubprocessFlags.STDOUT_SILENCE | Gio.SubprocessFlags.STDERR_PIPE
        child = Gio.Subprocess.new([PROGRAM, action.word, "--", path], flags)
    except GLib.Error as e:
        # The next one would fail alike.
        notify(*failure(action, path, e.message))
        done()
        return

    def ended(child, result):
        try:
            _, _, says = child.communicate_utf8_finish(result)
            if not child.get_successful():
                notify(*failure(action, path, says or ""))
        except GLib.Error as e:
            notify(*failure(action, path, e.message))
        run(action, rest, done)

    child.communicate_utf8_async(None, None, ended)


def to_clipboard(text):
    """Puts a text on the clipboard: Nautilus 43 and later is of GTK 4, before that of GTK 3."""
    if Nautilus._version.startswith("3"):
        gi.require_version("Gtk", "3.0")
        from gi.repository import Gdk, Gtk

        Gtk.Clipboard.get(Gdk.SELECTION_CLIPBOARD).set_text(text, -1)
        return
    gi.require_version("Gdk", "4.0")
    from gi.repository import Gdk

    display = Gdk.Display.get_default()
    if display is not None:
        display.get_clipboard().set_content(Gdk.ContentProvider.new_for_value(text))


class LacunaExtension(GObject.GObject, Nautilus.InfoProvider, Nautilus.MenuProvider):
    """What Nautilus calls."""

    def __init__(self):
        super().__init__()
        self.known = collections.OrderedDict()  # Known by URI, the newest last
        self.passing = {}  # files whose state passes, by URI
        self.timer = 0

    # Emblems

    def update_file_info_full(self, provider, handle, closure, file):
        """Reads a file's attributes in the background and completes the update then."""
        path = path_of(file)
        if path is None or not on_a_drive(path, mountpoints()):
            return Nautilus.OperationResult.COMPLETE

        def read(location, result):
            try:
                info = location.query_info_finish(result)
                state = info.get_attribute_string("xattr::lacuna.state")
                pinned = info.get_attribute_string("xattr::lacuna.pinned")
                self.show(file, Known(state, pinned not in (None, "", "0")))
            except GLib.Error:
                # It is gone, or the agent is: nothing is known, nothing is shown.
                self.known.pop(file.get_uri(), None)
            Nautilus.info_provider_update_complete_invoke(
                closure, provider, handle, Nautilus.OperationResult.COMPLETE
            )

        file.get_location().query_info_async(
            "xattr::lacuna.state,xattr::lacuna.pinned",
            Gio.FileQueryInfoFlags.NOFOLLOW_SYMLINKS,
            GLib.PRIORITY_DEFAULT,
            None,
            read,
        )
        return Nautilus.OperationResult.IN_PROGRESS

    def cancel_update(self, provider, handle):
        """The answer of an update that is cancelled is ignored by Nautilus."""

    def show(self, file, known):
        """Gives a file its emblems and remembers what is known of it."""
        uri = file.get_uri()
        for emblem in emblems(known):
            file.add_emblem(emblem)
        self.known[uri] = known
        self.known.move_to_end(uri)
        if len(self.known) > MOST_KNOWN:
            self.known.popitem(last=False)
        if passes(known) and len(self.passing) < MOST_PASSING:
            self.passing[uri] = file
            if not self.timer:
                self.timer = GLib.timeout_add_seconds(AGAIN_SECONDS, self.look_again)

    def look_again(self):
        """Asks Nautilus for another update of what passes; it makes none of files it no longer shows."""
        self.timer = 0
        files, self.passing = list(self.passing.values()), {}
        for file in files:
            file.invalidate_extension_info()
        return GLib.SOURCE_REMOVE

    # Menu

    def get_file_items(self, *arguments):
        """The menu of selected files. (Before Nautilus 43 the window comes first.)"""
        files = arguments[-1]
        paths = [path_of(file) for file in files]
        at = mountpoints()
        if not paths or any(path is None or not on_a_drive(path, at) for path in paths):
            return []
        items = []
        for action in actions([self.known.get(file.get_uri()) for file in files]):
            item = Nautilus.MenuItem(
                name="Lacuna::" + action.word, label=action.label, tip=action.tip, icon="lacuna"
            )
            item.connect("activate", self.activated, action, files, paths)
            items.append(item)
        return items

    def get_background_items(self, *arguments):
        """The menu of the folder that is shown."""
        return self.get_file_items([arguments[-1]])

    def activated(self, _item, action, files, paths):
        """An entry of the menu was chosen."""
        if action == COPY:
            to_clipboard("\n".join(paths))
            return

        def done():
            for file in files:
                file.invalidate_extension_info()

        run(action, paths, done)
