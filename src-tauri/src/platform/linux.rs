//! Linux: whether the desktop shows tray icons. Those that do own a name on the session's D-Bus and say
//! whether a host has registered there (the StatusNotifierItem specification of freedesktop.org).

use futures::StreamExt;
use tokio::sync::watch;
use zbus::{Connection, MatchRule, MessageStream, fdo::DBusProxy, message::Type};

const WATCHER: &str = "org.kde.StatusNotifierWatcher";
const WATCHER_PATH: &str = "/StatusNotifierWatcher";

/// Whether the library that talks to tray hosts is there: the crate that loads it panics without.
pub fn tray_library() -> bool {
    ["libayatana-appindicator3.so.1", "libappindicator3.so.1"].iter().any(|name| loads(name))
}

#[expect(
    unsafe_code,
    reason = "loading a library runs its initialisers; these two are going to be run anyway"
)]
fn loads(name: &str) -> bool {
    // SAFETY: the tray's own code loads the same library, and nothing is called here.
    unsafe { libloading::Library::new(name) }.is_ok()
}

/// Tells whether something shows tray icons, at once and whenever that changes.
pub async fn tray_host(tell: watch::Sender<Option<bool>>) {
    if let Err(e) = follow(&tell).await {
        eprintln!("lacuna-desktop: no word of tray icons over D-Bus: {e}");
    }
    // No session bus (any more): nothing can show the icon.
    tell.send_replace(Some(false));
}

async fn follow(tell: &watch::Sender<Option<bool>>) -> zbus::Result<()> {
    let bus = Connection::session().await?;
    let dbus = DBusProxy::new(&bus).await?;
    let mut owners = dbus.receive_name_owner_changed_with_args(&[(0, WATCHER)]).await?;
    let rule = MatchRule::builder().msg_type(Type::Signal).interface(WATCHER)?.path(WATCHER_PATH)?.build();
    let mut said = MessageStream::for_match_rule(rule, &bus, None).await?;
    loop {
        let is = Some(has_host(&bus, &dbus).await);
        tell.send_if_modified(|was| std::mem::replace(was, is) != is);
        tokio::select! {
            changed = owners.next() => if changed.is_none() { return Ok(()) },
            signal = said.next() => if signal.is_none() { return Ok(()) },
        }
    }
}

async fn has_host(bus: &Connection, dbus: &DBusProxy<'_>) -> bool {
    let Ok(name) = zbus::names::BusName::try_from(WATCHER) else { return false };
    if !dbus.name_has_owner(name).await.unwrap_or(false) {
        return false;
    }
    let Ok(watcher) = zbus::Proxy::new(bus, WATCHER, WATCHER_PATH, WATCHER).await else { return false };
    // One that does not say is taken for a host.
    watcher.get_property("IsStatusNotifierHostRegistered").await.unwrap_or(true)
}
