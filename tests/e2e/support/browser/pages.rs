//! Services as the pages show them.

use serde_json::json;

use super::{Browser, wait_until};

/// A field of the row with this name.
const FIELD: &str = "
    const [name, field] = arguments;
    const row = [...document.querySelectorAll('tr[data-id]')]
        .find(row => row.querySelector('[data-field=name]').innerText === name);
    return row?.querySelector(`[data-field=${field}]`)?.innerText.trim();";

/// A page with rows of services.
#[derive(Clone, Copy)]
pub struct Services<'a>(&'a Browser);

/// A row of the page, whether it is shown or not.
pub struct Row<'a> {
    browser: &'a Browser,
    name: String,
}

impl Browser {
    /// Opens the first page.
    #[track_caller]
    pub fn dashboard(&self) -> Services<'_> {
        self.services("/")
    }

    /// Opens a page with rows of services.
    #[track_caller]
    pub fn services(&self, path: &str) -> Services<'_> {
        self.visit(path);
        self.shown_services()
    }

    /// The rows of the page that is open.
    pub fn shown_services(&self) -> Services<'_> {
        Services(self)
    }

    /// How many services are in this state, as the page says.
    #[track_caller]
    pub fn services_in(&self, state: &str) -> u64 {
        let text = self.text(&format!("[data-count={state}]")).replace(',', "");
        text.parse().unwrap_or_else(|_| panic!("{state}: {text:?} is no number"))
    }

    /// Waits until the page says that this many services are in this state.
    #[track_caller]
    pub fn wait_for_services_in(&self, state: &str, count: u64) {
        wait_until(&format!("{count} services {state}"), || self.services_in(state) == count);
    }
}

impl<'a> Services<'a> {
    pub fn row(&self, name: &str) -> Row<'a> {
        Row { browser: self.0, name: name.to_owned() }
    }

    /// The names in the order of the rows.
    #[track_caller]
    pub fn names(&self) -> Vec<String> {
        self.0.texts("tr[data-id] [data-field=name]")
    }
}

impl Row<'_> {
    /// The word of its state; empty when the row is not shown.
    #[track_caller]
    pub fn state(&self) -> String {
        self.field("state")
    }

    /// Why it is down.
    #[track_caller]
    pub fn reason(&self) -> String {
        self.field("reason")
    }

    #[track_caller]
    fn field(&self, field: &str) -> String {
        let text = self.browser.run(FIELD, &[json!(self.name), json!(field)]);
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the row is shown with this state.
    #[track_caller]
    pub fn wait_for_state(&self, state: &str) {
        wait_until(&format!("the row {} to be {state}", self.name), || self.state() == state);
    }

    /// Opens the page of the service.
    #[track_caller]
    pub fn open(&self) {
        self.browser.click(&self.name);
    }
}
