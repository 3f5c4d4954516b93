//! The agent's part in signing in: drives that waited for it go on.

use std::sync::Arc;

use super::{Agent, Which};
use crate::{
    account::SignIn,
    control::api::{HubAccount, Reply, Secret},
    error::{Error, Kind, Result},
};

impl Agent {
    pub(super) fn hub(&self) -> Result<Arc<SignIn>> {
        self.holder.hub().ok_or_else(|| Error::new(Kind::Invalid, "this agent has no Hub to sign in at"))
    }

    /// Signs in, and lets drives try again at once what they could not do before.
    pub(super) async fn sign_in(self: &Arc<Self>, token: Option<&Secret>) -> Result<Reply> {
        let (kept, account) = self.hub()?.enter(token).await?;
        self.retry(Which::All).await?;
        Ok(Reply::SignedIn { kept, account })
    }

    /// Signs out. Drives try at once too: those that may not go on say so.
    pub(super) async fn sign_out(self: &Arc<Self>) -> Result<HubAccount> {
        let hub = self.hub()?;
        hub.sign_out().await?;
        self.retry(Which::All).await?;
        hub.look().await
    }
}
