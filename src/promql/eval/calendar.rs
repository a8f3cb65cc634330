//! Dates in UTC.

/// A time as a date of the Gregorian calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Civil {
    year: i64,
    /// From 1, as the day.
    month: i64,
    day: i64,
    days_since_1970: i64,
    second_of_day: i64,
}

impl Civil {
    /// Of Unix seconds, whose fraction is cut off. A value that is no time is 1970-01-01.
    pub fn of(seconds: f64) -> Self {
        // Beyond this many seconds (of about 30 million years) the arithmetic could overflow.
        const LIMIT: f64 = 1e15;
        let seconds = if seconds.is_nan() { 0 } else { seconds.clamp(-LIMIT, LIMIT) as i64 };
        let days = seconds.div_euclid(86_400);
        let (year, month, day) = civil(days);
        let second_of_day = seconds.rem_euclid(86_400);
        Self { year, month, day, days_since_1970: days, second_of_day }
    }
}

/// Year, month and day of a day since 1970-01-01 (Howard Hinnant, "chrono-compatible low-level date
/// algorithms": years begin in March, so that the leap day is the last one).
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn month_length(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

pub fn year(date: &Civil) -> f64 {
    date.year as f64
}

pub fn month(date: &Civil) -> f64 {
    date.month as f64
}

pub fn day_of_month(date: &Civil) -> f64 {
    date.day as f64
}

/// 0 is Sunday.
pub fn day_of_week(date: &Civil) -> f64 {
    (date.days_since_1970 + 4).rem_euclid(7) as f64
}

/// 1 is the first of January.
pub fn day_of_year(date: &Civil) -> f64 {
    let before: i64 = (1..date.month).map(|month| month_length(date.year, month)).sum();
    (before + date.day) as f64
}

pub fn days_in_month(date: &Civil) -> f64 {
    month_length(date.year, date.month) as f64
}

pub fn hour(date: &Civil) -> f64 {
    (date.second_of_day / 3_600) as f64
}

pub fn minute(date: &Civil) -> f64 {
    (date.second_of_day / 60 % 60) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_before_1970_and_leap_days_are_right() {
        let date = |seconds: f64| {
            let date = Civil::of(seconds);
            (date.year, date.month, date.day, day_of_week(&date), day_of_year(&date))
        };
        assert_eq!(date(0.0), (1970, 1, 1, 4.0, 1.0));
        assert_eq!(date(-1.0), (1969, 12, 31, 3.0, 365.0));
        assert_eq!(date(951_782_400.0), (2000, 2, 29, 2.0, 60.0));
        assert_eq!(date(4_107_542_400.0), (2100, 3, 1, 1.0, 60.0));
        assert_eq!(date(f64::NAN), date(0.0));
        assert_eq!(hour(&Civil::of(-1.0)), 23.0);
    }
}
