//! Durations as Go writes them: `300ms`, `1m30s`, `1.5h`.

/// The seconds that `text` says, or `None` when it is no such duration.
///
/// Source: Go's `time.ParseDuration`; a sign is not taken, since nothing here can be negative.
pub fn seconds(text: &str) -> Option<f64> {
    if text == "0" {
        return Some(0.0);
    }
    let mut rest = text;
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(digits);
        let unit_length =
            after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, next) = after.split_at(unit_length);
        let scale = match unit {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3_600.0,
            _ => return None,
        };
        total += number.parse::<f64>().ok()? * scale;
        rest = next;
    }
    (!text.is_empty()).then_some(total)
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
        ] {
            let read = seconds(text).unwrap();
            assert!((read - expected).abs() < 1e-9, "{text} is {read}");
        }
        for bad in ["", "30", "s", "1x", "-1s", "1 s", "1..5s", "1d", "s30"] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }
}
