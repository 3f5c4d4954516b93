//! What a Hub holds: accounts, buckets, repositories, tickets; who may see and change what.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, RwLock},
    time::Duration,
};

use axum::http::{HeaderMap, header};
use tokio::sync::watch;

use crate::{
    answers::{self, Refusal},
    batch::Operation,
    bucket::{Bucket, EMPTY, Failed},
    cas::Cas,
    clock::{self, Clock},
    front::{FailPaths, Front},
    repo::{Kind, Repo},
    tokens::{Account, Tokens},
};

/// What a ticket's address serves: a content of the CAS.
#[derive(Clone)]
pub struct Blob {
    /// Its name.
    pub hash: String,
    /// Its length.
    pub size: u64,
}

/// How the change feed behaves.
pub struct Feed {
    /// Whether there is one at all; 404 if not.
    pub on: bool,
    /// Between two pings.
    pub ping: Duration,
    /// How many batches each bucket keeps to replay.
    pub keep: usize,
    /// Changes to end all streams with `reconnect`.
    pub reconnect: watch::Sender<u64>,
}

/// What changes while a Hub runs.
pub struct State {
    /// Users' and CAS tokens.
    pub tokens: Tokens,
    /// By id.
    pub buckets: BTreeMap<String, Bucket>,
    /// By kind and id.
    pub repos: BTreeMap<(Kind, String), Repo>,
    /// Other names of repositories.
    pub aliases: HashMap<(Kind, String), String>,
    /// Addresses that redirects led to.
    pub tickets: HashMap<String, Blob>,
    /// The change feed.
    pub feed: Feed,
    /// The largest page of a listing.
    pub page: usize,
}

/// The addresses that answers name: a client that follows them reaches the Hub.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// Of the API: `http://127.0.0.1:port`.
    pub endpoint: String,
    /// Of the CAS.
    pub cas_url: String,
}

/// A Hub without its connections.
pub struct World {
    addresses: RwLock<Addresses>,
    /// What every request passes.
    pub front: Arc<Front>,
    /// The CAS behind it.
    pub cas: Cas,
    /// Gives each mutation its instant.
    pub clock: Clock,
    state: Mutex<State>,
}

/// Seconds since 1970.
pub fn seconds() -> u64 {
    clock::now() / 1000
}

impl World {
    /// A Hub that holds nothing.
    pub fn new(addresses: Addresses, cas: Cas) -> World {
        let feed =
            Feed { on: true, ping: Duration::from_secs(30), keep: 1000, reconnect: watch::Sender::new(0) };
        let state = State {
            tokens: Tokens::default(),
            buckets: BTreeMap::new(),
            repos: BTreeMap::new(),
            aliases: HashMap::new(),
            tickets: HashMap::new(),
            feed,
            page: 1000,
        };
        World {
            addresses: RwLock::new(addresses),
            front: Arc::default(),
            cas,
            clock: Clock::default(),
            state: Mutex::new(state),
        }
    }

    /// The address of the API, as handed out.
    pub fn endpoint(&self) -> String {
        self.addresses.read().expect("no panic under the lock").endpoint.clone()
    }

    /// The address of the CAS, as handed out.
    pub fn cas_url(&self) -> String {
        self.addresses.read().expect("no panic under the lock").cas_url.clone()
    }

    /// Names other addresses from now on.
    pub fn announce(&self, addresses: Addresses) {
        *self.addresses.write().expect("no panic under the lock") = addresses;
    }

