//! `lacuna doctor`

use std::{fs, path::Path};

use lacuna::{
    agent::HomeLock,
    config::{Home, Settings},
    control::{
        api::{DriveState, Status},
        client::Client,
    },
    error::Result,
    health::{self, Finding},
    platform,
};

use super::{Done, Failure, format, say};

#[derive(clap::Args)]
#[command(after_long_help = "Example:\n  lacuna doctor\n\n\
    One line for each check: ok, warn or fail, and what to do. Exit code 1 if any fails.")]
pub struct Args {}

pub async fn run(home: Home, _: Args) -> Done {
    let path: Vec<_> = std::env::var_os("PATH").iter().flat_map(std::env::split_paths).collect();
    let mut found = health::judge_driver(platform::driver_facts(&path));
    found.extend(check_home(&home));
    found.extend(check_agent(&home, Client::connect(&home).await).await);
    for at in platform::dead_mounts() {
        let place = at.display().to_string();
        let why = "its agent is gone, and every access to it fails";
        found.push(Finding::bad(place.clone(), health::problem("stale-mount", why, Some(place))));
    }
    for finding in &found {
        say(&line(finding))?;
    }
    if found.iter().any(|f| f.verdict() == "fail") { Err(Failure::Told) } else { Ok(()) }
}

fn line(f: &Finding) -> String {
    match &f.problem {
        None => format!("ok    {}", f.checked),
        Some(p) => {
            format!("{:5} {}: {}: {}\n      try: {}", f.verdict(), f.checked, p.title, p.cause, p.remedy)
        }
    }
}

/// Whether the home can be written to, has room, and its settings can be read.
fn check_home(home: &Home) -> Vec<Finding> {
    let shown = home.state.display().to_string();
    let tried = home.create().and_then(|()| {
        let probe = home.state.join(format!(".probe-{}", std::process::id()));
        let written = fs::write(&probe, b"x").and_then(|()| fs::remove_file(&probe));
        written.map_err(|e| lacuna::error::Error::io("can't write a file", e).at(home.state.display()))
    });
    let mut found = vec![match tried {
        Ok(()) => Finding::ok(format!("the home {shown} can be written to")),
        Err(e) => Finding::bad(format!("the home {shown}"), health::problem_of("home-not-writable", &e)),
    }];
    if let Ok(free) = platform::free_space(existing(&home.state)) {
        found.push(health::judge_space(free, &format::size(free)));
    }
    found.push(match Settings::load(&home.settings()) {
        Ok(settings) => {
            Finding::ok(format!("the settings list {}", format::count(settings.drives.len() as u64, "drive")))
        }
        Err(e) => Finding::bad("the settings", health::problem_of("settings", &e)),
    });
    found
}

/// The folder itself, or the nearest above it that is there.
fn existing(dir: &Path) -> &Path {
    dir.ancestors().find(|d| d.is_dir()).unwrap_or(dir)
}

/// Whether the agent answers, is of this version, and reaches its buckets.
async fn check_agent(home: &Home, connected: Result<Option<Client>>) -> Vec<Finding> {
    let mut client = match connected {
        Ok(Some(client)) => client,
        Ok(None) if HomeLock::is_held(home) => {
            let why = "it holds the home and does not listen";
            return vec![Finding::bad("the agent", health::problem("agent-stuck", why, None))];
        }
        Ok(None) => {
            return vec![Finding::bad("the agent", health::problem("no-agent", "nothing is mounted", None))];
        }
        Err(e) => return vec![Finding::bad("the agent", health::problem_of("agent-stuck", &e))],
    };
    let (program, pid) = (client.agent().program.clone(), client.agent().pid);
    let ours = env!("CARGO_PKG_VERSION");
    let mut found = vec![if program == ours {
        Finding::ok(format!("the agent answers (process {pid}, version {program})"))
    } else {
        let why = format!("process {pid} is version {program}, this is {ours}");
        Finding::bad("the agent", health::problem("other-version", why, None))
    }];
    match client.status().await {
        Ok(status) => found.extend(check_drives(&status)),
        Err(e) => found.push(Finding::bad("the agent", health::problem_of("agent-stuck", &e))),
    }
    found
}

/// Whether each drive is mounted and reaches its bucket. Pure.
fn check_drives(status: &Status) -> Vec<Finding> {
    let judge = |d: &lacuna::control::api::DriveStatus| {
        let shown = format!("drive '{}' ({})", d.name, d.remote);
        if let Some(p) = d.problems.iter().max_by_key(|p| p.severity) {
            return Finding::bad(shown, p.clone());
        }
        match d.state {
            DriveState::Offline => {
                let why = "the agent tries and gets no answer";
                Finding::bad(shown, health::problem("bucket-unreachable", why, None))
            }
            _ => Finding::ok(format!("{shown} reaches its bucket")),
        }
    };
    status.drives.iter().map(judge).collect()
}
