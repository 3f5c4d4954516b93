//! Where an agent keeps its things, and its settings. Nothing here reads the environment: the command
//! line does, and hands the folders in.

use std::{
    collections::BTreeMap,
    fs, io,
    io::Write,
    path::{Component, Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    cache,
    control::api::AgentSettings,
    error::{Error, Kind, Result},
    platform,
    policy::Pause,
};

/// The folders of one agent. Two agents with different homes have nothing in common.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Home {
    /// Holds `settings.json`.
    pub config: PathBuf,
    /// Holds `drives/<name>/`, `agent.lock`, `agent.log` and, where its path is short enough, `agent.sock`.
    pub state: PathBuf,
    /// A folder for sockets whose natural path is too long. Private folders are made beneath it.
    pub runtime: PathBuf,
}

/// What a Unix socket's path may have at most, in bytes: 107 on Linux, 103 on macOS.
const SOCKET_PATH: usize = 103;

impl Home {
    /// Everything under one folder, as `--home` asks for.
    pub fn under(dir: &Path, runtime: &Path) -> Home {
        Home { config: dir.to_owned(), state: dir.to_owned(), runtime: runtime.to_owned() }
    }

    /// The settings' file.
    pub fn settings(&self) -> PathBuf {
        self.config.join("settings.json")
    }

    /// The file that a living agent holds locked; it tells the agent's process id.
    pub fn lock(&self) -> PathBuf {
        self.state.join("agent.lock")
    }

    /// What the agent has to say.
    pub fn log(&self) -> PathBuf {
        self.state.join("agent.log")
    }

    /// What a drive of this name keeps on this machine.
    pub fn drive(&self, name: &str) -> PathBuf {
        self.state.join("drives").join(name)
    }

    /// Names the control socket in a file of the home if it can't be in the home itself.
    pub fn socket_pointer(&self) -> PathBuf {
        self.state.join("agent.sock.at")
    }

    /// Where a new agent makes its control socket: in the state folder, or, if that path would be too
    /// long for the operating system, in a private folder under [`Home::runtime`] and of a name that
    /// follows from the home.
    pub fn socket(&self) -> PathBuf {
        let natural = self.state.join("agent.sock");
        if natural.as_os_str().len() <= SOCKET_PATH { natural } else { self.short_socket() }
    }

    fn short_socket(&self) -> PathBuf {
        let folder = format!("lacuna-{}", platform::user_tag());
        self.runtime
            .join(folder)
            .join(format!("{:016x}.sock", fnv(self.state.as_os_str().as_encoded_bytes())))
    }

    /// Makes the folders, for the user alone.
    pub fn create(&self) -> Result<()> {
        for dir in [&self.config, &self.state, &self.state.join("drives")] {
            platform::private_dir(dir).map_err(|e| {
                Error::io("can't make the folder", e)
                    .at(dir.display())
                    .remedy("give a folder that you may write to: --home DIR")
            })?;
        }
        Ok(())
    }
}

/// FNV-1a, 64 bits: a name that is the same in every version of this program (std's hasher promises no
/// such thing). Nothing depends on it being hard to invert.
fn fnv(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

/// One drive that the user wants mounted.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DriveConfig {
    /// Its name; also its folder's under `drives/`.
    pub name: String,
    /// The remote.
    pub url: String,
    /// Where, absolute.
    pub mountpoint: PathBuf,
    /// Whether programs may write.
    #[serde(default)]
    pub read_only: bool,
    /// Whether the user holds it; outlives the agent.
    #[serde(default)]
    pub pause: Pause,
    /// How many bytes its files may take on this machine; `null`: no limit; not there: 20 GiB.
    #[serde(default = "default_cache_limit")]
    pub cache_limit: Option<u64>,
}

impl DriveConfig {
    /// A drive with what is usual where the user did not say.
    pub fn new(name: &str, url: &str, mountpoint: &Path) -> DriveConfig {
        DriveConfig {
            name: name.to_owned(),
            url: url.to_owned(),
            mountpoint: mountpoint.to_owned(),
            read_only: false,
            pause: Pause::No,
            cache_limit: default_cache_limit(),
        }
    }
}

fn default_cache_limit() -> Option<u64> {
    Some(cache::DEFAULT_LIMIT)
}

