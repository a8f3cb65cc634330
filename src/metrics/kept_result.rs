//! The last result of a service as it is kept in memory: what [`LastResult`] says, in a third of
//! its bytes.

use std::sync::Arc;

use crate::domain::service::options::{HttpVersion, TlsVersion};
use crate::domain::{Group, Labels, Name, Outcome, ServiceId};
use crate::metrics::last_result::{Expiries, LastResult};

/// Invariant: [`get`](Self::get) returns the result that it was made of.
#[derive(Debug, Clone)]
pub enum KeptResult {
    Packed(PackedResult),
    /// A result that does not fit: values are out of range, or it has what few services have, such
    /// as a plugin's result.
    Whole(Arc<LastResult>),
}

const _: () = assert!(size_of::<Option<KeptResult>>() == 40);

/// The values of a [`LastResult`] in as many bits as those of most services need.
#[derive(Debug, Clone)]
pub struct PackedResult {
    /// Start of the probe, in unix seconds.
    at_s: u32,
    /// In addition, 0 to 999.
    at_ms: u16,
    http_status: u16,
    phases_us: [u32; 5],
    /// Unix seconds; 0 without one.
    certificate_at: u32,
    /// The part of the duration that belongs to no phase: each is rounded down.
    unphased_us: u8,
    redirects: u8,
    /// Whether the chain that was verified expires with the certificate.
    is_chain_verified: bool,
    success: bool,
    tls_version: Option<TlsVersion>,
    http_version: Option<HttpVersion>,
    is_ipv6: Option<bool>,
}

/// The last result of a service, with the current name and group of the service.
#[derive(Debug, Clone)]
pub struct ServiceResult {
    pub id: ServiceId,
    pub name: Name,
    pub group: Option<Group>,
    pub labels: Labels,
    pub result: KeptResult,
}

impl KeptResult {
    pub fn of(outcome: &Outcome) -> Self {
        Self::new(LastResult::new(outcome))
    }

    pub fn new(result: LastResult) -> Self {
        let packed = PackedResult::truncated(&result);
        if packed.get() == result { Self::Packed(packed) } else { Self::Whole(Arc::new(result)) }
    }

    pub fn get(&self) -> LastResult {
        match self {
            Self::Packed(packed) => packed.get(),
            Self::Whole(result) => LastResult::clone(result),
        }
    }

    pub fn is_up(&self) -> bool {
        match self {
            Self::Packed(packed) => packed.success,
            Self::Whole(result) => result.success,
        }
    }
}

impl PackedResult {
    /// Of what does not fit, the lowest bits or nothing.
    fn truncated(result: &LastResult) -> Self {
        let certificate_at = result.expiries.certificate_at;
        Self {
            at_s: result.at_ms.div_euclid(1_000) as u32,
            at_ms: result.at_ms.rem_euclid(1_000) as u16,
            http_status: result.http_status,
            phases_us: result.phases_us,
            certificate_at: certificate_at.unwrap_or(0) as u32,
            unphased_us: result.duration_us.wrapping_sub(sum(&result.phases_us)) as u8,
            redirects: result.redirects as u8,
            is_chain_verified: result.expiries.verified_chain_at.is_some(),
            success: result.success,
            tls_version: result.tls_version,
            http_version: result.http_version,
            is_ipv6: result.is_ipv6,
        }
    }

    fn get(&self) -> LastResult {
        let certificate_at = (self.certificate_at > 0).then(|| self.certificate_at.into());
        LastResult {
            at_ms: i64::from(self.at_s) * 1_000 + i64::from(self.at_ms),
            success: self.success,
            tls_version: self.tls_version,
            is_ipv6: self.is_ipv6,
            http_status: self.http_status,
            redirects: self.redirects.into(),
            http_version: self.http_version,
            duration_us: sum(&self.phases_us) + u64::from(self.unphased_us),
            phases_us: self.phases_us,
            plugin: None,
            expiries: Expiries {
                certificate_at,
                verified_chain_at: certificate_at.filter(|_| self.is_chain_verified),
                domain_at: None,
            },
        }
    }
}

fn sum(phases_us: &[u32; 5]) -> u64 {
    phases_us.iter().copied().map(u64::from).sum()
}

