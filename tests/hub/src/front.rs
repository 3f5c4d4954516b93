//! What every request passes, to the API and to the CAS alike: counting, the limit of requests, faults.

use std::{
    collections::{BTreeMap, HashMap},
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use axum::{
    body::Body,
    http::{HeaderValue, Request, Response, StatusCode},
    response::IntoResponse,
};
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use tokio::time::{Instant, sleep};

use crate::{
    answers,
    counts::{Counts, Moved},
    faults::{Act, Fault, Faults, Rate, Window},
    line::{Line, PIECE},
};

/// Between the last bytes before a break and the break.
const FLUSH: Duration = Duration::from_millis(100);

/// The paths that a batch has to fail, with the reason; put among a request's extensions.
#[derive(Clone, Debug)]
pub struct FailPaths(pub Vec<String>, pub String);

/// The connection is to break without an answer.
#[derive(Debug)]
pub struct Severed;

impl std::fmt::Display for Severed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("severed on demand")
    }
}

impl std::error::Error for Severed {}

/// The shared state of what passes.
pub struct Front {
    start: Instant,
    counts: Mutex<Counts>,
    faults: Mutex<Faults>,
    window: Mutex<Option<Window>>,
    lines: Mutex<HashMap<(u64, bool), Arc<Line>>>,
    /// What was asked, in order, as `METHOD /path?query`.
    seen: Mutex<Vec<String>>,
}

impl Default for Front {
    fn default() -> Self {
        Front {
            start: Instant::now(),
            counts: Mutex::default(),
            faults: Mutex::default(),
            window: Mutex::default(),
            lines: Mutex::default(),
            seen: Mutex::default(),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no panic under the lock")
}

impl Front {
    /// What moved so far.
    pub fn counts(&self) -> Counts {
        lock(&self.counts).clone()
    }

    /// Starts counting anew.
    pub fn forget_counts(&self) {
        lock(&self.counts).0 = BTreeMap::new();
        lock(&self.seen).clear();
    }

    /// What was asked so far, in order, as `METHOD /path?query`.
    pub fn seen(&self) -> Vec<String> {
        lock(&self.seen).clone()
    }

    /// Adds a fault.
    pub fn fault(&self, fault: Fault) {
        lock(&self.faults).add(fault);
    }

    /// Removes all faults.
    pub fn clear_faults(&self) {
        lock(&self.faults).clear();
        lock(&self.lines).clear();
    }

    /// The faults that are left to happen.
    pub fn faults(&self) -> Vec<Fault> {
        lock(&self.faults).left()
    }

    /// Sets or lifts the limit of requests.
    pub fn limit(&self, rate: Option<Rate>) {
        *lock(&self.window) = rate.map(|rate| Window::new(rate, self.start.elapsed()));
    }

    fn line(&self, fault: u64, up: bool, bandwidth: u64) -> Arc<Line> {
        Arc::clone(
            lock(&self.lines)
                .entry((fault, up))
                .or_insert_with(|| Arc::new(Line::new(bandwidth, Duration::ZERO))),
        )
    }

    fn count(&self, route: &str, moved: Moved) {
        *lock(&self.counts).0.entry(route.to_owned()).or_default() += moved;
    }

    /// Passes a request on to `handler` and its answer back, as far as the faults let it. `route` names it
    /// for the counts.
    ///
    /// # Errors
    /// The connection is to break.
    pub async fn pass<F>(
        self: Arc<Self>,
        route: String,
        request: Request<Body>,
        handler: impl FnOnce(Request<Body>) -> F,
    ) -> Result<Response<Body>, Severed>
    where
        F: Future<Output = Response<Body>>,
    {
        let (method, path) = (request.method().as_str().to_owned(), request.uri().path().to_owned());
        self.count(&route, Moved { requests: 1, ..Moved::default() });
        lock(&self.seen).push(format!("{method} {}", request.uri()));
        let mut lines = (Vec::new(), Vec::new());
        let (mut latency, mut cut, mut lose, mut answer, mut fail) =
            (Duration::ZERO, None, false, None, None);
        let acts = lock(&self.faults).take(&method, &path);
        for (number, act) in acts {
            match act {
                Act::Status { status, retry_after } => answer = Some((status, retry_after)),
                Act::Hang { ms } => sleep(Duration::from_millis(ms)).await,
                Act::Cut { after } => cut = Some(after),
                Act::Drop => return Err(Severed),
                Act::Lose => lose = true,
                Act::Slow { latency_ms, bandwidth } => {
                    latency += Duration::from_millis(latency_ms);
                    if let Some(bandwidth) = bandwidth {
                        lines.0.push(self.line(number, true, bandwidth));
                        lines.1.push(self.line(number, false, bandwidth));
                    }
                }
                Act::FailPaths { paths, error } => fail = Some(FailPaths(paths, error)),
            }
        }
        sleep(latency).await;
        let limit = lock(&self.window).as_mut().map(|w| (w.count(self.start.elapsed()), w.rate().clone()));
        let mut response = match (answer, &limit) {
            (Some((status, after)), _) => failure(status, after),
            (None, Some((Err(wait), _))) => failure(429, Some(*wait)),
            (None, _) => {
                let front = Arc::clone(&self);
                let name = route.clone();
                let mut request = request.map(|body| {
                    let count = move |n| front.count(&name, Moved { up: n, ..Moved::default() });
                    Body::from_stream(metered(body, lines.0, None, count))
                });
                if let Some(fail) = fail {
                    request.extensions_mut().insert(fail);
                }
                handler(request).await
            }
        };
        if let Some((left, rate)) = limit {
            let (left, reset) = left.map_or_else(|wait| (0, wait), |left| (left, rate.window));
            announce(&mut response, left, reset, &rate);
        }
        sleep(latency).await;
        if lose {
            return Err(Severed);
        }
        let front = Arc::clone(&self);
        Ok(response.map(|body| {
            let count = move |n| front.count(&route, Moved { down: n, ..Moved::default() });
            Body::new(Sized {
                size: http_body_size(&body),
                inner: Body::from_stream(metered(body, lines.1, cut, count)),
            })
        }))
    }
}

/// An answer that a fault wants.
fn failure(status: u16, retry_after: Option<u64>) -> Response<Body> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = answers::error(status, None, "on demand").into_response();
    if let Some(after) = retry_after {
        response.headers_mut().insert("Retry-After", HeaderValue::from(after));
    }
    if status == StatusCode::TOO_MANY_REQUESTS {
        let rate = Rate { quota: 500, window: 300 };
        announce(&mut response, 0, retry_after.unwrap_or(1), &rate);
    }
    response
}

/// Says how many requests are left and in how many seconds the window ends.
fn announce(response: &mut Response<Body>, left: u64, reset: u64, rate: &Rate) {
    let limit = format!("\"api\";r={left};t={reset}");
    let policy = format!("\"fixed window\";\"api\";q={};w={}", rate.quota, rate.window);
    for (name, value) in [("RateLimit", limit), ("RateLimit-Policy", policy)] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
}

/// The bytes of a body, counted as they pass, paced by lines, and broken off after `cut`.
fn metered(
    body: Body,
    lines: Vec<Arc<Line>>,
    cut: Option<u64>,
    count: impl Fn(u64) + Send + 'static,
) -> impl Stream<Item = Result<Bytes, axum::Error>> + Send + 'static {
    let lines = Arc::new(lines);
    let paced = !lines.is_empty();
    let pieces = body.into_data_stream().flat_map(move |data| {
        let pieces: Vec<Result<Bytes, axum::Error>> = match data {
            Ok(data) if paced => split(data).map(Ok).collect(),
            other => vec![other],
        };
        stream::iter(pieces)
    });
    let paced = pieces.then(move |piece| {
        let lines = Arc::clone(&lines);
        async move {
            if let Ok(piece) = &piece {
                for line in lines.iter() {
                    line.pass(piece.len()).await;
                }
            }
            piece
        }
    });
    let mut left = cut;
    let cut_off = paced.flat_map(move |piece| {
        let out = match (piece, &mut left) {
            (Ok(piece), Some(left)) if (piece.len() as u64) > *left => {
                let kept = piece.slice(..usize::try_from(*left).unwrap_or(piece.len()));
                *left = 0;
                vec![Ok(kept), Err(axum::Error::new(Severed))]
            }
            (Ok(piece), Some(left)) => {
                *left -= piece.len() as u64;
                vec![Ok(piece)]
            }
            (piece, _) => vec![piece],
        };
        stream::iter(out)
    });
    cut_off.then(wait_to_break).inspect(move |piece| {
        if let Ok(piece) = piece {
            count(piece.len() as u64);
        }
    })
}

