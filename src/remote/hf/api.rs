//! [`Api`]: calls to the Hub, each with a time-out, a bounded answer, tries again and the token of the moment.
//!
//! What the Hub's calls and answers look like was collected from its public clients (`huggingface_hub`, Apache-2.0,
//! and `hf-mount`, Apache-2.0) and from `xet-core`'s description of the CAS.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use reqwest::{Client, Method, Url, header};
use serde::de::DeserializeOwned;

use super::limit;
use crate::{
    error::{Error, Kind, Result},
    policy::Bandwidth,
};

/// An HTTP status.
pub type Status = u16;

/// The longest answer that is read, bytes. A page of 5,000 entries with long names has some 3 MB.
const LONGEST_ANSWER: usize = 64 << 20;
const CONNECT: Duration = Duration::from_secs(10);
const WHOLE: Duration = Duration::from_secs(60);

/// The Hub's address where nobody says otherwise.
pub const ENDPOINT: &str = "https://huggingface.co";

/// Where the token comes from. Asked before every call, so that signing in helps a drive that is mounted.
pub trait Tokens: Send + Sync {
    /// The token for an endpoint; `None`: nobody is signed in.
    fn token(&self, endpoint: &str) -> Option<String>;
}

/// A token that never changes, or none.
impl Tokens for Option<String> {
    fn token(&self, _: &str) -> Option<String> {
        self.clone()
    }
}

/// Which Hub, and who asks. The caller, who may read the environment, says so.
#[derive(Clone)]
pub struct Access {
    /// Its address, such as [`ENDPOINT`].
    pub endpoint: String,
    /// Who gives the token.
    pub tokens: Arc<dyn Tokens>,
}

impl Access {
    /// With a fixed token, or without.
    pub fn new(endpoint: &str, token: Option<String>) -> Access {
        Access { endpoint: endpoint.to_owned(), tokens: Arc::new(token) }
    }
}

impl Default for Access {
    fn default() -> Self {
        Access::new(ENDPOINT, None)
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the token.
        write!(f, "Access({})", self.endpoint)
    }
}

/// Bytes moved: bodies, without headers.
#[derive(Default)]
pub struct Moved {
    sent: AtomicU64,
    received: AtomicU64,
}

impl Moved {
    /// So many more went up.
    pub fn up(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Ordering::Relaxed);
    }

    /// So many more came down.
    pub fn down(&self, bytes: u64) {
        self.received.fetch_add(bytes, Ordering::Relaxed);
    }

    /// `(sent, received)`.
    pub fn so_far(&self) -> (u64, u64) {
        (self.sent.load(Ordering::Relaxed), self.received.load(Ordering::Relaxed))
    }
}

/// One call.
pub struct Call<'a> {
    /// How.
    pub method: Method,
    /// Relative to the endpoint, escaped.
    pub path: &'a str,
    /// The body's type and bytes.
    pub body: Option<(&'static str, Bytes)>,
    /// More headers.
    pub headers: Vec<(header::HeaderName, String)>,
    /// Whether it may be made twice.
    pub again: bool,
}

impl<'a> Call<'a> {
    /// A GET.
    pub fn get(path: &'a str) -> Call<'a> {
        Call { method: Method::GET, path, body: None, headers: Vec::new(), again: true }
    }

    /// A POST of JSON or the like.
    pub fn post(path: &'a str, kind: &'static str, body: impl Into<Bytes>, again: bool) -> Call<'a> {
        Call { method: Method::POST, path, body: Some((kind, body.into())), headers: Vec::new(), again }
    }
}

/// An answer, whatever its status.
pub struct Answer {
    /// The status.
    pub status: Status,
    /// The headers.
    pub headers: header::HeaderMap,
    /// All of the body.
    pub body: Bytes,
}

/// Why there is no answer.
pub enum NoAnswer {
    /// The call was certainly not made.
    NotMade(Error),
    /// It may have been made: nobody knows.
    Unknown(Error),
}

