//! `lacuna agent`

use std::{io::Write, sync::Arc};

use lacuna::{
    agent::{self as engine, First, Holder},
    config::Home,
    platform,
};

use super::{Done, format, log, wire};

#[derive(clap::Args)]
#[command(after_long_help = "Example:\n  lacuna agent\n\n\
    It mounts the drives that were mounted before and serves until Ctrl-C or SIGTERM; then it unmounts them.\n\
    What still waits is kept and goes up next time.")]
pub struct Args {
    /// Leave the terminal; used by `mount`
    #[arg(long, hide = true)]
    detached: bool,
    /// What to log, such as lacuna=debug
    #[arg(long, env = "LACUNA_LOG", default_value = "lacuna=info,warn", value_name = "FILTER")]
    log: String,
}

pub async fn run(home: Home, args: Args) -> Done {
    if args.detached {
        platform::leave_terminal();
    }
    log::start(&home, &args.log, !args.detached)?;
    let holder = wire::holder(&home);
    hold(home, holder, None).await
}

/// Is the agent until it is asked to end, and says what still waits.
pub async fn hold(home: Home, holder: Arc<dyn Holder>, first: Option<First>) -> Done {
    let stop = async {
        platform::asked_to_end().await;
        tracing::info!("asked to end");
        tokio::spawn(async {
            // Asked again, more urgently: what was acknowledged is in the journals.
            platform::asked_to_end().await;
            std::process::exit(1);
        });
    };
    let waiting = engine::run(home, holder, first, stop).await?;
    for (name, pending) in waiting {
        let text =
            format!("{name}: {}; it is kept and goes up after the next mount", format::pending(pending));
        // Nobody may be there to read it.
        let _ = writeln!(std::io::stderr(), "{text}");
    }
    Ok(())
}
