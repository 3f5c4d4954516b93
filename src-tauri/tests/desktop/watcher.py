"""A desktop's tray as far as the tests need it: keeps the items that register (StatusNotifierItem)."""

from gi.repository import Gio, GLib

NAME = "org.kde.StatusNotifierWatcher"
XML = f"""<node><interface name="{NAME}">
  <method name="RegisterStatusNotifierItem"><arg direction="in" type="s"/></method>
  <method name="RegisterStatusNotifierHost"><arg direction="in" type="s"/></method>
  <property name="RegisteredStatusNotifierItems" type="as" access="read"/>
  <property name="IsStatusNotifierHostRegistered" type="b" access="read"/>
  <property name="ProtocolVersion" type="i" access="read"/>
</interface></node>"""
items = {}


def call(bus, sender, path, interface, method, args, invocation):
    if method == "RegisterStatusNotifierItem":
        item = sender + args[0] if args[0].startswith("/") else args[0] + "/StatusNotifierItem"
        # An item is gone with the program that had it.
        Gio.bus_watch_name_on_connection(bus, sender, 0, None, lambda *_: items.pop(item, None))
        items[item] = True
    invocation.return_value(None)


def read(bus, sender, path, interface, name):
    values = {"RegisteredStatusNotifierItems": GLib.Variant("as", list(items)), "ProtocolVersion": GLib.Variant("i", 0)}
    return values.get(name, GLib.Variant("b", True))


interface = Gio.DBusNodeInfo.new_for_xml(XML).interfaces[0]
bus = Gio.bus_get_sync(Gio.BusType.SESSION)
bus.register_object("/StatusNotifierWatcher", interface, call, read, None)
Gio.bus_own_name_on_connection(bus, NAME, 0, None, None)
GLib.MainLoop().run()
