//! Every column of a store is in the lists of a copy.

use std::collections::{BTreeMap, BTreeSet};

use super::fixture::{Kind, for_each_store};
use super::place::Place;
use crate::storage::transfer::rows::PLAIN;
use crate::storage::transfer::tables::{HISTORY, LEFT, NUMBERED, ONCE, REGION};

for_each_store!(every_column_is_copied_or_left_out_on_purpose);

/// The tables and columns of a store, but for those of the migrations and of SQLite itself.
fn columns(place: &Place, kind: Kind) -> BTreeSet<(String, String)> {
    let query = match kind {
        Kind::Sqlite => {
            "SELECT m.name || ' ' || c.name FROM sqlite_schema m JOIN pragma_table_xinfo(m.name) c \
             WHERE m.type = 'table' AND c.hidden = 0 AND m.name NOT LIKE 'sqlite_%' \
             AND m.name NOT LIKE '\\_\\_%' ESCAPE '\\'"
        }
        Kind::Postgres => {
            "SELECT c.table_name || ' ' || c.column_name FROM information_schema.columns c \
             JOIN information_schema.tables t USING (table_schema, table_name) \
             WHERE table_schema = 'public' AND table_type = 'BASE TABLE' \
             AND table_name NOT LIKE '\\_\\_%'"
        }
    };
    let columns = place.texts(query).into_iter();
    columns
        .map(|column| {
            let (table, column) = column.split_once(' ').unwrap();
            (table.to_owned(), column.to_owned())
        })
        .collect()
}

fn every_column_is_copied_or_left_out_on_purpose(kind: Kind) {
    let place = Place::new(kind);
    drop(place.open());
    let stored = columns(&place, kind);
    assert!(stored.len() > 150, "{}", stored.len());
    let copied: BTreeMap<&str, Vec<&str>> = PLAIN.iter().chain(HISTORY).chain(ONCE).fold(
        BTreeMap::new(),
        |mut all, (table, columns)| {
            all.entry(*table).or_insert_with(Vec::new).extend(*columns);
            all
        },
    );
    let is_listed = |(table, column): &&(String, String)| {
        copied.get(table.as_str()).is_some_and(|columns| columns.contains(&column.as_str()))
            || column == REGION
            || LEFT
                .iter()
                .any(|(left, of_it, _)| left == table && (*of_it == "*" || of_it == column))
    };
    let forgotten: Vec<_> = stored.iter().filter(|column| !is_listed(column)).collect();
    assert!(forgotten.is_empty(), "no copy has these columns: {forgotten:?}");
    for (table, columns) in PLAIN {
        for column in *columns {
            assert!(stored.contains(&((*table).to_owned(), (*column).to_owned())), "{column}");
        }
    }

    let numbered = match kind {
        Kind::Sqlite => "SELECT name FROM sqlite_schema WHERE sql LIKE '%AUTOINCREMENT%'",
        // Nothing refers to the others, and none of them is in SQLite.
        Kind::Postgres => {
            "SELECT table_name FROM information_schema.columns WHERE is_identity = 'YES' \
             AND table_schema = 'public' \
             AND table_name NOT IN ('service_facts', 'inbox', 'instances')"
        }
    };
    let numbered: BTreeSet<String> = place.texts(numbered).into_iter().collect();
    assert_eq!(numbered, NUMBERED.map(str::to_owned).into_iter().collect());
}
