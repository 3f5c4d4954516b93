//! `lacuna info`

use std::path::PathBuf;

use lacuna::{
    config::Home,
    control::{
        api::{Reply, Request},
        client::unexpected,
    },
};

use super::{Done, client, format, place, say, say_json};

#[derive(clap::Args)]
#[command(after_long_help = "Example:\n  lacuna info ~/Lacuna/report.ods")]
pub struct Args {
    /// A file in a drive
    path: PathBuf,
    /// Print JSON for programs
    #[arg(long)]
    json: bool,
}

pub async fn run(home: Home, args: Args) -> Done {
    let mut client = client(&home).await?;
    let place = place::find(&args.path, &client.status().await?)?;
    match client.ask(Request::Info { drive: place.drive, path: place.path }).await? {
        Reply::Info(info) if args.json => say_json(&info),
        Reply::Info(info) => say(&format::info(&args.path.display().to_string(), &info)),
        other => Err(unexpected(&other).into()),
    }
}
