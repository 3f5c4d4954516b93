//! Signing in at the Hugging Face Hub, as clients ask for it: who it is, with which token, and what they can see.

use std::sync::{Arc, Mutex};

use super::{Account, Found};
use crate::{
    control::api::{Buckets, Failure, HubAccount, Secret, TokenAt, User},
    error::{Error, Kind, Result},
    read::blocking,
    remote::hf::{self, Access},
};

/// The sign-in at one Hub.
pub struct SignIn {
    endpoint: String,
    account: Arc<Account>,
    /// Whose token it was when the list of buckets began, so that not every page asks that.
    lister: Mutex<Option<(String, hf::User)>>,
}

impl Found {
    /// As clients see it.
    fn told(&self) -> TokenAt {
        match self {
            Found::Environment => TokenAt::Environment,
            Found::Keychain => TokenAt::Keychain,
            Found::File(path) => TokenAt::File { path: path.display().to_string() },
            Found::CommandLine(path) => TokenAt::CommandLine { path: path.display().to_string() },
        }
    }
}

/// What the Hub not knowing a token means for the person who has it.
fn not_good(endpoint: &str, at: Option<&Found>) -> Error {
    let page = format!("{endpoint}/settings/tokens");
    let remedy = match at {
        Some(Found::Environment) => {
            format!("change HF_TOKEN or unset it, and start the agent again; tokens are made at {page}")
        }
        _ => format!("make one at {page} and sign in with it"),
    };
    Error::new(Kind::SignedOut, "the Hub does not know this token").remedy(remedy).at(endpoint)
}

impl SignIn {
    /// At the Hub of this address, with the tokens of `account`.
    pub fn new(endpoint: &str, account: Arc<Account>) -> SignIn {
        let endpoint = endpoint.trim_end_matches('/').to_owned();
        SignIn { endpoint, account, lister: Mutex::default() }
    }

    /// For drives: the same Hub, with the token of the moment.
    pub fn access(&self) -> Access {
        Access { endpoint: self.endpoint.clone(), tokens: self.account.clone() }
    }

    /// The tokens that are there: the one that counts, and another one that could. The keychain is waited for where
    /// that holds up nobody.
    async fn tokens(&self) -> Result<(Option<(String, Found)>, Option<(String, Found)>)> {
        let (account, endpoint) = (self.account.clone(), self.endpoint.clone());
        blocking(move || {
            let found = account.find(&endpoint);
            let other = found.as_ref().and_then(|counts| account.other(counts));
            Ok((found, other))
        })
        .await
    }

    async fn user(&self, token: &str, at: Option<&Found>) -> Result<hf::User> {
        let asked = hf::whoami(&Access::new(&self.endpoint, Some(token.to_owned()))).await;
        asked.map_err(|e| if e.kind() == Kind::SignedOut { not_good(&self.endpoint, at) } else { e })
    }

    /// Who is signed in. The Hub is asked; that it can't be is part of the answer.
    pub async fn look(&self) -> Result<HubAccount> {
        let (found, other) = self.tokens().await?;
        let mut told = HubAccount {
            endpoint: self.endpoint.clone(),
            token: found.as_ref().map(|(_, at)| at.told()),
            user: None,
            trouble: None,
            other: other.map(|(_, at)| at.told()),
        };
        if let Some((token, at)) = found {
            match self.user(&token, Some(&at)).await {
                Ok(hf::User { name, orgs }) => told.user = Some(User { name, orgs }),
                Err(e) => told.trouble = Some(Failure::from(&e)),
            }
        }
        Ok(told)
    }

    /// Checks a token at the Hub and keeps it; without one, one that is on this machine. Answers whose and where
    /// it is.
    ///
    /// # Errors
    /// `Invalid` if it can be no token, `SignedOut` if it is not good or there is none, `Offline`; what keeping it
    /// fails with.
    pub async fn sign_in(&self, token: Option<&Secret>) -> Result<(String, Found)> {
        let token = match token {
            Some(token) => super::checked(token.reveal())?,
            None => {
                let (found, other) = self.tokens().await?;
                other.or(found).map(|(token, _)| token).ok_or_else(|| {
                    Error::new(Kind::SignedOut, "no token was given, and none is stored")
                        .remedy(format!("make one at {}/settings/tokens", self.endpoint))
                })?
            }
        };
        let user = self.user(&token, None).await?;
        let (account, endpoint) = (self.account.clone(), self.endpoint.clone());
        let at = blocking(move || account.sign_in(&endpoint, &token)).await?;
        tracing::info!(endpoint = self.endpoint, user = user.name, "signed in");
        Ok((user.name, at))
    }

    /// As [`SignIn::sign_in`], in the words of clients.
    ///
    /// # Errors
    /// The same.
    pub async fn enter(&self, token: Option<&Secret>) -> Result<(TokenAt, HubAccount)> {
        let (_, at) = self.sign_in(token).await?;
        Ok((at.told(), self.look().await?))
    }

    /// Forgets the token that was kept. Answers whether there was one.
    ///
    /// # Errors
    /// What writing a file fails with.
    pub async fn sign_out(&self) -> Result<bool> {
        let (account, endpoint) = (self.account.clone(), self.endpoint.clone());
        let was = blocking(move || account.sign_out(&endpoint)).await?;
        tracing::info!(endpoint = self.endpoint, was, "signed out");
        Ok(was)
    }

    /// A page of the buckets that the account can see.
    ///
    /// # Errors
    /// `SignedOut` if nobody is signed in, `Invalid` for a page of no such list, `Denied`, `Offline`.
    pub async fn buckets(&self, page: Option<&str>) -> Result<Buckets> {
        let (found, _) = self.tokens().await?;
        let (token, at) = found.ok_or_else(|| {
            Error::new(Kind::SignedOut, "nobody is signed in")
                .remedy("sign in: `lacuna login hf`")
                .at(&self.endpoint)
        })?;
        let known = page.and_then(|_| self.lister().clone()).filter(|(whose, _)| *whose == token);
        let user = match known {
            Some((_, user)) => user,
            None => self.user(&token, Some(&at)).await?,
        };
        *self.lister() = Some((token.clone(), user.clone()));
        let access = Access::new(&self.endpoint, Some(token));
        let hf::Page { buckets, hidden, next } = hf::buckets(&access, &user, page).await?;
        Ok(Buckets { buckets, hidden, next })
    }

    fn lister(&self) -> std::sync::MutexGuard<'_, Option<(String, hf::User)>> {
        self.lister.lock().unwrap_or_else(|e| e.into_inner())
    }
}
