//! `lacuna store init|check`

use std::path::PathBuf;

use clap::Subcommand;

use lacuna::error::{Error, Kind};

use super::{Done, format, say, wire};

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
            let new = wire::store_init(&path).await?;
            let is = if new { "is a bucket now" } else { "was a bucket already" };
            say(&format!("{} {is}. Mount it: lacuna mount store:{0} MOUNTPOINT", path.display()))
        }
        Command::Check { path } => {
            let report = wire::store_check(&path, &std::env::temp_dir()).await?;
            let looked = format!(
                "{} commits, {} nodes, {} contents, {} shards, {} xorbs, {} read",
                report.commits,
                report.nodes,
                report.contents,
                report.shards,
                report.xorbs,
                format::size(report.bytes)
            );
            if report.wrong == 0 {
                return say(&format!("{}: everything is there and undamaged ({looked}).", path.display()));
            }
            for problem in &report.problems {
                say(&problem.to_string())?;
            }
            Err(Error::new(Kind::Damaged, format!("{} things are wrong ({looked})", report.wrong))
                .remedy("restore the named objects from a backup of the bucket; the others are sound")
                .at(path.display())
                .into())
        }
    }
}
