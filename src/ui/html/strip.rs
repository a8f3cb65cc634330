//! Strips of days and hours as images.

use maud::{Markup, html};

use crate::domain::strip::{Bar, Slot, Summary, runs, summary};
use crate::ui::html::text;

/// Size of a bar and the gap after it, and the height of the image.
const STEP: usize = 5;
const GAP: usize = 1;
const HEIGHT: usize = 28;

/// Class and height of a bar. A higher bar has more downtime.
fn look(bar: Bar) -> (&'static str, usize) {
    match bar {
        Bar::Up => ("b-up", 14),
        Bar::PartlyObserved => ("b-part", 14),
        Bar::Unobserved => ("b-none", 6),
        Bar::Planned => ("b-plan", 14),
        Bar::Down => ("b-d1", 19),
        Bar::DownMore => ("b-d2", 24),
        Bar::DownMost => ("b-d3", 28),
    }
}

/// The image of a strip: a path for each run, whose dashes are the bars.
pub fn image(slots: &[Slot], unit: &str) -> Markup {
    let width = (slots.len() * STEP).saturating_sub(GAP);
    html! {
        svg.strip viewBox={ "0 0 " (width) " " (HEIGHT) } preserveAspectRatio="none" role="img"
            aria-label=(label(&summary(slots), unit)) {
            @for run in runs(slots) {
                @let (class, height) = look(run.bar);
                @let (x, y) = (run.first * STEP, HEIGHT as f64 - height as f64 / 2.0);
                path class=(class) d={ "M" (x) " " (y) "h" (run.count * STEP - GAP) } {}
            }
        }
    }
}

/// One sentence for readers who do not see the image.
pub fn label(summary: &Summary, unit: &str) -> String {
    let Summary { slots, down, unobserved, down_ms } = *summary;
    let down = match down {
        0 => "no downtime".to_owned(),
        _ => format!("{down} with downtime, {} in all", text::span(down_ms)),
    };
    let unobserved = match unobserved {
        0 => String::new(),
        _ => format!(", {unobserved} not watched"),
    };
    format!("{slots} {unit}, {down}{unobserved}")
}

/// One letter a slot, for the script that tells the day under the pointer.
pub fn letters(slots: &[Slot]) -> String {
    let letter = |slot: &Slot| match slot.bar() {
        Bar::Up => 'u',
        Bar::PartlyObserved => 'h',
        Bar::Unobserved => 'n',
        Bar::Planned => 'p',
        Bar::Down | Bar::DownMore | Bar::DownMost => 'd',
    };
    slots.iter().map(letter).collect()
}

/// The strip of days with a line of text, and the list of the days with downtime.
pub fn days(slots: &[Slot]) -> Markup {
    let summary = summary(slots);
    let first_ms = slots.first().map_or(0, |slot| slot.from_ms);
    html! {
        div.days data-days=(letters(slots)) data-from=(first_ms) { (image(slots, "days")) }
        div.axis {
            span { (slots.len()) " days ago" }
            output data-day-text { (label(&summary, "days")) }
            span { "today, UTC" }
        }
        @if summary.down > 0 {
            details.in-days {
                summary { (text::counted(summary.down as u64, "day")) " with downtime" }
                ul {
                    @for slot in slots.iter().rev().filter(|slot| slot.totals.down_ms > 0) {
                        li data-day=(text::rfc3339(slot.from_ms)[..10]) {
                            (text::utc_day(slot.from_ms)) ": down for "
                            (text::span(slot.totals.down_ms))
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::history::timeline::Totals;

    const DAY_MS: i64 = 86_400_000;

    fn day(nth: i64, totals: Totals) -> Slot {
        Slot { from_ms: nth * DAY_MS, to_ms: (nth + 1) * DAY_MS, totals }
    }

    fn up(nth: i64) -> Slot {
        day(nth, Totals { up_ms: DAY_MS as u64, ..Totals::default() })
    }

    fn down(nth: i64) -> Slot {
        let down_ms = 360_000;
        day(nth, Totals { up_ms: DAY_MS as u64 - down_ms, down_ms, ..Totals::default() })
    }

    #[test]
    fn days_that_look_the_same_are_one_path() {
        let strip = image(&[up(0), up(1), down(2), up(3)], "days").into_string();
        for path in [
            "<path class=\"b-up\" d=\"M0 21h9\"></path>",
            "<path class=\"b-d1\" d=\"M10 18.5h4\"></path>",
            "<path class=\"b-up\" d=\"M15 21h4\"></path>",
        ] {
            assert!(strip.contains(path), "{path} in {strip}");
        }
        assert_eq!(strip.matches("<path").count(), 3);
        assert!(strip.contains("viewBox=\"0 0 19 28\""));
        assert!(strip.contains("aria-label=\"4 days, 1 with downtime, 6 min in all\""), "{strip}");
    }

    #[test]
    fn every_look_has_a_class_of_its_own_in_the_stylesheet() {
        let css = include_str!("../assets/app.css");
        for bar in Bar::ALL {
            assert!(css.contains(&format!(".{}", look(bar).0)), "{bar:?}");
        }
        let heights = [Bar::Up, Bar::Down, Bar::DownMore, Bar::DownMost].map(|bar| look(bar).1);
        assert!(heights.is_sorted_by(|less, more| less < more));
    }

    #[test]
    fn a_hundred_strips_are_at_most_64_kb() {
        // Two outages in a quarter.
        let slots: Vec<Slot> =
            (0..90).map(|nth| if nth == 20 || nth == 71 { down(nth) } else { up(nth) }).collect();
        let bytes = image(&slots, "days").into_string().len() * 100;
        assert!(bytes <= 64_000, "{bytes}");
    }

    #[test]
    fn the_days_with_downtime_are_listed() {
        let listed = days(&[up(0), down(1)]).into_string();
        assert!(listed.contains("data-days=\"ud\""));
        assert!(listed.contains("<li data-day=\"1970-01-02\">2 Jan: down for 6 min</li>"));
        let label = label(&summary(&[day(0, Totals::default())]), "days");
        assert_eq!(label, "1 days, no downtime, 1 not watched");
    }
}
