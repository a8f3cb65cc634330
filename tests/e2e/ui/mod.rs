//! Pages of the dashboard, over HTTP and in a real browser.

mod alerts;
mod appearance;
mod checks;
mod cut_off;
mod forms;
mod installation;
mod keyboard;
mod live;
mod login;
mod pages;
mod screenshots;
mod services;
mod without_scripts;
