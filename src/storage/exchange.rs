//! What copies of a database need: a look that leaves no trace, whether it is whole, a copy, and closing it down.

use std::path::Path;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use diesel::sqlite::SqliteConnection;

use super::migrations;
use crate::storage::connection::{
    Line, absolute, connect, escaped, explain, judge, lies_beside, unusable,
};
use crate::storage::error::OpenError;

/// Services and ticks of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct Counts {
    /// Services, deleted ones included.
    #[diesel(sql_type = BigInt)]
    pub services: i64,
    /// Ticks, fresh and sealed.
    #[diesel(sql_type = BigInt)]
    pub ticks: i64,
}

/// Opens a database of ours to look at it, whether a service works on it or not, and whether one starts meanwhile. Nothing is
/// created when there is none, and nothing of it is changed.
///
/// With a log beside it, the connection may only read, so that it never folds the log into the file. Without one, it takes part
/// as a writer would, who alone takes away what SQLite puts beside the file for a while; there is nothing to fold then.
pub fn open(file: &Path) -> Result<SqliteConnection, OpenError> {
    let path = absolute(file).map_err(|error| unusable(file, error))?;
    if judge(file, &path)? {
        let why = if path.exists() { "it is empty" } else { "there is no such file" };
        return Err(unusable(file, why));
    }
    onlooker(file)
}

/// The same of a file that is not judged.
pub fn onlooker(file: &Path) -> Result<SqliteConnection, OpenError> {
    let path = file.canonicalize().map_err(|error| unusable(file, error))?;
    let text = path.to_str().ok_or_else(|| unusable(file, "its path is not UTF-8"))?;
    let uri = |mode: &str| format!("file:{}?mode={mode}", escaped(text));
    let has_log = lies_beside(&path, "-wal") || lies_beside(&path, "-journal");
    let looked = looking(&uri(if has_log { "ro" } else { "rw" }));
    let may_not_write = |error: &dyn std::error::Error| {
        let said = error.to_string();
        said.contains("unable to open") || said.contains("readonly")
    };
    match looked {
        // Where nothing may be put beside the file, no service of the same user can run, and SQLite need not look out for one.
        Err(error) if !has_log && may_not_write(&*error) => looking(&uri("ro&immutable=1")),
        looked => looked,
    }
    .map_err(|error| explain(file, &*error))
}

/// A connection that only looks, tried out.
fn looking(uri: &str) -> Result<SqliteConnection, Box<dyn std::error::Error>> {
    let mut connection = connect(uri)?;
    connection.batch_execute("PRAGMA query_only = ON")?;
    connection.batch_execute("SELECT count(*) FROM sqlite_schema")?;
    Ok(connection)
}

/// What SQLite finds wrong with the file, one sentence each, at most a hundred.
pub fn damage(connection: &mut SqliteConnection) -> Vec<String> {
    let check = diesel::sql_query("SELECT integrity_check AS line FROM pragma_integrity_check");
    match check.load::<Line>(connection) {
        Ok(lines) => lines.into_iter().map(|found| found.line).filter(|it| it != "ok").collect(),
        Err(error) => vec![error.to_string()],
    }
}

/// Writes everything that `connection` sees at one moment to `copy`, an empty file; others may go on writing. The copy is packed
/// and has no log. It is not synced.
pub fn copy_to(connection: &mut SqliteConnection, copy: &Path) -> Result<(), String> {
    let path = copy.to_str().ok_or("its path is not UTF-8")?.replace('\'', "''");
    let told = |error: diesel::result::Error| error.to_string();
    // It keeps SQLite from writing the copy too.
    connection.batch_execute("PRAGMA query_only = OFF").map_err(told)?;
    let copied = connection.batch_execute(&format!("VACUUM INTO '{path}'")).map_err(told);
    connection.batch_execute("PRAGMA query_only = ON").map_err(told)?;
    copied
}

/// How much is in a database, by counting; in one of an older version as well, which has no sealed ticks, or seals all at once.
pub fn counts(connection: &mut SqliteConnection) -> Result<Counts, String> {
    const SEALED: &str = " + (SELECT coalesce(sum(tick_count), 0) FROM service_tick_chunks)";
    let mut count = |fresh: &str, sealed: &str| {
        diesel::sql_query(format!(
            "SELECT (SELECT count(*) FROM services) AS services, \
             (SELECT count(*) FROM {fresh}){sealed} AS ticks"
        ))
        .get_result(connection)
    };
    count("fresh_ticks", SEALED)
        .or_else(|_| count("service_ticks", SEALED))
        .or_else(|_| count("service_ticks", ""))
        .map_err(|error| error.to_string())
}

