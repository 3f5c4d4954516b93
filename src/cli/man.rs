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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_that_is_shown_has_its_page() {
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join("made");
        assert!(run(&Args { dir: to.clone() }).is_ok());
        let command = super::super::Args::command();
        for sub in command.get_subcommands() {
            let page = to.join(format!("lacuna-{}.1", sub.get_name()));
            assert_eq!(page.is_file(), !sub.is_hide_set(), "{}", page.display());
        }
        let text = std::fs::read_to_string(to.join("lacuna.1")).unwrap();
        assert!(text.contains("Remote storage as a drive") && text.contains("lacuna\\-mount(1)"), "{text}");
        // A place that can't be written to is told.
        std::fs::write(dir.path().join("file"), "").unwrap();
        assert!(run(&Args { dir: dir.path().join("file") }).is_err());
    }
}
