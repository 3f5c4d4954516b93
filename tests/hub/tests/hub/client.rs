//! A client that only speaks HTTP.

use lacuna_test_hub::Hub;
use reqwest::{Method, RequestBuilder, Response, StatusCode, redirect::Policy};
use serde_json::Value;

pub struct Client {
    http: reqwest::Client,
    endpoint: String,
    token: Option<String>,
}

impl Client {
    /// With the Hub's own token.
    pub fn new(hub: &Hub) -> Client {
        Client::with(hub, Some(hub.token()))
    }

    /// With any token or none.
    pub fn with(hub: &Hub, token: Option<&str>) -> Client {
        Client::at(hub.endpoint(), token)
    }

    /// At another address than the Hub's own.
    pub fn at(endpoint: &str, token: Option<&str>) -> Client {
        let http = reqwest::Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
        Client { http, endpoint: endpoint.to_owned(), token: token.map(str::to_owned) }
    }

    /// A request to a path, or to a whole address.
    pub fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.endpoint) };
        let request = self.http.request(method, url);
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub async fn get(&self, path: &str) -> Response {
        self.ask(Method::GET, path).send().await.unwrap()
    }

    pub async fn head(&self, path: &str) -> Response {
        self.ask(Method::HEAD, path).send().await.unwrap()
    }

    pub async fn post(&self, path: &str, body: impl Into<String>) -> Response {
        self.ask(Method::POST, path).body(body.into()).send().await.unwrap()
    }

    /// The status and the JSON of what is there.
    pub async fn json(&self, path: &str) -> (StatusCode, Value) {
        both(self.get(path).await).await
    }

    /// Sends a batch: the status and the answer.
    pub async fn batch(&self, bucket: &str, operations: &[Value]) -> (StatusCode, Value) {
        let lines: String = operations.iter().map(|operation| format!("{operation}\n")).collect();
        both(self.post(&format!("/api/buckets/{bucket}/batch"), lines).await).await
    }

    /// All rows of a listing, by its pages, and how many these were.
    pub async fn rows(&self, path: &str) -> (Vec<Value>, usize) {
        let (mut rows, mut pages, mut next) = (Vec::new(), 0, Some(path.to_owned()));
        while let Some(path) = next {
            let response = self.get(&path).await;
            assert_eq!(response.status(), 200, "{path}");
            let link = header(&response, "link");
            next = link.map(|link| {
                let url = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\""));
                url.unwrap_or_else(|| panic!("{link}")).to_owned()
            });
            rows.extend(response.json::<Vec<Value>>().await.unwrap());
            pages += 1;
        }
        (rows, pages)
    }
}

async fn both(response: Response) -> (StatusCode, Value) {
    let status = response.status();
    (status, response.json().await.unwrap_or(Value::Null))
}

/// A header of an answer.
pub fn header(response: &Response, name: &str) -> Option<String> {
    response.headers().get(name).map(|value| value.to_str().unwrap().to_owned())
}

/// The paths of rows, folders with a slash.
pub fn paths(rows: &[Value]) -> Vec<String> {
    let show = |row: &Value| {
        let slash = if row["type"] == "directory" { "/" } else { "" };
        format!("{}{slash}", row["path"].as_str().unwrap())
    };
    rows.iter().map(show).collect()
}
