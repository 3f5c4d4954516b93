//! Lacuna's tray icon and window: a client of the agent's control socket and nothing more. Whatever becomes
//! of this program, the agent and its drives stay.
#![deny(unsafe_code)]
#![deny(unused_must_use)]
// Without a console window on Windows; elsewhere it means nothing.
#![cfg_attr(not(debug_assertions), windows_subsystem = "windows")]

mod act;
mod agent;
mod commands;
mod home;
mod notify;
mod paths;
mod platform;
mod preferences;
mod quit;
mod sentences;
mod shell;
mod tend;
mod tray;
mod window;
mod words;

use std::{
    path::PathBuf,
    process::ExitCode,
    sync::{Arc, Mutex},
};

use clap::Parser;
use lacuna::error::{Error, Kind, Result};
use tauri::{AppHandle, Manager, RunEvent, WindowEvent};
use tauri_plugin_notification::NotificationExt;
use tokio::sync::watch;

use agent::{Agent, Link, Program};
use home::Place;
use preferences::Choices;
use shell::Shell;
use window::{MAIN, Navigate};

/// Lacuna's tray icon and window.
#[derive(Parser)]
#[command(name = "lacuna-desktop", version)]
struct Args {
    /// Start with the tray icon only
    #[arg(long)]
    hidden: bool,
    /// The agent's settings, state and control socket are under DIR
    #[arg(long, env = "LACUNA_HOME", value_name = "DIR", hide_env_values = true)]
    home: Option<PathBuf>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(code) => u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from),
        Err(e) => {
            eprintln!("lacuna-desktop: {e}");
            ExitCode::FAILURE
        }
    }
}

/// Is the app until it ends; its exit code.
fn run(args: &Args) -> Result<i32> {
    let place = home::find(args.home.as_deref())?;
    // Choices that can't be read are left as they are on disk; the app works without them, and changing one
    // fails with the same words.
    let choices = Choices::load(&place.home.config.join("desktop.json")).unwrap_or_else(|e| {
        eprintln!("lacuna-desktop: {e}");
        Choices::default()
    });
    let choices = Arc::new(Mutex::new(choices));
    let locale = sys_locale::get_locale().unwrap_or_default();
    let (agent, agent_seen) = watch::channel(Agent::Unknown);
    let (host, host_seen) = watch::channel(None);
    let shell = Shell::new(place.clone(), locale.clone(), choices.clone(), agent_seen, host_seen);
    let link = Link {
        place: place.clone(),
        program: Program::new(std::env::current_exe().ok().as_deref(), std::env::var_os("PATH").as_deref()),
        words: Box::new(move || choices.lock().unwrap_or_else(|e| e.into_inner()).language(&locale).words()),
        agent,
        nudge: shell.nudge.clone(),
        quitting: shell.quitting.clone(),
    };
    let hidden = args.hidden;
    let app = builder(&place)
        .manage(shell)
        .setup(move |app| {
            start(app.handle(), link, host, hidden)?;
            Ok(())
        })
        .build(tauri::generate_context!())
        .map_err(|e| {
            Error::new(Kind::Other, format!("the app can't start: {e}"))
                .remedy("`lacuna` on a terminal does all that the app does")
        })?;
    Ok(app.run_return(handle))
}

/// The app with its plugins and commands.
fn builder(place: &Place) -> tauri::Builder<tauri::Wry> {
    let second = |app: &AppHandle, args: Vec<String>, _| {
        // The session may start what a person has started already.
        if !args.iter().any(|arg| arg == "--hidden") {
            window::open(app, None);
        }
    };
    let mut single = tauri_plugin_single_instance::Builder::new().callback(second);
    let mut autostart = tauri_plugin_autostart::Builder::new().arg("--hidden");
    if let (Some(tag), Some(dir)) = (place.tag(), &place.asked) {
        single = single.dbus_id(format!("org.lacuna.Lacuna.{tag}"));
        autostart =
            autostart.app_name(format!("Lacuna-{tag}")).arg("--home").arg(dir.to_string_lossy().into_owned());
    }
    tauri::Builder::default()
        // First, so that a second start ends before it does anything.
        .plugin(single.build())
        .plugin(autostart.build())
        .plugin(tauri_plugin_dialog::init())
        .plugin(tauri_plugin_notification::init())
        .plugin(tauri_plugin_opener::init())
        .invoke_handler(tauri::generate_handler![
            commands::ask,
            commands::default_places,
            commands::ensure_folder,
            commands::hello,
            commands::open_path,
            commands::pick_folder,
            commands::preferences,
            commands::reveal,
            commands::set_preferences,
        ])
}

/// Makes the tray icon and starts what follows the agent.
fn start(app: &AppHandle, link: Link, host: watch::Sender<Option<bool>>, hidden: bool) -> tauri::Result<()> {
    let pictures = link.place.home.state.join("tray");
    tauri::async_runtime::spawn(link.run());
    let tray = match platform::tray_library() {
        true => Some(tray::build(app, &pictures, act::act)?),
        false => None,
    };
    match tray {
        Some(_) => drop(tauri::async_runtime::spawn(platform::tray_host(host))),
        None => drop(host.send_replace(Some(false))),
    }
    tauri::async_runtime::spawn(tend::run(app.clone(), tray));
    tauri::async_runtime::spawn(tend::mind_the_tray(app.clone()));
    // A click on a notification is a wish to see more.
    if let Err(e) = app.notification().on_action({
        let app = app.clone();
        move |_| window::open(&app, Some(Navigate::to("problems")))
    }) {
        eprintln!("lacuna-desktop: clicks on notifications are not heard: {e}");
    }
    if !hidden {
        window::open(app, None);
    }
    Ok(())
}

/// What the window system tells.
fn handle(app: &AppHandle, event: RunEvent) {
    let shell = app.state::<Shell>();
    match event {
        // Closing hides: the app lives in the tray. Without one it ends, and the drives stay.
        RunEvent::WindowEvent { label, event: WindowEvent::CloseRequested { api, .. }, .. }
            if label == MAIN =>
        {
            if shell.has_tray()
                && let Some(window) = app.get_webview_window(MAIN)
                && window.hide().is_ok()
            {
                api.prevent_close();
            }
        }
        RunEvent::ExitRequested { code: None, api, .. } if shell.has_tray() => api.prevent_exit(),
        event if platform::reopened(&event) => window::open(app, None),
        _ => {}
    }
}
