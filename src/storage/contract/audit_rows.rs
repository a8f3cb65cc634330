//! The audit of access, and of times before the wall clock was set back.

use serde_json::json;

use super::audit::{ALL, actions, deploy, entry, fields, rows};
use super::fixture::{Fixture, Kind, START_MS, for_each_store};
use crate::domain::access::{
    GroupLimit, NewToken, Scope, Scopes, Session, SessionKey, SessionOwner, TokenHash, TokenText,
};
use crate::domain::time::step_back::StepBack;
use crate::storage::access::{AccessApplied, AccessChange, Uses};
use crate::storage::error::StorageError;

for_each_store!(
    tokens_and_sessions_have_rows_without_their_texts,
    a_step_back_of_the_clock_moves_the_rows_of_the_future,
);

fn tokens_and_sessions_have_rows_without_their_texts(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 0);
    let mut now_ms = START_MS;
    let mut change = |f: &mut Fixture, change: AccessChange| {
        now_ms += 1;
        f.writer.change_access(change, &deploy(), now_ms)
    };
    let text = TokenText::from_random([7; 32]);
    let rights = (Scopes::from_iter([Scope::Read]), GroupLimit::to(["core".to_owned()]));
    let made = ("token deploy", START_MS);
    let token = NewToken::new(&text, "grafana", rights, Some(START_MS + 90_000), made).unwrap();
    let AccessApplied::Token(token) = change(&mut f, AccessChange::CreateToken(token)).unwrap()
    else {
        panic!("no token")
    };
    let key = SessionKey::from_random([9; 32]);
    let mut begin = |f: &mut Fixture, owner: SessionOwner| {
        let stored = (key.hash(&owner), owner.token_id());
        let session = Session::begin(stored, (Scopes::ALL, None), false, START_MS).unwrap();
        change(f, AccessChange::BeginSession(session)).unwrap();
    };
    begin(&mut f, SessionOwner::Token(token.id));
    begin(&mut f, SessionOwner::ApiToken(TokenHash([3; 32])));
    change(&mut f, AccessChange::EndSession(key.hash(&SessionOwner::Token(token.id)))).unwrap();
    change(&mut f, AccessChange::NoteUses(Uses::default())).unwrap();
    change(&mut f, AccessChange::RevokeToken(token.id)).unwrap();
    let again = change(&mut f, AccessChange::RevokeToken(token.id));
    assert_eq!(again, Err(StorageError::NotFound));
    let rows = rows(&mut f, ALL);
    let expected = [
        ("token.create", Some("grafana")),
        ("session.create", None),
        ("session.create", None),
        ("token.revoke", Some("grafana")),
    ];
    assert_eq!(actions(&rows), expected, "neither uses nor the end of a session");
    assert!(rows.iter().all(|row| row.token_id == Some(7) && row.actor == "token deploy"));
    let created = json!({"name": "grafana", "scopes": ["read"], "groups": ["core"],
        "expires_at": START_MS.div_euclid(1_000) + 90});
    assert_eq!((&rows[0].before, fields(rows[0].after.as_ref())), (&None, created.clone()));
    assert_eq!((fields(rows[3].before.as_ref()), &rows[3].after), (created, &None));
    assert_eq!((rows[0].object.as_str(), rows[0].object_id), ("token", Some(token.id)));
    assert_eq!((rows[1].object.as_str(), rows[1].object_id), ("session", None));
    assert_eq!(fields(rows[1].after.as_ref())["token_id"], token.id);
    assert_eq!(fields(rows[2].after.as_ref()).get("token_id"), None, "of API_TOKEN");
    let all = format!("{rows:?}");
    assert!(!all.contains(text.reveal()) && !all.contains(&key.reveal()), "{all}");
}

fn a_step_back_of_the_clock_moves_the_rows_of_the_future(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 0);
    let hour_ms = 3_600_000;
    let ahead_ms = START_MS + hour_ms;
    f.writer
        .record_audit(&[entry(START_MS, 1), entry(ahead_ms, 2), entry(ahead_ms + 7, 3)])
        .unwrap();
    // The clock was an hour ahead since 10 ms after the first change.
    let after_ms = START_MS + 10;
    let step = StepBack { by_ms: hour_ms, to_ms: START_MS + 20, after_ms };
    f.ledger.step_back(&mut *f.writer, &[step]).unwrap();
    let times: Vec<i64> = rows(&mut f, ALL).iter().map(|row| row.at_ms).collect();
    assert_eq!(times, [START_MS, START_MS, START_MS + 7]);
    // By how much is not known: nothing lies in the future.
    f.ledger.step_back(&mut *f.writer, &[StepBack::cut(START_MS + 5)]).unwrap();
    let times: Vec<i64> = rows(&mut f, ALL).iter().map(|row| row.at_ms).collect();
    assert_eq!(times, [START_MS, START_MS, START_MS + 5]);
}
