//! A window driven by WebDriver (W3C), through `tauri-driver` and WebKit's own driver.

use std::time::Duration;

use serde_json::{Value, json};

use crate::session::{PATIENCE, Running, Session, tool, until};

/// The key of an element's reference in the protocol.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// The app with its window, under a driver.
pub struct Window {
    runtime: tokio::runtime::Runtime,
    http: reqwest::Client,
    session: String,
    _driver: Running,
}

/// Two ports that nobody listens at. They may be taken before they are used; then the driver fails and says so.
fn ports() -> (u16, u16) {
    let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (a, b) = (free(), free());
    (a.local_addr().unwrap().port(), b.local_addr().unwrap().port())
}

impl Window {
    /// Starts the app under a driver.
    pub fn open(session: &Session) -> Window {
        let (port, native) = ports();
        let driver = session.driver(
            &tool("LACUNA_TAURI_DRIVER"),
            &[
                "--port",
                &port.to_string(),
                "--native-port",
                &native.to_string(),
                "--native-driver",
                "/usr/bin/WebKitWebDriver",
            ],
        );
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        // No proxy of the environment is asked: the driver is here.
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        let base = format!("http://127.0.0.1:{port}/session");
        let app = session.at("bin/lacuna-desktop");
        let body = json!({"capabilities": {"alwaysMatch": {"tauri:options": {"application": app}}}});
        let reply = until("the driver", || {
            runtime.block_on(async {
                http.post(&base).json(&body).send().await.ok()?.json::<Value>().await.ok()
            })
        });
        let id = reply["value"]["sessionId"].as_str().unwrap_or_else(|| panic!("no session: {reply}"));
        Window { session: format!("{base}/{id}"), runtime, http, _driver: driver }
    }

    fn ask(&self, request: reqwest::RequestBuilder) -> Result<Value, Value> {
        self.runtime.block_on(async {
            let reply = request.send().await.map_err(|e| json!(e.to_string()))?;
            let good = reply.status().is_success();
            let value = reply.json::<Value>().await.map_err(|e| json!(e.to_string()))?["value"].take();
            if good { Ok(value) } else { Err(value) }
        })
    }

    fn post(&self, path: &str, body: &Value) -> Result<Value, Value> {
        self.ask(self.http.post(format!("{}/{path}", self.session)).json(body))
    }

    fn get(&self, path: &str) -> Result<Value, Value> {
        self.ask(self.http.get(format!("{}/{path}", self.session)))
    }

    fn find(&self, xpath: &str) -> Option<String> {
        let found = self.post("element", &json!({"using": "xpath", "value": xpath})).ok()?;
        Some(found[ELEMENT].as_str()?.to_owned())
    }

    /// Waits for an element that can be seen.
    #[track_caller]
    pub fn until_shown(&self, xpath: &str) -> String {
        until(xpath, || {
            let id = self.find(xpath)?;
            (self.get(&format!("element/{id}/displayed")).ok()? == true).then_some(id)
        })
    }

    /// Waits until an element can be clicked, and clicks it.
    #[track_caller]
    pub fn click(&self, xpath: &str) {
        until(&format!("a click on {xpath}"), || {
            let id = self.find(xpath)?;
            self.post(&format!("element/{id}/click"), &json!({})).ok()
        });
    }

    /// Puts a text into a field in place of what is in it.
    #[track_caller]
    pub fn fill(&self, xpath: &str, text: &str) {
        let id = self.until_shown(xpath);
        self.post(&format!("element/{id}/clear"), &json!({})).unwrap();
        self.post(&format!("element/{id}/value"), &json!({"text": text})).unwrap();
    }

    /// All text of the page.
    pub fn text(&self) -> String {
        let body = self.find("/html/body").unwrap_or_default();
        let text = self.get(&format!("element/{body}/text")).unwrap_or_default();
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the page's text has a part in it.
    #[track_caller]
    pub fn until_says(&self, part: &str) {
        until(&format!("the page says {part:?}"), || self.text().contains(part).then_some(()));
    }

    /// Calls a command of the app as the page does; what it answers or how it fails.
    pub fn invoke(&self, command: &str, args: &Value) -> Result<Value, Value> {
        let script = "const [command, args, done] = arguments; \
                      window.__TAURI_INTERNALS__.invoke(command, args).then(\
                      (value) => done({ value: value ?? null }), (error) => done({ error }));";
        let reply = self.post("execute/async", &json!({"script": script, "args": [command, args]}))?;
        match reply.get("error") {
            Some(error) => Err(error.clone()),
            None => Ok(reply["value"].clone()),
        }
    }

    /// Runs a script in the page.
    pub fn execute(&self, script: &str) -> Result<Value, Value> {
        self.post("execute/sync", &json!({"script": script, "args": []}))
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // The driver ends the app.
        let request = self.http.delete(&self.session).timeout(Duration::from_secs(10));
        let _ = self.ask(request);
    }
}