#[cfg(test)]
mod tests {
    use proptest::option;
    use proptest::prelude::*;

    use super::*;
    use crate::domain::plugin::{PluginResult, PluginState};
    use crate::domain::sample;

    fn usual() -> LastResult {
        LastResult {
            at_ms: 1_800_000_000_999,
            success: true,
            tls_version: Some(TlsVersion::Tls13),
            is_ipv6: Some(false),
            http_status: 200,
            redirects: 1,
            http_version: Some(HttpVersion::Http2),
            duration_us: 15_004,
            phases_us: [1_000, 2_000, 3_000, 4_000, 5_000],
            plugin: None,
            expiries: Expiries {
                certificate_at: Some(1_900_000_000),
                verified_chain_at: Some(1_900_000_000),
                domain_at: None,
            },
        }
    }

    #[test]
    fn results_of_most_services_are_packed() {
        let expiries = |certificate_at| Expiries { certificate_at, ..Expiries::default() };
        for result in [
            usual(),
            LastResult { expiries: expiries(None), tls_version: None, ..usual() },
            LastResult { expiries: expiries(Some(u32::MAX.into())), ..usual() },
            LastResult { phases_us: [u32::MAX; 5], duration_us: 5 * ((1 << 32) - 1), ..usual() },
            LastResult::new(&sample::outcome(1, 0)),
        ] {
            let kept = KeptResult::new(result.clone());
            assert!(matches!(kept, KeptResult::Packed(_)), "{result:?}");
            assert_eq!((kept.is_up(), kept.get()), (result.success, result));
        }
    }

    #[test]
    fn what_does_not_fit_is_kept_whole() {
        let with = |change: fn(&mut LastResult)| {
            let mut result = usual();
            change(&mut result);
            result
        };
        let plugin =
            PluginResult { state: PluginState::Ok, text: String::new(), perfdata: Vec::new() };
        for result in [
            with(|result| result.at_ms = -1),
            with(|result| result.at_ms = i64::MAX),
            with(|result| result.redirects = 256),
            with(|result| result.duration_us += 252),
            with(|result| result.duration_us = 14_999),
            with(|result| result.duration_us = u64::MAX),
            with(|result| result.expiries.certificate_at = Some(0)),
            with(|result| result.expiries.certificate_at = None),
            with(|result| result.expiries.certificate_at = Some(1 << 32)),
            with(|result| result.expiries.verified_chain_at = Some(1_900_000_001)),
            with(|result| result.expiries.domain_at = Some(2_000_000_000)),
            LastResult { plugin: Some(Arc::new(plugin)), success: false, ..usual() },
        ] {
            let kept = KeptResult::new(result.clone());
            assert!(matches!(kept, KeptResult::Whole(_)), "{result:?}");
            assert_eq!((kept.is_up(), kept.get()), (result.success, result));
        }
    }

    proptest! {
        #[test]
        fn a_result_is_the_same_after_it_was_kept(
            at_ms in prop_oneof![0..2_000_000_000_000_i64, any::<i64>()],
            (success, is_ipv6) in (any::<bool>(), option::of(any::<bool>())),
            tls_version in option::of(prop::sample::select(TlsVersion::ALL.to_vec())),
            http_version in option::of(Just(HttpVersion::Http11)),
            (http_status, redirects) in (any::<u16>(), prop_oneof![0..3_u16, any::<u16>()]),
            phases_us in prop_oneof![prop::array::uniform5(0..9_u32), any::<[u32; 5]>()],
            duration_us in option::of(any::<u64>()),
            certificate_at in option::of(prop_oneof![0..9_i64, any::<i64>()]),
            verified_chain_at in option::of(0..9_i64),
            domain_at in option::weighted(0.1, any::<i64>()),
        ) {
            let duration_us = duration_us.unwrap_or(sum(&phases_us));
            let result = LastResult {
                at_ms,
                success,
                tls_version,
                is_ipv6,
                http_status,
                redirects,
                http_version,
                duration_us,
                phases_us,
                plugin: None,
                expiries: Expiries { certificate_at, verified_chain_at, domain_at },
            };
            let kept = KeptResult::new(result.clone());
            prop_assert_eq!((kept.is_up(), kept.get()), (success, result));
        }
    }
}