/// What the agent remembers from one life to the next.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Settings {
    /// The format; [`Settings::VERSION`].
    pub version: u32,
    /// The drives that `lacuna agent` mounts when it starts.
    #[serde(default)]
    pub drives: Vec<DriveConfig>,
    /// What holds for all of them.
    #[serde(default)]
    pub agent: AgentSettings,
    /// What the user has allowed drives to take on this machine, by their names: it outlives an unmount.
    #[serde(default)]
    pub cache_limits: BTreeMap<String, Option<u64>>,
    /// What this version does not know is kept as it is.
    #[serde(flatten)]
    pub rest: serde_json::Map<String, serde_json::Value>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            version: Self::VERSION,
            drives: Vec::new(),
            agent: AgentSettings::default(),
            cache_limits: BTreeMap::new(),
            rest: serde_json::Map::new(),
        }
    }
}

impl Settings {
    /// The format that this program writes.
    pub const VERSION: u32 = 1;

    /// Reads the settings; none yet are empty ones.
    ///
    /// # Errors
    /// [`Kind::Damaged`] or [`Kind::NewerFormat`]: the file is left as it is, so that nothing in it is lost.
    pub fn load(file: &Path) -> Result<Settings> {
        let text = match fs::read(file) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Settings::default()),
            Err(e) => return Err(Error::io("can't read the settings", e).at(file.display())),
        };
        let damaged = |e: serde_json::Error| {
            Error::new(Kind::Damaged, format!("the settings can't be understood: {e}"))
                .at(file.display())
                .remedy("mend the file, or move it away to start with none")
                .because(e)
        };
        let value: serde_json::Value = serde_json::from_slice(&text).map_err(damaged)?;
        // The version comes first: a newer format may differ in everything else.
        if value.get("version").and_then(|v| v.as_u64()).is_some_and(|v| v > u64::from(Self::VERSION)) {
            return Err(Error::new(Kind::NewerFormat, "the settings were written by a newer Lacuna")
                .at(file.display())
                .remedy("update Lacuna, or use another home: --home DIR"));
        }
        serde_json::from_value(value).map_err(damaged)
    }

    /// Writes them so that after a crash either the old or the new ones are there.
    pub fn save(&self, file: &Path) -> Result<()> {
        let text = serde_json::to_vec_pretty(self)
            .map_err(|e| Error::new(Kind::Other, format!("the settings can't be written: {e}")))?;
        write_atomic(file, &text).map_err(|e| Error::io("can't save the settings", e).at(file.display()))
    }
}

/// Replaces a file by a new one in one step, durably.
pub fn write_atomic(file: &Path, content: &[u8]) -> io::Result<()> {
    let mut beside = file.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let mut new = fs::File::create(&beside)?;
    new.write_all(content)?;
    new.sync_all()?;
    fs::rename(&beside, file)?;
    if let Some(dir) = file.parent() {
        platform::sync_dir(dir)?;
    }
    Ok(())
}

/// Checks the name of a drive: it becomes a folder's name and a word on the command line.
///
/// # Errors
/// [`Kind::Invalid`] unless it has 1 to 64 letters, digits, `.`, `-` or `_` and starts with a letter or digit.
pub fn check_name(name: &str) -> Result<()> {
    let ok = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let starts = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if starts && name.len() <= 64 && name.chars().all(ok) {
        return Ok(());
    }
    Err(Error::new(Kind::Invalid, format!("'{name}' can't be a drive's name"))
        .remedy("use 1 to 64 letters, digits, '.', '-' or '_', and start with a letter or digit"))
}

/// A name for a drive whose user gave none: the last word of its URL, made fit.
pub fn name_from_url(url: &str) -> String {
    let path = url.split_once(':').map_or(url, |(_, path)| path);
    let last = path.rsplit(['/', '\\']).find(|part| !part.is_empty()).unwrap_or("drive");
    let mut name: String =
        last.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }).take(48).collect();
    while name.starts_with(['-', '_']) {
        name.remove(0);
    }
    if name.is_empty() { "drive".into() } else { name }
}

