//! What all parts of the app share: the agent's last word, the choices, what goes to the page.

use std::sync::{
    Arc, Mutex, MutexGuard,
    atomic::{AtomicBool, Ordering},
};

use lacuna::{
    control::api::Save,
    error::{Error, Kind, Result},
};
use tauri::{AppHandle, Emitter, Manager};
use tauri_plugin_autostart::ManagerExt;
use tokio::sync::{Notify, watch};

use crate::{
    agent::Agent,
    home::Place,
    preferences::{Change, Choices, Preferences},
    window::{self, MAIN, Navigate},
    words::Words,
};

/// The app's state. Each lock is held for a moment only, and never two of them.
pub struct Shell {
    pub place: Place,
    /// The system's.
    pub locale: String,
    /// What is known of the agent.
    pub agent: watch::Receiver<Agent>,
    /// Whether something shows tray icons; none: not known yet.
    pub tray_host: watch::Receiver<Option<bool>>,
    /// Wakes the link to the agent from its pause.
    pub nudge: Arc<Notify>,
    /// The agent is being ended by this app.
    pub quitting: Arc<AtomicBool>,
    /// The question whether to quit is on the screen.
    pub asking: AtomicBool,
    /// Counts what the tray shows and the agent does not tell of.
    pub changed: watch::Sender<u64>,
    /// Held while the window is made or shown.
    pub window: tokio::sync::Mutex<()>,
    choices: Arc<Mutex<Choices>>,
    saves: Mutex<Vec<Save>>,
    /// The task that waits until all is sent and quits then.
    leaving: Mutex<Option<tauri::async_runtime::JoinHandle<()>>>,
    page: Mutex<Page>,
}

/// What is known of the page.
#[derive(Default)]
struct Page {
    /// It has said hello: it hears events.
    hears: bool,
    /// Where it shall go when it does.
    go: Option<Navigate>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}

impl Shell {
    pub fn new(
        place: Place,
        locale: String,
        choices: Arc<Mutex<Choices>>,
        agent: watch::Receiver<Agent>,
        tray_host: watch::Receiver<Option<bool>>,
    ) -> Shell {
        Shell {
            place,
            locale,
            agent,
            tray_host,
            nudge: Arc::default(),
            quitting: Arc::default(),
            asking: AtomicBool::default(),
            changed: watch::Sender::new(0),
            window: tokio::sync::Mutex::default(),
            choices,
            saves: Mutex::default(),
            leaving: Mutex::default(),
            page: Mutex::default(),
        }
    }

    fn bump(&self) {
        self.changed.send_modify(|n| *n += 1);
    }

    pub fn choices(&self) -> Choices {
        lock(&self.choices).clone()
    }

    pub fn words(&self) -> &'static Words {
        lock(&self.choices).language(&self.locale).words()
    }

    /// As long as it is not known otherwise, an icon is shown.
    pub fn has_tray(&self) -> bool {
        self.tray_host.borrow().unwrap_or(true)
    }

    pub fn saves(&self) -> Vec<Save> {
        lock(&self.saves).clone()
    }

    pub fn set_saves(&self, saves: Vec<Save>) {
        *lock(&self.saves) = saves;
        self.bump();
    }

    /// Whether the app quits when everything is sent.
    pub fn is_leaving(&self) -> bool {
        lock(&self.leaving).is_some()
    }

    /// Notes the task that waits to quit, or that there is none; one that was noted is ended.
    pub fn set_leaving(&self, task: Option<tauri::async_runtime::JoinHandle<()>>) {
        if let Some(old) = std::mem::replace(&mut *lock(&self.leaving), task) {
            old.abort();
        }
        self.bump();
    }

    /// Ends the app: the agent is not to be started again on the way.
    pub fn end(&self, app: &AppHandle) {
        self.quitting.store(true, Ordering::Relaxed);
        app.exit(0);
    }

    /// The choices and what the system says.
    pub fn preferences(&self, app: &AppHandle) -> Preferences {
        // Where it can't be told there is none.
        let autostart = app.autolaunch().is_enabled().unwrap_or(false);
        self.choices().shown(autostart, &self.locale, self.has_tray())
    }

    /// Changes the choices, on disk first.
    ///
    /// # Errors
    /// What can't be saved, or an autostart entry that can't be made; then nothing has changed but, it may
    /// be, that entry.
    pub fn change(&self, app: &AppHandle, change: &Change) -> Result<Preferences> {
        let manager = app.autolaunch();
        if let Some(wanted) = change.autostart
            && manager.is_enabled().ok() != Some(wanted)
        {
            let done = if wanted { manager.enable() } else { manager.disable() };
            done.map_err(|e| {
                Error::new(Kind::Other, format!("can't change what starts with the session: {e}"))
                    .remedy("see whether the autostart folder in your settings may be written to")
            })?;
        }
        let appearance = {
            let mut choices = lock(&self.choices);
            let new = choices.with(change);
            if new != *choices {
                new.save(&self.place.home.config.join("desktop.json"))?;
                *choices = new;
            }
            choices.appearance
        };
        if let Some(window) = app.get_webview_window(MAIN) {
            // An appearance that can't be had is none to fail for.
            let _ = window.set_theme(window::theme(appearance));
        }
        self.bump();
        let shown = self.preferences(app);
        self.tell_preferences(app, &shown);
        Ok(shown)
    }

    /// The page hears now: tells it all there is, and where to go.
    pub fn hello(&self, app: &AppHandle) {
        let go = {
            let mut page = lock(&self.page);
            page.hears = true;
            page.go.take()
        };
        self.tell_page(app);
        if let Some(go) = go {
            let _ = app.emit_to(MAIN, "navigate", go);
        }
    }

    /// A page that was just loaded hears nothing yet.
    pub fn page_is_new(&self) {
        *lock(&self.page) = Page::default();
    }

    /// The same, if the page hears; else it goes there when it does.
    pub fn navigate_when_ready(&self, navigate: Navigate) -> Option<Navigate> {
        let mut page = lock(&self.page);
        if page.hears {
            return Some(navigate);
        }
        page.go = Some(navigate);
        None
    }

    /// Tells the page what is known of the agent, if somebody may be looking.
    pub fn tell_page(&self, app: &AppHandle) {
        if lock(&self.page).hears && window::is_visible(app) {
            let agent = self.agent.borrow().clone();
            if let Some(told) = agent.told() {
                // A page that has just been closed needs to hear nothing.
                let _ = app.emit_to(MAIN, "agent", told);
            }
        }
    }

    pub fn tell_preferences(&self, app: &AppHandle, shown: &Preferences) {
        if lock(&self.page).hears {
            let _ = app.emit_to(MAIN, "preferences", shown);
        }
    }
}
