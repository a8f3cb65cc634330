//! The instances on the same store.

use maud::{Markup, html};

use crate::domain::shards::SHARDS;
use crate::ui::html::frame::Frame;
use crate::ui::html::text;

/// A living instance.
#[derive(Debug, Clone, PartialEq)]
pub struct Instance {
    pub name: String,
    pub role: &'static str,
    pub version: String,
    pub is_this: bool,
    pub shards: u64,
    /// Milliseconds since its newest commit.
    pub committed_ms_ago: Option<u64>,
}

/// The page of instances. `has_several` is whether the store may have more than one.
pub fn page(frame: &Frame, all: &[Instance], has_several: bool) -> Markup {
    let content = html! {
        div.head {
            h1 { "Instances" }
            p.muted {
                @if has_several {
                    "Programs on the same database. Each probes the services of its shards."
                } @else {
                    "The store is a file, which one program uses."
                }
            }
        }
        section.card aria-label="Instances" { (table(all)) }
    };
    frame.page("Instances", &content)
}

/// Rounded, so that the shares of all are a hundred together.
fn share(shards: u64) -> String {
    format!("{:.1} %", 100.0 * shards as f64 / SHARDS as f64)
}

fn table(all: &[Instance]) -> Markup {
    html! {
        table {
            caption.vh { "Instances" }
            thead {
                tr {
                    th scope="col" { "Instance" }
                    th scope="col" { "Role" }
                    th scope="col" { "Version" }
                    th.num scope="col" { "Share of services" }
                    th.num scope="col" { "Last commit" }
                }
            }
            tbody {
                @for one in all {
                    tr {
                        th.all scope="row" {
                            (one.name)
                            @if one.is_this { " " span.sub { "this one" } }
                        }
                        td data-label="Role" { (one.role) }
                        td data-label="Version" { (one.version) }
                        td.num data-label="Share of services" {
                            @match one.shards {
                                0 => { "–" }
                                shards => { (share(shards)) }
                            }
                        }
                        td.num data-label="Last commit" {
                            @match one.committed_ms_ago {
                                Some(ms) => { (text::span(ms)) " ago" }
                                None => { "–" }
                            }
                        }
                    }
                }
            }
        }
    }
}
