//! A way to a Hub that is slow and counted: TCP on loopback that adds a delay each way, limits the rate, and
//! counts bytes and requests. It knows nothing of HTTP: a request is what a client says on a connection between
//! two answers.

use std::{
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex, MutexGuard},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, tcp},
    sync::{mpsc, oneshot},
    time::sleep_until,
};

use crate::{
    Hub,
    line::{Line, PIECE},
};

/// So many pieces of a connection are on their way at once: what they are delayed must not slow it down.
const ON_THE_WAY: usize = 1024;

/// So much of the time that timers lose is made up for.
const SLACK: Duration = Duration::from_millis(20);

/// How slow the way is.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Link {
    /// Each way.
    pub delay: Duration,
    /// Bytes in a second, each way, for all connections together; no limit if absent.
    pub rate: Option<u64>,
}

/// What passed.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Passed {
    /// Connections that were opened.
    pub connections: u64,
    /// Requests that began.
    pub requests: u64,
    /// Of them, the most of which each began after the answer to the one before it was all there.
    pub in_turn: u64,
    /// Bytes to the Hub, heads of requests and all.
    pub up: u64,
    /// Bytes from the Hub.
    pub down: u64,
}

impl Passed {
    /// Both ways.
    pub fn bytes(&self) -> u64 {
        self.up + self.down
    }
}

/// A request and its answer, until now: when its first byte came from the client, and when the last byte
/// was handed to the client.
#[derive(Clone, Copy, Debug)]
struct Exchange {
    begun: Instant,
    answered: Option<Instant>,
}

/// The most exchanges of which each began after the one before was answered. One that has no answer can only be
/// the last.
fn in_turn(exchanges: &[Exchange]) -> u64 {
    let mut answered: Vec<(Instant, Instant)> =
        exchanges.iter().filter_map(|e| e.answered.map(|end| (e.begun, end))).collect();
    answered.sort_by_key(|(_, end)| *end);
    let (mut most, mut last): (u64, Option<Instant>) = (0, None);
    for (begun, end) in answered {
        if last.is_none_or(|last| begun >= last) {
            (most, last) = (most + 1, Some(end));
        }
    }
    let open = exchanges.iter().any(|e| e.answered.is_none() && last.is_none_or(|last| e.begun >= last));
    most + u64::from(open)
}

#[derive(Default)]
struct Count {
    connections: u64,
    up: u64,
    down: u64,
    exchanges: Vec<Exchange>,
    /// Exchanges of before were forgotten.
    forgotten: usize,
}

/// What all connections share.
#[derive(Default)]
struct Way {
    link: Mutex<(Link, Option<[Arc<Line>; 2]>)>,
    count: Mutex<Count>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no panic under the lock")
}

/// A running one. It ends, with its connections, when it is dropped.
pub struct Proxy {
    endpoint: String,
    way: Arc<Way>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Stands before a Hub, which hands out this one's addresses from now on.
    ///
    /// # Errors
    /// No port is free.
    pub fn before(hub: &Hub) -> Result<Proxy> {
        let way = Arc::<Way>::default();
        let mut sides = Vec::new();
        for behind in [hub.endpoint(), hub.cas_url()] {
            let to: SocketAddr = behind.trim_start_matches("http://").parse().context("no address")?;
            let listener = TcpListener::bind("127.0.0.1:0").context("no port for the proxy")?;
            listener.set_nonblocking(true)?;
            sides.push((listener, to));
        }
        let address = |i: usize| anyhow::Ok(format!("http://{}", sides[i].0.local_addr()?));
        let (endpoint, cas_url) = (address(0)?, address(1)?);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let shared = Arc::clone(&way);
        let thread = std::thread::Builder::new().name("test-proxy".to_owned()).spawn(move || {
            runtime.block_on(async {
                for (listener, to) in sides {
                    tokio::spawn(accept(listener, to, Arc::clone(&shared)));
                }
                let _ = stopped.await;
            });
        })?;
        hub.announce(&endpoint, &cas_url);
        Ok(Proxy { endpoint, way, stop: Some(stop), thread: Some(thread) })
    }

    /// The address of the Hub's API through it, for `HF_ENDPOINT`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// How slow the way is from now on, for what is not on it yet.
    pub fn set(&self, link: Link) {
        let lines = link.rate.map(|rate| [(); 2].map(|()| Arc::new(Line::new(rate, SLACK))));
        *lock(&self.way.link) = (link, lines);
    }

    /// What passed since the start or the last [`Proxy::forget`].
    pub fn passed(&self) -> Passed {
        let count = lock(&self.way.count);
        Passed {
            connections: count.connections,
            requests: count.exchanges.len() as u64,
            in_turn: in_turn(&count.exchanges),
            up: count.up,
            down: count.down,
        }
    }

