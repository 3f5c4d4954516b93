//! `lacuna status`

use std::io::{IsTerminal, Write};

use lacuna::{
    config::Home,
    control::api::{Event, Status},
    platform,
};

use super::{Done, client, format, say, say_json};

#[derive(clap::Args)]
#[command(after_long_help = "Example:\n  lacuna status --watch\n\n\
    With --json: one object with version and drives; with --watch, one a line whenever something changed.")]
pub struct Args {
    /// Print JSON for programs
    #[arg(long)]
    json: bool,
    /// Go on showing it until Ctrl-C
    #[arg(long)]
    watch: bool,
}

pub async fn run(home: Home, args: Args) -> Done {
    let mut client = client(&home).await?;
    if !args.watch {
        let status = client.status().await?;
        return show(&status, args.json, false);
    }
    client.watch().await?;
    let redraw = !args.json && std::io::stdout().is_terminal();
    let watch = async {
        loop {
            let Event::Status(status) = client.event().await?;
            show(&status, args.json, redraw)?;
        }
    };
    tokio::select! {
        done = watch => done,
        () = platform::asked_to_end() => Ok(()),
    }
}

fn show(status: &Status, json: bool, redraw: bool) -> Done {
    if json {
        return say_json(status);
    }
    if redraw {
        // Home and clear to the end of the screen (ECMA-48); a terminal without it shows one below the other.
        let _ = write!(std::io::stdout(), "\x1b[H\x1b[2J");
    }
    say(&format::status(status))
}
