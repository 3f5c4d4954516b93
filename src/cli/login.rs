//! `lacuna login`, `lacuna logout`

use std::io::{BufRead, IsTerminal, Write};

use clap::ValueEnum;
use lacuna::{
    account::Found,
    config::Home,
    control::api::Secret,
    error::{Error, Result},
};

use super::{Done, say, wire};

#[derive(Clone, Copy, ValueEnum)]
enum Service {
    /// The Hugging Face Hub
    Hf,
}

#[derive(clap::Args)]
#[command(after_long_help = "Example:\n  lacuna login hf\n\n\
    Asks for a token (make one at https://huggingface.co/settings/tokens), checks it, and keeps it in the system's\n\
    keychain, or in a file that only you may read where there is none. Without a terminal the token is read from\n\
    the standard input. HF_TOKEN in the environment comes before it. HF_ENDPOINT names another Hub.")]
pub struct LoginArgs {
    /// Where
    service: Service,
    /// The token; others can see it in the list of processes, so rather let yourself be asked
    #[arg(long, value_name = "T")]
    token: Option<String>,
}

#[derive(clap::Args)]
#[command(
    after_long_help = "Example:\n  lacuna logout hf\n\nDrives that are mounted stay, and say that they may not go on."
)]
pub struct LogoutArgs {
    /// Where
    service: Service,
}

pub async fn login(home: Home, args: LoginArgs) -> Done {
    let Service::Hf = args.service;
    home.create()?;
    let (endpoint, account) = (wire::hub_endpoint(), wire::hub_account(&home));
    let token = match args.token {
        Some(token) => token,
        None => ask(&endpoint)?,
    };
    let token = Some(Secret::new(token)).filter(|token| !token.reveal().trim().is_empty());
    let (name, at) = wire::hub_sign_in(&home).sign_in(token.as_ref()).await?;
    let where_ = match &at {
        Found::File(path) => {
            format!(
                "There is no keychain here, so the token is in {}, which only you may read.",
                path.display()
            )
        }
        _ => "The token is in the keychain.".to_owned(),
    };
    say(&format!("Signed in at {endpoint} as {name}. {where_}"))?;
    match account.find(&endpoint) {
        Some((_, Found::Environment)) => say("HF_TOKEN is set and comes before it."),
        _ => Ok(()),
    }
}

pub fn logout(home: &Home, args: &LogoutArgs) -> Done {
    let Service::Hf = args.service;
    let (endpoint, account) = (wire::hub_endpoint(), wire::hub_account(home));
    let was = account.sign_out(&endpoint)?;
    say(&match was {
        true => format!("Signed out at {endpoint}."),
        false => format!("Nobody was signed in at {endpoint}."),
    })?;
    match account.find(&endpoint) {
        Some((_, Found::Environment)) => say("HF_TOKEN is set and goes on being used."),
        Some((_, Found::CommandLine(path))) => say(&format!(
            "The token of the Hugging Face command line in {} goes on being used.",
            path.display()
        )),
        _ => Ok(()),
    }
}

/// Asks for the token without showing it; without a terminal it is the first line of the input.
fn ask(endpoint: &str) -> Result<String> {
    let failed = |e| Error::io("the token can't be read", e);
    let mut input = std::io::stdin().lock();
    if !input.is_terminal() {
        let mut line = String::new();
        input.read_line(&mut line).map_err(failed)?;
        return Ok(line);
    }
    drop(input);
    let page = format!("{}/settings/tokens", endpoint.trim_end_matches('/'));
    let asked = format!("Token from {page} (Enter for the one that is stored already): ");
    let _ = std::io::stdout().flush();
    rpassword::prompt_password(asked).map_err(failed)
}
