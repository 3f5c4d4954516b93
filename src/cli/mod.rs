//! The commands, one file for each, and what they have in common: the home, the agent, the exit code.
//! This is the only place that reads the environment and writes to the terminal.

use std::{io::Write, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use lacuna::{
    config::Home,
    control::client::Client,
    error::{Error, Kind, Result},
};

mod agent;
mod completions;
mod doctor;
mod evict;
mod flush;
mod format;
mod history;
mod home;
mod info;
mod log;
mod login;
mod man;
mod mount;
mod pause;
mod pin;
mod place;
mod status;
mod store;
mod unmount;
mod wire;

/// Remote storage as a drive: opening a file moves nothing, saving it sends what changed.
#[derive(Parser)]
#[command(
    name = "lacuna",
    version,
    propagate_version = false,
    after_help = "First steps:\n  lacuna store init ~/bucket\n  lacuna mount store:$HOME/bucket ~/Lacuna   (starts the agent)\n  \
                  lacuna status\n  lacuna unmount ~/Lacuna\n\n\
                  Exit codes: 0 done, 1 failed, 2 usage, 3 no agent, 4 still pending, 5 conflict."
)]
struct Args {
    /// Keep settings, state, cache and the control socket under DIR
    #[arg(long, global = true, env = "LACUNA_HOME", value_name = "DIR", hide_env_values = true)]
    home: Option<PathBuf>,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show a remote as a folder
    Mount(mount::Args),
    /// Take a drive away; what waits stays safe and goes up after the next mount
    Unmount(unmount::Args),
    /// Show the drives, what waits and what is wrong
    Status(status::Args),
    /// Wait until everything is synced
    Flush(flush::Args),
    /// Hold uploads
    Pause(pause::PauseArgs),
    /// Let uploads go on
    Resume(pause::ResumeArgs),
    /// Show what is known of one file: what is here, what waits, what the last save cost
    Info(info::Args),
    /// Free this machine's copy of a file or folder that the remote has
    Evict(evict::Args),
    /// Keep a file or folder on this machine
    Pin(pin::PinArgs),
    /// No longer keep it
    Unpin(pin::UnpinArgs),
    /// Show the newest saves and what they cost
    Log(history::LogArgs),
    /// Show the files of which two versions were kept
    Conflicts(history::ConflictsArgs),
    /// Check everything that mounting needs, and say what to mend
    Doctor(doctor::Args),
    /// Make or check a bucket in a folder
    Store(store::Args),
    /// Sign in at a service that has remotes
    Login(login::LoginArgs),
    /// Forget a sign-in
    Logout(login::LogoutArgs),
    /// Run the process that holds the drives (`mount` starts it by itself)
    Agent(agent::Args),
    /// Print a completion script for a shell
    Completions(completions::Args),
    /// Write the manual pages to a folder
    #[command(hide = true)]
    Man(man::Args),
}

/// Why a command did not do what it was asked.
enum Failure {
    /// No agent runs.
    NoAgent,
    /// Something still waits to be synced.
    Pending(Error),
    /// A file has two versions now.
    Conflict(Error),
    /// Anything else.
    Failed(Error),
    /// It has said all there is to say.
    Told,
}

impl From<Error> for Failure {
    fn from(e: Error) -> Self {
        match e.kind() {
            Kind::Conflict => Failure::Conflict(e),
            _ => Failure::Failed(e),
        }
    }
}

impl Failure {
    /// The documented exit code. (2, wrong usage, is clap's.)
    fn code(&self) -> u8 {
        match self {
            Failure::Failed(_) | Failure::Told => 1,
            Failure::NoAgent => 3,
            Failure::Pending(_) => 4,
            Failure::Conflict(_) => 5,
        }
    }

    fn error(&self) -> Option<String> {
        match self {
            Failure::Failed(e) | Failure::Pending(e) | Failure::Conflict(e) => Some(format::error(e)),
            Failure::NoAgent => Some(format::error(
                &Error::new(Kind::NotFound, "no agent is running, so nothing is mounted")
                    .remedy("lacuna mount REMOTE MOUNTPOINT, which starts one"),
            )),
            Failure::Told => None,
        }
    }
}

