//! Functions of one value.

/// The sign: -1, 0 or 1; NaN stays.
pub fn sgn(value: f64) -> f64 {
    if value < 0.0 {
        -1.0
    } else if value > 0.0 {
        1.0
    } else {
        value
    }
}

/// `value` between both bounds; NaN when one of them is.
pub fn clamp(value: f64, least: f64, most: f64) -> f64 {
    larger(least, smaller(most, value))
}

/// To the nearest multiple, half of it upwards.
pub fn round(value: f64, to_nearest: f64) -> f64 {
    // The inverse loses less precision for parts of 1.
    let inverse = 1.0 / to_nearest;
    (value * inverse + 0.5).floor() / inverse
}

/// As Go's `math.Max`: NaN when one of both is.
fn larger(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) }
}

fn smaller(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.min(b) }
}
