//! `lacuna completions`

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Done, say};

#[derive(clap::Args)]
#[command(
    after_long_help = "Example, for bash:\n  lacuna completions bash > ~/.local/share/bash-completion/completions/lacuna"
)]
pub struct Args {
    /// Which shell
    shell: Shell,
}

pub fn run(args: &Args) -> Done {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::Args::command(), "lacuna", &mut script);
    say(String::from_utf8_lossy(&script).trim_end())
}
