"""A desktop as far as the tests need it: keeps the tray items that register (StatusNotifierItem), and notes
in the file that is its argument what a file manager is asked to show (FileManager1)."""

import sys

from gi.repository import Gio, GLib

WATCHER, FILES = "org.kde.StatusNotifierWatcher", "org.freedesktop.FileManager1"
XML = f"""<node><interface name="{WATCHER}">
  <method name="RegisterStatusNotifierItem"><arg direction="in" type="s"/></method>
  <method name="RegisterStatusNotifierHost"><arg direction="in" type="s"/></method>
  <property name="RegisteredStatusNotifierItems" type="as" access="read"/>
  <property name="IsStatusNotifierHostRegistered" type="b" access="read"/>
  <property name="ProtocolVersion" type="i" access="read"/>
</interface><interface name="{FILES}">
  <method name="ShowItems"><arg direction="in" type="as"/><arg direction="in" type="s"/></method>
</interface></node>"""
items = {}


def call(bus, sender, path, interface, method, args, invocation):
    if method == "RegisterStatusNotifierItem":
        item = sender + args[0] if args[0].startswith("/") else args[0] + "/StatusNotifierItem"
        # An item is gone with the program that had it.
        Gio.bus_watch_name_on_connection(bus, sender, 0, None, lambda *_: items.pop(item, None))
        items[item] = True
    if method == "ShowItems":
        with open(sys.argv[1], "w") as file:
            file.write(args[0][0])
    invocation.return_value(None)


def read(bus, sender, path, interface, name):
    values = {"RegisteredStatusNotifierItems": GLib.Variant("as", list(items)), "ProtocolVersion": GLib.Variant("i", 0)}
    return values.get(name, GLib.Variant("b", True))


node = Gio.DBusNodeInfo.new_for_xml(XML)
bus = Gio.bus_get_sync(Gio.BusType.SESSION)
bus.register_object("/StatusNotifierWatcher", node.interfaces[0], call, read, None)
bus.register_object("/org/freedesktop/FileManager1", node.interfaces[1], call, None, None)
for name in (FILES, WATCHER):
    Gio.bus_own_name_on_connection(bus, name, 0, None, None)
GLib.MainLoop().run()
