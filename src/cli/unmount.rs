//! `lacuna unmount`

use std::path::Path;

use lacuna::{
    config::{Home, normal_path},
    control::{
        api::{Pending, Reply, Request},
        client::unexpected,
    },
};

use super::{Done, client, format, say};

#[derive(clap::Args)]
#[command(after_long_help = "Example:\n  lacuna unmount ~/Lacuna\n\n\
    To have everything at the remote before: lacuna flush")]
pub struct Args {
    /// The drive's name or where it is mounted
    #[arg(value_name = "NAME|MOUNTPOINT")]
    drive: String,
}

pub async fn run(home: Home, args: Args) -> Done {
    let mut client = client(&home).await?;
    let names = client.status().await?.drives;
    // A name wins; what is none is a place, seen from here.
    let drive = if names.iter().any(|d| d.name == args.drive) {
        args.drive
    } else {
        normal_path(Path::new(&args.drive))
            .ok()
            .and_then(|p| p.to_str().map(str::to_owned))
            .unwrap_or(args.drive)
    };
    match client.ask(Request::Unmount { drive }).await? {
        Reply::Unmounted { name, pending } if pending == Pending::default() => {
            say(&format!("'{name}' is unmounted."))
        }
        Reply::Unmounted { name, pending } => say(&format!(
            "'{name}' is unmounted. {}: it is kept on this machine and goes up after the next mount.",
            format::pending(pending)
        )),
        other => Err(unexpected(&other).into()),
    }
}
