//! The first hundred bytes of the file, read before SQLite opens it, so that a foreign file stays
//! unchanged.
//!
//! Source: "Database File Format", section 1.3, of the SQLite documentation.

/// Marks an SQLite file as a database of this program (`PRAGMA application_id`): the letters
/// "shck".
pub const APPLICATION_ID: i32 = 0x7368_636b;

/// Length of a SQLite header, in bytes.
pub const HEADER_LENGTH: usize = 100;

const MAGIC: &[u8] = b"SQLite format 3\0";

/// What a file is, by its head and its length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// No file, or an empty one: a new database.
    Empty,
    /// A database of this program.
    Own,
    /// Another file; the text says which kind.
    Foreign(&'static str),
    /// A database of this program without its end; the text has both lengths.
    Truncated(String),
}

/// `head` is the first bytes of the file, at most [`HEADER_LENGTH`].
pub fn inspect(head: &[u8], file_length: u64) -> Kind {
    if file_length == 0 {
        return Kind::Empty;
    }
    if head.len() < HEADER_LENGTH || !head.starts_with(MAGIC) {
        return Kind::Foreign("not an SQLite file, or one whose header is damaged");
    }
    if be32(head, 68) != APPLICATION_ID as u32 {
        return Kind::Foreign(
            "an SQLite file of another program (for a database of go-service-healthcheck, see \
             `import go-db`)",
        );
    }
    let page_size = match u16::from_be_bytes([head[16], head[17]]) {
        1 => 65_536,
        size => u64::from(size),
    };
    let expected = page_size * u64::from(be32(head, 28));
    if file_length < expected {
        return Kind::Truncated(format!("it has {file_length} of {expected} bytes"));
    }
    Kind::Own
}

/// `PRAGMA user_version` in a head of [`HEADER_LENGTH`] bytes.
pub fn user_version(head: &[u8]) -> u32 {
    be32(head, 60)
}

/// The counter of changes in a head of [`HEADER_LENGTH`] bytes. In a database with a log, each
/// commit that writes the first page increments it.
pub fn change_counter(head: &[u8]) -> u32 {
    be32(head, 24)
}

/// Length of the head of a log or a journal, in bytes.
pub const LOG_HEAD_LENGTH: u64 = 8;

/// The first bytes of a rollback journal (the same source, section 3).
const JOURNAL: [u8; 8] = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];

/// Whether `head` is that of a write-ahead log (the same source, section 4.1); SQLite ignores other
/// files.
pub fn is_log(head: &[u8]) -> bool {
    matches!(head, [0x37, 0x7f, 0x06, 0x82 | 0x83, ..])
}

/// Whether `head` is that of a rollback journal; SQLite ignores other files.
pub fn is_journal(head: &[u8]) -> bool {
    head.starts_with(&JOURNAL)
}

fn be32(head: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(application_id: i32, pages: u32) -> Vec<u8> {
        let mut head = vec![0; HEADER_LENGTH];
        head[..16].copy_from_slice(MAGIC);
        head[16..18].copy_from_slice(&4096u16.to_be_bytes());
        head[28..32].copy_from_slice(&pages.to_be_bytes());
        head[68..72].copy_from_slice(&application_id.to_be_bytes());
        head
    }

    #[test]
    fn a_file_is_identified_by_magic_mark_and_length() {
        assert_eq!(inspect(&[], 0), Kind::Empty);
        assert_eq!(inspect(&header(APPLICATION_ID, 2), 8192), Kind::Own);
        assert!(matches!(inspect(&header(APPLICATION_ID, 2), 8191), Kind::Truncated(_)));
        assert!(matches!(inspect(&header(0, 2), 8192), Kind::Foreign(_)));
        assert!(matches!(inspect(b"hello", 5), Kind::Foreign(_)));
        assert!(matches!(inspect(&[7; 100], 100), Kind::Foreign(_)));
        assert!(is_journal(&JOURNAL) && !is_journal(&JOURNAL[1..]) && !is_journal(b"a journal"));
        assert!(is_log(&[0x37, 0x7f, 0x06, 0x82]) && !is_log(b"a log") && !is_log(&[]));
    }
}
