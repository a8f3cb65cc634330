//! Values of the live state: the current state of every service, and the lists and counts of it.

use std::fmt;
use std::str::FromStr;

use crate::domain::access::group_limit::GroupLimit;
use crate::domain::history::event::{Event, EventFailure};
use crate::domain::outcome::Reason;
use crate::domain::rollup::state::State;
use crate::domain::rollup::tick_totals::TickTotals;
use crate::domain::service::definition::Definition;
use crate::domain::service::label::{Group, Name};
use crate::domain::service::service_id::ServiceId;
use crate::domain::status::Status;

/// The newest event of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewestEvent {
    pub state: State,
    /// Unix milliseconds.
    pub since_ms: i64,
    pub failure: Option<EventFailure>,
}

impl From<Event> for NewestEvent {
    fn from(event: Event) -> Self {
        Self { state: event.state, since_ms: event.started_ms, failure: event.failure }
    }
}

/// The stored state of a service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServiceState {
    /// `None` before the first result.
    pub event: Option<NewestEvent>,
    pub is_flapping: bool,
}

/// A recorded result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastResult {
    pub state: State,
    /// Start of the probe, in unix milliseconds.
    pub at_ms: i64,
    pub response_time_us: u64,
}

/// What one or more commits changed of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceUpdate {
    /// The newest event, if it began or was moved.
    pub event: Option<NewestEvent>,
    pub is_flapping: bool,
    /// `None` without a new result.
    pub result: Option<LastResult>,
    /// After the commits; `None` for a service of another owner.
    pub totals: Option<TickTotals>,
}

impl ServiceUpdate {
    /// This update and a later one as one.
    pub fn merge(&mut self, later: Self) {
        let Self { event, is_flapping, result, totals } = later;
        self.event = event.or(self.event.take());
        self.is_flapping = is_flapping;
        self.result = result.or(self.result);
        self.totals = totals;
    }
}

/// What lists show and search of a definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedDefinition {
    pub name: Name,
    pub group: Option<Group>,
    pub is_enabled: bool,
    /// The URL in parts, without its secrets.
    pub url_parts: Vec<String>,
}

impl From<&Definition> for ListedDefinition {
    fn from(definition: &Definition) -> Self {
        Self {
            name: definition.name.clone(),
            group: definition.group.clone(),
            is_enabled: definition.enabled,
            url_parts: crate::domain::secret::url::plain_parts(definition.target.as_str()),
        }
    }
}

/// A living service, as far as the live state has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveService {
    pub id: ServiceId,
    pub definition: ListedDefinition,
    pub state: ServiceState,
}

/// The current state of a service, with what may stand beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LiveStatus {
    pub status: Status,
    /// Of a service that is up or down.
    pub is_flapping: bool,
    /// Under maintenance.
    pub is_planned: bool,
}

impl LiveStatus {
    /// Whether the service needs attention: it is down, unknown or flapping.
    pub fn is_trouble(self) -> bool {
        self.is_flapping || matches!(self.status, Status::Down | Status::Unknown)
    }

    /// Position in a list that shows trouble first, and of that what is not planned.
    pub fn attention(self) -> u8 {
        match self.status {
            _ if self.is_trouble() && self.is_planned => 3,
            Status::Down => 0,
            Status::Unknown => 1,
            _ if self.is_flapping => 2,
            Status::Pending => 4,
            Status::Up => 5,
            Status::Paused => 6,
        }
    }
}

/// Services in a state, or with what may stand beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateFilter {
    Status(Status),
    Flapping,
    Planned,
    /// [`LiveStatus::is_trouble`].
    Trouble,
}

impl StateFilter {
    pub const ALL: [Self; 8] = [
        Self::Status(Status::Up),
        Self::Status(Status::Down),
        Self::Status(Status::Unknown),
        Self::Status(Status::Pending),
        Self::Status(Status::Paused),
        Self::Flapping,
        Self::Planned,
        Self::Trouble,
    ];

