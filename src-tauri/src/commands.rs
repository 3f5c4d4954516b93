//! What the page can ask of the app. Failures go to it as the protocol's `Failure`.

use std::path::Path;

use lacuna::{
    control::api::{Failure, Reply, Request},
    error::{Error, Result},
};
use tauri::{AppHandle, State};
use tauri_plugin_dialog::DialogExt;
use tauri_plugin_opener::OpenerExt;
use tokio::sync::oneshot;

use crate::{
    act, agent,
    home::DefaultPlaces,
    paths,
    preferences::{Change, Preferences},
    shell::Shell,
};

type Answer<T> = Result<T, Failure>;

fn told(e: Error) -> Failure {
    Failure::from(&e)
}

/// Passes a request of the control protocol to the agent.
#[tauri::command]
pub async fn ask(shell: State<'_, Shell>, request: Request) -> Answer<Reply> {
    agent::ask(&shell.place.home, shell.words(), request).await.map_err(told)
}

/// The page hears events from now on.
#[tauri::command]
pub async fn hello(app: AppHandle, shell: State<'_, Shell>) -> Answer<()> {
    shell.hello(&app);
    Ok(())
}

#[tauri::command]
pub async fn preferences(app: AppHandle, shell: State<'_, Shell>) -> Answer<Preferences> {
    Ok(shell.preferences(&app))
}

/// Changes those that are given.
#[tauri::command]
pub async fn set_preferences(
    app: AppHandle,
    shell: State<'_, Shell>,
    preferences: Change,
) -> Answer<Preferences> {
    shell.change(&app, &preferences).map_err(told)
}

/// Opens a drive, or a file or folder in one, with the desktop's program for it.
#[tauri::command]
pub async fn open_path(app: AppHandle, shell: State<'_, Shell>, path: String) -> Answer<()> {
    let path = paths::in_a_drive(shell.agent.borrow().status(), &path, shell.words()).map_err(told)?;
    act::open(&app, &path).map_err(told)
}

/// Shows a node of a drive in the file manager; where that can't point at it, its folder.
#[tauri::command]
pub async fn reveal(app: AppHandle, shell: State<'_, Shell>, drive: String, path: String) -> Answer<()> {
    let place = paths::of_node(shell.agent.borrow().status(), &drive, &path, shell.words()).map_err(told)?;
    if path.is_empty() {
        return act::open(&app, &place).map_err(told);
    }
    // It asks over D-Bus and waits for the answer, and looks at the drive: not on a thread of the runtime.
    let revealed = tauri::async_runtime::spawn_blocking({
        let (app, place) = (app.clone(), place.clone());
        move || app.opener().reveal_item_in_dir(&place)
    });
    match (revealed.await, place.parent()) {
        (Ok(Ok(())), _) => Ok(()),
        (_, parent) => act::open(&app, parent.unwrap_or(Path::new(&place))).map_err(told),
    }
}

/// Lets the person choose a folder; none if they did not.
#[tauri::command]
pub async fn pick_folder(app: AppHandle, title: String) -> Answer<Option<String>> {
    let (tell, chosen) = oneshot::channel();
    app.dialog().file().set_title(title).pick_folder(move |folder| {
        // The page has gone: nobody asks any more.
        let _ = tell.send(folder);
    });
    let folder = chosen.await.ok().flatten().and_then(|folder| folder.into_path().ok());
    Ok(folder.map(|folder| folder.to_string_lossy().into_owned()))
}

/// Where a first bucket and drive go if nobody says otherwise.
#[tauri::command]
pub async fn default_places(shell: State<'_, Shell>) -> Answer<DefaultPlaces> {
    Ok(shell.place.defaults.clone())
}

/// Makes a folder and its parents; one that is there stays as it is.
#[tauri::command]
pub async fn ensure_folder(shell: State<'_, Shell>, path: String) -> Answer<()> {
    let folder = paths::absolute(&path, shell.words()).map_err(told)?;
    std::fs::create_dir_all(&folder)
        .map_err(|e| told(Error::io("can't make the folder", e).at(folder.display())))
}