impl From<NoAnswer> for Error {
    fn from(e: NoAnswer) -> Error {
        let (NoAnswer::NotMade(e) | NoAnswer::Unknown(e)) = e;
        e
    }
}

/// The Hub's API.
pub struct Api {
    http: Client,
    base: Url,
    access: Access,
    /// What went over the wire; the CAS counts here too.
    pub moved: Arc<Moved>,
    /// How fast it may.
    pub bandwidth: Arc<Bandwidth>,
}

impl Api {
    /// A client of the Hub that `access` names.
    ///
    /// # Errors
    /// `Invalid` if the endpoint is no HTTP address.
    pub fn new(access: Access, bandwidth: Arc<Bandwidth>) -> Result<Api> {
        let trimmed = access.endpoint.trim_end_matches('/');
        let bad = |why: String| {
            Error::new(Kind::Invalid, format!("the Hub's address can't be used: {why}"))
                .remedy("set HF_ENDPOINT to an address such as https://huggingface.co, or unset it")
                .at(&access.endpoint)
        };
        let base = Url::parse(&format!("{trimmed}/")).map_err(|e| bad(e.to_string()))?;
        if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
            return Err(bad("it is not HTTP".into()));
        }
        let http = Client::builder()
            .user_agent(concat!("lacuna/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .tcp_keepalive(WHOLE)
            .build()
            .map_err(|e| Error::new(Kind::Other, format!("HTTP can't be used: {e}")))?;
        Ok(Api { http, base, access, moved: Arc::default(), bandwidth })
    }

    /// Makes a call; one that may be made twice is tried again where that may help.
    pub async fn call(&self, call: Call<'_>) -> std::result::Result<Answer, NoAnswer> {
        let mut failed = 0;
        loop {
            let outcome = self.once(&call).await;
            failed += 1;
            let wait = match &outcome {
                Ok(answer) if limit::is_passing(answer.status) => {
                    answer.asked_wait().unwrap_or_else(|| limit::backoff(failed))
                }
                Ok(_) => return outcome,
                Err(_) => limit::backoff(failed),
            };
            // What was refused for its frequency has not been done.
            let harmless = call.again || matches!(&outcome, Ok(a) if a.status == 429);
            if !harmless || failed >= limit::TRIES || wait > limit::LONGEST {
                return outcome;
            }
            tracing::debug!(path = call.path, ?wait, "the Hub is asked again");
            tokio::time::sleep(wait).await;
        }
    }

    async fn once(&self, call: &Call<'_>) -> std::result::Result<Answer, NoAnswer> {
        let work = async {
            let response = self.open(call).await?;
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let body = self.body(response, LONGEST_ANSWER).await.map_err(NoAnswer::Unknown)?;
            Ok(Answer { status, headers, body })
        };
        match tokio::time::timeout(WHOLE, work).await {
            Ok(done) => done,
            Err(_) => Err(NoAnswer::Unknown(self.offline("it does not answer in time"))),
        }
    }

    /// Makes a call and leaves its body to be read. Not tried again.
    pub async fn open(&self, call: &Call<'_>) -> std::result::Result<reqwest::Response, NoAnswer> {
        let url = self.base.join(call.path).map_err(|e| {
            NoAnswer::NotMade(Error::new(Kind::Invalid, format!("no address: {e}")).at(call.path))
        })?;
        let mut request = self.http.request(call.method.clone(), url);
        if let Some(token) = self.access.tokens.token(&self.access.endpoint) {
            request = request.bearer_auth(token);
        }
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        if let Some((kind, body)) = &call.body {
            self.bandwidth.up.take(body.len() as u64, |n| self.moved.up(n)).await;
            request = request.header(header::CONTENT_TYPE, *kind).body(body.clone());
        }
        request.send().await.map_err(|e| {
            let said = self.offline(reason(&e));
            if e.is_connect() || e.is_builder() { NoAnswer::NotMade(said) } else { NoAnswer::Unknown(said) }
        })
    }

    /// Reads a body to its end.
    pub async fn body(&self, response: reqwest::Response, longest: usize) -> Result<Bytes> {
        let mut body = BytesMut::new();
        let mut stream = response.bytes_stream();
        while let Some(part) = stream.next().await {
            let part = part.map_err(|e| self.offline(reason(&e)))?;
            self.bandwidth.down.take(part.len() as u64, |n| self.moved.down(n)).await;
            if body.len() + part.len() > longest {
                return Err(Error::new(Kind::Other, format!("an answer is longer than {longest} bytes"))
                    .at(&self.access.endpoint));
            }
            body.extend_from_slice(&part);
        }
        Ok(body.freeze())
    }

    fn offline(&self, why: impl fmt::Display) -> Error {
        Error::new(Kind::Offline, format!("the Hub can't be reached: {why}"))
            .remedy("check the network; it is tried again by itself")
            .at(&self.access.endpoint)
    }

    /// GETs JSON.
    pub async fn json<T: DeserializeOwned>(&self, path: &str, what: &str) -> Result<T> {
        self.call(Call::get(path)).await?.ok(what)?.json(what)
    }

    /// Whether the address of a page, as [`Api::next_page`] gives it, is one of a listing.
    pub fn is_page_of(&self, page: &str, listing: &str) -> bool {
        self.page_at(listing).is_some_and(|path| page.split('?').next() == Some(&path))
    }

    /// The first page of a listing, in the form of [`Api::next_page`].
    pub fn page_at(&self, listing: &str) -> Option<String> {
        self.base.join(listing).ok().map(|url| url.path().to_owned())
    }

    /// Where the next page is, as a path for [`Call`]. Its host is not believed: the token goes to no other.
    pub fn next_page(&self, answer: &Answer) -> Option<String> {
        let links = answer.header("link")?;
        let next = next_link(links)?;
        let url = self.base.join(next).ok()?;
        let query = url.query().map(|q| format!("?{q}")).unwrap_or_default();
        Some(format!("{}{query}", url.path()))
    }
}

/// What reqwest's error is about, without the address, which may hold a signature.
fn reason(e: &reqwest::Error) -> String {
    use std::error::Error as _;
    let mut text = if e.is_timeout() { "it does not answer in time".to_owned() } else { String::new() };
    let mut at = e.source();
    while let Some(inner) = at {
        text = inner.to_string();
        at = inner.source();
    }
    if text.is_empty() { "the connection failed".into() } else { text }
}

/// The address of `rel="next"` in a `Link` header.
fn next_link(links: &str) -> Option<&str> {
    links.split(",<").flat_map(|l| l.split(", <")).find_map(|link| {
        let (address, rest) = link.trim().trim_start_matches('<').split_once('>')?;
        let is_next = rest.split(';').any(|p| matches!(p.trim(), "rel=\"next\"" | "rel=next"));
        is_next.then_some(address)
    })
}

impl Answer {
    /// A header's text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|v| v.to_str().ok())
    }

