//! The one connection that listens to the agent, for as long as this app lives.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use lacuna::{
    config::Home,
    control::{
        api::{Event, Failure, Reply, Request},
        client::Client,
    },
    error::{Error, Kind, Result},
};
use tokio::{
    sync::{Notify, watch},
    time::sleep,
};

use super::{
    Agent,
    backoff::Backoff,
    start::{Program, start},
};
use crate::{
    home::Place,
    words::{Words, fill},
};

/// Follows the agent and tells what it says.
pub struct Link {
    pub place: Place,
    pub program: Program,
    /// In which language failures are told.
    pub words: Box<dyn Fn() -> &'static Words + Send + Sync>,
    /// What is known.
    pub agent: watch::Sender<Agent>,
    /// Somebody does not want to wait for the next try.
    pub nudge: Arc<Notify>,
    /// The agent is being ended by this app: it is not to be started again.
    pub quitting: Arc<AtomicBool>,
}

impl Link {
    /// Never returns.
    pub async fn run(self) {
        let mut backoff = Backoff::default();
        loop {
            let start = Instant::now();
            let (why, lived) = match self.connect().await {
                Ok(client) => (self.follow(client).await, start.elapsed()),
                Err(e) => (e, std::time::Duration::ZERO),
            };
            self.agent.send_replace(Agent::Down(Failure::from(&why)));
            tokio::select! {
                () = sleep(backoff.next(lived)) => {}
                () = self.nudge.notified() => {}
            }
        }
    }

    async fn connect(&self) -> Result<Client> {
        match Client::connect(&self.place.home).await? {
            Some(client) => Ok(client),
            None if self.quitting.load(Ordering::Relaxed) => Err(self.gone()),
            None => start(&self.place, &self.program, (self.words)()).await,
        }
    }

    /// Tells what the agent tells, until it ends: why.
    async fn follow(&self, mut client: Client) -> Error {
        if let Err(e) = client.watch().await {
            return e;
        }
        loop {
            match client.event().await {
                Ok(Event::Status(status)) => {
                    let new = Agent::Up(status);
                    self.agent.send_if_modified(|old| {
                        let changed = *old != new;
                        *old = new;
                        changed
                    });
                }
                Err(e) if e.kind() == Kind::Offline => return self.gone(),
                Err(e) => return e,
            }
        }
    }

    fn gone(&self) -> Error {
        let words = (self.words)();
        let log = self.place.home.log().display().to_string();
        Error::new(Kind::Offline, &words.agent_gone).remedy(fill(&words.agent_gone_remedy, &[("log", &log)]))
    }
}

/// Asks the agent one thing, on a connection of its own, so that a long answer (a flush) holds up nobody.
///
/// # Errors
/// Those of the agent; [`Kind::NotFound`] if none runs.
pub async fn ask(home: &Home, words: &Words, request: Request) -> Result<Reply> {
    let client = Client::connect(home).await?;
    let mut client = client.ok_or_else(|| Error::new(Kind::NotFound, &words.no_agent))?;
    client.ask(request).await
}
