//! Routing: which channels are notified of a service's alerts, and at which lengths of runs.

use std::time::Duration;

use crate::domain::alert::channel::Policy;
use crate::domain::alert::kind::{AlertKind, Severity};
use crate::domain::alert::notification::NotificationTerms;
use crate::domain::alert::rule::{AlertRule, CERTIFICATE_DAYS, Degraded};
use crate::domain::alert::runs::Marks;
use crate::domain::service::definition::Definition;
use crate::domain::service::label::Group;

/// The parts of a service that decide its routes.
#[derive(Debug, Clone, Copy)]
pub struct Watched<'a> {
    pub name: &'a str,
    pub group: Option<&'a str>,
    /// `None`: the policies apply. Empty: nobody is notified.
    pub rules: Option<&'a [AlertRule]>,
    pub degraded: Option<&'a Degraded>,
    /// Days before the expiry of a certificate, descending.
    pub certificate_days: &'a [u16],
}

/// A channel that is notified of an alert, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// Name of the channel.
    pub channel: String,
    pub policy_id: Option<i64>,
    pub severity: Severity,
    /// Step of the escalation, from 0.
    pub step: u16,
    /// Milliseconds after the begin of the alert.
    pub after_ms: i64,
    /// Alerts with the same values gather; `None` for a rule of the service's own.
    pub group: Option<String>,
    pub group_wait_ms: i64,
    pub group_interval_ms: i64,
    pub terms: NotificationTerms,
}

/// Milliseconds between two digests of alerts with rules of their own.
const RULES_INTERVAL_MS: i64 = 60_000;

impl<'a> Watched<'a> {
    pub fn new(definition: &'a Definition) -> Self {
        let options = &definition.options;
        Self {
            name: definition.name.as_str(),
            group: definition.group.as_ref().map(Group::as_str),
            rules: options.alerts.as_deref(),
            degraded: options.degraded.as_ref(),
            certificate_days: options.certificate_days.as_deref().unwrap_or(&CERTIFICATE_DAYS),
        }
    }

    /// The routes of alerts of this kind, in the order of rules or policies.
    pub fn routes(&self, kind: AlertKind, policies: &[Policy]) -> Vec<Route> {
        match self.rules {
            Some(rules) => rules_routes(rules, kind),
            None => self.policy_routes(kind, policies),
        }
    }

    fn policy_routes(&self, kind: AlertKind, policies: &[Policy]) -> Vec<Route> {
        let mut routes = Vec::new();
        for policy in self.matching(kind, policies) {
            let options = &policy.options;
            let severity = options.severity.unwrap_or(kind.severity());
            let group = self.group_values(&options.group_by, kind, severity);
            for (step, (after, channels)) in options.steps.iter().enumerate() {
                routes.extend(channels.iter().map(|channel| Route {
                    channel: channel.clone(),
                    policy_id: Some(policy.id),
                    severity,
                    step: u16::try_from(step).unwrap_or(u16::MAX),
                    after_ms: millis(*after),
                    group: Some(group.clone()),
                    group_wait_ms: millis(options.group_wait),
                    group_interval_ms: millis(options.group_interval),
                    terms: NotificationTerms {
                        failure_threshold: options.failure_threshold,
                        success_threshold: options.success_threshold,
                        send_on_resolved: options.send_on_resolved,
                        reminder_ms: options.reminder.map(millis),
                        description: options.description.clone(),
                        rule: None,
                    },
                }));
            }
        }
        routes
    }

    /// The policies that apply: the first that matches, and the next ones while each continues.
    fn matching<'p>(&self, kind: AlertKind, policies: &'p [Policy]) -> Vec<&'p Policy> {
        let mut matching = Vec::new();
        for policy in policies {
            let severity = policy.options.severity.unwrap_or(kind.severity());
            let matches = policy.options.on.contains(&kind)
                && policy.matcher.matches(self.name, self.group, kind, severity);
            if matches {
                matching.push(policy);
                if !policy.options.continues {
                    break;
                }
            }
        }
        matching
    }

    fn group_values(&self, by: &[String], kind: AlertKind, severity: Severity) -> String {
        let value = |key: &String| match key.as_str() {
            "group" => self.group.unwrap_or_default(),
            "name" => self.name,
            "kind" => kind.as_str(),
            "severity" => severity.as_str(),
            _ => "",
        };
        by.iter().map(value).collect::<Vec<_>>().join("\n")
    }

    /// The lengths of runs that are signalled; `None` when no channel is notified of anything.
    pub fn marks(&self, policies: &[Policy]) -> Option<Marks> {
        let mut marks = Marks::default();
        for kind in AlertKind::ALL.into_iter().filter(|kind| !kind.is_own()) {
            let routes = self.routes(kind, policies);
            if routes.is_empty() {
                continue;
            }
            match kind {
                AlertKind::Down => {
                    let terms = || routes.iter().map(|route| &route.terms);
                    marks.failures = ascending(terms().map(|terms| terms.failure_threshold));
                    marks.successes = ascending(terms().map(|terms| terms.success_threshold));
                }
                AlertKind::Degraded => {
                    marks.degraded = self.degraded.map(|degraded| {
                        let limit = degraded.response_time.as_millis();
                        (u32::try_from(limit).unwrap_or(u32::MAX), degraded.results)
                    });
                }
                AlertKind::Flapping => marks.flapping = true,
                AlertKind::Certificate => marks.certificate_days = self.certificate_days.to_vec(),
                _ => {}
            }
        }
        (marks != Marks::default()).then_some(marks)
    }
}

