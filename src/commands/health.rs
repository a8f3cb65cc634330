//! `service-healthcheck health`: checks the service on this machine, for a container.

use std::net::SocketAddr;
use std::time::Duration;

use actix_rt::System;

use crate::commands::client::{connect_address, http_client};
use crate::config::Config;
use crate::error::Error;

/// A service that responds later is not healthy.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Requests `/v1/_internal/health` from the service that `config` describes.
pub(super) fn run(config: &Config) -> Result<(), Error> {
    let address = SocketAddr::new(connect_address(config.api.host), config.api.port);
    let url = format!("{}://{address}/v1/_internal/health", config.api.scheme());
    let status = System::new().block_on(async {
        let client = http_client(TIMEOUT)?;
        Ok::<_, Error>(client.get(&url).send().await.map(|response| response.status()))
    });
    match status? {
        Ok(status) if status.is_success() => Ok(()),
        Ok(status) => Err(Error::Failed(format!("{url} answered {status}"))),
        Err(error) => Err(Error::Failed(format!("{url}: {error}"))),
    }
}
