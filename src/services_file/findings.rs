//! What reading a services file finds beside its entries.

use crate::services_file::notices::Notices;
use crate::services_file::problems::Problems;

/// Problems refuse the whole file; notices do not.
#[derive(Debug, Default)]
pub struct Findings {
    pub problems: Problems,
    pub notices: Notices,
}
