//! What the start checks of the server, of the database and of its schema. Everything here only
//! reads.

use diesel::prelude::*;
use diesel::sql_types::{Bool, Integer, Nullable, Text};

use super::cold::transfer::moves;
use super::connection::StoreConnection;
use super::migrations;
use super::migrations::Version;
use super::schema::store;
use super::start_error::StartError;

/// Oldest version of PostgreSQL, in the form of `server_version_num`.
const OLDEST_SERVER: i32 = 140_000;

const NEEDED_ENCODING: &str = "UTF8";

/// What the schema of the connection has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Nothing: a new store.
    Empty,
    /// A store of this program.
    Store(Version),
}

#[derive(QueryableByName)]
struct Facts {
    #[diesel(sql_type = Integer)]
    version_number: i32,
    #[diesel(sql_type = Text)]
    version: String,
    #[diesel(sql_type = Text)]
    encoding: String,
    #[diesel(sql_type = Text)]
    synchronous_commit: String,
    #[diesel(sql_type = Text)]
    fsync: String,
    #[diesel(sql_type = Nullable<Text>)]
    schema: Option<String>,
}

const FACTS: &str = "\
    SELECT current_setting('server_version_num')::int AS version_number, \
        current_setting('server_version') AS version, \
        current_setting('server_encoding') AS encoding, \
        current_setting('synchronous_commit') AS synchronous_commit, \
        current_setting('fsync') AS fsync, \
        current_schema()::text AS schema";

/// Checks the server and the database. Returns what an operator should know.
pub fn check_server(connection: &mut StoreConnection) -> Result<Vec<String>, StartError> {
    let facts: Facts = diesel::sql_query(FACTS).get_result(connection)?;
    if facts.version_number < OLDEST_SERVER {
        return Err(StartError::OldServer(facts.version));
    }
    if facts.encoding != NEEDED_ENCODING {
        return Err(StartError::Encoding(facts.encoding));
    }
    if facts.schema.is_none() {
        return Err(StartError::NoSchema);
    }
    let mut warnings = Vec::new();
    if facts.synchronous_commit == "off" {
        warnings.push(
            "synchronous_commit is off: a crash of the server loses results of the last moments \
             that were reported as stored"
                .to_owned(),
        );
    }
    if facts.fsync == "off" {
        warnings.push("fsync is off: a crash of its machine can destroy the database".to_owned());
    }
    Ok(warnings)
}

#[derive(QueryableByName)]
struct Tables {
    /// The first table, view or sequence of the schema that belongs to no extension.
    #[diesel(sql_type = Nullable<Text>)]
    first: Option<String>,
    #[diesel(sql_type = Bool)]
    has_store: bool,
    /// The schema where `store` is found instead.
    #[diesel(sql_type = Nullable<Text>)]
    elsewhere: Option<String>,
}

/// By the columns that only this program's table has.
const TABLES: &str = "\
    WITH relations AS (\
        SELECT oid, relname FROM pg_class \
        WHERE relnamespace = current_schema()::regnamespace \
            AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')), \
    stores AS (\
        SELECT c.oid, c.relnamespace FROM pg_class c \
        WHERE c.relname = 'store' AND c.relkind = 'r' AND pg_table_is_visible(c.oid) \
            AND 2 = (SELECT count(*) FROM pg_attribute a WHERE a.attrelid = c.oid \
                AND a.attname IN ('store_id', 'oldest_version') AND NOT a.attisdropped)) \
    SELECT \
        (SELECT min(relname::text) FROM relations r WHERE NOT EXISTS (\
            SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = r.oid \
                AND d.deptype = 'e')) AS first, \
        EXISTS (SELECT FROM stores JOIN relations USING (oid)) AS has_store, \
        (SELECT relnamespace::regnamespace::text FROM stores \
            WHERE relnamespace <> current_schema()::regnamespace) AS elsewhere";

/// Error for a schema of another program, and for a store of a newer version of this one.
pub fn inspect(connection: &mut StoreConnection) -> Result<Content, StartError> {
    let tables: Tables = diesel::sql_query(TABLES).get_result(connection)?;
    match tables {
        Tables { has_store: true, .. } => Ok(Content::Store(migrations::version(connection)?)),
        Tables { first: Some(table), .. } => Err(StartError::Foreign(table)),
        // A new schema, of the name of the user for example, hides the store.
        Tables { elsewhere: Some(schema), .. } => Err(StartError::Hidden(schema)),
        Tables { first: None, elsewhere: None, .. } => Ok(Content::Empty),
    }
}

/// Error when the store needs a newer version of the program, or a move has not filled it yet.
pub fn check_program(connection: &mut StoreConnection) -> Result<(), StartError> {
    let oldest: Option<String> = store::table.select(store::oldest_version).first(connection)?;
    if let Some(oldest) = oldest
        && !migrations::names()?.contains(&oldest)
    {
        return Err(StartError::OldProgram(oldest));
    }
    match moves::unfinished(connection)? {
        Some(source) => Err(StartError::UnfinishedMove(source)),
        None => Ok(()),
    }
}