/// A path as the agent keeps and compares it: absolute, its parent free of links. The last component is
/// not looked into: it may be the root of a drive whose agent was killed.
pub fn normal_path(path: &Path) -> Result<PathBuf> {
    let fail = |e: io::Error| Error::io("no such place", e).at(path.display());
    let absolute = std::path::absolute(path).map_err(fail)?;
    let link = fs::symlink_metadata(&absolute).is_ok_and(|m| m.is_symlink());
    match (absolute.components().next_back(), absolute.parent(), absolute.file_name()) {
        (Some(Component::Normal(_)), Some(parent), Some(name)) if !link => {
            Ok(fs::canonicalize(parent).map_err(fail)?.join(name))
        }
        _ => fs::canonicalize(&absolute).map_err(fail),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_come_back_and_what_is_unknown_stays() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("settings.json");
        assert_eq!(Settings::load(&file).unwrap(), Settings::default());
        let mut settings = Settings::default();
        settings.drives.push(DriveConfig {
            name: "a".into(),
            url: "store:/b".into(),
            mountpoint: "/m".into(),
            read_only: true,
            pause: Pause::Forever,
            cache_limit: None,
        });
        settings.drives.push(DriveConfig::new("b", "store:/c", Path::new("/n")));
        settings.agent.upload_limit = Some(7);
        settings.rest.insert("theme".into(), "dark".into());
        settings.save(&file).unwrap();
        assert_eq!(Settings::load(&file).unwrap(), settings);
        // As the version before this one wrote it: what it did not know gets what is usual.
        let old = r#"{"version":1,"drives":[{"name":"a","url":"store:/b","mountpoint":"/m"}]}"#;
        fs::write(&file, old).unwrap();
        let settings = Settings::load(&file).unwrap();
        assert_eq!(settings.drives, [DriveConfig::new("a", "store:/b", Path::new("/m"))]);
        assert_eq!(settings.drives[0].cache_limit, Some(20 << 30));
        assert_eq!(settings.agent, AgentSettings::default());
    }

    #[test]
    fn damaged_and_newer_settings_are_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("settings.json");
        for (text, kind) in [
            ("{\"version\":1", Kind::Damaged),
            ("[]", Kind::Damaged),
            ("{\"version\":1,\"drives\":7}", Kind::Damaged),
            ("{\"version\":2,\"drives\":7}", Kind::NewerFormat),
        ] {
            fs::write(&file, text).unwrap();
            let e = Settings::load(&file).unwrap_err();
            assert_eq!(e.kind(), kind, "{text}");
            assert!(e.remedy_text().is_some() && e.path().is_some());
            assert_eq!(fs::read_to_string(&file).unwrap(), text);
        }
    }

    #[test]
    fn a_long_home_gets_a_short_socket_of_its_own() {
        let runtime = Path::new("/run/user/1000");
        let short = Home::under(Path::new("/home/u/lacuna"), runtime);
        assert_eq!(short.socket(), Path::new("/home/u/lacuna/agent.sock"));
        let long = |end: &str| Home::under(&Path::new("/home").join("x".repeat(120)).join(end), runtime);
        let (a, b) = (long("a").socket(), long("b").socket());
        assert!(a.as_os_str().len() <= SOCKET_PATH, "{a:?}");
        assert!(a.starts_with(runtime));
        assert_ne!(a, b);
        assert_eq!(a, long("a").socket());
    }

    #[test]
    fn names_are_words() {
        for name in ["a", "my-drive_2", "Fotos.2026", "9"] {
            check_name(name).unwrap();
        }
        for name in ["", ".", "..", "-x", "a/b", "ä", "a b", &"x".repeat(65)] {
            assert_eq!(check_name(name).unwrap_err().kind(), Kind::Invalid, "{name}");
        }
        for (url, name) in [
            ("store:/srv/bucket", "bucket"),
            ("store:/srv/my bucket/", "my-bucket"),
            ("hf://buckets/me/data", "data"),
            ("store:/", "drive"),
            ("store:/..", "drive"),
            ("store:/ärzte", "rzte"),
        ] {
            assert_eq!(name_from_url(url), name);
            check_name(&name_from_url(url)).unwrap();
        }
    }

    #[test]
    fn a_normal_path_has_a_real_parent_and_an_untouched_end() {
        let dir = tempfile::tempdir().unwrap();
        let real = fs::canonicalize(dir.path()).unwrap();
        fs::create_dir(real.join("m")).unwrap();
        assert_eq!(normal_path(&real.join("m")).unwrap(), real.join("m"));
        assert_eq!(normal_path(&real.join("m/../not-there")).unwrap(), real.join("not-there"));
        assert_eq!(normal_path(&real.join("m/..")).unwrap(), real);
        assert_eq!(normal_path(&real.join("no/no")).unwrap_err().kind(), Kind::NotFound);
    }
}
