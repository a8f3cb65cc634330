//! Cron expressions with five fields: minute, hour, day of month, month, day of week.
//!
//! Source: crontab(5) of Vixie cron. When days of month and of week are both restricted, a day
//! matches that either of them selects; a field that begins with `*` does not restrict.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;

use crate::domain::invalid::Invalid;

const MINUTES: Field = Field { name: "minute", first: 0, last: 59, words: &[] };
const HOURS: Field = Field { name: "hour", first: 0, last: 23, words: &[] };
const DAYS: Field = Field { name: "day of month", first: 1, last: 31, words: &[] };
const MONTHS: Field = Field {
    name: "month",
    first: 1,
    last: 12,
    words: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
};
/// Both 0 and 7 are Sunday.
const WEEKDAYS: Field = Field {
    name: "day of week",
    first: 0,
    last: 7,
    words: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
};

const EXPECTED: &str =
    "five fields (minute, hour, day of month, month, day of week), such as `0 3 * * sun`";
const LONGEST: usize = 200;
const MINUTES_OF_DAY: u32 = 24 * 60;
pub const DAY_S: i64 = 24 * 3_600;
/// Days in which each expression that matches at all has a match: 29 February is on a given day of
/// the week once in 28 years, or in 40 where a century lacks its leap day.
const DAYS_SEARCHED: i64 = 41 * 366;
/// Most days of each month, from January.
const LENGTHS: [u32; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// The minutes of local time that an expression selects. Each set has bit N for the value N.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cron {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    /// From Sunday at bit 0.
    weekdays: u64,
    /// Whether a day must be in both `days` and `weekdays`, and not only in one.
    both: bool,
}

impl Cron {
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let invalid = |reason: &str| {
            let invalid = Invalid::quoted(text, EXPECTED);
            if reason.is_empty() { invalid } else { invalid.because(reason) }
        };
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields[..] else { return Err(invalid("")) };
        if text.len() > LONGEST {
            return Err(invalid("too long"));
        }
        let read = |field: &Field, text| {
            field.read(text).ok_or_else(|| invalid(&format!("invalid {} {text}", field.name)))
        };
        let weekdays = read(&WEEKDAYS, weekday)?;
        let cron = Self {
            minutes: read(&MINUTES, minute)?,
            hours: read(&HOURS, hour)?,
            days: read(&DAYS, day)?,
            months: read(&MONTHS, month)?,
            weekdays: (weekdays | weekdays >> 7) & 0x7f,
            both: day.starts_with('*') || weekday.starts_with('*'),
        };
        let has_day = |month: u32| has(cron.months, month) && cron.days & days_of(month) != 0;
        if cron.both && !(1..=12).any(has_day) {
            return Err(invalid("no month has that day"));
        }
        Ok(cron)
    }

    /// Every day of `weekdays` (from Sunday at bit 0) at one minute of the day.
    pub fn weekly(minute_of_day: u32, weekdays: u8) -> Self {
        Self {
            minutes: 1 << (minute_of_day % 60),
            hours: 1 << (minute_of_day / 60 % 24),
            days: days_of(1),
            months: 0x1ffe,
            weekdays: u64::from(weekdays),
            both: true,
        }
    }

    /// The first selected minute at or after `from_s` and before `to_s`, in seconds of local time
    /// since 1970.
    pub fn first_within(&self, from_s: i64, to_s: i64) -> Option<i64> {
        let mut day = from_s.div_euclid(DAY_S);
        let mut minute = (from_s.rem_euclid(DAY_S) as u32).div_ceil(60);
        let last_day = (to_s - 1).div_euclid(DAY_S).min(day + DAYS_SEARCHED);
        while day <= last_day {
            let date = date_of(day)?;
            if !has(self.months, date.month() as u32) {
                day += i64::from(date.days_in_month() - date.day()) + 1;
                minute = 0;
                continue;
            }
            if self.has_day(date)
                && let Some(found) =
                    (minute..MINUTES_OF_DAY).find(|minute| self.has_minute(*minute))
            {
                let found_s = day * DAY_S + i64::from(found) * 60;
                return (found_s < to_s).then_some(found_s);
            }
            day += 1;
            minute = 0;
        }
        None
    }

    fn has_day(&self, date: Date) -> bool {
        let is_day = has(self.days, date.day() as u32);
        let is_weekday = has(self.weekdays, date.weekday().to_sunday_zero_offset() as u32);
        if self.both { is_day && is_weekday } else { is_day || is_weekday }
    }

    fn has_minute(&self, minute_of_day: u32) -> bool {
        has(self.hours, minute_of_day / 60) && has(self.minutes, minute_of_day % 60)
    }
}

fn has(set: u64, value: u32) -> bool {
    set >> value & 1 == 1
}

/// The set of the days that the month has, in some years.
fn days_of(month: u32) -> u64 {
    let length = LENGTHS.get(month as usize - 1).copied().unwrap_or(31);
    (2 << length) - 2
}

/// The date of a day since 1970; `None` beyond the year 9999.
fn date_of(day: i64) -> Option<Date> {
    let midnight = Timestamp::from_second(day.checked_mul(DAY_S)?).ok()?;
    Some(Offset::UTC.to_datetime(midnight).date())
}

struct Field {
    name: &'static str,
    first: u32,
    last: u32,
    /// Names of the values from `first` on, in lower case.
    words: &'static [&'static str],
}

impl Field {
    fn read(&self, text: &str) -> Option<u64> {
        text.split(',').try_fold(0, |set, part| Some(set | self.part(part)?))
    }

