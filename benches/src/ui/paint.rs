//! First contentful paint in Chromium, beside that of a page with one word.

use std::time::Duration;

use serde_json::{Value, json};

use crate::figures::Turns;
use crate::table::{Row, Table};
use crate::target::Target;

#[allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "shared with the end-to-end tests, which use more of it"
)]
#[path = "../../../tests/e2e/support/browser/driver.rs"]
mod driver;
#[allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::needless_pass_by_value,
    reason = "shared with the end-to-end tests, which use more of it"
)]
#[path = "../../../tests/e2e/support/browser/webdriver.rs"]
mod webdriver;

/// Visits of each page, in turns.
const VISITS: usize = 9;

/// Goal for the median, on a quiet machine, in milliseconds.
const GOAL_MS: f64 = 100.0;

/// Longest wait for the paint of a loaded page.
const PAINT_WITHIN: Duration = Duration::from_secs(10);

/// Adds the row.
pub fn report(table: &mut Table, api: &str, target: &Target) {
    let driver = driver::Driver::shared();
    let _permit = driver.permit();
    let profile = tempfile::tempdir_in(&driver.folder).expect("a folder");
    let arguments = [
        "--headless".to_owned(),
        "--no-sandbox".to_owned(),
        "--disable-dev-shm-usage".to_owned(),
        "--window-size=1440,1000".to_owned(),
        format!("--user-data-dir={}", profile.path().display()),
    ];
    let session = webdriver::Session::start(&driver.url, &arguments, &json!({}));
    session.devtools("Network.enable", json!({}));
    session.devtools("Network.setCacheDisabled", json!({"cacheDisabled": true}));
    let (list, word) = (format!("http://{api}/services"), format!("http://{}/", target.address(0)));
    let (mut painted, mut floor) = (Turns::default(), Turns::default());
    for _ in 0..VISITS {
        floor.push(paint_ms(&session, &word));
        painted.push(paint_ms(&session, &list));
    }
    let (median, least) = (painted.median(), floor.median());
    table.row(
        Row::new(
            "first contentful paint, 50 rows, empty cache",
            format!("{median:.0} ms; a page with one word: {least:.0} ms"),
        )
        .ratio(format!("{:.2} of one word", median / least))
        .goal("< 100 ms", median < GOAL_MS)
        .spread(painted.spread(0)),
    );
}

fn paint_ms(session: &webdriver::Session, url: &str) -> f64 {
    session.post("url", &json!({"url": url}));
    let script = format!(
        "const done = arguments[0];
         const end = Date.now() + {};
         const look = () => {{
             const [paint] = performance.getEntriesByName('first-contentful-paint');
             if (paint || Date.now() > end) done(paint?.startTime ?? null);
             else setTimeout(look, 10);
         }};
         look();",
        PAINT_WITHIN.as_millis()
    );
    let painted: Value = session.run_async(&script, &[]);
    painted.as_f64().unwrap_or(f64::NAN)
}
