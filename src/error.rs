//! The engine's error: what kind it is (so that callers can act), its cause and the step that mends it.

use std::{fmt, io};

/// What sort of failure it is: decides what a caller does next.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// The thing asked for does not exist.
    NotFound,
    /// The remote can't be reached now; trying again later may work.
    Offline,
    /// The remote has moved since the base version.
    Conflict,
    /// No space is left, on this machine or at the remote.
    NoSpace,
    /// Something stored is missing or does not match its checksum.
    Damaged,
    /// Written by a newer Lacuna.
    NewerFormat,
    /// Not allowed to write.
    ReadOnly,
    /// Not allowed at all.
    Denied,
    /// The remote does not know who asks: nobody is signed in, or the token is not good any more.
    SignedOut,
    /// The input makes no sense.
    Invalid,
    /// Somebody else holds it.
    Busy,
    /// Any other failure of the operating system or a library.
    Other,
}

/// A failure with its cause and remedy, both plain sentences for the person at the machine.
pub struct Error(Box<Inner>);

struct Inner {
    kind: Kind,
    cause: String,
    remedy: Option<String>,
    path: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The engine's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A failure of `kind` with its cause.
    pub fn new(kind: Kind, cause: impl Into<String>) -> Self {
        Error(Box::new(Inner { kind, cause: cause.into(), remedy: None, path: None, source: None }))
    }

    /// Adds the step that mends it.
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.0.remedy = Some(remedy.into());
        self
    }

    /// Adds which file, folder or object it is about.
    pub fn at(mut self, path: impl fmt::Display) -> Self {
        self.0.path = Some(path.to_string());
        self
    }

    /// Adds the failure beneath.
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// A failure of the operating system, with what was being done.
    pub fn io(doing: impl fmt::Display, e: io::Error) -> Self {
        let kind = match e.kind() {
            io::ErrorKind::NotFound => Kind::NotFound,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Kind::NoSpace,
            io::ErrorKind::PermissionDenied => Kind::Denied,
            io::ErrorKind::ReadOnlyFilesystem => Kind::ReadOnly,
            io::ErrorKind::InvalidInput => Kind::Invalid,
            _ => Kind::Other,
        };
        Error::new(kind, format!("{doing}: {e}")).because(e)
    }

    /// Another error that says the same, without the failure beneath: one failure may have to be told to many.
    pub fn again(&self) -> Self {
        let Inner { kind, cause, remedy, path, .. } = &*self.0;
        let (cause, remedy, path) = (cause.clone(), remedy.clone(), path.clone());
        Error(Box::new(Inner { kind: *kind, cause, remedy, path, source: None }))
    }

    /// What sort of failure it is.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The cause, one sentence.
    pub fn cause(&self) -> &str {
        &self.0.cause
    }

    /// The step that mends it, if one is known.
    pub fn remedy_text(&self) -> Option<&str> {
        self.0.remedy.as_deref()
    }

    /// Which file, folder or object it is about.
    pub fn path(&self) -> Option<&str> {
        self.0.path.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.0.path {
            write!(f, "{path}: ")?;
        }
        f.write_str(&self.0.cause)?;
        if let Some(remedy) = &self.0.remedy {
            write!(f, " ({remedy})")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.0.kind)?;
        if let Some(source) = &self.0.source {
            write!(f, " <- {source:?}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|s| &**s as _)
    }
}
