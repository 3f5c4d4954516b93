//! `lacuna man`: the manual pages, from the same definition as the command line. Packages are built by it.

use std::path::PathBuf;

use clap::CommandFactory;
use lacuna::error::Error;

use super::Done;

#[derive(clap::Args)]
#[command(after_long_help = "Example:\n  lacuna man /tmp/man1")]
pub struct Args {
    /// The folder to write them to, lacuna.1 and one for each command; made if it is missing
    dir: PathBuf,
}

pub fn run(args: &Args) -> Done {
    let fail = |e| Error::io("can't write the manual pages", e).at(args.dir.display());
    std::fs::create_dir_all(&args.dir).map_err(fail)?;
    clap_mangen::generate_to(super::Args::command(), &args.dir).map_err(fail)?;
    Ok(())
}