fn rules_routes(rules: &[AlertRule], kind: AlertKind) -> Vec<Route> {
    let rules = rules.iter().enumerate();
    let rules = rules.filter(|(_, rule)| rule.enabled && rule.on.contains(&kind));
    let route = |(position, rule): (usize, &AlertRule)| Route {
        channel: rule.channel.clone(),
        policy_id: None,
        severity: rule.severity.unwrap_or(kind.severity()),
        step: 0,
        after_ms: 0,
        group: None,
        group_wait_ms: 0,
        group_interval_ms: RULES_INTERVAL_MS,
        terms: NotificationTerms {
            failure_threshold: rule.failure_threshold,
            success_threshold: rule.success_threshold,
            send_on_resolved: rule.send_on_resolved,
            reminder_ms: rule.reminder.map(millis),
            description: rule.description.clone(),
            rule: u16::try_from(position).ok(),
        },
    };
    rules.map(route).collect()
}

fn ascending(lengths: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut lengths: Vec<u32> = lengths.map(|length| length.max(1)).collect();
    lengths.sort_unstable();
    lengths.dedup();
    lengths
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::alert::channel::PolicyOptions;
    use crate::domain::alert::silence::Matcher;
    use crate::domain::service::definition::Origin;

    fn policy(id: i64, group: &str, channel: &str, continues: bool) -> Policy {
        Policy {
            id,
            name: format!("p{id}"),
            origin: Origin::File,
            position: 0,
            matcher: Matcher { group: vec![group.to_owned()], ..Matcher::default() },
            options: PolicyOptions {
                steps: vec![(Duration::ZERO, vec![channel.to_owned()])],
                continues,
                ..PolicyOptions::default()
            },
        }
    }

    fn watched<'a>(group: &'a str, rules: Option<&'a [AlertRule]>) -> Watched<'a> {
        Watched {
            name: "api",
            group: Some(group),
            rules,
            degraded: None,
            certificate_days: &[14, 7, 1],
        }
    }

    fn channels(watched: &Watched<'_>, policies: &[Policy]) -> Vec<String> {
        let routes = watched.routes(AlertKind::Down, policies);
        routes.into_iter().map(|route| route.channel).collect()
    }

    #[test]
    fn the_first_policy_that_matches_decides_unless_it_continues() {
        let policies = [
            policy(1, "core", "sms", true),
            policy(2, "c*", "chat", false),
            policy(3, "*", "mail", false),
        ];
        assert_eq!(channels(&watched("core", None), &policies), ["sms", "chat"]);
        assert_eq!(channels(&watched("cache", None), &policies), ["chat"]);
        assert_eq!(channels(&watched("web", None), &policies), ["mail"]);
    }

    #[test]
    fn rules_of_a_service_stand_instead_of_the_policies() {
        let policies = [policy(1, "*", "mail", false)];
        let off = AlertRule { enabled: false, ..AlertRule::new("sms") };
        let rules = [AlertRule::new("slack"), off];
        assert_eq!(channels(&watched("core", Some(&rules)), &policies), ["slack"]);
        assert_eq!(channels(&watched("core", Some(&[])), &policies), Vec::<String>::new());
        assert_eq!(watched("core", Some(&[])).marks(&policies), None);
    }

    #[test]
    fn marks_are_the_distinct_thresholds_of_all_routes() {
        let rule = |failures| AlertRule { failure_threshold: failures, ..AlertRule::new("slack") };
        let rules = [rule(5), rule(2), rule(5)];
        let marks = watched("core", Some(&rules)).marks(&[]).unwrap();
        assert_eq!(marks.failures, [2, 5]);
        assert_eq!(marks.successes, [2]);
        assert!(marks.certificate_days.is_empty() && !marks.flapping);
    }
}
