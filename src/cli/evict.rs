//! `lacuna evict`

use std::path::PathBuf;

use lacuna::{
    config::Home,
    control::{
        api::{Reply, Request},
        client::unexpected,
    },
};

use super::{Done, client, format, place, say};

#[derive(clap::Args)]
#[command(after_long_help = "Example:\n  lacuna evict ~/Lacuna/films\n\n\
    Only bytes that the remote has are dropped; they come back when they are read.")]
pub struct Args {
    /// A file or folder in a drive
    path: PathBuf,
}

pub async fn run(home: Home, args: Args) -> Done {
    let mut client = client(&home).await?;
    let place = place::find(&args.path, &client.status().await?)?;
    match client.ask(Request::Evict { drive: place.drive, path: place.path }).await? {
        Reply::Evicted { bytes } => say(&format!("{} freed.", format::size(bytes))),
        other => Err(unexpected(&other).into()),
    }
}
