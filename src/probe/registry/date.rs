//! Dates as registries write them. RDAP has RFC 3339; WHOIS has no form of its own.

use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time, UtcOffset};

/// Most characters of a text that are read.
const READ_CHARS: usize = 80;

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// The time at the beginning of `text`, in unix seconds; what follows is ignored.
///
/// Year, month and day in one of these orders: `2027-05-01`, `2027/05/01`, `2027. 05. 01.`,
/// `20270501`, `2027-May-01`, `01-May-2027`, `01.05.2027`, `01/05/2027` (the day first, unless the
/// second number is above 12), `May 1 2027`, `Sat May 01 12:00:00 GMT 2027`. Then a time of day, or
/// midnight, and an offset; a zone that is only a name counts as UTC.
pub fn parse(text: &str) -> Option<i64> {
    let end = text.char_indices().nth(READ_CHARS).map_or(text.len(), |(end, _)| end);
    Reader { rest: text[..end].trim_start() }.date_time()
}

/// The rest of the text.
#[derive(Clone, Copy)]
struct Reader<'t> {
    rest: &'t str,
}

impl<'t> Reader<'t> {
    fn date_time(mut self) -> Option<i64> {
        if self.word_of(&WEEKDAYS).is_some() {
            self.skip(&[',']);
        }
        if let Some(month) = self.word_of(&MONTHS) {
            self.skip(&['.']);
            let day = self.number(2)?;
            self.skip(&[',']);
            if let Some(year) = self.year() {
                return unix(year, month, day, self.time_of_day());
            }
            let time = self.time_of_day();
            self.letters();
            return unix(self.year()?, month, day, time);
        }
        if let Some((year, month, day)) = self.compact() {
            return unix(year, month, day, self.time_of_day());
        }
        if let Some(year) = self.year() {
            let month = self.separated(Self::month)?;
            let day = self.separated(|reader| reader.number(2))?;
            self.skip(&['.']);
            return unix(year, month, day, self.time_of_day());
        }
        let first = self.number(2)?;
        let second = self.separated(Self::month_or_day)?;
        let year = self.separated(Self::year)?;
        let (day, month) = if second > 12 { (second, first) } else { (first, second) };
        unix(year, month, day, self.time_of_day())
    }

    /// `20270501`.
    fn compact(&mut self) -> Option<(u32, u32, u32)> {
        let digits = self.digits();
        let part = |from, to| digits.get(from..to)?.parse().ok();
        let date = (part(0, 4)?, part(4, 6)?, part(6, 8)?);
        (digits.len() == 8).then(|| self.advance(8))?;
        Some(date)
    }

    fn year(&mut self) -> Option<u32> {
        let digits = self.digits();
        let year = digits.parse().ok().filter(|_| digits.len() == 4)?;
        self.advance(4);
        Some(year)
    }

    fn month(&mut self) -> Option<u32> {
        self.word_of(&MONTHS).or_else(|| self.number(2))
    }

    fn month_or_day(&mut self) -> Option<u32> {
        self.month()
    }

    /// The next field behind a separator.
    fn separated<T>(&mut self, field: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        self.skip(&['-', '/', '.']);
        field(self)
    }

    /// Time of day and offset; midnight in UTC when there is none.
    fn time_of_day(&mut self) -> (Time, UtcOffset) {
        let mut reader = *self;
        let found = reader.clock();
        if found.is_some() {
            *self = reader;
        }
        found.unwrap_or((Time::MIDNIGHT, UtcOffset::UTC))
    }

    fn clock(&mut self) -> Option<(Time, UtcOffset)> {
        if self.rest.starts_with(['T', 't']) {
            self.advance(1);
        }
        let hour = self.number(2)?;
        let minute = self.behind(':')?;
        let second = self.behind(':').unwrap_or(0);
        if self.rest.starts_with('.') {
            self.advance(1);
            self.advance(self.digits().len());
        }
        let part = |number: u32| u8::try_from(number).ok();
        // A leap second is the one before it.
        let time = Time::from_hms(part(hour)?, part(minute)?, part(second.min(59))?).ok()?;
        Some((time, self.offset().unwrap_or(UtcOffset::UTC)))
    }

    /// `+03`, `+0300`, `+03:00` or `(UTC+3)`; leaves a name without a number alone.
    fn offset(&mut self) -> Option<UtcOffset> {
        let mut reader = *self;
        reader.skip(&['(']);
        reader.letters();
        let sign = match reader.rest.chars().next()? {
            '+' => 1,
            '-' => -1,
            _ => return None,
        };
        reader.advance(1);
        let digits = reader.digits();
        let (hours, minutes) = digits.split_at(digits.len().min(2));
        let hours: i8 = hours.parse().ok()?;
        reader.advance(digits.len());
        let minutes = match minutes.len() {
            0 => i8::try_from(reader.behind(':').unwrap_or(0)).ok()?,
            2 => minutes.parse().ok()?,
            _ => return None,
        };
        let offset = UtcOffset::from_hms(sign * hours, sign * minutes, 0).ok()?;
        *self = reader;
        Some(offset)
    }