/// What a command answers.
type Done = std::result::Result<(), Failure>;

/// Parses, runs, says what went wrong; the exit code.
pub fn main() -> ExitCode {
    let args = Args::parse();
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let Some(text) = failure.error() {
                // Nobody may be there to read it; the code says it too.
                let _ = writeln!(std::io::stderr(), "{text}");
            }
            ExitCode::from(failure.code())
        }
    }
}

fn run(args: Args) -> Done {
    let home = || home::find(args.home.as_deref());
    match args.command {
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
        Command::Store(args) => in_runtime(store::run(args)),
        Command::Login(args) => in_runtime(login::login(home()?, args)),
        Command::Logout(args) => login::logout(&home()?, &args),
        Command::Mount(args) => in_runtime(mount::run(home()?, args)),
        Command::Unmount(args) => in_runtime(unmount::run(home()?, args)),
        Command::Status(args) => in_runtime(status::run(home()?, args)),
        Command::Flush(args) => in_runtime(flush::run(home()?, args)),
        Command::Pause(args) => in_runtime(pause::pause(home()?, args)),
        Command::Resume(args) => in_runtime(pause::resume(home()?, args)),
        Command::Info(args) => in_runtime(info::run(home()?, args)),
        Command::Evict(args) => in_runtime(evict::run(home()?, args)),
        Command::Pin(args) => in_runtime(pin::pin(home()?, args)),
        Command::Unpin(args) => in_runtime(pin::unpin(home()?, args)),
        Command::Log(args) => in_runtime(history::log(home()?, args)),
        Command::Conflicts(args) => in_runtime(history::conflicts(home()?, args)),
        Command::Doctor(args) => in_runtime(doctor::run(home()?, args)),
        Command::Agent(args) => in_runtime(agent::run(home()?, args)),
    }
}

fn in_runtime(work: impl Future<Output = Done>) -> Done {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Error::io("can't start the runtime", e))?;
    let done = runtime.block_on(work);
    // A thread that waits for a dead disk or network must not keep the process.
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    done
}

/// Connects to the agent; without one the command can't be done.
async fn client(home: &Home) -> std::result::Result<Client, Failure> {
    Client::connect(home).await?.ok_or(Failure::NoAgent)
}

/// Prints to standard output. A reader that has gone (`| head`) ends the command quietly.
fn say(text: &str) -> Done {
    let mut out = std::io::stdout().lock();
    let written = writeln!(out, "{text}").and_then(|()| out.flush());
    written.map_err(|e| match e.kind() {
        std::io::ErrorKind::BrokenPipe => Failure::Told,
        _ => Failure::Failed(Error::io("can't write the answer", e)),
    })
}

/// Prints a value as one line of JSON.
fn say_json(value: &impl serde::Serialize) -> Done {
    say(&json(value)?)
}

fn json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|e| Error::new(Kind::Other, format!("the answer is no JSON: {e}")))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn every_command_has_a_line_and_an_example() {
        let command = Args::command();
        for sub in command.get_subcommands() {
            let name = sub.get_name();
            assert!(sub.get_about().is_some_and(|a| a.to_string().len() < 90), "{name}");
            let example = sub.get_after_long_help().map(|h| h.to_string()).unwrap_or_default();
            assert!(example.contains(&format!("lacuna {name}")), "{name} has no example");
        }
    }

    #[test]
    fn exit_codes_are_those_of_the_help() {
        let error = |kind| Error::new(kind, "x");
        for (failure, code) in [
            (Failure::from(error(Kind::Other)), 1),
            (Failure::from(error(Kind::Busy)), 1),
            (Failure::Told, 1),
            (Failure::NoAgent, 3),
            (Failure::Pending(error(Kind::Offline)), 4),
            (Failure::from(error(Kind::Conflict)), 5),
        ] {
            assert_eq!(failure.code(), code);
        }
    }
}
