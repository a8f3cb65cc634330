//! The phases of probes as stacked bars.

use maud::{Markup, html};

use crate::ui::html::text;

/// Names of the phases in their order.
pub const NAMES: [&str; 5] = ["resolve", "connect", "TLS", "processing", "transfer"];

/// Width of the image.
const WIDTH: f64 = 240.0;

/// One bar; `whole_ms` is its full width.
pub fn bar(phases_ms: &[f64; 5], whole_ms: f64) -> Markup {
    let scale = if whole_ms > 0.0 { WIDTH / whole_ms } else { 0.0 };
    let mut x = 0.0;
    html! {
        svg.phases viewBox={ "0 0 " (WIDTH) " 10" } preserveAspectRatio="none" role="img"
            aria-label=(label(phases_ms)) {
            @for (nth, ms) in phases_ms.iter().enumerate() {
                @let width = ms * scale;
                @if width >= 0.5 {
                    rect class={ "p-" (nth + 1) } x=(format!("{x:.1}")) y="0"
                        width=(format!("{:.1}", (width - 0.6_f64).max(0.4))) height="10" {}
                }
                ({ x += width; "" })
            }
        }
    }
}

fn label(phases_ms: &[f64; 5]) -> String {
    let parts = NAMES.iter().zip(phases_ms).filter(|(_, ms)| **ms > 0.0);
    let parts: Vec<_> = parts.map(|(name, ms)| format!("{name} {}", text::response(*ms))).collect();
    if parts.is_empty() { "no phases".to_owned() } else { parts.join(", ") }
}

/// The legend with the mean of each phase.
pub fn legend(phases_ms: &[f64; 5]) -> Markup {
    html! {
        ul.legend {
            @for (nth, (name, ms)) in NAMES.iter().zip(phases_ms).enumerate() {
                li {
                    svg aria-hidden="true" viewBox="0 0 24 12" {
                        rect class={ "p-" (nth + 1) } width="12" height="12" rx="2" x="6" {}
                    }
                    (name) " " b { (text::response(*ms)) }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_has_the_phases_in_order_and_fills_its_share() {
        let bar = bar(&[10.0, 0.0, 20.0, 60.0, 10.0], 200.0).into_string();
        for (class, x) in [("p-1", "0.0"), ("p-3", "12.0"), ("p-4", "36.0"), ("p-5", "108.0")] {
            assert!(bar.contains(&format!("<rect class=\"{class}\" x=\"{x}\"")), "{class}: {bar}");
        }
        assert!(!bar.contains("p-2"), "a phase without time has no piece");
        assert!(bar.contains("aria-label=\"resolve 10 ms, TLS 20 ms, processing 60 ms, transfer"));
        assert!(!super::bar(&[0.0; 5], 0.0).into_string().contains("<rect"));
    }
}
