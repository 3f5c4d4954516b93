# SPDX-License-Identifier: GPL-3.0-or-later
"""What the extension decides, with stand-ins for GIO and Nautilus. What it does inside of the real
Nautilus is tested by test_in_nautilus.py."""

import os
import sys
import tempfile
import types
import unittest


class FakeError(Exception):
    def __init__(self, message):
        super().__init__(message)
        self.message = message


class FakeInfo:
    def __init__(self, values):
        self.values = values

    def get_attribute_string(self, name):
        return self.values.get(name)


class FakeLocation:
    """A GFile: its attributes are answered when the test says so."""

    def __init__(self, path, values):
        self.path, self.values, self.waiting = path, values, None

    def get_path(self):
        return self.path

    def query_info_async(self, names, _flags, _priority, _cancellable, ready):
        assert names == "xattr::lacuna.state,xattr::lacuna.pinned", names
        self.waiting = ready

    def query_info_finish(self, _result):
        if self.values is None:
            raise FakeError("gone")
        return FakeInfo(self.values)

    def answer(self):
        self.waiting(self, None)


class FakeFile:
    def __init__(self, path, **values):
        self.path, self.emblems, self.invalidated = path, [], 0
        attributes = {"xattr::lacuna." + name: value for name, value in values.items()}
        self.location = FakeLocation(path, attributes)

    def get_uri(self):
        return "file://" + self.path

    def get_location(self):
        return self.location

    def add_emblem(self, name):
        self.emblems.append(name)

    def invalidate_extension_info(self):
        self.invalidated += 1


class FakeItem:
    def __init__(self, name, label, tip, icon):
        self.name, self.label = name, label

    def connect(self, signal, handler, *arguments):
        assert signal == "activate"
        self.activate = lambda: handler(self, *arguments)


class FakeChild:
    """A process that has ended by the time it is asked about."""

    started = []
    fails = {}

    @classmethod
    def new(cls, words, _flags):
        cls.started.append(words)
        if cls.fails.get("start"):
            raise FakeError("no such program")
        child = cls()
        child.says = cls.fails.get(words[-1], "")
        return child

    def communicate_utf8_async(self, _input, _cancellable, ready):
        ready(self, None)

    def communicate_utf8_finish(self, _result):
        return True, None, self.says

    def get_successful(self):
        return not self.says


def stand_ins():
    gi = types.ModuleType("gi")
    gi._versions = {"Nautilus": "4.0"}
    gi.require_version = lambda *_: None
    completed, timers = [], []
    nautilus = types.SimpleNamespace(
        _version="4.0",
        InfoProvider=type("InfoProvider", (), {}),
        MenuProvider=type("MenuProvider", (), {}),
        MenuItem=FakeItem,
        OperationResult=types.SimpleNamespace(COMPLETE="complete", IN_PROGRESS="in progress"),
        info_provider_update_complete_invoke=lambda *arguments: completed.append(arguments),
        completed=completed,
    )
    gio = types.SimpleNamespace(
        FileQueryInfoFlags=types.SimpleNamespace(NOFOLLOW_SYMLINKS=1),
        SubprocessFlags=types.SimpleNamespace(STDOUT_SILENCE=1, STDERR_PIPE=2),
        Subprocess=FakeChild,
    )
    glib = types.SimpleNamespace(
        Error=FakeError,
        PRIORITY_DEFAULT=0,
        SOURCE_REMOVE=False,
        timeout_add_seconds=lambda seconds, call: timers.append(call) or len(timers),
        timers=timers,
    )
    repository = types.ModuleType("gi.repository")
    repository.Gio, repository.GLib, repository.Nautilus = gio, glib, nautilus
    repository.GObject = types.SimpleNamespace(GObject=type("GObject", (), {}))
    gi.repository = repository
    sys.modules.update({"gi": gi, "gi.repository": repository})
    return nautilus, glib


nautilus, glib = stand_ins()
import lacuna  # noqa: E402

TABLE = """\
25 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
90 25 0:50 / /home/u/My\\040Drive rw,nosuid shared:9 - fuse.lacuna lacuna rw,user_id=0
91 25 0:51 / /mnt/\\303\\244 rw - fuse.lacuna lacuna rw
92 25 0:52 / /mnt/y rw - fuse.rclone fuse.lacuna rw
garbage
"""


