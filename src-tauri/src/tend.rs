//! Follows what changes and shows it: in the tray, in the window, by notifications. Waits for events; the
//! only timer is the one up to the minute in which a pause's line reads differently.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use lacuna::{
    control::api::{Reply, Request},
    node::Time,
};
use tauri::{AppHandle, Manager, tray::TrayIcon};
use tokio::time::{sleep, timeout};

use crate::{
    act,
    agent::{Agent, ask},
    notify::{self, Memory},
    preferences::Change,
    shell::Shell,
    tray::{self, Applied, Icon, SAVES, View},
    window,
};

/// How long a panel may take to come up after this app at the start of a session.
const PANEL: Duration = Duration::from_secs(15);

/// Shows what the agent tells, for ever.
pub async fn run(app: AppHandle, tray: Option<TrayIcon>) {
    let shell = app.state::<Shell>();
    let applied = Arc::new(Mutex::new(Applied::default()));
    let (mut agent, mut changed) = (shell.agent.clone(), shell.changed.subscribe());
    let mut memory = Memory::default();
    let mut saves = Vec::new();
    loop {
        let known = agent.borrow_and_update().clone();
        changed.borrow_and_update();
        let now = Time::now();
        if let Agent::Up(status) = &known {
            let (new, notes) = notify::judge(&memory, status, &shell.choices(), shell.words(), now);
            memory = new;
            for note in notes {
                act::notify(&app, &note.title, &note.body);
            }
            let count: Vec<_> = status.drives.iter().map(|d| (d.name.clone(), d.saves)).collect();
            if count != saves {
                saves = count;
                fetch_saves(&app);
            }
            if !status.drives.is_empty() && shell.choices().first_run {
                let done = Change { first_run: Some(false), ..Change::default() };
                if let Err(e) = shell.change(&app, &done) {
                    eprintln!("lacuna-desktop: {e}");
                }
            }
        }
        shell.tell_page(&app);
        if let Some(tray) = &tray {
            show(&app, tray, &applied, &known, now);
        }
        let minute = async {
            match tray::next_change(&known, now) {
                Some(wait) => sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            gone = agent.changed() => if gone.is_err() { return },
            gone = changed.changed() => if gone.is_err() { return },
            () = minute => {}
        }
    }
}

fn show(app: &AppHandle, tray: &TrayIcon, applied: &Arc<Mutex<Applied>>, agent: &Agent, now: Time) {
    let shell = app.state::<Shell>();
    let view = View { agent, saves: &shell.saves(), words: shell.words(), now, quitting: shell.is_leaving() };
    let (menu, icon) = (tray::menu(&view), Icon::of(agent));
    let (tray, applied) = (tray.clone(), applied.clone());
    let shown = app.run_on_main_thread(move || {
        let mut applied = applied.lock().unwrap_or_else(|e| e.into_inner());
        if let Err(e) = applied.show(&tray, menu, icon) {
            eprintln!("lacuna-desktop: the tray can't be changed: {e}");
        }
    });
    if let Err(e) = shown {
        eprintln!("lacuna-desktop: the tray can't be changed: {e}");
    }
}

fn fetch_saves(app: &AppHandle) {
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        let shell = app.state::<Shell>();
        let limit = u32::try_from(SAVES).unwrap_or(u32::MAX);
        let asked = Request::Activity { drive: None, limit };
        // Where that fails the next save asks again.
        if let Ok(Reply::Activity(saves)) = ask(&shell.place.home, shell.words(), asked).await {
            shell.set_saves(saves);
        }
    });
}

/// Opens the window where no icon can be shown, for the app would have no face at all. Tells the page
/// when that changes.
pub async fn mind_the_tray(app: AppHandle) {
    let shell = app.state::<Shell>();
    let mut host = shell.tray_host.clone();
    loop {
        let shown = timeout(PANEL, host.wait_for(|is| *is == Some(true))).await.is_ok_and(|is| is.is_ok());
        if !shown {
            if !window::is_visible(&app) {
                window::open(&app, None);
            }
            eprintln!("lacuna-desktop: {}", shell.words().no_tray);
        }
        shell.tell_preferences(&app, &shell.preferences(&app));
        // An icon that is there may go, and one that is not there may come.
        if host.wait_for(|is| *is == Some(!shown)).await.is_err() {
            return;
        }
        shell.tell_preferences(&app, &shell.preferences(&app));
    }
}