    /// The word in query strings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Status(status) => status.as_str(),
            Self::Flapping => "flapping",
            Self::Planned => "maintenance",
            Self::Trouble => "trouble",
        }
    }

    /// Inverse of [`as_str`](Self::as_str).
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|filter| filter.as_str() == word)
    }

    pub fn contains(self, service: LiveStatus) -> bool {
        match self {
            Self::Status(status) => service.status == status,
            Self::Flapping => service.is_flapping,
            Self::Planned => service.is_planned,
            Self::Trouble => service.is_trouble(),
        }
    }
}

/// The services that match every filter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServiceFilter {
    pub state: Option<StateFilter>,
    /// Text in the name or the URL; ASCII letters match in either case. Secrets of the URL are not
    /// searched.
    pub part: Option<String>,
    /// The empty text matches services without a group.
    pub group: Option<String>,
    /// Reason of the newest event.
    pub reason: Option<Reason>,
    /// The groups that the caller sees.
    pub groups: GroupLimit,
}

/// The order of a list. Services that are equal in it are ordered by group and name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ServiceOrder {
    /// As the API lists them.
    #[default]
    Id,
    /// Trouble first ([`LiveStatus::attention`]), of each state the newest.
    Attention,
    /// By group, those without one first, then by name; ASCII letters are equal in either case.
    Name,
    /// The newest event that began last first.
    Since,
    /// The slowest last result first.
    Response,
}

impl ServiceOrder {
    /// The orders of the pages, with their words in query strings.
    pub const WORDS: [(Self, &'static str); 4] = [
        (Self::Attention, "attention"),
        (Self::Name, "name"),
        (Self::Since, "since"),
        (Self::Response, "response"),
    ];

    pub fn from_word(word: &str) -> Option<Self> {
        Self::WORDS.into_iter().find(|(_, known)| *known == word).map(|(order, _)| order)
    }
}

/// The version of what is stored of a service, alerts included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceVersion {
    /// Another one after each change of anything but the totals; it never repeats.
    pub number: u32,
    /// `None` until the first result since the service was loaded or changed.
    pub totals: Option<TickTotals>,
}

/// A page of a list of services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceList {
    /// Of the page, in the order of the list.
    pub ids: Vec<ServiceId>,
    /// The newest result of each of them; `None` before the first one since the start.
    pub results: Vec<Option<LastResult>>,
    /// The version of each of them. `None` under maintenance: what is shown then depends on the
    /// time.
    pub versions: Vec<Option<ServiceVersion>>,
    /// Of the whole list.
    pub total: u64,
    /// When the list was made.
    pub moment: LiveMoment,
}

/// Numbers of services. The first five add up to all services; the others are among them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub up: u32,
    pub down: u32,
    pub unknown: u32,
    pub pending: u32,
    pub paused: u32,
    pub flapping: u32,
    /// Under maintenance.
    pub planned: u32,
    pub trouble: u32,
}

impl Counts {
    pub fn total(&self) -> u32 {
        self.up + self.down + self.unknown + self.pending + self.paused
    }

    pub fn add(&mut self, service: LiveStatus) {
        self.each(service, |count| *count += 1);
    }

    /// `service` was added before.
    pub fn remove(&mut self, service: LiveStatus) {
        self.each(service, |count| *count -= 1);
    }

    pub fn add_all(&mut self, other: &Self) {
        let Self { up, down, unknown, pending, paused, flapping, planned, trouble } = other;
        self.up += up;
        self.down += down;
        self.unknown += unknown;
        self.pending += pending;
        self.paused += paused;
        self.flapping += flapping;
        self.planned += planned;
        self.trouble += trouble;
    }

    fn each(&mut self, service: LiveStatus, change: impl Fn(&mut u32)) {
        change(match service.status {
            Status::Up => &mut self.up,
            Status::Down => &mut self.down,
            Status::Unknown => &mut self.unknown,
            Status::Pending => &mut self.pending,
            Status::Paused => &mut self.paused,
        });
        if service.is_flapping {
            change(&mut self.flapping);
        }
        if service.is_planned {
            change(&mut self.planned);
        }
        if service.is_trouble() {
            change(&mut self.trouble);
        }
    }
}

