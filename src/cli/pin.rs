//! `lacuna pin` and `lacuna unpin`

use std::path::PathBuf;

use lacuna::{
    config::Home,
    control::{
        api::{Reply, Request},
        client::unexpected,
    },
};

use super::{Done, client, place, say};

#[derive(clap::Args)]
#[command(after_long_help = "Example:\n  lacuna pin ~/Lacuna/music\n\n\
    What is missing is fetched in the background, also what others add or change later. Nothing of it is dropped\n\
    to free space, until: lacuna unpin ~/Lacuna/music")]
pub struct PinArgs {
    /// A file or folder in a drive
    path: PathBuf,
}

#[derive(clap::Args)]
#[command(after_long_help = "Example:\n  lacuna unpin ~/Lacuna/music\n\n\
    Nothing is dropped at once; `lacuna evict` does that.")]
pub struct UnpinArgs {
    /// A file or folder that is pinned
    path: PathBuf,
}

pub async fn pin(home: Home, args: PinArgs) -> Done {
    let mut client = client(&home).await?;
    let place = place::find(&args.path, &client.status().await?)?;
    match client.ask(Request::Pin { drive: place.drive, path: place.path }).await? {
        Reply::Done => say(&format!("{} stays on this machine.", args.path.display())),
        other => Err(unexpected(&other).into()),
    }
}

pub async fn unpin(home: Home, args: UnpinArgs) -> Done {
    let mut client = client(&home).await?;
    let place = place::find(&args.path, &client.status().await?)?;
    match client.ask(Request::Unpin { drive: place.drive, path: place.path }).await? {
        Reply::Done => say(&format!("{} is no longer kept.", args.path.display())),
        other => Err(unexpected(&other).into()),
    }
}