    /// A number of one or two digits behind `sign`.
    fn behind(&mut self, sign: char) -> Option<u32> {
        let mut reader = *self;
        reader.rest = reader.rest.strip_prefix(sign)?;
        let number = reader.number(2)?;
        *self = reader;
        Some(number)
    }

    /// A number of at most `longest` digits.
    fn number(&mut self, longest: usize) -> Option<u32> {
        let digits = self.digits();
        let number = digits.parse().ok().filter(|_| digits.len() <= longest)?;
        self.advance(digits.len());
        Some(number)
    }

    /// A word that begins as one of `words`, and its number from 1.
    fn word_of(&mut self, words: &[&str]) -> Option<u32> {
        let length = self.rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(self.rest.len());
        let start = self.rest[..length].get(..3)?;
        let index = words.iter().position(|word| word.eq_ignore_ascii_case(start))?;
        self.advance(length);
        u32::try_from(index + 1).ok()
    }

    fn letters(&mut self) {
        let length = self.rest.find(|c: char| !c.is_ascii_alphabetic());
        self.advance(length.unwrap_or(self.rest.len()));
    }

    fn digits(&self) -> &'t str {
        let length = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
        &self.rest[..length]
    }

    /// Skips one of `signs`, and spaces around it.
    fn skip(&mut self, signs: &[char]) {
        self.rest = self.rest.trim_start();
        self.rest = self.rest.strip_prefix(signs).unwrap_or(self.rest).trim_start();
    }

    /// Skips `bytes` of ASCII, and the spaces behind.
    fn advance(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default().trim_start();
    }
}

fn unix(year: u32, month: u32, day: u32, (time, offset): (Time, UtcOffset)) -> Option<i64> {
    let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
    let date = Date::from_calendar_date(i32::try_from(year).ok()?, month, u8::try_from(day).ok()?);
    let at: OffsetDateTime = PrimitiveDateTime::new(date.ok()?, time).assume_offset(offset);
    Some(at.unix_timestamp()).filter(|at| *at >= 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 2027-05-01T00:00:00Z
    const MIDNIGHT: i64 = 1_809_129_600;
    const DAYTIME: i64 = MIDNIGHT + 12 * 3_600 + 30 * 60 + 15;

    #[test]
    fn the_forms_of_registries_are_read() {
        for text in [
            "2027-05-01",
            "2027-05-01 (YYYY-MM-DD)",
            "2027.05.01",
            "2027/05/01",
            "2027. 05. 01.",
            "20270501",
            "20270501 #1234567",
            "2027-May-01.",
            "01-May-2027",
            "1-may-2027",
            "01 May 2027",
            "01-MAY-2027 00:00:00 UTC",
            "1.5.2027",
            "01.05.2027",
            "01/05/2027",
            "01-05-2027",
            "May  1 2027",
            "May 1, 2027",
            "Sat May 01 00:00:00 GMT 2027",
            "Sat, 01 May 2027 00:00:00 GMT",
        ] {
            assert_eq!(parse(text), Some(MIDNIGHT), "{text}");
        }
        for text in [
            "2027-05-01T12:30:15Z",
            "2027-05-01T12:30:15",
            "2027-05-01t12:30:15.000z",
            "2027-05-01T12:30:15.123456789Z",
            "2027-05-01 12:30:15",
            "2027-05-01 12:30:15 CLST",
            "2027-05-01T14:30:15+02:00",
            "2027-05-01 15:30:15+03",
            "2027-05-01 20:30:15 (UTC+8)",
            "2027-05-01T07:00:15-0530",
            "1.5.2027 12:30:15",
            "01-May-2027 12:30:15 UTC",
            "Sat May 01 12:30:15 GMT 2027",
        ] {
            assert_eq!(parse(text), Some(DAYTIME), "{text}");
        }
        assert_eq!(parse("05/13/2027"), Some(MIDNIGHT + 12 * 86_400), "the month first");
    }

    #[test]
    fn a_text_without_a_date_is_none() {
        for text in [
            "",
            "soon",
            "2027",
            "2027-05",
            "2027-13-01",
            "2027-02-30",
            "31.31.2027",
            "1-1-27",
            "123456789",
            "May 2027",
            "Mon",
            "-",
            "٢٠٢٧-٠٥-٠١",
            "1.5",
            "2027-05-٠١",
            "0000-00-00",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[0-9a-zA-Z:. /+-]{0,40}|.{0,40}") {
            let _ = parse(&text);
        }

        #[test]
        fn a_timestamp_of_rdap_is_read_back(at in 0..4_102_444_800_i64) {
            let written = crate::domain::time::timestamp::to_rfc3339(at * 1_000);
            prop_assert_eq!(parse(&written), Some(at));
        }
    }
}
