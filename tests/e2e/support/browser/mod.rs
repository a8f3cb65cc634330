//! A real browser: Chromium without a window, each with a profile of its own.
//!
//! [`browse`] runs a journey through the pages and then fails if the console shows anything, which
//! includes violations of the content security policy and requests to other hosts.
//! [`Browser::check`] runs axe-core on the page.

mod accessibility;
mod driver;
mod emulation;
mod finding;
mod pages;
mod relay;
mod webdriver;

use std::cell::RefCell;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{App, wait_for, wait_until};
pub use emulation::Scheme;

use driver::{Driver, Permit};
use webdriver::Session;

pub use relay::Relay;

/// Keys without a character (W3C WebDriver, section 17.4.2).
pub mod key {
    pub const BACKSPACE: &str = "\u{E003}";
    pub const TAB: &str = "\u{E004}";
    pub const ENTER: &str = "\u{E007}";
    pub const ESCAPE: &str = "\u{E00C}";
}

/// Starts a browser for the pages of `app`, runs `journey`, and checks page and console.
pub fn browse<T>(app: &App, journey: impl FnOnce(&Browser) -> T) -> T {
    browse_at(app.address(), journey)
}

/// As [`browse`], for the pages at this host and port.
pub fn browse_at<T>(address: &str, journey: impl FnOnce(&Browser) -> T) -> T {
    let browser = Browser::start(address);
    let result = journey(&browser);
    browser.check();
    result
}

/// A browser at one host.
pub struct Browser {
    session: Session,
    /// `http://` and the address of the pages.
    origin: String,
    /// Texts of console entries that the journey provokes.
    expected: RefCell<Vec<String>>,
    profile: TempDir,
    _permit: Permit,
}

impl Browser {
    fn start(address: &str) -> Self {
        let driver = Driver::shared();
        let permit = driver.permit();
        let profile = tempfile::tempdir_in(&driver.folder).unwrap();
        let mut arguments = vec![
            "--headless".to_owned(),
            "--window-size=1440,1000".to_owned(),
            format!("--user-data-dir={}", profile.path().display()),
            // A request to another host fails, and the console shows that.
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"
                .to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--disable-gpu".to_owned(),
            "--no-first-run".to_owned(),
        ];
        if rustix::process::geteuid().is_root() {
            // Chromium's sandbox refuses root.
            arguments.push("--no-sandbox".to_owned());
        }
        let preferences = json!({
            "intl.accept_languages": "en-GB",
            "credentials_enable_service": false,
        });
        let session = Session::start(&driver.url, &arguments, &preferences);
        let origin = format!("http://{address}");
        let expected = RefCell::default();
        let browser = Self { session, origin, expected, profile, _permit: permit };
        browser.emulate_scheme(Scheme::Light);
        browser
    }

    /// Opens the page at `path` and waits until it is loaded.
    #[track_caller]
    pub fn visit(&self, path: &str) {
        self.visit_elsewhere(&format!("{}{path}", self.origin));
    }

    /// Opens a page of any host.
    #[track_caller]
    pub fn visit_elsewhere(&self, url: &str) {
        self.session.post("url", &json!({"url": url}));
    }

    /// The folder of the profile.
    pub fn profile(&self) -> &Path {
        self.profile.path()
    }

    #[track_caller]
    pub fn reload(&self) {
        self.session.post("refresh", &json!({}));
    }

    /// Goes back in the history.
    #[track_caller]
    pub fn back(&self) {
        self.session.post("back", &json!({}));
    }

    /// Path and query of the page.
    #[track_caller]
    pub fn path(&self) -> String {
        let url = self.session.get("url");
        let url = url.as_str().unwrap();
        url.strip_prefix(&self.origin).unwrap_or(url).to_owned()
    }

    #[track_caller]
    pub fn title(&self) -> String {
        self.session.get("title").as_str().unwrap().to_owned()
    }

    /// Waits until path and query of the page are these.
    #[track_caller]
    pub fn wait_for_path(&self, path: &str) {
        wait_until(&format!("the page {path}"), || self.path() == path);
    }

    /// The result of the body of a function in the page.
    #[track_caller]
    pub fn run(&self, script: &str, arguments: &[Value]) -> Value {
        self.session.run(script, arguments)
    }

    /// Types keys to the focused element, one after another.
    #[track_caller]
    pub fn press(&self, keys: &[&str]) {
        self.session.press(keys);
    }

    /// Permits console entries with this text, which the journey provokes.
    pub fn expect_in_console(&self, text: &str) {
        self.expected.borrow_mut().push(text.to_owned());
    }

    /// The page as PNG, as high as the window.
    pub fn screenshot(&self) -> Vec<u8> {
        use base64::prelude::{BASE64_STANDARD, Engine};
        let picture = self.session.get("screenshot");
        BASE64_STANDARD.decode(picture.as_str().unwrap()).unwrap()
    }

    /// Fails when the console has shown anything that is not expected, or when axe-core finds a
    /// fault of the page.
    #[track_caller]
    pub fn check(&self) {
        let faults = self.console_faults();
        assert!(faults.is_empty(), "console of {}:\n{}", self.path(), faults.join("\n"));
        let faults = self.accessibility_faults();
        assert!(faults.is_empty(), "axe-core on {}:\n{}", self.path(), faults.join("\n"));
    }

    /// Entries of the console since the last call, but for the expected ones, and for hints that a
    /// console hides by default.
    pub fn console_faults(&self) -> Vec<String> {
        let expected = self.expected.borrow();
        let mut entries = self.session.console();
        entries.retain(|entry| entry["level"] != "DEBUG");
        let texts = entries.iter().map(|entry| entry["message"].as_str().unwrap().to_owned());
        texts.filter(|text| !expected.iter().any(|part| text.contains(part))).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let read = |script: &str| {
                let body = json!({"script": script, "args": []});
                self.session.try_command("POST", "execute/sync", &body).unwrap_or_default()
            };
            let text = read("return location + '\\n' + document.body.innerText");
            eprintln!("--- the page ---\n{}", text.as_str().unwrap_or("gone"));
        }
    }
}