/// Lets what came before a break get to the client: a connection that breaks at once takes its buffer with it.
async fn wait_to_break(piece: Result<Bytes, axum::Error>) -> Result<Bytes, axum::Error> {
    if piece.is_err() {
        sleep(FLUSH).await;
    }
    piece
}

fn split(mut data: Bytes) -> impl Iterator<Item = Bytes> {
    std::iter::from_fn(move || (!data.is_empty()).then(|| data.split_to(data.len().min(PIECE))))
}

/// A body whose length is known beforehand, so that the answer has a `Content-Length`.
struct Sized {
    inner: Body,
    size: Option<u64>,
}

fn http_body_size(body: &Body) -> Option<u64> {
    hyper::body::Body::size_hint(body).exact()
}

impl hyper::body::Body for Sized {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, axum::Error>>> {
        std::pin::Pin::new(&mut self.inner).poll_frame(cx)
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        self.size.map_or_else(hyper::body::SizeHint::default, hyper::body::SizeHint::with_exact)
    }

    fn is_end_stream(&self) -> bool {
        self.size == Some(0)
    }
}

/// Serves `listener` until the runtime ends. `answer` takes each request.
pub async fn serve<F>(
    listener: tokio::net::TcpListener,
    answer: impl Fn(Request<Body>) -> F + Clone + Send + 'static,
) -> Infallible
where
    F: Future<Output = Result<Response<Body>, Severed>> + Send + 'static,
{
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors: waiting lets some be closed.
            sleep(Duration::from_millis(10)).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let answer = answer.clone();
        let service = hyper::service::service_fn(move |request: Request<hyper::body::Incoming>| {
            answer(request.map(Body::new))
        });
        tokio::spawn(async move {
            // A connection that breaks is the client's affair, or what a fault wanted.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(hyper_util::rt::TokioIo::new(stream), service)
                .await;
        });
    }
}
