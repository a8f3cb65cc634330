//! The commands of WebDriver that the tests use, over the HTTP client that the tests have anyway.
//! docs/design/dependencies.md says why no crate does this.

use std::time::Duration;

use serde_json::{Value, json};

/// Longest wait for an answer of chromedriver: longer than the limits of a session.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(180);

/// Limit of a script and of the loading of a page.
const PAGE_TIMEOUT: Duration = Duration::from_secs(120);

/// Attempts to start a browser: on a busy machine, the driver can give one up.
const STARTS: usize = 3;

/// The key of an element's id in JSON (W3C WebDriver, section 12).
pub const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser, driven over HTTP; ended on drop.
pub struct Session {
    agent: ureq::Agent,
    url: String,
}

impl Session {
    /// Starts a browser with these arguments and preferences.
    pub fn start(driver: &str, arguments: &[String], preferences: &Value) -> Self {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(COMMAND_TIMEOUT))
            .build()
            .into();
        let milliseconds = PAGE_TIMEOUT.as_millis();
        let body = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "unhandledPromptBehavior": "ignore",
            "timeouts": {"script": milliseconds, "pageLoad": milliseconds},
            "goog:loggingPrefs": {"browser": "ALL"},
            "goog:chromeOptions": {"args": arguments, "prefs": preferences},
        }}});
        let mut errors = String::new();
        for _ in 0..STARTS {
            match send(&agent, "POST", &format!("{driver}/session"), &body) {
                Ok(started) => {
                    let id = started["sessionId"].as_str().unwrap();
                    return Self { agent, url: format!("{driver}/session/{id}") };
                }
                Err(error) => errors = error,
            }
        }
        panic!("no browser: {errors}; `tests/needs.sh browser` installs it");
    }

    /// Sends a command; returns its value.
    pub fn try_command(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        send(&self.agent, method, &format!("{}/{path}", self.url), body)
    }

    /// Sends a command that must succeed.
    #[track_caller]
    pub fn post(&self, path: &str, body: &Value) -> Value {
        self.try_command("POST", path, body).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Reads a value.
    #[track_caller]
    pub fn get(&self, path: &str) -> Value {
        let read = self.try_command("GET", path, &Value::Null);
        read.unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Runs the body of a function in the page, whatever its policy; returns its result.
    #[track_caller]
    pub fn run(&self, script: &str, arguments: &[Value]) -> Value {
        self.post("execute/sync", &json!({"script": script, "args": arguments}))
    }

    /// As [`run`](Self::run); the last argument of the function is called with the result.
    #[track_caller]
    pub fn run_async(&self, script: &str, arguments: &[Value]) -> Value {
        self.post("execute/async", &json!({"script": script, "args": arguments}))
    }

    /// Sends a command of the DevTools protocol.
    #[track_caller]
    pub fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.post("goog/cdp/execute", &json!({"cmd": command, "params": parameters}))
    }

    /// Presses and releases keys, one after another.
    #[track_caller]
    pub fn press(&self, keys: &[&str]) {
        let both = |key: &&str| {
            [json!({"type": "keyDown", "value": key}), json!({"type": "keyUp", "value": key})]
        };
        let actions: Vec<Value> = keys.iter().flat_map(both).collect();
        self.post("actions", &json!({"actions": [{"type": "key", "id": "k", "actions": actions}]}));
    }

    /// What the console has shown since the last call.
    pub fn console(&self) -> Vec<Value> {
        let log = self.post("se/log", &json!({"type": "browser"}));
        log.as_array().cloned().unwrap_or_default()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // The driver's script ends what is left.
        let _ = send(&self.agent, "DELETE", &self.url, &Value::Null);
    }
}

/// The `value` of the answer, or error and message.
fn send(agent: &ureq::Agent, method: &str, url: &str, body: &Value) -> Result<Value, String> {
    let text = if body.is_null() { String::new() } else { body.to_string() };
    let request = http::Request::builder()
        .method(method)
        .uri(url)
        .header("content-type", "application/json")
        .body(text)
        .unwrap();
    let mut response = agent.run(request).map_err(|error| error.to_string())?;
    let status = response.status();
    let text = response.body_mut().with_config().limit(64 * 1024 * 1024).read_to_string();
    let text = text.map_err(|error| error.to_string())?;
    let mut answer: Value = serde_json::from_str(&text).map_err(|_| text.clone())?;
    let value = answer["value"].take();
    if status.is_success() {
        return Ok(value);
    }
    let part = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
    Err(format!("{}: {}", part("error"), part("message")))
}
