//! What a click in the tray does.

use std::time::Duration;

use lacuna::{
    control::api::Request,
    error::{Error, Kind, Result},
    node::Time,
    policy::Pause,
};
use tauri::{AppHandle, Manager};
use tauri_plugin_notification::NotificationExt;
use tauri_plugin_opener::OpenerExt;

use crate::{
    agent::ask,
    paths, quit,
    shell::Shell,
    tray::{Command, PauseFor},
    window::{self, Navigate},
    words::fill,
};

/// Does what was clicked.
pub fn act(app: &AppHandle, command: Command) {
    match command {
        Command::Window => window::open(app, None),
        Command::Drive(drive) => {
            window::open(app, Some(Navigate { view: "files", drive: Some(drive) }));
        }
        Command::Activity => window::open(app, Some(Navigate::to("activity"))),
        Command::Problems => window::open(app, Some(Navigate::to("problems"))),
        Command::Quit => quit::asked(app),
        Command::Stay => quit::stay(app),
        Command::StartAgent => app.state::<Shell>().nudge.notify_one(),
        Command::Open(drive) => {
            let shell = app.state::<Shell>();
            let place = paths::of_node(shell.agent.borrow().status(), &drive, "", shell.words());
            if let Err(e) = place.and_then(|place| open(app, &place)) {
                failed(app, &shell.words().failed, &e);
            }
        }
        Command::Pause(length) => {
            let until = match length {
                PauseFor::HalfHour => Some(30),
                PauseFor::Hour => Some(60),
                PauseFor::Ever => None,
            };
            let until = until.map(|minutes| Pause::end(Time::now(), Duration::from_secs(minutes * 60)));
            request(app, Request::Pause { drive: None, until });
        }
        Command::Resume => request(app, Request::Resume { drive: None }),
        Command::Flush => request(app, Request::Flush { drive: None }),
    }
}

/// Asks the agent; a failure is told by a notification, for there may be no window.
fn request(app: &AppHandle, request: Request) {
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        let shell = app.state::<Shell>();
        if let Err(e) = ask(&shell.place.home, shell.words(), request).await {
            failed(&app, &shell.words().failed, &e);
        }
    });
}

/// Opens a path with the program that the desktop has for it.
pub fn open(app: &AppHandle, path: &std::path::Path) -> Result<()> {
    let shell = app.state::<Shell>();
    let shown = path.display().to_string();
    app.opener().open_path(&shown, None::<&str>).map_err(|e| {
        let words = shell.words();
        Error::new(Kind::Other, format!("{}: {e}", words.no_file_manager))
            .remedy(fill(&words.no_file_manager_remedy, &[("path", &shown)]))
    })
}

/// Tells of a failure.
pub fn failed(app: &AppHandle, title: &str, e: &Error) {
    let words = app.state::<Shell>().words();
    let mut body = e.path().map(|p| format!("{p}: ")).unwrap_or_default() + &words.engine.say(e.cause());
    if let Some(remedy) = e.remedy_text() {
        body += "\n";
        body += &fill(&words.note_remedy, &[("remedy", &words.engine.say(remedy))]);
    }
    notify(app, title, &body);
}

/// Shows a notification, or says in the log that it can't be.
pub fn notify(app: &AppHandle, title: &str, body: &str) {
    if let Err(e) = app.notification().builder().title(title).body(body).show() {
        eprintln!("lacuna-desktop: {title}: {body} (no notification: {e})");
    }
}
