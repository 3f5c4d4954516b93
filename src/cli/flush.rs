//! `lacuna flush`

use std::{io::IsTerminal, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};
use lacuna::{
    config::Home,
    control::{
        api::{DriveStatus, Event, Pending, Request, Status},
        client::Client,
    },
    error::{Error, Kind, Result},
};

use super::{Done, Failure, client, format, say};

#[derive(clap::Args)]
#[command(after_long_help = "Example:\n  lacuna flush && systemctl suspend\n\n\
    Exit code 0: everything is synced; 4: something still waits, and why; 5: a file has two versions now.")]
pub struct Args {
    /// Only this drive
    name: Option<String>,
}

pub async fn run(home: Home, args: Args) -> Done {
    let mut asking = client(&home).await?;
    let flush = asking.ask(Request::Flush { drive: args.name.clone() });
    let done = if std::io::stderr().is_terminal() {
        let bar = ProgressBar::no_length();
        let done = tokio::select! {
            done = flush => done,
            never = show(&home, args.name.as_deref(), &bar) => match never {},
        };
        bar.finish_and_clear();
        done
    } else {
        flush.await
    };
    let mut status = client(&home).await?.status().await?;
    status.drives.retain(|d| meant(d, args.name.as_deref()));
    judge(done.map(drop), &status)?;
    say(&format::verdict(&status))
}

fn meant(drive: &DriveStatus, name: Option<&str>) -> bool {
    name.is_none_or(|name| drive.name == name || drive.mountpoint == name)
}

fn pending(status: &Status, name: Option<&str>) -> Pending {
    status.drives.iter().filter(|d| meant(d, name)).fold(Pending::default(), |sum, d| Pending {
        files: sum.files + d.pending.files,
        bytes: sum.bytes + d.pending.bytes,
    })
}

/// What the answer and what is left mean: nothing pending is success, two versions are a conflict. Pure.
fn judge(answer: Result<()>, status: &Status) -> Done {
    let left = pending(status, None);
    match answer {
        Err(e) if e.kind() == Kind::Conflict => Err(Failure::Conflict(e)),
        Err(e) if left != Pending::default() => Err(Failure::Pending(e)),
        Err(e) => Err(Failure::Failed(e)),
        Ok(()) => {
            let problems = status.drives.iter().flat_map(|d| &d.problems);
            let conflicts: Vec<&str> = problems
                .filter(|p| p.code == "conflict")
                .map(|p| p.path.as_deref().unwrap_or(p.cause.as_str()))
                .collect();
            if conflicts.is_empty() {
                return Ok(());
            }
            let cause = format!(
                "everything is at the remote, but of these there are two versions: {}",
                conflicts.join(", ")
            );
            let e = Error::new(Kind::Conflict, cause);
            Err(Failure::Conflict(
                e.remedy("compare each with its conflicted copy and delete one; see `lacuna status`"),
            ))
        }
    }
}

/// Draws what is left, until dropped. Trouble with it is no trouble for the flush.
async fn show(home: &Home, name: Option<&str>, bar: &ProgressBar) -> std::convert::Infallible {
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {bytes} of {total_bytes}, {msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(250));
    let watching = async {
        let mut client = Client::connect(home).await.ok().flatten()?;
        client.watch().await.ok()?;
        let mut most = 0;
        loop {
            let Event::Status(status) = client.event().await.ok()?;
            let left = pending(&status, name);
            let sent: u64 =
                status.drives.iter().filter(|d| meant(d, name)).flat_map(|d| &d.queue).map(|q| q.sent).sum();
            // More may be written meanwhile: then the whole grows, and the bar goes back.
            most = most.max(left.bytes);
            bar.set_length(most);
            bar.set_position((most - left.bytes + sent).min(most));
            bar.set_message(format::pending(left));
        }
    };
    let _: Option<()> = watching.await;
    std::future::pending().await
}

#[cfg(test)]
mod tests {
    use lacuna::{control::api::DriveState, health};

    use super::*;

    fn status(files: u64, problem: Option<&str>) -> Status {
        let drive = DriveStatus {
            pending: Pending { files, bytes: files },
            problems: problem
                .map(|code| health::problem(code, "cause", Some("a".into())))
                .into_iter()
                .collect(),
            ..DriveStatus::new("b", "store:/b", "/m", DriveState::Synced)
        };
        Status { version: 1, drives: vec![drive] }
    }

    #[test]
    fn the_exit_code_tells_what_is_left() {
        let err = |kind| Err(Error::new(kind, "x"));
        for (answer, status, code) in [
            (Ok(()), status(0, None), 0),
            // Written again since the answer: the answer was true when it was given.
            (Ok(()), status(1, None), 0),
            (Ok(()), status(0, Some("conflict")), 5),
            (err(Kind::Conflict), status(1, None), 5),
            (err(Kind::Offline), status(1, None), 4),
            (err(Kind::Busy), status(2, Some("offline")), 4),
            (err(Kind::NotFound), status(0, None), 1),
        ] {
            assert_eq!(judge(answer, &status).err().map_or(0, |f| f.code()), code);
        }
    }
}
