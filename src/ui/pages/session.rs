//! `/theme`

use actix_web::http::header::{HeaderValue, SET_COOKIE};

use crate::ui::html::frame::Theme;
use crate::ui::pages::respond::{PageResult, local_path, see};
use crate::ui::pages::viewer::{THEME, Viewer};

/// Seconds for which the choice of colours is stored.
const THEME_LIFE_S: u32 = 365 * 86_400;

/// Stores the chosen colours in the browser.
pub async fn theme(viewer: Viewer) -> PageResult {
    let word = viewer.query("to").unwrap_or_default();
    let theme = Theme::from_word(&word).unwrap_or_default().word();
    let back = viewer.query("back").unwrap_or_default();
    let mut response = see(local_path(&back))?;
    let cookie = format!("{THEME}={theme}; Path=/; Max-Age={THEME_LIFE_S}; SameSite=Lax; HttpOnly");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    Ok(response)
}