class Decisions(unittest.TestCase):
    def test_drives_are_found_in_the_kernels_table(self):
        self.assertEqual(lacuna.drives(TABLE), ["/home/u/My Drive", "/mnt/ä"])
        self.assertEqual(lacuna.drives(""), [])

    def test_only_octal_escapes_are_undone(self):
        for text, plain in [("a\\040b", "a b"), ("a\\134", "a\\"), ("\\04", "\\04"), ("\\xyz", "\\xyz"), ("", "")]:
            self.assertEqual(lacuna.unescape(text), plain)

    def test_a_path_lies_on_a_drive_by_whole_names(self):
        for path, on in [("/m", True), ("/m/a/b", True), ("/mx", False), ("/", False)]:
            self.assertEqual(lacuna.on_a_drive(path, ["/m"]), on, path)
        self.assertTrue(lacuna.on_a_drive("/anything", ["/"]))
        self.assertFalse(lacuna.on_a_drive("/m", []))

    def test_every_state_has_its_emblem(self):
        for state, emblem in [
            ("synced", "lacuna-synced"),
            ("modified", "lacuna-modified"),
            ("new", "lacuna-modified"),
            ("uploading", "lacuna-uploading"),
            ("online", "lacuna-online"),
        ]:
            self.assertEqual(lacuna.emblems(lacuna.Known(state, False)), [emblem])
        self.assertEqual(lacuna.emblems(lacuna.Known("synced", True)), ["lacuna-synced", "lacuna-pinned"])
        self.assertEqual(lacuna.emblems(lacuna.Known("of tomorrow", False)), [])
        self.assertEqual(lacuna.emblems(lacuna.Known(None, False)), [])

    def test_emblems_have_their_icons(self):
        icons = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "icons", "emblems")
        for name in list(lacuna.EMBLEMS.values()) + [lacuna.PINNED]:
            self.assertTrue(os.path.isfile(os.path.join(icons, name + ".svg")), name)

    def test_what_waits_to_be_sent_or_fetched_passes(self):
        for state, pinned, passes in [
            ("modified", False, True),
            ("new", False, True),
            ("uploading", True, True),
            ("online", True, True),
            ("online", False, False),
            ("synced", True, False),
            (None, False, False),
        ]:
            self.assertEqual(lacuna.passes(lacuna.Known(state, pinned)), passes, (state, pinned))

    def test_what_is_offered_makes_sense(self):
        def words(*known):
            return " ".join(action.word for action in lacuna.actions(list(known)))

        known = lacuna.Known
        self.assertEqual(words(known("synced", False)), "pin evict copy")
        self.assertEqual(words(known("synced", True)), "unpin copy")
        self.assertEqual(words(known("online", False)), "pin copy")
        self.assertEqual(words(known("modified", False)), "pin copy")
        self.assertEqual(words(known("synced", True), known("synced", False)), "pin unpin evict copy")
        self.assertEqual(words(None), "pin unpin evict copy")

    def test_a_failure_names_file_and_cause(self):
        title, text = lacuna.failure(lacuna.EVICT, "/m/a/report.ods", "error: it is open\n")
        self.assertEqual(title, "Lacuna could not free the space of report.ods")
        self.assertEqual(text, "it is open")
        self.assertIn("lacuna pin", lacuna.failure(lacuna.PIN, "/m/x", "")[1])


