//! What a caller that is limited to groups sees and changes of silences and maintenance.

use std::collections::BTreeSet;

use serde_json::json;

use crate::api::error::ApiError;
use crate::api::state::Api;
use crate::domain::access::Caller;
use crate::domain::alert::{Matcher, Silence};
use crate::domain::maintenance::Scope;
use crate::domain::{Group, Invalid, ServiceId};
use crate::storage::maintenance::MaintenanceRecord;
use crate::storage::records::GetServices;

/// Services of one query.
const PORTION: usize = 1_000;

const OTHERS_TOO: &str =
    "match: this concerns services of other groups too, and the token is limited to groups";

/// Those of `silences` that concern services of the caller, without patterns of other groups.
pub fn silences(caller: &Caller, silences: Vec<Silence>) -> Vec<Silence> {
    silences.into_iter().filter_map(|silence| part_of_silence(caller, silence)).collect()
}

/// As [`silences`]; 404 for one that concerns none of its services.
pub fn silence(caller: &Caller, silence: Silence) -> Result<Silence, ApiError> {
    part_of_silence(caller, silence).ok_or_else(ApiError::not_found)
}

fn part_of_silence(caller: &Caller, silence: Silence) -> Option<Silence> {
    let matcher = caller.groups.part_of(silence.matcher)?;
    Some(Silence { matcher, ..silence })
}

/// Error for a silence that the caller must not change or end: 404 when it concerns none of its
/// services, 403 when it concerns others too.
pub fn check_silence(caller: &Caller, matcher: &Matcher) -> Result<(), ApiError> {
    match caller.groups.part_of(matcher.clone()) {
        None => Err(ApiError::not_found()),
        Some(_) if caller.groups.encloses_alerts(matcher) => Ok(()),
        Some(_) => Err(ApiError::beyond_groups(OTHERS_TOO.to_owned())),
    }
}

/// 403 for a matcher of alerts that does not lie within the groups of the caller.
pub fn check_new_silence(caller: &Caller, matcher: &Matcher) -> Result<(), ApiError> {
    check_new_matcher(caller, matcher)?;
    if caller.groups.encloses_alerts(matcher) {
        return Ok(());
    }
    let message = "match: this selects alerts of the monitor itself too, and the token is limited \
                   to groups; add kinds or names";
    Err(ApiError::beyond_groups(message.to_owned()))
}

fn check_new_matcher(caller: &Caller, matcher: &Matcher) -> Result<(), ApiError> {
    if caller.groups.encloses(matcher) {
        return Ok(());
    }
    let names = caller.groups.names().into_iter().flatten().map(|name| format!("{name:?}"));
    let names: Vec<String> = names.collect();
    let expected = format!("one or more groups of this token, without *: {}", names.join(", "));
    let invalid = Invalid::new(json!(matcher.group), expected);
    Err(ApiError::beyond_groups(invalid.of("match.group")))
}

/// A maintenance as the caller sees it.
pub struct VisibleMaintenance {
    pub record: MaintenanceRecord,
    /// Whether it lies within the groups of the caller.
    pub is_within: bool,
}

/// Those of `records` that concern services of the caller, without services and patterns of other
/// groups.
pub async fn maintenance(
    api: &Api,
    caller: &Caller,
    records: Vec<MaintenanceRecord>,
) -> Result<Vec<VisibleMaintenance>, ApiError> {
    if !caller.groups.is_limited() {
        let all = records.into_iter();
        return Ok(all.map(|record| VisibleMaintenance { record, is_within: true }).collect());
    }
    let ids = records.iter().filter_map(|record| match &record.maintenance.definition.scope {
        Scope::Services(ids) => Some(ids),
        Scope::Matching(_) => None,
    });
    let ids: BTreeSet<ServiceId> = ids.flatten().copied().collect();
    let (visible, hidden) = divided(api, caller, ids).await?;
    let part_of = |mut record: MaintenanceRecord| {
        let scope = record.maintenance.definition.scope;
        let is_within = match &scope {
            Scope::Matching(matcher) => caller.groups.encloses(matcher),
            Scope::Services(ids) => ids.is_disjoint(&hidden),
        };
        record.maintenance.definition.scope = part_of_scope(caller, scope, &visible)?;
        Some(VisibleMaintenance { record, is_within })
    };
    Ok(records.into_iter().filter_map(part_of).collect())
}

fn part_of_scope(caller: &Caller, scope: Scope, visible: &BTreeSet<ServiceId>) -> Option<Scope> {
    match scope {
        Scope::Matching(matcher) => caller.groups.part_of(matcher).map(Scope::Matching),
        Scope::Services(ids) => {
            let ids: BTreeSet<ServiceId> = ids.intersection(visible).copied().collect();
            Some(ids).filter(|ids| !ids.is_empty()).map(Scope::Services)
        }
    }
}

/// Error for maintenance that the caller must not change or end: 404 when it concerns none of its
/// services, 403 when it concerns others too.
pub async fn check_scope(api: &Api, caller: &Caller, scope: &Scope) -> Result<(), ApiError> {
    if !caller.groups.is_limited() {
        return Ok(());
    }
    let (concerns, encloses) = match scope {
        Scope::Matching(matcher) => {
            (caller.groups.part_of(matcher.clone()).is_some(), caller.groups.encloses(matcher))
        }
        Scope::Services(ids) => {
            let (visible, hidden) = divided(api, caller, ids.clone()).await?;
            (!visible.is_empty(), hidden.is_empty())
        }
    };
    match (concerns, encloses) {
        (false, _) => Err(ApiError::not_found()),
        (true, false) => Err(ApiError::beyond_groups(OTHERS_TOO.to_owned())),
        (true, true) => Ok(()),
    }
}

/// Error for maintenance that the caller must not plan: 403 for a matcher that does not lie within
/// its groups; 422 for services that do not exist for it, except for those of `before`.
pub async fn check_new_scope(
    api: &Api,
    caller: &Caller,
    before: Option<&Scope>,
    scope: &Scope,
) -> Result<(), ApiError> {
    if !caller.groups.is_limited() {
        return Ok(());
    }
    let ids = match scope {
        Scope::Matching(matcher) => return check_new_matcher(caller, matcher),
        Scope::Services(ids) => ids,
    };
    let new: BTreeSet<ServiceId> = match before {
        Some(Scope::Services(known)) => ids.difference(known).copied().collect(),
        _ => ids.clone(),
    };
    let (visible, _) = divided(api, caller, new.clone()).await?;
    let missing = new.difference(&visible);
    let problems: Vec<String> =
        missing.map(|id| format!("service_ids: there is no service {id}")).collect();
    if problems.is_empty() { Ok(()) } else { Err(ApiError::unprocessable(problems)) }
}

/// The living services among `ids` that the caller sees, and the others.
async fn divided(
    api: &Api,
    caller: &Caller,
    ids: BTreeSet<ServiceId>,
) -> Result<(BTreeSet<ServiceId>, BTreeSet<ServiceId>), ApiError> {
    let ids: Vec<ServiceId> = ids.into_iter().collect();
    let (mut visible, mut hidden) = (BTreeSet::new(), BTreeSet::new());
    for portion in ids.chunks(PORTION) {
        for record in api.query(GetServices(portion.to_vec())).await? {
            let group = record.definition.group.as_ref().map(Group::as_str);
            let part = if caller.sees(group) { &mut visible } else { &mut hidden };
            part.insert(record.id);
        }
    }
    Ok((visible, hidden))
}
