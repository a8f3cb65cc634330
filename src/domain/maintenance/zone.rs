//! Time zones of the IANA database.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::domain::invalid::Invalid;

/// A time zone with the name that it was found by. Its rules are those of the system, or where
/// the system has none those that the program contains.
#[derive(Debug, Clone)]
pub struct Zone {
    name: String,
    rules: TimeZone,
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// Time in which the local time differs from UTC by the same offset.
#[derive(Debug, Clone, Copy)]
pub struct Segment {
    /// Unix seconds; `i64::MIN` without a change before.
    pub from_s: i64,
    /// Unix seconds, exclusive; `i64::MAX` without a change afterwards.
    pub to_s: i64,
    /// Local time minus UTC, in seconds.
    pub offset_s: i64,
    /// The same before `from_s`.
    pub offset_before_s: i64,
}

impl Zone {
    pub fn utc() -> Self {
        Self { name: "UTC".to_owned(), rules: TimeZone::UTC }
    }

    /// Reads the rules of the zone from the system at the first use of the name.
    pub fn parse(name: &str) -> Result<Self, Invalid> {
        let is_name = |name: &&str| !name.is_empty() && name.len() <= 64;
        let rules = Some(name).filter(is_name).and_then(|name| TimeZone::get(name).ok());
        let rules = rules.filter(|rules| !rules.is_unknown());
        match rules {
            Some(rules) => Ok(Self { name: name.to_owned(), rules }),
            None => Err(Invalid::quoted(name, "a time zone of IANA, such as Europe/Berlin")),
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// The segment that contains `at_s`, which is cut to the years 1 to 9998.
    pub fn segment(&self, at_s: i64) -> Segment {
        let at = instant(at_s);
        // `preceding` is exclusive.
        let change = self.rules.preceding(instant(at_s.saturating_add(1))).next();
        let before = change.as_ref().map(|change| instant(change.timestamp().as_second() - 1));
        let next = self.rules.following(at).next();
        let offset = |at| i64::from(self.rules.to_offset(at).seconds());
        Segment {
            from_s: change.map_or(i64::MIN, |change| change.timestamp().as_second()),
            to_s: next.map_or(i64::MAX, |change| change.timestamp().as_second()),
            offset_s: offset(at),
            offset_before_s: offset(before.unwrap_or(at)),
        }
    }
}

fn instant(at_s: i64) -> Timestamp {
    const YEAR_1_S: i64 = -62_135_596_800;
    const YEAR_9998_S: i64 = 253_339_228_800;
    Timestamp::from_second(at_s.clamp(YEAR_1_S, YEAR_9998_S)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_of_iana_is_found_and_others_are_refused() {
        for name in ["UTC", "Europe/Berlin", "America/Argentina/Ushuaia", "Etc/GMT+5"] {
            assert_eq!(Zone::parse(name).unwrap().name(), name);
        }
        for bad in ["", "Mars/Olympus", "Local", "../../etc/passwd", "CET-1CEST", "Etc/Unknown"] {
            let error = Zone::parse(bad).unwrap_err().to_string();
            assert!(error.contains("expected a time zone of IANA"), "{bad}: {error}");
        }
    }

    #[test]
    fn a_segment_is_the_time_between_two_changes() {
        // 2026-10-25T01:00:00Z and 2027-03-28T01:00:00Z.
        let (autumn_s, spring_s) = (1_792_890_000, 1_806_195_600);
        for at_s in [autumn_s, autumn_s + 1, spring_s - 1] {
            let segment = Zone::parse("Europe/Berlin").unwrap().segment(at_s);
            assert_eq!((segment.from_s, segment.to_s), (autumn_s, spring_s), "{at_s}");
            assert_eq!((segment.offset_s, segment.offset_before_s), (3_600, 7_200));
        }
        let utc = Zone::utc().segment(autumn_s);
        assert_eq!((utc.from_s, utc.to_s, utc.offset_s), (i64::MIN, i64::MAX, 0));
        for at_s in [i64::MIN, i64::MAX] {
            Zone::parse("Europe/Berlin").unwrap().segment(at_s);
        }
    }
}