/// The services of a group by state; `name` is `None` for those without a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupCounts {
    pub name: Option<Group>,
    pub counts: Counts,
}

/// The services that a client sees: those that match everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LiveView {
    /// Sorted.
    pub services: Option<Box<[ServiceId]>>,
    /// The empty text matches services without a group.
    pub group: Option<String>,
    pub state: Option<StateFilter>,
    /// The groups that the client sees.
    pub groups: GroupLimit,
}

impl LiveView {
    /// Whether the service may be in view, whatever its state is.
    pub fn may_contain(&self, id: ServiceId) -> bool {
        self.services.as_ref().is_none_or(|ids| ids.binary_search(&id).is_ok())
    }

    pub fn contains(&self, id: ServiceId, group: Option<&str>, status: LiveStatus) -> bool {
        let Self { services: _, group: wanted, state, groups } = self;
        self.may_contain(id)
            && wanted.as_deref().is_none_or(|wanted| wanted == group.unwrap_or_default())
            && state.is_none_or(|state| state.contains(status))
            && groups.contains(group)
    }

    /// As a filter of a list; only without `services`.
    pub fn filter(&self) -> ServiceFilter {
        ServiceFilter {
            state: self.state,
            group: self.group.clone(),
            groups: self.groups.clone(),
            ..ServiceFilter::default()
        }
    }
}

/// A moment of the live state, as `{boot}-{seq}`: a run of the program, and the number of its
/// changes so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LiveMoment {
    pub boot: u64,
    pub seq: u32,
}

impl fmt::Display for LiveMoment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.boot, self.seq)
    }
}

impl FromStr for LiveMoment {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (boot, seq) = text.split_once('-').ok_or(())?;
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(boot) || !is_number(seq) {
            return Err(());
        }
        Ok(Self { boot: boot.parse().map_err(|_| ())?, seq: seq.parse().map_err(|_| ())? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_read_as_it_is_written() {
        let moment = LiveMoment { boot: 1_795_413_298_500, seq: 17 };
        assert_eq!(moment.to_string(), "1795413298500-17");
        assert_eq!("1795413298500-17".parse(), Ok(moment));
        for bad in ["", "-", "1", "1-", "-1", "1-2-3", "+1-2", "1-4294967296", "1 -2", "a-1"] {
            assert_eq!(bad.parse::<LiveMoment>(), Err(()), "{bad}");
        }
    }

    #[test]
    fn later_updates_win_where_they_say_something() {
        let event = |since_ms| NewestEvent { state: State::Up, since_ms, failure: None };
        let result = LastResult { state: State::Up, at_ms: 1, response_time_us: 5 };
        let of = |event, is_flapping, result, tick_count| {
            let totals = TickTotals { tick_count, ..TickTotals::default() };
            ServiceUpdate { event, is_flapping, result, totals: Some(totals) }
        };
        let mut update = of(Some(event(1)), true, Some(result), 7);
        update.merge(of(None, false, None, 8));
        assert_eq!(update, of(Some(event(1)), false, Some(result), 8));
        update.merge(of(Some(event(2)), true, None, 9));
        assert_eq!(update.event, Some(event(2)));
    }

    #[test]
    fn trouble_comes_first_and_planned_trouble_after_it() {
        let of = |status, is_flapping, is_planned| LiveStatus { status, is_flapping, is_planned };
        let ordered = [
            of(Status::Down, false, false),
            of(Status::Unknown, false, false),
            of(Status::Up, true, false),
            of(Status::Down, false, true),
            of(Status::Pending, false, false),
            of(Status::Up, false, true),
            of(Status::Paused, false, false),
        ];
        let positions: Vec<u8> = ordered.iter().map(|service| service.attention()).collect();
        assert_eq!(positions, [0, 1, 2, 3, 4, 5, 6]);
        let mut counts = Counts::default();
        ordered.iter().for_each(|service| counts.add(*service));
        assert_eq!((counts.total(), counts.trouble, counts.planned, counts.flapping), (7, 4, 2, 1));
        ordered.iter().for_each(|service| counts.remove(*service));
        assert_eq!(counts, Counts::default());
    }
}