    /// How long it asks to wait.
    pub fn asked_wait(&self) -> Option<Duration> {
        limit::asked_wait(self.header("retry-after"), self.header("ratelimit"))
    }

    /// The answer if it says yes, else what it says. `what` was asked for.
    pub fn ok(self, what: &str) -> Result<Answer> {
        if (200..300).contains(&self.status) { Ok(self) } else { Err(self.refusal(what)) }
    }

    /// What an answer that says no means.
    pub fn refusal(&self, what: &str) -> Error {
        #[derive(serde::Deserialize)]
        struct Said {
            error: String,
        }
        let said = serde_json::from_slice::<Said>(&self.body).map(|s| s.error).ok();
        let said = said.or_else(|| self.header("x-error-message").map(str::to_owned));
        let said: String = said.unwrap_or_default().chars().filter(|c| !c.is_control()).take(300).collect();
        let said = if said.is_empty() { format!("status {}", self.status) } else { said };
        let code = self.header("x-error-code").unwrap_or_default();
        let error = |kind, text: &str| Error::new(kind, format!("{text}: {said}")).at(what);
        match (self.status, code) {
            (_, "GatedRepo") => error(Kind::Denied, "the Hub wants its terms accepted first")
                .remedy("open its page at the Hub, ask for access, and sign in: `lacuna login hf`"),
            (401, _) => {
                error(Kind::SignedOut, "the Hub does not know who asks").remedy("sign in: `lacuna login hf`")
            }
            (403, _) => error(Kind::Denied, "the Hub does not allow it")
                .remedy("sign in with a token that may do it: `lacuna login hf`"),
            (404, "RevisionNotFound") => {
                error(Kind::NotFound, "there is no such revision").remedy("check what follows the @")
            }
            (404, _) => error(Kind::NotFound, "the Hub has it not, or hides it")
                .remedy("check the name; if it is private, sign in: `lacuna login hf`"),
            (413 | 507, _) => error(Kind::NoSpace, "the Hub has no room for it")
                .remedy("free space there, or raise the quota"),
            (429, _) => error(Kind::Offline, "the Hub wants to be asked less often")
                .remedy("it is tried again by itself"),
            (408 | 425 | 500.., _) => {
                error(Kind::Offline, "the Hub is out of order").remedy("it is tried again by itself")
            }
            _ => error(Kind::Invalid, "the Hub refuses it"),
        }
    }

