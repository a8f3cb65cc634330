//! The name of an instance in the database.

use std::path::Path;

use sha2::{Digest, Sha256};

use crate::bounded_file;

/// Most characters of a name.
const MAX_CHARS: usize = 100;

/// Largest file with the name or the id of a machine, in bytes.
const MAX_BYTES: usize = 4096;

/// Digits of the hash of the machine's id.
const ID_DIGITS: usize = 8;

/// A line of at most [`MAX_CHARS`] characters that is not blank.
pub fn parse(text: &str) -> Option<String> {
    let is_valid = !text.trim().is_empty()
        && text.chars().count() <= MAX_CHARS
        && !text.contains(char::is_control);
    is_valid.then(|| text.to_owned())
}

/// Host name, a hash of the machine's id, and `port`: two machines of one host name have two names.
pub fn of_this_machine(port: u16) -> String {
    let read = |file: &str| bounded_file::read_text(Path::new(file), MAX_BYTES).ok();
    let host = read("/proc/sys/kernel/hostname");
    default(host.as_deref(), read("/etc/machine-id").as_deref(), port)
}

fn default(host: Option<&str>, machine_id: Option<&str>, port: u16) -> String {
    // Room for the other parts.
    let host: String = host.unwrap_or_default().trim().chars().take(64).collect();
    let host = if host.is_empty() { "localhost".to_owned() } else { host };
    match machine_id.map(str::trim).filter(|id| !id.is_empty()) {
        Some(id) => format!("{host}-{}-{port}", hash(id)),
        None => format!("{host}-{port}"),
    }
}

/// machine-id(5): the id itself is confidential; an id that is derived from it may be shown.
fn hash(machine_id: &str) -> String {
    let hash = Sha256::digest(format!("service-healthcheck {machine_id}"));
    let digits = hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    digits[..ID_DIGITS].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn the_default_name_has_the_host_the_machine_and_the_port_but_not_the_machine_id() {
        let name = default(Some("web1\n"), Some(&format!("{ID}\n")), 9999);
        assert!(name.starts_with("web1-") && name.ends_with("-9999"), "{name}");
        assert!(!name.contains(&ID[..ID_DIGITS]), "{name}");
        assert_ne!(name, default(Some("web1"), Some(&ID.replace('0', "1")), 9999));
        assert_eq!(default(Some("web1"), None, 1), "web1-1");
        assert_eq!(default(None, Some("\n"), 1), "localhost-1");
    }

    #[test]
    fn a_default_name_is_a_valid_name() {
        let long = "h".repeat(300);
        for host in [None, Some("web1"), Some(&long)] {
            let name = default(host, Some(ID), u16::MAX);
            assert_eq!(parse(&name).as_ref(), Some(&name));
        }
        assert!(parse(&of_this_machine(9999)).is_some());
    }

    #[test]
    fn a_name_is_a_line_of_at_most_100_characters() {
        assert!(parse(&"ü".repeat(100)).is_some());
        for bad in ["", "  ", "a\nb", "a\0", &"x".repeat(101)] {
            assert!(parse(bad).is_none(), "{bad:?}");
        }
    }
}
