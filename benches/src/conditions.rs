//! CPU of evaluating one condition, and of parsing a body as JSON.

use std::hint::black_box;
use std::time::Instant;

use service_healthcheck::domain::{Body, Condition, Facts};

use crate::table::{Row, Table};

const TURNS: u32 = 100_000;

const CONDITIONS: [&str; 7] = [
    "[STATUS] == 200",
    "[STATUS] == any(200, 204, 429)",
    "[RESPONSE_TIME] < 500",
    "[BODY].status == UP",
    "[BODY].items[0].id == 0x7",
    "len([BODY].items) > 0",
    "[BODY].status == pat(U*)",
];

/// Measures and adds the rows.
pub fn run(table: &mut Table) {
    table.part("Conditions");
    let padding = "x".repeat(960);
    let body = format!(r#"{{"status": "UP", "items": [{{"id": 7}}], "pad": "{padding}"}}"#);
    let read = each(|| Body::new(black_box(body.as_bytes()).to_vec(), true));
    table.row(Row::new("parsing a body of 1 KiB as JSON", format!("{read:.2} µs")));
    let body = Body::new(body.into_bytes(), true);
    let facts = Facts { status: Some(200), body, ..Facts::default() };
    for text in CONDITIONS {
        let condition = Condition::parse(text).expect("a condition");
        let judged = each(|| condition.judge(black_box(&facts)).is_ok());
        table.row(Row::new(format!("`{text}`"), format!("{judged:.3} µs")));
    }
}

/// Mean duration of `work`, in microseconds.
fn each<T>(work: impl Fn() -> T) -> f64 {
    let started = Instant::now();
    for _ in 0..TURNS {
        black_box(work());
    }
    started.elapsed().as_secs_f64() * 1e6 / f64::from(TURNS)
}