    /// The body as JSON.
    pub fn json<T: DeserializeOwned>(&self, what: &str) -> Result<T> {
        serde_json::from_slice(&self.body).map_err(|e| {
            Error::new(Kind::Other, format!("the Hub's answer can't be understood: {e}"))
                .remedy("update Lacuna, if this does not pass")
                .at(what)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: Status, headers: &[(&'static str, &str)], body: &str) -> Answer {
        let headers =
            headers.iter().map(|(n, v)| (header::HeaderName::from_static(n), v.parse().unwrap())).collect();
        Answer { status, headers, body: body.to_owned().into() }
    }

    #[test]
    fn refusals_say_what_mends_them() {
        for (status, kind) in [
            (401, Kind::SignedOut),
            (403, Kind::Denied),
            (404, Kind::NotFound),
            (413, Kind::NoSpace),
            (507, Kind::NoSpace),
            (429, Kind::Offline),
            (500, Kind::Offline),
            (503, Kind::Offline),
        ] {
            let e = answer(status, &[], "{\"error\":\"so it is\"}").refusal("x");
            assert_eq!(e.kind(), kind, "{status}");
            assert!(e.cause().contains("so it is") && e.remedy_text().is_some(), "{e}");
        }
        assert!(answer(401, &[], "<html>").refusal("x").remedy_text().unwrap().contains("lacuna login hf"));
        let gated = answer(403, &[("x-error-code", "GatedRepo")], "").refusal("x");
        assert!(gated.remedy_text().unwrap().contains("page"));
    }

    #[test]
    fn pages_go_on_at_the_same_hub_only() {
        let api = Api::new(Access::new("http://hub:8/", None), Arc::default()).unwrap();
        let next = |link: &str| api.next_page(&answer(200, &[("link", link)], ""));
        let want = Some("/api/x?cursor=a%3D".to_owned());
        assert_eq!(next("<http://hub:8/api/x?cursor=a%3D>; rel=\"next\""), want);
        assert_eq!(next("<http://evil/api/x?cursor=a%3D>; rel=\"next\""), want);
        assert_eq!(
            next("<http://hub:8/first>; rel=\"first\", <http://hub:8/api/x?cursor=a%3D>; rel=\"next\""),
            want
        );
        assert_eq!(next("<http://hub:8/api/x>; rel=\"prev\""), None);
    }

    #[test]
    fn only_http_is_an_endpoint() {
        for bad in ["", "hub", "ftp://hub", "file:///x"] {
            assert_eq!(
                Api::new(Access::new(bad, None), Arc::default()).err().map(|e| e.kind()),
                Some(Kind::Invalid),
                "{bad}"
            );
        }
    }
}
