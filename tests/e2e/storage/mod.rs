//! The database: recording, recovery, retention, backup and import.

mod crash_recovery;
mod export_backup_restore;
mod import_go_db;
mod recording;
mod retention;