    /// `*`, `N`, `N-M`, each with `/STEP` behind it or not; `N/STEP` is from N on.
    fn part(&self, text: &str) -> Option<u64> {
        let (range, step) = match text.split_once('/') {
            Some((range, step)) => (range, Some(number(step).filter(|step| *step > 0)?)),
            None => (text, None),
        };
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (self.first, self.last),
            Some((first, last)) => {
                let (first, last) = (self.value(first)?, self.value(last)?);
                // `sat-sun`
                let is_end_of_week = last == 0 && first > 0 && self.last == 7;
                (first, if is_end_of_week { 7 } else { last })
            }
            None => {
                let first = self.value(range)?;
                (first, if step.is_some() { self.last } else { first })
            }
        };
        let values = (first..=last).step_by(step.unwrap_or(1) as usize);
        (first <= last).then(|| values.fold(0, |set, value| set | 1 << value))
    }

    fn value(&self, text: &str) -> Option<u32> {
        let word = self.words.iter().position(|word| word.eq_ignore_ascii_case(text));
        let value = match word {
            Some(nth) => self.first + nth as u32,
            None => number(text)?,
        };
        (self.first..=self.last).contains(&value).then_some(value)
    }
}

fn number(text: &str) -> Option<u32> {
    let is_number = (1..=4).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::time::timestamp;

    /// The matches after 2026-11-29 01:00, which is a Sunday.
    fn matches(text: &str, count: usize) -> Vec<String> {
        let cron = Cron::parse(text).unwrap();
        let mut at_s = timestamp::parse("2026-11-29T01:00:00Z").unwrap() / 1_000;
        let next = std::iter::from_fn(|| {
            let found = cron.first_within(at_s, i64::MAX)?;
            at_s = found + 1;
            Some(timestamp::to_rfc3339(found * 1_000)[..16].to_owned())
        });
        next.take(count).collect()
    }

    #[test]
    fn an_expression_selects_minutes() {
        for (text, expected) in [
            ("* * * * *", ["2026-11-29T01:00", "2026-11-29T01:01"]),
            ("30 3 * * *", ["2026-11-29T03:30", "2026-11-30T03:30"]),
            ("0 0 * * 0", ["2026-12-06T00:00", "2026-12-13T00:00"]),
            ("0 0 * * 7", ["2026-12-06T00:00", "2026-12-13T00:00"]),
            ("0 0 * * sat-SUN", ["2026-12-05T00:00", "2026-12-06T00:00"]),
            ("0 22 * * fri-7", ["2026-11-29T22:00", "2026-12-04T22:00"]),
            ("*/20 1 * * *", ["2026-11-29T01:00", "2026-11-29T01:20"]),
            ("50-59/9 1 * * *", ["2026-11-29T01:50", "2026-11-29T01:59"]),
            ("45/10 1 * * *", ["2026-11-29T01:45", "2026-11-29T01:55"]),
            ("0 2 31 * *", ["2026-12-31T02:00", "2027-01-31T02:00"]),
            ("0 2 29 2 *", ["2028-02-29T02:00", "2032-02-29T02:00"]),
            ("0 2 29 feb */7", ["2032-02-29T02:00", "2060-02-29T02:00"]),
            ("0 2 1,15 jan,DEC *", ["2026-12-01T02:00", "2026-12-15T02:00"]),
            // Either: the 30th, and each Wednesday.
            ("0 2 30 * wed", ["2026-11-30T02:00", "2026-12-02T02:00"]),
            // Both: odd days that are a Wednesday.
            ("0 2 */2 * wed", ["2026-12-09T02:00", "2026-12-23T02:00"]),
            ("0 2 30 2 wed", ["2027-02-03T02:00", "2027-02-10T02:00"]),
        ] {
            assert_eq!(matches(text, 2), expected, "{text}");
        }
    }

    #[test]
    fn an_expression_that_is_wrong_or_matches_no_day_is_refused() {
        for bad in [
            "",
            "*",
            "* * * *",
            "* * * * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * 32 * *",
            "* * * 0 *",
            "* * * 13 *",
            "* * * * 8",
            "5-1 * * * *",
            "*/0 * * * *",
            "a * * * *",
            "1,,2 * * * *",
            "-1 * * * *",
            "1- * * * *",
            "*-5 * * * *",
            "+1 * * * *",
            "* * * foo *",
            "@daily",
            "*/* * * * *",
            "0 0 31 2 *",
            "0 0 30,31 feb *",
            "0 0 31 4,6,9,11 *",
            "0 0 30 2 */2",
            "0 0 mon * *",
        ] {
            let error = Cron::parse(bad).unwrap_err().to_string();
            assert!(error.contains("expected five fields"), "{bad}: {error}");
        }
        let error = Cron::parse("0 0 31 2 *").unwrap_err().to_string();
        assert!(error.contains("no month has that day"), "{error}");
        let error = Cron::parse("0 25 * * *").unwrap_err().to_string();
        assert!(error.contains("invalid hour 25"), "{error}");
    }

    proptest! {
        #[test]
        fn each_expression_is_refused_or_matches(
            text in "[0-9*/,-]{1,4} [0-9*/,-]{1,4} [0-9*/,-]{1,5} [0-9*/,-]{1,5} [0-9*/,-]{1,4}",
            from_s in 0..4_000_000_000_i64,
        ) {
            if let Ok(cron) = Cron::parse(&text) {
                let found = cron.first_within(from_s, i64::MAX);
                prop_assert!(found.is_some_and(|found| found >= from_s && found % 60 == 0));
            }
        }
    }
}
