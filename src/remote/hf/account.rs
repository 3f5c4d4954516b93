//! Who a token belongs to, and the buckets that its user can see.

use std::sync::Arc;

use serde::Deserialize;

use super::{
    api::{Access, Api, Call},
    place::is_word,
};
use crate::{
    control::api::Bucket,
    error::{Error, Kind, Result},
};

/// A page is filled up with the buckets of further organisations until it has so many.
const ENOUGH: usize = 100;

/// Who a token belongs to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct User {
    /// The user's name, which is also the namespace of their buckets.
    pub name: String,
    /// The organisations that they belong to; namespaces too.
    pub orgs: Vec<String>,
}

impl User {
    /// Where buckets of theirs may be, their own first. A name that is no word of an address is left out.
    fn namespaces(&self) -> Vec<&str> {
        let orgs = self.orgs.iter().filter(|org| **org != self.name);
        std::iter::once(&self.name).chain(orgs).map(String::as_str).filter(|name| is_word(name)).collect()
    }
}

/// Who is signed in with a token.
///
/// # Errors
/// `SignedOut` if the token is not good or there is none, `Offline`.
pub async fn whoami(access: &Access) -> Result<User> {
    #[derive(Deserialize)]
    struct Said {
        name: String,
        #[serde(default)]
        orgs: Vec<Org>,
    }
    #[derive(Deserialize)]
    struct Org {
        name: String,
    }
    let said: Said =
        Api::new(access.clone(), Arc::default())?.json("api/whoami-v2", &access.endpoint).await?;
    Ok(User { name: said.name, orgs: said.orgs.into_iter().map(|org| org.name).collect() })
}

/// Some of the buckets that a user can see.
pub struct Page {
    /// In the Hub's order, one namespace after the other.
    pub buckets: Vec<Bucket>,
    /// Organisations whose buckets this token may not list.
    pub hidden: Vec<String>,
    /// Where the next page is; none: there is no more.
    pub next: Option<String>,
}

/// A page of a user's buckets and those of their organisations. `page` is [`Page::next`] of the one before.
///
/// # Errors
/// `Invalid` for a page of no such list, `SignedOut`, `Denied`, `Offline`.
pub async fn buckets(access: &Access, user: &User, page: Option<&str>) -> Result<Page> {
    let api = Api::new(access.clone(), Arc::default())?;
    let namespaces = user.namespaces();
    let (mut at, mut page) = match page {
        None => (0, None),
        // A path of its own would lead the token to any route of the Hub.
        Some(page) => match namespaces.iter().position(|n| api.is_page_of(page, &listing(n))) {
            Some(at) => (at, Some(page.to_owned())),
            None => {
                return Err(Error::new(Kind::Invalid, "this is no page of the list of buckets")
                    .remedy("begin with the first page")
                    .at(page));
            }
        },
    };
    let mut found = Page { buckets: Vec::new(), hidden: Vec::new(), next: None };
    while let Some(namespace) = namespaces.get(at) {
        let path = page.take().unwrap_or_else(|| listing(namespace));
        let what = format!("the buckets of {namespace}");
        match one(&api, &path, &what).await {
            Ok((buckets, next)) => {
                found.buckets.extend(buckets);
                page = next;
            }
            // A token may be good for some namespaces only.
            Err(e) if at > 0 && matches!(e.kind(), Kind::Denied | Kind::SignedOut | Kind::NotFound) => {
                tracing::info!("not listed: {e}");
                found.hidden.push((*namespace).to_owned());
            }
            Err(e) => return Err(e),
        }
        if page.is_none() {
            at += 1;
        }
        if found.buckets.len() >= ENOUGH || page.is_some() {
            break;
        }
    }
    found.next = page.or_else(|| namespaces.get(at).and_then(|n| api.page_at(&listing(n))));
    Ok(found)
}

/// Where the buckets of a namespace are listed, relative to the endpoint.
fn listing(namespace: &str) -> String {
    format!("api/buckets/{namespace}")
}

/// One page of the Hub's, and where the next one is.
async fn one(api: &Api, path: &str, what: &str) -> Result<(Vec<Bucket>, Option<String>)> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Row {
        id: String,
        #[serde(default)]
        private: bool,
        size: Option<u64>,
        total_files: Option<u64>,
    }
    let answer = api.call(Call::get(path)).await?.ok(what)?;
    let rows: Vec<Row> = answer.json(what)?;
    let next = api.next_page(&answer);
    let bucket =
        |row: Row| Bucket { id: row.id, private: row.private, size: row.size, files: row.total_files };
    Ok((rows.into_iter().map(bucket).collect(), next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_users_own_namespace_comes_first_and_none_twice() {
        let user = User { name: "ada".into(), orgs: vec!["lab".into(), "ada".into(), "../x".into()] };
        assert_eq!(user.namespaces(), ["ada", "lab"]);
    }

    #[test]
    fn only_pages_of_the_list_are_asked_for() {
        for (endpoint, base) in [("http://hub", ""), ("http://hub/proxy/", "/proxy")] {
            let api = Api::new(Access::new(endpoint, None), Arc::default()).unwrap();
            let is = |page: &str| api.is_page_of(page, &listing("ada"));
            assert_eq!(api.page_at(&listing("ada")), Some(format!("{base}/api/buckets/ada")));
            assert!(
                is(&format!("{base}/api/buckets/ada")) && is(&format!("{base}/api/buckets/ada?cursor=x"))
            );
            for bad in ["/api/buckets/eve", "//evil/api/buckets/ada", "http://evil/api/buckets/ada", "/x", ""]
            {
                assert!(!is(bad), "{bad}");
            }
            assert!(!is(&format!("{base}/api/buckets/ada/data")));
        }
    }
}
