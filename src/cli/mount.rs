//! `lacuna mount`

use std::{
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use lacuna::{
    agent::{self as engine, HomeLock},
    config::{Home, normal_path},
    control::{
        api::{Reply, Request},
        client::{Client, unexpected},
    },
    error::{Error, Kind, Result},
    platform, policy,
    remote::hf,
};
use tokio::time::{Instant, sleep};

use super::{Done, format, log, say, wire};

#[derive(clap::Args)]
#[command(after_long_help = "Examples:\n  lacuna mount store:/srv/bucket ~/Lacuna\n  \
    lacuna mount hf://buckets/OWNER/NAME ~/Lacuna\n  lacuna mount hf://datasets/OWNER/NAME@REVISION ~/data\n\n\
    REMOTE is store:FOLDER, a bucket in a folder (`lacuna store init FOLDER` makes one), or of the Hugging Face Hub\n\
    hf://buckets/OWNER/NAME[/folder], or to read hf://models|datasets|spaces/OWNER/NAME[@REVISION][/folder].\n\
    The drive stays mounted when the terminal is closed. After the agent starts again, it is mounted again.")]
pub struct Args {
    /// What to mount, such as store:/srv/bucket or hf://buckets/OWNER/NAME
    remote: String,
    /// An empty folder to show it in
    mountpoint: PathBuf,
    /// Call the drive N instead of by the remote's last word
    #[arg(long, value_name = "N")]
    name: Option<String>,
    /// Let programs read only
    #[arg(long)]
    read_only: bool,
    /// Keep at most SIZE of what can be fetched again (20GiB if not said; "none": no limit)
    #[arg(long, value_name = "SIZE", value_parser = cache_limit)]
    cache_limit: Option<CacheLimit>,
    /// Be the agent: stay in the terminal, unmount on Ctrl-C, and do not mount it again next time
    #[arg(long)]
    foreground: bool,
}

/// A limit that was given; none in it: no limit.
#[derive(Clone, Copy)]
struct CacheLimit(Option<u64>);

fn cache_limit(text: &str) -> std::result::Result<CacheLimit, String> {
    if text == "none" {
        return Ok(CacheLimit(None));
    }
    let bytes = policy::parse_size(text).map_err(|e| e.to_string())?;
    Ok(CacheLimit(Some(bytes)))
}

/// How long a new agent may take to listen.
const START: Duration = Duration::from_secs(15);

pub async fn run(home: Home, args: Args) -> Done {
    let url = absolute_url(&args.remote)?;
    let mountpoint =
        normal_path(&args.mountpoint).map_err(|e| e.remedy("make the folder first: mkdir -p"))?;
    if args.foreground {
        let first = engine::First {
            url,
            mountpoint,
            name: args.name,
            read_only: args.read_only,
            cache_limit: args.cache_limit.map(|limit| limit.0),
            tell: |name| {
                // The drive works whether anybody reads this or not.
                let _ = say(&format!("Mounted as '{name}'. Ctrl-C unmounts."));
            },
        };
        log::start(&home, "lacuna=info,warn", false)?;
        let holder = wire::holder(&home);
        return super::agent::hold(home, holder, Some(first)).await;
    }
    let mountpoint = mountpoint
        .to_str()
        .ok_or_else(|| Error::new(Kind::Invalid, "the path is not UTF-8").at(mountpoint.display()))?
        .to_owned();
    let request = Request::Mount { url: url.clone(), mountpoint, name: args.name, read_only: args.read_only };
    let deadline = Instant::now() + START;
    let (mut client, ours, answer) = loop {
        let asked = async {
            let (mut client, ours) = match Client::connect(&home).await? {
                Some(client) => (client, false),
                None => (start_agent(&home).await?, true),
            };
            let answer = client.ask(request.clone()).await;
            Ok::<_, Error>((client, ours, answer))
        }
        .await;
        match asked {
            // An agent that was killed a moment ago may still hold its socket open.
            Err(e) | Ok((_, _, Err(e))) if e.kind() == Kind::Offline && Instant::now() < deadline => {
                sleep(Duration::from_millis(100)).await;
            }
            other => break other?,
        }
    };
    match answer {
        Ok(Reply::Mounted { name, already }) => {
            if let Some(CacheLimit(bytes)) = args.cache_limit {
                client.ask(Request::CacheLimit { drive: name.clone(), bytes }).await?;
            }
            let how = if already { "is mounted already" } else { "is mounted" };
            say(&format!("{url} {how} at {}, as '{name}'.", args.mountpoint.display()))?;
            match hf::limits(&url) {
                Some(limits) => say(limits),
                None => Ok(()),
            }
        }
        Ok(other) => Err(unexpected(&other).into()),
        Err(e) => {
            // An agent that was started for nothing does not stay.
            if ours && client.status().await.is_ok_and(|status| status.drives.is_empty()) {
                let _ = client.ask(Request::Quit).await;
                // The next command shall find none, rather than one about to end.
                let deadline = Instant::now() + START;
                while HomeLock::is_held(&home) && Instant::now() < deadline {
                    sleep(Duration::from_millis(20)).await;
                }
            }
            Err(e.into())
        }
    }
}

/// A `store:` URL means a folder of whoever types it, not of the agent: made absolute. Others stay.
fn absolute_url(remote: &str) -> Result<String> {
    let Some((scheme, rest)) = remote.split_once(':') else {
        return Err(Error::new(Kind::Invalid, format!("'{remote}' is no remote"))
            .remedy("write what it is before the colon, such as store:/srv/bucket for a folder"));
    };
    if scheme == "hf" {
        // Said here, before an agent is started for nothing.
        return hf::check(remote).map(|()| remote.trim_end_matches('/').to_owned());
    }
    if scheme != "store" {
        return Ok(remote.to_owned());
    }
    if rest.is_empty() {
        return Err(Error::new(Kind::Invalid, "store: needs a folder").remedy("such as store:/srv/bucket"));
    }
    let path = std::path::absolute(rest).map_err(|e| Error::io("no such folder", e).at(rest))?;
    // Free of links and `..`, as far as it exists, so that one bucket has one address.
    let path = match (std::fs::canonicalize(&path), path.parent(), path.file_name()) {
        (Ok(real), _, _) => real,
        (_, Some(parent), Some(name)) => std::fs::canonicalize(parent).map_or(path.clone(), |p| p.join(name)),
        _ => path,
    };
    let text =
        path.to_str().ok_or_else(|| Error::new(Kind::Invalid, "the path is not UTF-8").at(path.display()))?;
    Ok(format!("store:{text}"))
}

/// Starts an agent that outlives this command, and waits until it listens.
async fn start_agent(home: &Home) -> Result<Client> {
    let fail = |e| Error::io("can't start the agent", e);
    let mut command = Command::new(std::env::current_exe().map_err(fail)?);
    command.arg("agent").arg("--detached");
    if home.config == home.state {
        command.arg("--home").arg(&home.state);
    } else {
        command.env_remove("LACUNA_HOME");
    }
    // Not in a folder that may be unmounted some day.
    command.current_dir(Path::new(std::path::MAIN_SEPARATOR_STR));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    platform::detach(&mut command);
    let mut child = command.spawn().map_err(fail)?;
    let deadline = Instant::now() + START;
    loop {
        if let Some(client) = Client::connect(home).await? {
            return Ok(client);
        }
        if let Some(status) = child.try_wait().map_err(fail)? {
            // Another command may have been first; its agent is about to listen.
            if !HomeLock::is_held(home) {
                return Err(Error::new(
                    Kind::Other,
                    format!("the agent ended at once: {}", last_words(&mut child, status)),
                )
                .at(home.log().display()));
            }
        }
        if Instant::now() > deadline {
            return Err(Error::new(
                Kind::Busy,
                format!("the agent does not listen after {}", format::length(START)),
            )
            .at(home.log().display())
            .remedy("see the log; `lacuna doctor` looks for causes"));
        }
        sleep(Duration::from_millis(30)).await;
    }
}

/// What an agent that has ended said last, without the word that the caller will put before it.
fn last_words(child: &mut Child, status: std::process::ExitStatus) -> String {
    let mut text = String::new();
    if let Some(stderr) = child.stderr.take() {
        // It has ended, so this ends too; unreadable words are as good as none.
        let _ = stderr.take(4 << 10).read_to_string(&mut text);
    }
    let text = text.trim().trim_start_matches("error: ").to_owned();
    if text.is_empty() { status.to_string() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folders_address_is_absolute_and_one() {
        let here = std::env::current_dir().unwrap();
        let real = std::fs::canonicalize(&here).unwrap();
        assert_eq!(absolute_url("store:src").unwrap(), format!("store:{}", real.join("src").display()));
        assert_eq!(absolute_url("store:src/../src").unwrap(), absolute_url("store:src").unwrap());
        assert_eq!(
            absolute_url("store:src/new").unwrap(),
            format!("store:{}", real.join("src/new").display())
        );
        assert_eq!(absolute_url("hf://buckets/a/b/").unwrap(), "hf://buckets/a/b");
        assert_eq!(absolute_url("hf://bucket/a/b").unwrap_err().kind(), Kind::Invalid);
        assert_eq!(absolute_url("/srv/bucket").unwrap_err().kind(), Kind::Invalid);
        assert_eq!(absolute_url("store:").unwrap_err().kind(), Kind::Invalid);
    }
}
