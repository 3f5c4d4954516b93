//! Quitting: what waits is said, and the person decides.

use std::{sync::atomic::Ordering, time::Duration};

use lacuna::{
    control::api::{Pending, Request, Status},
    error::{Error, Kind, Result},
};
use tauri::{AppHandle, Manager};
use tauri_plugin_dialog::{DialogExt, MessageDialogButtons, MessageDialogKind, MessageDialogResult};

use crate::{
    act,
    agent::{Agent, ask, pending},
    shell::Shell,
    tray::{Question, question},
};

/// What was chosen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Choice {
    Wait,
    Now,
    Cancel,
}

/// Which button that was. A dialog that was closed cancels.
fn choice(result: &MessageDialogResult, asked: &Question) -> Choice {
    match result {
        MessageDialogResult::Yes => Choice::Wait,
        MessageDialogResult::No => Choice::Now,
        MessageDialogResult::Custom(text) if *text == asked.wait => Choice::Wait,
        MessageDialogResult::Custom(text) if *text == asked.now => Choice::Now,
        _ => Choice::Cancel,
    }
}

/// Quits, after a question if something waits.
pub fn asked(app: &AppHandle) {
    let shell = app.state::<Shell>();
    let question = shell.agent.borrow().status().and_then(|s| question(s, shell.words()));
    let Some(question) = question else {
        let app = app.clone();
        tauri::async_runtime::spawn(async move { leave(&app).await });
        return;
    };
    if shell.asking.swap(true, Ordering::Relaxed) {
        return;
    }
    let buttons = MessageDialogButtons::YesNoCancelCustom(
        question.wait.clone(),
        question.now.clone(),
        question.cancel.clone(),
    );
    let app = app.clone();
    app.dialog()
        .message(&question.text)
        .title(&question.title)
        .kind(MessageDialogKind::Warning)
        .buttons(buttons)
        .show_with_result({
            let app = app.clone();
            move |result| {
                app.state::<Shell>().asking.store(false, Ordering::Relaxed);
                match choice(&result, &question) {
                    Choice::Wait => wait(&app, question.resumes),
                    Choice::Now => {
                        tauri::async_runtime::spawn(async move { leave(&app).await });
                    }
                    Choice::Cancel => {}
                }
            }
        });
}

/// No longer waits to quit.
pub fn stay(app: &AppHandle) {
    app.state::<Shell>().set_leaving(None);
}

/// Quits when everything is sent. Meanwhile the menu says so, and offers to stay.
fn wait(app: &AppHandle, resume: bool) {
    let task = tauri::async_runtime::spawn({
        let app = app.clone();
        async move {
            let sent = send_all(&app, resume).await;
            let shell = app.state::<Shell>();
            match sent {
                Ok(()) => leave(&app).await,
                Err(e) => act::failed(&app, &shell.words().quit_failed, &e),
            }
            // From a task of its own, for it ends this one.
            let app = app.clone();
            tauri::async_runtime::spawn(async move { stay(&app) });
        }
    });
    app.state::<Shell>().set_leaving(Some(task));
}

async fn send_all(app: &AppHandle, resume: bool) -> Result<()> {
    let shell = app.state::<Shell>();
    let (home, words) = (&shell.place.home, shell.words());
    if resume {
        ask(home, words, Request::Resume { drive: None }).await?;
    }
    loop {
        ask(home, words, Request::Flush { drive: None }).await?;
        // What was written meanwhile is waited for as well.
        let mut agent = shell.agent.clone();
        let nothing =
            |agent: &Agent| agent.status().is_none_or(|s: &Status| pending(s) == Pending::default());
        let settled = tokio::time::timeout(Duration::from_secs(2), agent.wait_for(nothing)).await;
        if settled.is_ok() {
            return Ok(());
        }
    }
}

/// Ends the agent, which unmounts its drives, and this app. An agent that can't end leaves both running.
async fn leave(app: &AppHandle) {
    let shell = app.state::<Shell>();
    shell.quitting.store(true, Ordering::Relaxed);
    match end_agent(&shell).await {
        Ok(()) => shell.end(app),
        Err(e) => {
            shell.quitting.store(false, Ordering::Relaxed);
            act::failed(app, &shell.words().quit_failed, &e);
        }
    }
}

async fn end_agent(shell: &Shell) -> Result<(), Error> {
    if matches!(*shell.agent.borrow(), Agent::Down(_)) {
        return Ok(());
    }
    match ask(&shell.place.home, shell.words(), Request::Quit).await {
        // It has ended already, or did before it could say so.
        Err(e) if matches!(e.kind(), Kind::NotFound | Kind::Offline) => Ok(()),
        other => other.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_button_itself_quits() {
        let asked = Question {
            title: String::new(),
            text: String::new(),
            wait: "Wait".into(),
            now: "Now".into(),
            cancel: "No".into(),
            resumes: false,
        };
        for (result, is) in [
            (MessageDialogResult::Custom("Wait".into()), Choice::Wait),
            (MessageDialogResult::Custom("Now".into()), Choice::Now),
            (MessageDialogResult::Custom("No".into()), Choice::Cancel),
            (MessageDialogResult::Yes, Choice::Wait),
            (MessageDialogResult::No, Choice::Now),
            (MessageDialogResult::Cancel, Choice::Cancel),
            (MessageDialogResult::Ok, Choice::Cancel),
        ] {
            assert_eq!(choice(&result, &asked), is, "{result:?}");
        }
    }
}
