use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};

use super::*;
use crate::domain::Reason;
use crate::probe::tls_failure;

const NAME: &str = "a.example";

/// A certificate for [`NAME`], valid in the years from 2020 to `until`.
fn params(until: i32) -> CertificateParams {
    let mut params = CertificateParams::new(vec![NAME.to_owned()]).unwrap();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(until, 1, 1);
    params
}

fn authority(until: i32) -> CertificateParams {
    let mut params = params(until);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

fn self_signed(params: &CertificateParams) -> CertificateDer<'static> {
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
}

fn store(certificates: impl IntoIterator<Item = CertificateDer<'static>>) -> TrustStore {
    let mut store = TrustStore::new();
    certificates.into_iter().for_each(|certificate| store.add(certificate).unwrap());
    store
}

fn year(year: i32) -> UnixTime {
    let seconds = date_time_ymd(year, 6, 1).unix_timestamp();
    UnixTime::since_unix_epoch(Duration::from_secs(seconds.cast_unsigned()))
}

/// The years of the earliest expiry, or the reason of the failure, in 2025.
fn verified(
    store: &TrustStore,
    chain: &[CertificateDer<'static>],
    name: &str,
) -> Result<Option<i64>, Reason> {
    verified_in(2025, store, chain, name)
}

fn verified_in(
    now: i32,
    store: &TrustStore,
    chain: &[CertificateDer<'static>],
    name: &str,
) -> Result<Option<i64>, Reason> {
    let (own, intermediates) = chain.split_first().unwrap();
    let name = ServerName::try_from(name).unwrap();
    let verified = store.verify(own, intermediates, &name, year(now));
    let verified = verified.map(|chain| chain.expires_at);
    verified.map_err(|error| tls_failure::of_tls(&std::io::Error::other(error)).reason)
}

fn start_of(year: i32) -> Result<Option<i64>, Reason> {
    Ok(Some(date_time_ymd(year, 1, 1).unix_timestamp()))
}

#[test]
fn exactly_a_trusted_certificate_is_valid_of_whatever_kind() {
    let stranger = KeyPair::generate().unwrap();
    let stranger = Issuer::new(authority(2040), stranger);
    let key = KeyPair::generate().unwrap();
    let leaf = params(2031).signed_by(&key, &stranger).unwrap().der().clone();
    for own in [self_signed(&authority(2031)), self_signed(&params(2031)), leaf] {
        let store = store([own.clone()]);
        let chain = [own];
        assert_eq!(verified(&store, &chain, NAME), start_of(2031));
        assert_eq!(verified(&store, &chain, "b.example"), Err(Reason::TlsHostname));
        assert_eq!(verified_in(2032, &store, &chain, NAME), Err(Reason::TlsExpired));
        assert_eq!(verified_in(2019, &store, &chain, NAME), Err(Reason::TlsNotYetValid));
        let other = [self_signed(&params(2031))];
        assert_eq!(verified(&store, &other, NAME), Err(Reason::TlsUntrusted));
    }
}

#[test]
fn a_trusted_certificate_must_be_for_servers() {
    let mut clients = params(2031);
    clients.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let mut servers = params(2031);
    servers.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let verified = |params: &CertificateParams| {
        let own = self_signed(params);
        verified(&store([own.clone()]), &[own], NAME)
    };
    assert_eq!(verified(&clients), Err(Reason::TlsUntrusted));
    assert_eq!(verified(&servers), start_of(2031));
}

#[test]
fn a_trusted_certificate_without_the_right_issues_no_others() {
    let key = KeyPair::generate().unwrap();
    let pinned = params(2040).self_signed(&key).unwrap().der().clone();
    let issuer = Issuer::new(params(2040), key);
    let other = KeyPair::generate().unwrap();
    let other = params(2040).signed_by(&other, &issuer).unwrap().der().clone();
    assert_eq!(verified(&store([pinned]), &[other], NAME), Err(Reason::TlsUntrusted));
}

#[test]
fn a_target_may_show_an_authority_that_a_trusted_one_has_signed() {
    let key = KeyPair::generate().unwrap();
    let root = authority(2030);
    let root_certificate = root.self_signed(&key).unwrap().der().clone();
    let root = Issuer::new(root, key);
    let signed = |issuer: &Issuer<'_, KeyPair>| {
        let key = KeyPair::generate().unwrap();
        [authority(2040).signed_by(&key, issuer).unwrap().der().clone()]
    };
    let own = signed(&root);
    let root_store = store([root_certificate]);
    assert_eq!(verified(&root_store, &own, NAME), start_of(2030));
    assert_eq!(verified(&root_store, &own, "b.example"), Err(Reason::TlsHostname));
    assert_eq!(verified_in(2019, &root_store, &own, NAME), Err(Reason::TlsNotYetValid));
    assert_eq!(verified_in(2031, &root_store, &own, NAME), Err(Reason::TlsUntrusted));
    // Of the same name, with another key.
    let impostor = signed(&Issuer::new(authority(2030), KeyPair::generate().unwrap()));
    assert_eq!(verified(&root_store, &impostor, NAME), Err(Reason::TlsUntrusted));
}

#[test]
fn the_earliest_of_the_verified_chain_counts_the_authority_and_no_other_certificate() {
    let keys = [(); 3].map(|()| KeyPair::generate().unwrap());
    let [root_key, between_key, own_key] = keys;
    let (mut root, mut between) = (authority(2030), authority(2040));
    root.distinguished_name.push(rcgen::DnType::CommonName, "root");
    between.distinguished_name.push(rcgen::DnType::CommonName, "between");
    let root_certificate = root.self_signed(&root_key).unwrap().der().clone();
    let root = Issuer::new(root, root_key);
    let between_certificate = between.signed_by(&between_key, &root).unwrap().der().clone();
    let between = Issuer::new(between, between_key);
    let own = params(2050).signed_by(&own_key, &between).unwrap().der().clone();
    let unused = self_signed(&params(2026));
    let chain = [own, unused, between_certificate.clone()];
    let store_of_root = store([root_certificate.clone()]);
    assert_eq!(verified(&store_of_root, &chain, NAME), start_of(2030), "the authority");
    assert_eq!(verified_in(2031, &store_of_root, &chain, NAME), Err(Reason::TlsExpired));
    let store = store([root_certificate, between_certificate]);
    let renewed = verified_in(2031, &store, &chain, NAME);
    assert_eq!(renewed, start_of(2040), "another path");
}