/// Opens a copy that nobody else works on, and brings its tables up to this version.
pub fn migrate(copy: &Path) -> Result<SqliteConnection, String> {
    let path = copy.to_str().ok_or("its path is not UTF-8")?;
    let mut connection = connect(path).map_err(|error| error.to_string())?;
    migrations::run(&mut connection)?;
    Ok(connection)
}

/// Folds the log of a whole database into its file, so that nothing lies beside it, and keeps everybody else out for as long as
/// the connection lives. An error when somebody has it open: a file must not be moved away under SQLite.
pub fn close_down(file: &Path) -> Result<SqliteConnection, String> {
    let path = file.to_str().ok_or("its path is not UTF-8")?;
    let told = |error: &dyn std::error::Error| error.to_string();
    let mut connection = connect(path).map_err(|error| told(&error))?;
    // Without a log, and so without the files that SQLite would later take away by name. Needs the file for itself.
    connection.batch_execute("PRAGMA journal_mode = DELETE").map_err(|error| told(&error))?;
    connection.batch_execute("BEGIN EXCLUSIVE").map_err(|error| told(&error))?;
    if lies_beside(file, "-wal") {
        return Err("its log cannot be folded into it".to_owned());
    }
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::connection::{beside, writer};
    use crate::storage::{Store, header};

    fn number(connection: &mut SqliteConnection, query: &str) -> String {
        let query = format!("SELECT CAST(({query}) AS TEXT) AS line");
        diesel::sql_query(query).get_result::<Line>(connection).unwrap().line
    }

    #[test]
    fn a_look_leaves_no_trace_and_sees_what_a_service_that_starts_meanwhile_writes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a b#?%.db");
        drop(Store::open(&file).unwrap());
        let before = std::fs::read(&file).unwrap();
        let names = || std::fs::read_dir(folder.path()).unwrap().count();
        let count = names();
        drop(open(&file).unwrap());
        assert_eq!((std::fs::read(&file).unwrap(), names()), (before, count));

        let mut looking = open(&file).unwrap();
        assert!(looking.batch_execute("DELETE FROM services").is_err());
        let store = Store::open(&file).unwrap();
        let mut writer = writer(store.path()).unwrap();
        writer.batch_execute("CREATE TABLE t (x); INSERT INTO t VALUES (7)").unwrap();
        assert_eq!(number(&mut looking, "SELECT x FROM t"), "7");
        assert_eq!(number(&mut open(&file).unwrap(), "SELECT x FROM t"), "7");
    }

    #[test]
    fn what_is_missing_or_empty_is_told_and_not_created() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.db");
        let told = |file: &Path| open(file).err().unwrap().to_string();
        assert!(told(&file).ends_with("cannot be used: there is no such file"));
        assert!(!file.exists());
        std::fs::write(&file, "").unwrap();
        assert!(told(&file).ends_with("cannot be used: it is empty"));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_copy_is_ours_can_give_space_back_and_has_what_the_log_holds() {
        let folder = tempfile::tempdir().unwrap();
        let (file, copy) = (folder.path().join("a.db"), folder.path().join("it's a copy.db"));
        let store = Store::open(&file).unwrap();
        let mut writer = writer(store.path()).unwrap();
        writer.batch_execute("CREATE TABLE t (x); INSERT INTO t VALUES (7)").unwrap();
        std::fs::write(&copy, "").unwrap();
        let mut looking = open(&file).unwrap();
        copy_to(&mut looking, &copy).unwrap();
        assert!(looking.batch_execute("DELETE FROM services").is_err());
        let mut copied = open(&copy).unwrap();
        assert_eq!(number(&mut copied, "SELECT x FROM t"), "7");
        let mark = "SELECT application_id FROM pragma_application_id";
        assert_eq!(number(&mut copied, mark), header::APPLICATION_ID.to_string());
        assert_eq!(number(&mut copied, "SELECT auto_vacuum FROM pragma_auto_vacuum"), "2");
        assert_eq!(counts(&mut copied), Ok(Counts { services: 0, ticks: 0 }));
        assert_eq!(damage(&mut copied), [""; 0]);
    }

    #[test]
    fn a_database_is_closed_down_only_when_nobody_has_it_open() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.db");
        let store = Store::open(&file).unwrap();
        let mut writer = writer(store.path()).unwrap();
        writer.batch_execute("CREATE TABLE t (x)").unwrap();
        assert!(close_down(&file).is_err());
        drop(writer);
        let closed = close_down(&file).unwrap();
        assert!(!lies_beside(&file, "-wal") && !beside(&file, "-journal").exists());
        assert!(open(&file).is_err(), "everybody else is kept out");
        drop(closed);
        open(&file).unwrap();
    }
}
