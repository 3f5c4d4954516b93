//! `lacuna pause` and `lacuna resume`

use lacuna::{
    config::Home,
    control::api::Request,
    node::Time,
    policy::{Pause, parse_length},
};
use std::time::Duration;

use super::{Done, client, format, say};

#[derive(clap::Args)]
#[command(after_long_help = "Example:\n  lacuna pause --for 1h30m\n\n\
    Files can still be read and written; what is written waits. It lasts over a restart of the agent.")]
pub struct PauseArgs {
    /// Only this drive
    name: Option<String>,
    /// Go on by itself after this time, such as 90s, 45m, 1h30m
    #[arg(long = "for", value_name = "TIME", value_parser = length)]
    length: Option<Duration>,
}

/// For clap: a wrong length is wrong usage.
fn length(text: &str) -> Result<Duration, String> {
    parse_length(text).map_err(|e| e.to_string())
}

#[derive(clap::Args)]
#[command(after_long_help = "Example:\n  lacuna resume")]
pub struct ResumeArgs {
    /// Only this drive
    name: Option<String>,
}

pub async fn pause(home: Home, args: PauseArgs) -> Done {
    let mut client = client(&home).await?;
    let until = args.length.map(|length| Pause::end(Time::now(), length));
    client.ask(Request::Pause { drive: args.name, until }).await?;
    say(&match args.length {
        Some(length) => format!("Paused for {}.", format::length(length)),
        None => "Paused until `lacuna resume`.".into(),
    })
}

pub async fn resume(home: Home, args: ResumeArgs) -> Done {
    client(&home).await?.ask(Request::Resume { drive: args.name }).await?;
    say("Going on.")
}
