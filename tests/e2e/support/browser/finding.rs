//! Elements as a visitor finds them: by the text, by the label.

use serde_json::{Value, json};

use super::webdriver::ELEMENT;
use super::{Browser, wait_for, wait_until};

/// The visible links, buttons and summaries with this text or name.
const CONTROL: &str = "
    const [text] = arguments;
    const named = element => [element.innerText, element.getAttribute('aria-label'), element.value]
        .some(name => name?.trim() === text);
    return [...document.querySelectorAll('a[href], button, summary, input[type=submit]')]
        .find(element => element.checkVisibility({visibilityProperty: true}) && named(element));";

/// The field with this label; help within the label does not count.
const FIELD: &str = "
    const [text] = arguments;
    const own = label => [...label.childNodes]
        .filter(node => node.nodeType === Node.TEXT_NODE).map(node => node.data).join('').trim();
    return [...document.querySelectorAll('label')].find(label => own(label) === text)?.control;";

/// The choice with this text of the field with this label.
const CHOICE: &str = "
    const [label, text] = JSON.parse(arguments[0]);
    const own = label => [...label.childNodes]
        .filter(node => node.nodeType === Node.TEXT_NODE).map(node => node.data).join('').trim();
    const field = [...document.querySelectorAll('label')].find(one => own(one) === label)?.control;
    return [...(field?.options ?? [])].find(option => option.text.trim() === text);";

impl Browser {
    /// The visible text of the page.
    #[track_caller]
    pub fn page_text(&self) -> String {
        self.text("body")
    }

    /// The visible text of the first element that `selector` selects; empty when there is none.
    #[track_caller]
    pub fn text(&self, selector: &str) -> String {
        let script = "return document.querySelector(arguments[0])?.innerText ?? ''";
        self.run(script, &[json!(selector)]).as_str().unwrap().trim().to_owned()
    }

    /// The visible texts of all elements that `selector` selects.
    #[track_caller]
    pub fn texts(&self, selector: &str) -> Vec<String> {
        let script =
            "return [...document.querySelectorAll(arguments[0])].map(e => e.innerText ?? '')";
        let texts = self.run(script, &[json!(selector)]);
        texts
            .as_array()
            .unwrap()
            .iter()
            .map(|text| text.as_str().unwrap().trim().to_owned())
            .collect()
    }

    /// Number of elements that `selector` selects.
    #[track_caller]
    pub fn count(&self, selector: &str) -> usize {
        self.texts(selector).len()
    }

    /// Whether the first element that `selector` selects can be seen.
    #[track_caller]
    pub fn is_visible(&self, selector: &str) -> bool {
        let script = "return !!document.querySelector(arguments[0])?.checkVisibility()";
        self.run(script, &[json!(selector)]) == json!(true)
    }

    /// Whether `selector` selects an element.
    #[track_caller]
    pub fn has(&self, selector: &str) -> bool {
        self.count(selector) > 0
    }

    /// An attribute of the first element that `selector` selects; empty when absent.
    #[track_caller]
    pub fn attribute(&self, selector: &str, name: &str) -> String {
        let script =
            "return document.querySelector(arguments[0])?.getAttribute(arguments[1]) ?? ''";
        self.run(script, &[json!(selector), json!(name)]).as_str().unwrap().to_owned()
    }

    /// Waits until the page shows `text`.
    #[track_caller]
    pub fn wait_for_text(&self, text: &str) {
        wait_until(&format!("{text:?} on the page"), || self.page_text().contains(text));
    }

    /// Loads the page again until it shows `text`: not every page has a stream.
    #[track_caller]
    pub fn reload_until_text(&self, text: &str) {
        wait_until(&format!("{text:?} on the page"), || {
            self.reload();
            self.page_text().contains(text)
        });
    }

    /// Clicks the link or button with this text or name, as soon as there is one.
    #[track_caller]
    pub fn click(&self, text: &str) {
        let control = self.wait_for_element(&format!("the control {text:?}"), CONTROL, text);
        self.click_element(&control);
    }

    /// Clicks the first element that `selector` selects.
    #[track_caller]
    pub fn click_on(&self, selector: &str) {
        let script = "return document.querySelector(arguments[0])";
        let element = self.wait_for_element(selector, script, selector);
        self.click_element(&element);
    }

    /// Replaces the text of the field with this label.
    #[track_caller]
    pub fn fill(&self, label: &str, text: &str) {
        let field = self.wait_for_element(&format!("the field {label:?}"), FIELD, label);
        self.session.post(&format!("element/{field}/clear"), &json!({}));
        self.session.post(&format!("element/{field}/value"), &json!({"text": text}));
    }

    /// Chooses the option with this text of the field with this label.
    #[track_caller]
    pub fn choose(&self, label: &str, option: &str) {
        let both = json!([label, option]).to_string();
        let choice = self.wait_for_element(&format!("{option:?} of {label:?}"), CHOICE, &both);
        self.click_element(&choice);
    }

    /// The text of the field with this label.
    #[track_caller]
    pub fn value_of(&self, label: &str) -> String {
        let field = self.wait_for_element(&format!("the field {label:?}"), FIELD, label);
        let value = self.run("return arguments[0].value", &[json!({ELEMENT: field})]);
        value.as_str().unwrap().to_owned()
    }

    #[track_caller]
    fn click_element(&self, id: &str) {
        // Where the header does not cover it.
        let script = "arguments[0].scrollIntoView({block: 'center'})";
        self.run(script, &[json!({ELEMENT: id})]);
        self.session.post(&format!("element/{id}/click"), &json!({}));
    }

    /// The id of the element that `script` returns for `argument`.
    #[track_caller]
    fn wait_for_element(&self, what: &str, script: &str, argument: &str) -> String {
        wait_for(what, || {
            let found: Value = self.run(script, &[json!(argument)]);
            Some(found[ELEMENT].as_str()?.to_owned())
        })
    }
}
