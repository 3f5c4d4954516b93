//! `lacuna store init|check`

use std::path::PathBuf;

use clap::Subcommand;

use super::{Done, say, wire};

#[derive(clap::Args)]
#[command(after_long_help = "Example:\n  lacuna store init /srv/bucket\n  lacuna store check /srv/bucket")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make an empty bucket in a folder
    Init {
        /// An empty or missing folder
        path: PathBuf,
    },
    /// Check that everything in a bucket is there and undamaged
    Check {
        /// The bucket's folder
        path: PathBuf,
    },
}

pub async fn run(args: Args) -> Done {
    match args.command {
        Command::Init { path } => {
            wire::store_init(&path).await?;
            say(&format!("{} is a bucket now. Mount it: lacuna mount store:{0} MOUNTPOINT", path.display()))
        }
        Command::Check { path } => {
            wire::store_check(&path).await?;
            say(&format!("{}: everything is there and undamaged.", path.display()))
        }
    }
}
