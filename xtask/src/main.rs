//! The project's commands: `cargo xtask run`, `test`, `package`, `bench`, `hub` and `cross`.
//!
//! They ask nothing of the machine but Rust (with a C compiler, as every Rust has): what else is
//! missing they install, or say what it is.

mod args;
mod bench;
mod cross;
mod desktop;
mod hub;
mod licences;
mod package;
mod packages;
mod page;
mod progress;
mod run;
mod screen;
mod sys;
mod tally;
mod test;
mod tools;

use std::process::ExitCode;

const HELP: &str = "\
Usage: cargo xtask COMMAND

Commands:
  run      Build Lacuna and mount a drive on this machine until Ctrl-C
  test     Install what the tests need and run all of them
  package  Make a .deb and an .rpm
  bench    Measure what the README's figures come from
  hub      Start the test Hub, for other clients of the Hugging Face Hub
  cross    Test for Windows under Wine and type-check for macOS (a part of `test`)

`cargo xtask COMMAND --help` tells more.";

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let command = words.next().unwrap_or_default();
    let rest: Vec<String> = words.collect();
    let wants_help = rest.iter().any(|w| w == "--help" || w == "-h");
    let outcome = match command.as_str() {
        "run" if wants_help => help(run::HELP),
        "test" if wants_help => help(test::HELP),
        "package" if wants_help => help(package::HELP),
        "bench" if wants_help => help(bench::HELP),
        "hub" if wants_help => help(hub::HELP),
        "cross" if wants_help => help(cross::HELP),
        "run" => run::main(&rest),
        "test" => test::main(&rest),
        "package" => package::main(&rest),
        "bench" => bench::main(&rest),
        "hub" => hub::main(&rest),
        "cross" => cross::main(&rest),
        "help" | "--help" | "-h" => help(HELP),
        other => {
            if !other.is_empty() {
                eprintln!("xtask: there is no command {other:?}\n");
            }
            eprintln!("{HELP}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) if e.is::<args::Usage>() => {
            eprintln!("xtask {command}: {e}\nTry `cargo xtask {command} --help`.");
            ExitCode::from(2)
        }
        Err(e) => {
            eprintln!("\nxtask {command}: {e:#}");
            ExitCode::FAILURE
        }
    }
}

/// Prints a help text, which is a success.
fn help(text: &str) -> anyhow::Result<bool> {
    println!("{text}");
    Ok(true)
}
