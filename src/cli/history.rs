//! `lacuna log` and `lacuna conflicts`

use lacuna::{
    config::Home,
    control::{
        api::{Reply, Request},
        client::unexpected,
    },
};

use super::{Done, client, format, say, say_json};

#[derive(clap::Args)]
#[command(after_long_help = "Example:\n  lacuna log photos --limit 20\n\n\
    The last 500 saves of each drive are kept, the newest is shown first.")]
pub struct LogArgs {
    /// Only those of this drive
    name: Option<String>,
    /// At most N saves
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: u32,
    /// Print JSON for programs
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
#[command(after_long_help = "Example:\n  lacuna conflicts\n\n\
    Compare each with the file that has the name, keep what is right in one of them and delete the other.")]
pub struct ConflictsArgs {
    /// Print JSON for programs
    #[arg(long)]
    json: bool,
}

pub async fn log(home: Home, args: LogArgs) -> Done {
    let mut client = client(&home).await?;
    match client.ask(Request::Activity { drive: args.name, limit: args.limit }).await? {
        Reply::Activity(saves) if args.json => say_json(&saves),
        Reply::Activity(saves) if saves.is_empty() => say("Nothing was saved yet."),
        Reply::Activity(saves) => {
            let lines: Vec<String> = saves.iter().map(format::save).collect();
            say(&lines.join("\n"))
        }
        other => Err(unexpected(&other).into()),
    }
}

pub async fn conflicts(home: Home, args: ConflictsArgs) -> Done {
    let mut client = client(&home).await?;
    let mut found = Vec::new();
    for drive in client.status().await?.drives {
        let conflicts = drive.problems.into_iter().filter(|p| p.code == "conflict");
        found.extend(conflicts.map(|p| (drive.mountpoint.clone(), p)));
    }
    if args.json {
        let problems: Vec<_> = found.into_iter().map(|(_, problem)| problem).collect();
        return say_json(&problems);
    }
    if found.is_empty() {
        return say("There are no conflicts.");
    }
    let line = |(at, p): &(String, lacuna::control::api::Problem)| {
        let path = std::path::Path::new(at).join(p.path.as_deref().unwrap_or_default());
        format!("{}\n  {}", path.display(), p.cause)
    };
    say(&found.iter().map(line).collect::<Vec<_>>().join("\n"))
}