class Behaviour(unittest.TestCase):
    def setUp(self):
        table = tempfile.NamedTemporaryFile("w", suffix=".mountinfo")
        self.addCleanup(table.close)
        table.write("90 25 0:50 / /m rw - fuse.lacuna lacuna rw\n")
        table.flush()
        lacuna.MOUNTS = table.name
        lacuna._table["until"] = 0
        nautilus.completed.clear()
        glib.timers.clear()
        FakeChild.started, FakeChild.fails = [], {}
        self.told, self.copied = [], []
        lacuna.notify = lambda title, text: self.told.append((title, text))
        lacuna.to_clipboard = self.copied.append
        self.extension = lacuna.LacunaExtension()

    def update(self, file):
        return self.extension.update_file_info_full("provider", "handle", "closure", file)

    def menu(self, *files):
        return {item.label: item for item in self.extension.get_file_items(list(files))}

    def test_an_update_waits_for_nothing_and_completes_later(self):
        file = FakeFile("/m/a", state="synced", pinned="1")
        self.assertEqual(self.update(file), "in progress")
        self.assertEqual((file.emblems, nautilus.completed), ([], []))
        file.location.answer()
        self.assertEqual(file.emblems, ["lacuna-synced", "lacuna-pinned"])
        self.assertEqual(nautilus.completed, [("closure", "provider", "handle", "complete")])

    def test_what_lies_on_no_drive_is_let_be(self):
        file = FakeFile("/home/a", state="synced")
        self.assertEqual(self.update(file), "complete")
        self.assertIsNone(file.location.waiting)
        self.assertEqual(self.menu(file, FakeFile("/m/a")), {})
        self.assertEqual(self.menu(), {})

    def test_an_update_of_what_is_gone_completes_too(self):
        file = FakeFile("/m/a")
        file.location.values = None
        self.update(file)
        file.location.answer()
        self.assertEqual((file.emblems, len(nautilus.completed)), ([], 1))

    def test_what_passes_is_looked_at_again(self):
        file, still = FakeFile("/m/a", state="uploading"), FakeFile("/m/b", state="synced")
        for f in (file, still):
            self.update(f)
            f.location.answer()
        (look,) = glib.timers
        self.assertFalse(look())
        self.assertEqual((file.invalidated, still.invalidated), (1, 0))
        self.assertEqual(self.extension.passing, {})

    def test_memory_stays_bounded(self):
        for n in range(lacuna.MOST_KNOWN + 5):
            self.extension.show(FakeFile("/m/%d" % n), lacuna.Known("new", False))
        self.assertEqual(len(self.extension.known), lacuna.MOST_KNOWN)
        self.assertEqual(len(self.extension.passing), lacuna.MOST_PASSING)
        self.assertEqual(len(glib.timers), 1)

    def test_the_menu_runs_commands_one_after_the_other(self):
        files = [FakeFile("/m/a"), FakeFile("/m/-b")]
        self.menu(*files)["Always keep on this device"].activate()
        self.assertEqual(FakeChild.started, [["lacuna", "pin", "--", "/m/a"], ["lacuna", "pin", "--", "/m/-b"]])
        self.assertEqual(([f.invalidated for f in files], self.told), ([1, 1], []))

    def test_a_new_drive_is_seen_after_a_second_at_the_latest(self):
        self.assertEqual(lacuna.mountpoints(), ["/m"])
        with open(lacuna.MOUNTS, "a", encoding="ascii") as table:
            table.write("91 25 0:51 / /n rw - fuse.lacuna lacuna rw\n")
        self.assertEqual(lacuna.mountpoints(), ["/m"])
        lacuna._table["until"] -= lacuna.MOUNTS_SECONDS
        self.assertEqual(lacuna.mountpoints(), ["/m", "/n"])

    def test_both_forms_of_the_call_and_the_folder_itself(self):
        self.assertTrue(self.extension.get_file_items("window", [FakeFile("/m/a")]))
        self.assertTrue(self.extension.get_background_items("window", FakeFile("/m")))
        self.assertTrue(self.extension.get_background_items(FakeFile("/m/a")))

    def test_a_failure_is_told_and_stops_no_other(self):
        FakeChild.fails = {"/m/a": "error: it is open"}
        self.menu(FakeFile("/m/a"), FakeFile("/m/b"))["Free up space"].activate()
        self.assertEqual(self.told, [("Lacuna could not free the space of a", "it is open")])
        self.assertEqual(len(FakeChild.started), 2)

    def test_a_missing_program_is_told_once(self):
        FakeChild.fails = {"start": True}
        self.menu(FakeFile("/m/a"), FakeFile("/m/b"))["Stop keeping on this device"].activate()
        self.assertEqual(self.told, [("Lacuna could not stop keeping a", "no such program")])

    def test_paths_are_copied_one_a_line(self):
        self.menu(FakeFile("/m/a"), FakeFile("/m/b"))["Copy path"].activate()
        self.assertEqual(self.copied, ["/m/a\n/m/b"])


if __name__ == "__main__":
    unittest.main()
