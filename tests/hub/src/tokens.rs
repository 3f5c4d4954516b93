//! Who may do what: users' tokens for the API, short-lived ones for the CAS. Pure; times come from outside.

use std::collections::HashMap;

/// What a user's token allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The user, which is also the namespace.
    pub name: String,
    /// Whether the token may change anything.
    pub writes: bool,
    /// The organisations that the user belongs to; their namespaces are theirs as well.
    pub orgs: Vec<String>,
    /// Of these those whose buckets the token may not list.
    pub hidden: Vec<String>,
}

impl Account {
    /// Whether an id is in a namespace of the user's.
    pub fn owns(&self, id: &str) -> bool {
        let namespace = id.split('/').next().unwrap_or_default();
        namespace == self.name || self.orgs.iter().any(|org| org == namespace)
    }
}

/// What a CAS token allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// What it was issued for, for example `buckets/ada/x`.
    pub scope: String,
    /// Whether it may upload; reading it may in any case.
    pub writes: bool,
    /// Seconds since 1970.
    pub expires: u64,
}

/// All tokens.
pub struct Tokens {
    accounts: HashMap<String, Account>,
    grants: HashMap<String, Grant>,
    /// How long a CAS token is good, in seconds.
    pub life: u64,
}

impl Default for Tokens {
    fn default() -> Self {
        Tokens { accounts: HashMap::new(), grants: HashMap::new(), life: 3600 }
    }
}

fn random() -> String {
    format!("{:032x}", rand::random::<u128>())
}

impl Tokens {
    /// A new token of a user.
    pub fn account(&mut self, name: &str, writes: bool) -> String {
        let token = format!("hf_{}", random());
        let account = Account { name: name.to_owned(), writes, orgs: Vec::new(), hidden: Vec::new() };
        self.accounts.insert(token.clone(), account);
        token
    }

    /// Makes a token's user a member of an organisation, whose buckets the token may list or not.
    pub fn join(&mut self, token: &str, org: &str, lists: bool) -> bool {
        let Some(account) = self.accounts.get_mut(token) else { return false };
        account.orgs.push(org.to_owned());
        if !lists {
            account.hidden.push(org.to_owned());
        }
        true
    }

    /// Takes a user's token back; false if there is none.
    pub fn revoke(&mut self, token: &str) -> bool {
        self.accounts.remove(token).is_some()
    }

    /// Whose token it is.
    pub fn who(&self, token: &str) -> Option<&Account> {
        self.accounts.get(token)
    }

    /// A new token for the CAS, and when it expires.
    pub fn grant(&mut self, scope: String, writes: bool, now: u64) -> (String, u64) {
        let (token, expires) = (format!("xet_{}", random()), now + self.life);
        self.grants.insert(token.clone(), Grant { scope, writes, expires });
        (token, expires)
    }

    /// Lets all CAS tokens expire.
    pub fn expire_grants(&mut self) {
        self.grants.values_mut().for_each(|grant| grant.expires = 0);
    }

    /// Takes all CAS tokens back.
    pub fn revoke_grants(&mut self) {
        self.grants.clear();
    }

    /// Whether a token lets its bearer use the CAS: `Err` is the status of the refusal.
    pub fn allows(&self, token: Option<&str>, writing: bool, now: u64) -> Result<(), u16> {
        let grant = token.and_then(|token| self.grants.get(token)).ok_or(401_u16)?;
        if grant.expires <= now {
            return Err(401);
        }
        if writing && !grant.writes { Err(403) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cas_token_is_good_for_its_scope_and_time() {
        let mut tokens = Tokens::default();
        let (read, expires) = tokens.grant("buckets/n/x".into(), false, 100);
        let (write, _) = tokens.grant("buckets/n/x".into(), true, 100);
        assert_eq!(expires, 3700);
        let allows = |tokens: &Tokens, token: &str, writing, now| tokens.allows(Some(token), writing, now);
        assert_eq!(allows(&tokens, &read, false, 3699), Ok(()));
        assert_eq!(allows(&tokens, &read, true, 200), Err(403));
        assert_eq!(allows(&tokens, &write, true, 200), Ok(()));
        assert_eq!(allows(&tokens, &write, false, 3700), Err(401));
        assert_eq!(allows(&tokens, "other", false, 200), Err(401));
        assert_eq!(tokens.allows(None, false, 200), Err(401));
        tokens.expire_grants();
        assert_eq!(allows(&tokens, &write, true, 200), Err(401));
    }

    #[test]
    fn a_users_token_is_good_until_it_is_revoked() {
        let mut tokens = Tokens::default();
        let token = tokens.account("ada", true);
        assert_eq!(tokens.who(&token).map(|account| account.name.as_str()), Some("ada"));
        assert!(tokens.revoke(&token) && !tokens.revoke(&token));
        assert_eq!(tokens.who(&token), None);
    }
}
