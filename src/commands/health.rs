//! `service-healthcheck health`: asks the service that runs beside it, for a container's health check.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use crate::config::Config;

/// A service that takes longer is not healthy.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Asks `/v1/_internal/health` of the service that `config` describes. The error is for a person.
pub fn check(config: &Config) -> Result<(), String> {
    let address = SocketAddr::new(reachable(config.api_host), config.api_port);
    let url = format!("http://{address}/v1/_internal/health");
    let asked = actix_rt::System::new().block_on(async {
        let client = awc::Client::builder().timeout(ANSWER_WITHIN).finish();
        client.get(&url).send().await.map(|response| response.status())
    });
    match asked {
        Ok(status) if status.is_success() => Ok(()),
        Ok(status) => Err(format!("{url} answered {status}")),
        Err(error) => Err(format!("{url}: {error}")),
    }
}

/// Where a service that listens on `host` is found from this machine.
fn reachable(host: IpAddr) -> IpAddr {
    match host {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        other => other,
    }
}
