//! The tray as a panel sees it: an item on the session bus, its icon, its menu.

use std::{collections::HashMap, fs};

use zbus::{
    blocking::{Connection, Proxy},
    zvariant::{OwnedValue, Structure, Value},
};

use crate::session::until;

const WATCHER: &str = "org.kde.StatusNotifierWatcher";
const MENU: &str = "com.canonical.dbusmenu";

/// An item as the menu's protocol has it: its id, its properties, what is below it.
type Node = (i32, HashMap<String, OwnedValue>, Vec<OwnedValue>);

/// The app's item.
pub struct Tray {
    bus: Connection,
    name: String,
    path: String,
}

/// A line of a menu.
#[derive(Clone, Debug)]
pub struct Line {
    pub id: i32,
    pub label: String,
    pub enabled: bool,
    pub below: Vec<Line>,
}

impl Tray {
    /// Waits until an item has registered.
    pub fn find(bus: Connection) -> Tray {
        let watcher = Proxy::new(&bus, WATCHER, "/StatusNotifierWatcher", WATCHER).unwrap();
        let item = until("a tray icon", || {
            // Read anew each time: nothing tells of changes.
            let get = ("org.kde.StatusNotifierWatcher", "RegisteredStatusNotifierItems");
            let reply = bus
                .call_method(
                    Some(watcher.destination().as_str()),
                    "/StatusNotifierWatcher",
                    Some("org.freedesktop.DBus.Properties"),
                    "Get",
                    &get,
                )
                .ok()?;
            let value: OwnedValue = reply.body().deserialize().ok()?;
            Vec::<String>::try_from(value).ok()?.into_iter().next()
        });
        let slash = item.find('/').unwrap();
        Tray { bus: bus.clone(), name: item[..slash].to_owned(), path: item[slash..].to_owned() }
    }

    fn call<R>(
        &self,
        path: &str,
        interface: &str,
        method: &str,
        body: &(impl serde::Serialize + zbus::zvariant::DynamicType),
    ) -> zbus::Result<R>
    where
        R: for<'d> zbus::zvariant::DynamicDeserialize<'d>,
    {
        let reply = self.bus.call_method(Some(self.name.as_str()), path, Some(interface), method, body)?;
        let body = reply.body();
        body.deserialize()
    }

    /// The pixels of the icon as shown: the item names a file.
    pub fn icon(&self) -> Option<Vec<u8>> {
        let get = ("org.kde.StatusNotifierItem", "IconName");
        let value: OwnedValue = self.call(&self.path, "org.freedesktop.DBus.Properties", "Get", &get).ok()?;
        pixels(&fs::read(String::try_from(value).ok()?).ok()?)
    }

    /// Waits until the icon is that of a state.
    #[track_caller]
    pub fn until_icon(&self, state: &str) {
        let file = format!("{}/icons/tray/{state}-64.png", env!("CARGO_MANIFEST_DIR"));
        let wanted = pixels(&fs::read(file).unwrap());
        assert!(wanted.is_some());
        until(&format!("the icon `{state}`"), || (self.icon() == wanted).then_some(()));
    }

    /// The menu's lines.
    pub fn menu(&self) -> Vec<Line> {
        let path = format!("{}/Menu", self.path);
        let layout: zbus::Result<(u32, Node)> =
            self.call(&path, MENU, "GetLayout", &(0, -1, Vec::<&str>::new()));
        // For a moment, while the app puts a new menu in place, there may be none.
        layout.map_or(Vec::new(), |(_, (_, _, below))| below.iter().filter_map(|v| line(v)).collect())
    }

    /// The line of truth: the first one, which can't be clicked.
    pub fn truth(&self) -> String {
        self.menu().first().filter(|line| !line.enabled).map(|line| line.label.clone()).unwrap_or_default()
    }

    /// Waits until the line of truth is as `fits` says; answers it.
    #[track_caller]
    pub fn until_truth(&self, what: &str, fits: impl Fn(&str) -> bool) -> String {
        let mut last = String::new();
        until(&format!("the tray says {what}"), || {
            let now = self.truth();
            if now != last {
                println!("the tray: {now}");
                last.clone_from(&now);
            }
            fits(&now).then_some(now)
        })
    }

    #[track_caller]
    pub fn until_says(&self, text: &str) {
        self.until_truth(text, |now| now == text);
    }

    /// Waits for a line of a menu or submenu and answers it.
    #[track_caller]
    pub fn until_line(&self, label: &str) -> Line {
        until(&format!("the menu has `{label}`"), || find(&self.menu(), &|line| line.label == label))
    }

    /// Waits for a line that can be clicked, and clicks it.
    #[track_caller]
    pub fn click(&self, label: &str) {
        let path = format!("{}/Menu", self.path);
        // The app may put a new menu in place between the look and the click; then the item is another one.
        until(&format!("a click on `{label}`"), || {
            let line = find(&self.menu(), &|line| line.label == label && line.enabled)?;
            let event = (line.id, "clicked", Value::from(""), 0u32);
            self.bus.call_method(Some(self.name.as_str()), path.as_str(), Some(MENU), "Event", &event).ok()
        });
    }
}

/// The first line that fits, submenus included.
pub fn find(lines: &[Line], fits: &dyn Fn(&Line) -> bool) -> Option<Line> {
    lines.iter().find_map(|line| if fits(line) { Some(line.clone()) } else { find(&line.below, fits) })
}

/// A node of the layout: `(ia{sv}av)`. Separators have no label.
fn line(value: &Value<'_>) -> Option<Line> {
    let value = match value {
        Value::Value(inner) => inner,
        value => value,
    };
    let fields = <&Structure<'_>>::try_from(value).ok()?.fields();
    let [Value::I32(id), Value::Dict(properties), Value::Array(below)] = fields else { return None };
    let label: Option<String> = properties.get(&"label").ok().flatten();
    let enabled: Option<bool> = properties.get(&"enabled").ok().flatten();
    Some(Line {
        id: *id,
        // Underscores of a label are doubled: a single one marks a key.
        label: label?.replace("__", "_"),
        enabled: enabled.unwrap_or(true),
        below: below.iter().filter_map(line).collect(),
    })
}

/// The pixels of a PNG file.
fn pixels(file: &[u8]) -> Option<Vec<u8>> {
    let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().ok()?;
    let mut out = vec![0; reader.output_buffer_size()?];
    let frame = reader.next_frame(&mut out).ok()?;
    out.truncate(frame.buffer_size());
    // What can't be seen may have any colour.
    for pixel in out.chunks_mut(4).filter(|p| p.len() == 4 && p[3] == 0) {
        pixel.fill(0);
    }
    Some(out)
}
