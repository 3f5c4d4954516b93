//! A client's side of the control socket.

use std::{collections::VecDeque, fs, io, path::PathBuf, time::Duration};

use interprocess::local_socket::tokio::Stream;
use tokio::{
    io::{AsyncWriteExt, BufReader, ReadHalf, WriteHalf},
    time::timeout,
};

use super::{
    api::{Ask, Event, Line, Reply, Request, Status, VERSION},
    wire::{self, Next},
};
use crate::{
    config::Home,
    error::{Error, Kind, Result},
    platform,
};

/// The longest line that an agent may send: a status of many drives with full queues and long paths.
const MAX_LINE: usize = 64 << 20;

/// How long a living agent may take to say hello.
const HELLO: Duration = Duration::from_secs(10);

/// What an agent says of itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Agent {
    /// Its program's version.
    pub program: String,
    /// Its process.
    pub pid: u32,
}

/// A connection to the agent. Asks one thing at a time; open another to do two things at once.
pub struct Client {
    from: BufReader<ReadHalf<Stream>>,
    to: WriteHalf<Stream>,
    last_id: u64,
    /// Events that came while a reply was waited for.
    events: VecDeque<Event>,
    agent: Agent,
}

/// Where the agent of this home listens, if one does.
fn socket_of(home: &Home) -> PathBuf {
    // Written by the agent, whose own folder for sockets may differ from ours.
    match fs::read_to_string(home.socket_pointer()) {
        Ok(path) if !path.is_empty() => PathBuf::from(path),
        _ => home.socket(),
    }
}

impl Client {
    /// Connects and says hello. `None`: no agent runs for this home.
    ///
    /// # Errors
    /// [`Kind::Busy`] if it does not answer, [`Kind::NewerFormat`] if it is of another version,
    /// [`Kind::Denied`] if it is another user's.
    pub async fn connect(home: &Home) -> Result<Option<Client>> {
        let socket = socket_of(home);
        let fail = |e| Error::io("can't reach the agent", e).at(socket.display());
        let Some(stream) = platform::connect(&socket).await.map_err(fail)? else { return Ok(None) };
        let (from, to) = tokio::io::split(stream);
        let agent = Agent { program: String::new(), pid: 0 };
        let mut client =
            Client { from: BufReader::new(from), to, last_id: 0, events: VecDeque::new(), agent };
        let hello = client.ask(Request::Hello { version: VERSION });
        match timeout(HELLO, hello).await {
            Ok(Ok(Reply::Hello { program, pid, .. })) => client.agent = Agent { program, pid },
            Ok(Ok(other)) => return Err(unexpected(&other)),
            Ok(Err(e)) => return Err(e),
            Err(_) => {
                return Err(Error::new(Kind::Busy, "the agent does not answer")
                    .at(socket.display())
                    .remedy("see agent.log; end the agent and mount again, nothing that was saved is lost"));
            }
        }
        Ok(Some(client))
    }

    /// Who is at the other end.
    pub fn agent(&self) -> &Agent {
        &self.agent
    }

    /// Asks, and waits for the answer as long as it takes.
    pub async fn ask(&mut self, request: Request) -> Result<Reply> {
        self.last_id += 1;
        let ask = Ask { id: self.last_id, request };
        let mut text = serde_json::to_vec(&ask)
            .map_err(|e| Error::new(Kind::Invalid, format!("the request can't be written: {e}")))?;
        text.push(b'\n');
        // An agent that refuses a connection may have hung up before this; its reason is still to be read.
        let sent = self.to.write_all(&text).await;
        loop {
            match self.line().await {
                Ok(Line::Reply { id, reply }) if id == ask.id => return Ok(reply),
                Ok(Line::Error { id, error }) if id.is_none_or(|id| id == ask.id) => return Err(error.into()),
                Ok(Line::Event { event }) => self.events.push_back(event),
                Ok(_) => {}
                Err(e) => return Err(sent.err().map_or(e, gone)),
            }
        }
    }

    /// The status.
    pub async fn status(&mut self) -> Result<Status> {
        match self.ask(Request::Status).await? {
            Reply::Status(status) => Ok(status),
            other => Err(unexpected(&other)),
        }
    }

    /// Asks to be told of changes; they come by [`Client::event`].
    pub async fn watch(&mut self) -> Result<()> {
        self.ask(Request::Watch).await.map(drop)
    }

    /// The next event. Safe to give up waiting for only together with the client.
    pub async fn event(&mut self) -> Result<Event> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(event);
            }
            if let Line::Event { event } = self.line().await? {
                return Ok(event);
            }
        }
    }

    async fn line(&mut self) -> Result<Line> {
        match wire::next(&mut self.from, MAX_LINE).await.map_err(gone)? {
            Next::Line(line) => serde_json::from_slice(&line).map_err(|e| {
                Error::new(Kind::Damaged, format!("the agent's answer can't be understood: {e}"))
            }),
            Next::TooLong => Err(Error::new(Kind::Damaged, "the agent's answer is too long")),
            Next::End => Err(gone(io::ErrorKind::UnexpectedEof.into())),
        }
    }
}

fn gone(e: io::Error) -> Error {
    Error::new(Kind::Offline, "the agent has ended")
        .remedy("see agent.log for why; `lacuna mount` starts it again")
        .because(e)
}

/// For an answer that does not fit its question.
pub fn unexpected(reply: &Reply) -> Error {
    Error::new(Kind::Other, format!("the agent gave an answer that does not fit: {reply:?}"))
}
