//! Durations as Go writes them: `300ms`, `1m30s`, `1.5h`.

/// The seconds that `text` says, or `None` when it is no such duration.
///
/// Source: Go's `time.ParseDuration`; a sign is not taken, since nothing here can be negative.
pub fn seconds(text: &str) -> Option<f64> {
    if text == "0" {
        return Some(0.0);
    }
    // Whole nanoseconds, as Go counts, so that 100000us is exactly a tenth of a second.
    let mut total: u64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let number_length = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(number_length);
        let unit_length =
            after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, next) = after.split_at(unit_length);
        total = total.checked_add(nanoseconds(number, unit)?)?;
        rest = next;
    }
    (!text.is_empty()).then(|| total as f64 / 1e9)
}

fn nanoseconds(number: &str, unit: &str) -> Option<u64> {
    let scale: u64 = match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60 * 1_000_000_000,
        "h" => 3_600 * 1_000_000_000,
        _ => return None,
    };
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(scale);
    }
    let fraction: f64 = number.parse().ok()?;
    Some((fraction * scale as f64).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        for (text, expected) in [
            ("300ms", 0.3),
            ("30s", 30.0),
            ("1m30s", 90.0),
            ("24h", 86_400.0),
            ("1.5h", 5_400.0),
            ("2h0m0.5s", 7_200.5),
            ("0", 0.0),
            ("100000us", 0.1),
            ("100000µs", 0.1),
        ] {
            let read = seconds(text).unwrap();
            assert_eq!(read, expected, "{text}");
        }
        for bad in ["", "30", "s", "1x", "-1s", "1 s", "1..5s", "1d", "s30"] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }
}