    /// The state; never held while something else is waited for.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic under the lock")
    }

    /// Applies a batch, all of it in one instant. `Err` if there is no such bucket.
    pub async fn apply(
        &self,
        id: &str,
        operations: &[Operation],
        fail: Option<&FailPaths>,
    ) -> Result<Vec<Failed>, Refusal> {
        let mut sizes: HashMap<&str, Option<u64>> = HashMap::new();
        for hash in operations.iter().filter_map(Operation::hash) {
            if !sizes.contains_key(hash) {
                sizes.insert(hash, self.size(hash).await);
            }
        }
        let mut state = self.state();
        let state = &mut *state;
        let keep = state.feed.keep;
        let sourceless: Vec<Operation> =
            operations.iter().filter(|operation| !has_source(state, operation)).cloned().collect();
        let bucket = state.buckets.get_mut(id).ok_or_else(answers::no_repo)?;
        let doomed =
            |operation: &&Operation| fail.is_some_and(|f| f.0.iter().any(|path| path == operation.path()));
        let (failing, rest): (Vec<&Operation>, Vec<&Operation>) = operations.iter().partition(doomed);
        let rest: Vec<Operation> = rest.into_iter().cloned().collect();
        let mut failed: Vec<Failed> = failing
            .into_iter()
            .map(|operation| Failed {
                path: operation.path().to_owned(),
                error: fail.map_or_else(String::new, |f| f.1.clone()),
            })
            .collect();
        if !rest.is_empty() {
            let known = |hash: &str| sizes.get(hash).copied().flatten();
            failed.extend(
                bucket.apply(&rest, self.clock.tick(), known, |operation| !sourceless.contains(operation)),
            );
            bucket.forget(keep);
        }
        Ok(failed)
    }

    /// The length of a content, if the CAS knows it.
    pub async fn size(&self, hash: &str) -> Option<u64> {
        if hash == EMPTY { Some(0) } else { self.cas.size(hash).await }
    }

    /// Whose request it is: `None` without a token.
    ///
    /// # Errors
    /// The token is not good.
    pub fn caller(&self, headers: &HeaderMap) -> Result<Option<Account>, Refusal> {
        match bearer(headers) {
            None => Ok(None),
            Some(token) => {
                self.state().tokens.who(token).cloned().map(Some).ok_or_else(answers::unauthorized)
            }
        }
    }
}

/// The token of a request.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

/// Whether a copy's source has its content; true of what is no copy.
fn has_source(state: &State, operation: &Operation) -> bool {
    let Operation::CopyFile { source_repo_type, source_repo_id, xet_hash, .. } = operation else {
        return true;
    };
    if source_repo_type == "bucket" {
        let source = state.buckets.get(source_repo_id);
        return source.is_some_and(|source| source.files.values().any(|file| file.xet_hash == *xet_hash));
    }
    let kind = Kind::ALL.into_iter().find(|kind| kind.singular() == source_repo_type);
    let source = kind.and_then(|kind| state.repos.get(&(kind, source_repo_id.clone())));
    source.is_some_and(|source| source.holds(xet_hash))
}

impl State {
    /// A bucket that the caller may see.
    ///
    /// # Errors
    /// There is none, or it is private: which of them is not told.
    pub fn readable(&self, caller: Option<&Account>, id: &str) -> Result<&Bucket, Refusal> {
        let seen = self.buckets.get(id).filter(|bucket| !bucket.private || owns(caller, id));
        // Who has not said who they are might be allowed to see it.
        seen.ok_or_else(|| if caller.is_none() { answers::unauthorized() } else { answers::no_repo() })
    }

    /// A bucket that the caller may change.
    ///
    /// # Errors
    /// As `readable`, and 403 for somebody else's or with a token that only reads.
    pub fn writable(&mut self, caller: Option<&Account>, id: &str) -> Result<&mut Bucket, Refusal> {
        self.readable(caller, id)?;
        let caller = caller.ok_or_else(answers::unauthorized)?;
        if !caller.writes || !owns(Some(caller), id) {
            return Err(answers::forbidden());
        }
        self.buckets.get_mut(id).ok_or_else(answers::no_repo)
    }

    /// A repository that the caller may see, by its id or another name of it, with its id.
    ///
    /// # Errors
    /// As `readable`.
    pub fn repo(&self, caller: Option<&Account>, kind: Kind, name: &str) -> Result<(&str, &Repo), Refusal> {
        let id = self.aliases.get(&(kind, name.to_owned())).map_or(name, String::as_str);
        let found = self.repos.get_key_value(&(kind, id.to_owned()));
        let seen = found.filter(|((_, id), repo)| !repo.private || owns(caller, id));
        seen.map(|((_, id), repo)| (id.as_str(), repo))
            .ok_or_else(|| if caller.is_none() { answers::unauthorized() } else { answers::no_repo() })
    }

    /// A new address for a blob, below that of the CAS, that looks signed.
    pub fn ticket(&mut self, blob: Blob, now: u64) -> String {
        let ticket = format!("{:032x}", rand::random::<u128>());
        let signature = format!("{:032x}", rand::random::<u128>());
        self.tickets.insert(ticket.clone(), blob);
        format!(
            "/_blobs/{ticket}?X-Amz-Algorithm=AWS4-HMAC-SHA256&Expires={}&Signature={signature}",
            now + 3600
        )
    }
}

/// Whether an id is in a namespace of the caller's.
pub fn owns(caller: Option<&Account>, id: &str) -> bool {
    caller.is_some_and(|caller| caller.owns(id))
}
