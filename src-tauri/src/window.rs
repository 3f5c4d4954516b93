//! The window: made when it is first wanted, hidden when it is closed.

use serde::Serialize;
use tauri::{AppHandle, Emitter, Manager, Theme, Url, WebviewUrl, WebviewWindow, WebviewWindowBuilder};

use crate::{preferences::Appearance, shell::Shell};

/// Its label, which the capabilities name.
pub const MAIN: &str = "main";

/// Where the page is to go; the payload of its event `navigate`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Navigate {
    pub view: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drive: Option<String>,
}

impl Navigate {
    pub fn to(view: &'static str) -> Navigate {
        Navigate { view, drive: None }
    }
}

/// Shows the window, at a view if one is given.
pub fn open(app: &AppHandle, navigate: Option<Navigate>) {
    let app = app.clone();
    // A task of its own: on Windows a window can't be made from within an event.
    tauri::async_runtime::spawn(async move {
        if let Err(e) = shown(&app, navigate).await {
            eprintln!("lacuna-desktop: the window can't be shown: {e}");
        }
    });
}

async fn shown(app: &AppHandle, navigate: Option<Navigate>) -> tauri::Result<()> {
    let shell = app.state::<Shell>();
    // One at a time, or two clicks made two windows.
    let _turn = shell.window.lock().await;
    let window = match app.get_webview_window(MAIN) {
        Some(window) => window,
        None => {
            shell.page_is_new();
            make(app, &shell)?
        }
    };
    window.unminimize()?;
    window.show()?;
    window.set_focus()?;
    // What happened while it was hidden was not sent to it.
    shell.tell_page(app);
    if let Some(navigate) = navigate.and_then(|n| shell.navigate_when_ready(n)) {
        app.emit_to(MAIN, "navigate", navigate)?;
    }
    Ok(())
}

fn make(app: &AppHandle, shell: &Shell) -> tauri::Result<WebviewWindow> {
    WebviewWindowBuilder::new(app, MAIN, WebviewUrl::default())
        .title("Lacuna")
        .inner_size(1000.0, 700.0)
        .min_inner_size(480.0, 400.0)
        .visible(false)
        .theme(theme(shell.choices().appearance))
        .data_directory(shell.place.home.state.join("webview"))
        .on_navigation(is_the_page)
        .build()
}

/// Only the embedded page is shown in this window.
fn is_the_page(url: &Url) -> bool {
    url.scheme() == "tauri" || url.host_str() == Some("tauri.localhost")
}

/// None: the system's.
pub fn theme(appearance: Appearance) -> Option<Theme> {
    match appearance {
        Appearance::System => None,
        Appearance::Light => Some(Theme::Light),
        Appearance::Dark => Some(Theme::Dark),
    }
}

/// Whether somebody may be looking.
pub fn is_visible(app: &AppHandle) -> bool {
    app.get_webview_window(MAIN).is_some_and(|w| w.is_visible().unwrap_or(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_the_page_is_shown() {
        for (url, is) in [
            ("tauri://localhost/", true),
            ("http://tauri.localhost/index.html", true),
            ("https://example.org/", false),
            ("file:///etc/passwd", false),
            ("http://tauri.localhost.example.org/", false),
        ] {
            assert_eq!(is_the_page(&url.parse().unwrap()), is, "{url}");
        }
    }
}
