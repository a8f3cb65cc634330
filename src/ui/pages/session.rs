//! `/login`, `/logout` and `/theme`.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, SET_COOKIE};

use crate::api::access::sessions;
use crate::ui::html::field::Form;
use crate::ui::html::frame::{Section, Theme};
use crate::ui::html::login;
use crate::ui::pages::forms;
use crate::ui::pages::respond::{PageResult, html, local_path, see};
use crate::ui::pages::viewer::{THEME, Viewer};

/// Seconds for which the choice of colours is stored.
const THEME_LIFE_S: u32 = 365 * 86_400;

/// The form for a token.
pub async fn login(viewer: Viewer) -> PageResult {
    let back = viewer.query("back").unwrap_or_default();
    show(&viewer, StatusCode::OK, &Form::default(), local_path(&back))
}

/// Begins a session with the token of the form.
pub async fn sign_in(mut viewer: Viewer) -> PageResult {
    let values = forms::values(viewer.form().await?);
    let back = local_path(values.get("back").map_or("/", String::as_str)).to_owned();
    let token = forms::filled(&values, "token").unwrap_or_default();
    match sessions::begin(&viewer.api, &viewer.request, token, false).await {
        Ok((_, _, cookie)) => {
            let mut response = see(&back)?;
            add_cookie(&mut response, &cookie.to_string());
            Ok(response)
        }
        Err(error) => {
            let form = Form { problems: error.errors().to_vec(), ..Form::default() };
            show(&viewer, error.status(), &form, &back)
        }
    }
}

/// Ends the session.
pub async fn sign_out(viewer: Viewer) -> PageResult {
    let cookies = sessions::end(&viewer.api, &viewer.caller(), &viewer.request).await?;
    let mut response = see("/login")?;
    for cookie in &cookies {
        add_cookie(&mut response, &cookie.to_string());
    }
    Ok(response)
}

fn show(viewer: &Viewer, status: StatusCode, form: &Form, back: &str) -> PageResult {
    let frame = viewer.frame(Section::None, 0);
    Ok(html(viewer, status, login::page(&frame, form, back)))
}

fn add_cookie(response: &mut HttpResponse, cookie: &str) {
    if let Ok(cookie) = HeaderValue::from_str(cookie) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
}

/// Stores the chosen colours in the browser.
pub async fn theme(viewer: Viewer) -> PageResult {
    let word = viewer.query("to").unwrap_or_default();
    let theme = Theme::from_word(&word).unwrap_or_default().word();
    let back = viewer.query("back").unwrap_or_default();
    let mut response = see(local_path(&back))?;
    let cookie = format!("{THEME}={theme}; Path=/; Max-Age={THEME_LIFE_S}; SameSite=Lax; HttpOnly");
    add_cookie(&mut response, &cookie);
    Ok(response)
}
