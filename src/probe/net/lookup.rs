//! Look-ups of both address families of a name at once.

use std::net::IpAddr;
use std::time::Duration;

use futures_util::future::{Either, select};
use hickory_resolver::ConnectionProvider;
use hickory_resolver::Resolver;
use hickory_resolver::net::{NetError, NoRecords};
use hickory_resolver::proto::op::{Query, ResponseCode};
use hickory_resolver::proto::rr::{Name, RecordType};

use crate::domain::service::options::IpFamily;
use crate::domain::{Failure, Reason};

/// How long a look-up with addresses of one family waits for the other family (RFC 8305,
/// "Resolution Delay").
const RESOLUTION_DELAY: Duration = Duration::from_millis(50);

/// How long the IPv6 look-up may take after the IPv4 look-up failed.
const IPV6_GRACE: Duration = Duration::from_secs(1);

/// The absolute name. Not IDNA: the URL is in punycode already, and container names may have
/// underscores.
pub fn absolute(name: &str) -> Result<Name, Failure> {
    let mut absolute = Name::from_ascii(name).map_err(|error| {
        Failure::new(Reason::DnsNoSuchName, format!("{name} is not a valid name: {error}"))
    })?;
    absolute.set_fqdn(true);
    Ok(absolute)
}

/// The addresses in the records of `kind` of the absolute `name`; never empty.
pub async fn addresses<P: ConnectionProvider>(
    resolver: &Resolver<P>,
    name: Name,
    kind: RecordType,
) -> Result<Vec<IpAddr>, NetError> {
    let found = resolver.lookup(name.clone(), kind).await?;
    let found: Vec<IpAddr> =
        found.answers().iter().filter_map(|record| record.data.ip_addr()).collect();
    if found.is_empty() {
        return Err(NoRecords::new(Query::query(name, kind), ResponseCode::NoError).into());
    }
    Ok(found)
}

/// The addresses of `family`, by a look-up for each type of record. For both families: the
/// addresses of both, or of the one that has any; when both fail, the error of IPv4, which more
/// names have.
pub async fn race<F>(
    family: IpFamily,
    query: impl Fn(RecordType) -> F,
) -> Result<Vec<IpAddr>, NetError>
where
    F: Future<Output = Result<Vec<IpAddr>, NetError>>,
{
    match family {
        IpFamily::Any => {}
        IpFamily::V4 => return query(RecordType::A).await,
        IpFamily::V6 => return query(RecordType::AAAA).await,
    }
    let v4 = std::pin::pin!(query(RecordType::A));
    let v6 = std::pin::pin!(query(RecordType::AAAA));
    match select(v4, v6).await {
        Either::Left((Ok(found), v6)) => with_other_family(found, v6).await,
        Either::Right((Ok(found), v4)) => with_other_family(found, v4).await,
        // NXDOMAIN holds for both families (RFC 8020).
        Either::Left((Err(error), _)) if error.is_nx_domain() => Err(error),
        Either::Left((Err(error), v6)) => match tokio::time::timeout(IPV6_GRACE, v6).await {
            Ok(Ok(found)) => Ok(found),
            _ => Err(error),
        },
        Either::Right((Err(_), v4)) => v4.await,
    }
}

/// Adds the addresses of `other` if they come within [`RESOLUTION_DELAY`].
async fn with_other_family(
    mut found: Vec<IpAddr>,
    other: impl Future<Output = Result<Vec<IpAddr>, NetError>>,
) -> Result<Vec<IpAddr>, NetError> {
    if let Ok(Ok(more)) = tokio::time::timeout(RESOLUTION_DELAY, other).await {
        found.extend(more);
    }
    Ok(found)
}
