//! Settings of external checks.

use crate::config::reader::Reader;
use crate::config::variable::{Section, Variable};
use crate::probe::exec::launcher::PluginRules;

const DIR: Variable = Variable::optional(
    "PLUGINS_DIR",
    "the name of a folder that only root and this user may write",
    "folder of the plugins that exec:// services run, such as /usr/lib/nagios/plugins; without it, \
     such services are refused. Clients that may write services may run any plugin with any \
     arguments",
);
const MEMORY_LIMIT: Variable = Variable::new(
    "PLUGINS_MEMORY_LIMIT_BYTES",
    "536870912",
    "a number from 67108864 to 1099511627776",
    "most address space of each process of a plugin",
);

pub const SECTION: Section = Section { title: "External checks", variables: &[DIR, MEMORY_LIMIT] };

/// `None` without a folder of plugins.
pub fn read(reader: &mut Reader) -> Option<PluginRules> {
    let memory_limit = reader.number(&MEMORY_LIMIT, 64 << 20, 1 << 40);
    // Plugins do not run in the working directory of this program.
    let folder = reader.optional(&DIR, |text| std::path::absolute(text).ok())?;
    Some(PluginRules { folder, memory_limit })
}
