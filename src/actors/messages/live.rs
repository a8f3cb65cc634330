//! Messages to the live state. Those of HTTP arrive at the recorder, which forwards them.

use actix::{Message, Recipient};
use bytes::Bytes;
use tokio::sync::mpsc;

use crate::domain::access::{Caller, GroupLimit};
use crate::domain::live::{
    Counts, GroupCounts, LiveMoment, LiveService, LiveView, ServiceFilter, ServiceList,
    ServiceOrder, ServiceUpdate,
};
use crate::domain::{PageRequest, ServiceId};
use crate::storage::StorageError;

/// The live state, by the messages that the recorder sends.
#[derive(Debug, Clone)]
pub struct LiveRecipients {
    pub updated: Recipient<ServicesUpdated>,
    pub defined: Recipient<ServicesDefined>,
    pub alerted: Recipient<AlertsChanged>,
    pub planned: Recipient<MaintenanceChanged>,
    pub find: Recipient<FindServices>,
    pub overview: Recipient<GetOverview>,
    pub open: Recipient<OpenStream>,
}

/// Notice from the recorder: what one or more commits changed, each service once. One is under way
/// at a time; meanwhile the recorder merges what follows.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct ServicesUpdated(pub Vec<(ServiceId, ServiceUpdate)>);

/// Notice from the recorder, before the sender of the change is answered.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub enum ServicesDefined {
    /// Each added or changed service, and the removed ones (`None`).
    Changed(Vec<(ServiceId, Option<LiveService>)>),
    /// All services, by id: others than those of commits and changes may have changed.
    All(Vec<LiveService>),
}

/// Notice from the recorder: the alerts of these services were changed.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct AlertsChanged(pub Vec<ServiceId>);

/// Notice from the recorder: the maintenance was changed.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct MaintenanceChanged;

/// Query from HTTP: a page of services. It contains every write whose sender was answered, and
/// every result that a query of the store has shown.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<ServiceList, StorageError>")]
pub struct FindServices {
    pub filter: ServiceFilter,
    pub order: ServiceOrder,
    pub page: PageRequest,
}

/// Query from HTTP: counts of all services and of each group, and the services that need attention.
/// As new as the answer to [`FindServices`].
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Overview, StorageError>")]
pub struct GetOverview {
    /// Most services that need attention.
    pub trouble: u32,
    /// The groups that the caller sees.
    pub groups: GroupLimit,
}

/// Answer to [`GetOverview`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overview {
    pub moment: LiveMoment,
    pub counts: Counts,
    /// By name; those without a group first.
    pub groups: Vec<GroupCounts>,
    /// Trouble first ([`ServiceOrder::Attention`]).
    pub trouble: Vec<ServiceId>,
}

/// Command from HTTP: send the changes of a view, from a moment on, until either side closes. As
/// new as the answer to [`FindServices`].
#[derive(Debug, Message)]
#[rtype(result = "Result<StreamReply, StorageError>")]
pub struct OpenStream {
    pub view: LiveView,
    /// `None` for the changes from now on.
    pub since: Option<LiveMoment>,
    /// The stream ends with the token or the session of the caller.
    pub caller: Caller,
    /// Of one chunk: what does not fit in is merged.
    pub chunks: mpsc::Sender<Bytes>,
}

/// Reply to [`OpenStream`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamReply {
    Opened,
    /// `STREAM_MAX_CONNECTIONS` are open.
    TooMany,
    /// The program is ending.
    Closing,
}

/// Command from the app at the end: end all streams, and open none.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct CloseStreams;