    /// Starts counting anew.
    pub fn forget(&self) {
        let mut count = lock(&self.way.count);
        let forgotten = count.forgotten + count.exchanges.len();
        *count = Count { forgotten, ..Count::default() };
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept(listener: TcpListener, to: SocketAddr, way: Arc<Way>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    loop {
        let Ok((client, _)) = listener.accept().await else {
            // Out of descriptors: waiting lets some be closed.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let way = Arc::clone(&way);
        tokio::spawn(async move {
            let Ok(server) = TcpStream::connect(to).await else { return };
            let _ = (client.set_nodelay(true), server.set_nodelay(true));
            lock(&way.count).connections += 1;
            let ((from_client, to_client), (from_server, to_server)) =
                (client.into_split(), server.into_split());
            let now = Arc::new(Mutex::new(None));
            tokio::join!(
                carry(from_client, to_server, true, &way, &now),
                carry(from_server, to_client, false, &way, &now)
            );
        });
    }
}

/// The exchange that a connection is in: its number, and whether its answer has begun.
type Now = Mutex<Option<(usize, bool)>>;

/// Carries one direction of a connection until its end.
async fn carry(mut from: tcp::OwnedReadHalf, mut to: tcp::OwnedWriteHalf, up: bool, way: &Way, now: &Now) {
    let (send, mut due) = mpsc::channel::<(tokio::time::Instant, Bytes)>(ON_THE_WAY);
    let reading = async move {
        loop {
            let mut piece = BytesMut::with_capacity(4 * PIECE);
            // An end and a break are the same to whoever is on the other side.
            match from.read_buf(&mut piece).await {
                Ok(n) if n > 0 => {}
                _ => return,
            }
            way.note(up, now, piece.len());
            let delay = lock(&way.link).0.delay;
            if send.send((tokio::time::Instant::now() + delay, piece.freeze())).await.is_err() {
                return;
            }
        }
    };
    let writing = async move {
        while let Some((at, bytes)) = due.recv().await {
            sleep_until(at).await;
            let line = lock(&way.link).1.as_ref().map(|lines| Arc::clone(&lines[usize::from(up)]));
            for piece in bytes.chunks(PIECE) {
                if let Some(line) = &line {
                    line.pass(piece.len()).await;
                }
                if to.write_all(piece).await.is_err() {
                    return;
                }
            }
            if !up {
                way.handed_over(now);
            }
        }
        let _ = to.shutdown().await;
    };
    tokio::join!(reading, writing);
}

impl Way {
    /// Counts bytes as they come in.
    fn note(&self, up: bool, now: &Now, bytes: usize) {
        let mut count = lock(&self.count);
        let mut now = lock(now);
        if up {
            count.up += bytes as u64;
            if now.is_none_or(|(_, answering)| answering) {
                *now = Some((count.forgotten + count.exchanges.len(), false));
                count.exchanges.push(Exchange { begun: Instant::now(), answered: None });
            }
        } else {
            count.down += bytes as u64;
            if let Some((_, answering)) = &mut *now {
                *answering = true;
            }
        }
    }

    /// Bytes of an answer are at the client.
    fn handed_over(&self, now: &Now) {
        let mut count = lock(&self.count);
        let Some((number, _)) = *lock(now) else { return };
        let at = number.checked_sub(count.forgotten);
        if let Some(exchange) = at.and_then(|at| count.exchanges.get_mut(at)) {
            exchange.answered = Some(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_in_turn_are_those_that_wait_for_each_other() {
        let zero = Instant::now();
        let at = |ms| zero + Duration::from_millis(ms);
        let of = |spans: &[(u64, u64)]| {
            let exchange = |&(begun, end): &(u64, u64)| Exchange {
                begun: at(begun),
                answered: (end > 0).then(|| at(end)),
            };
            in_turn(&spans.iter().map(exchange).collect::<Vec<_>>())
        };
        assert_eq!(of(&[]), 0);
        assert_eq!(of(&[(0, 10), (10, 20), (21, 30)]), 3);
        assert_eq!(of(&[(0, 10), (1, 11), (2, 12)]), 1, "all at once");
        assert_eq!(of(&[(0, 100), (1, 10), (11, 20)]), 2, "one long beside two in turn");
        assert_eq!(of(&[(0, 10), (11, 0)]), 2, "the last has no answer yet");
        assert_eq!(of(&[(0, 0), (1, 10), (11, 20)]), 2, "one that never ends, such as a feed");
        assert_eq!(of(&[(0, 0)]), 1);
    }
}
