//! Tokens and sessions.

use std::time::Duration;

use super::fixture::{Fixture, Kind, START_MS, for_each_store};
use crate::domain::Retention;
use crate::domain::access::session::SESSIONS_LIMIT;
use crate::domain::access::token::{REVOKED_KEPT_MS, TOKENS_LIMIT};
use crate::domain::access::{
    GroupLimit, NewToken, Scope, Scopes, Session, Token, TokenHash, TokenText,
};
use crate::domain::audit::AuditSource;
use crate::storage::access::{AccessApplied, AccessChange, Uses};
use crate::storage::error::StorageError;
use crate::storage::history::retention;
use crate::storage::history::retention::Progress;

for_each_store!(
    a_token_is_stored_without_its_text_and_read_back,
    a_name_is_unique_among_the_tokens_that_are_not_revoked,
    there_are_ten_thousand_tokens_at_most,
    a_revoked_token_ends_its_sessions_and_stays_for_90_days,
    a_token_has_64_sessions_at_most,
    uses_are_noted,
);

const SOURCE: AuditSource = AuditSource::COMMAND;

fn text(nth: u64) -> TokenText {
    let mut random = [0; 32];
    random[24..].copy_from_slice(&nth.to_be_bytes());
    TokenText::from_random(random)
}

fn new(nth: u64, name: &str) -> NewToken {
    let text = text(nth);
    NewToken {
        name: name.to_owned(),
        shown: text.shown().to_owned(),
        hash: text.hash(),
        scopes: Scopes::from_iter([Scope::Read, Scope::Probe]),
        groups: GroupLimit::to(["core".to_owned(), String::new()]),
        created_by: "command".to_owned(),
        expires_at_ms: Some(START_MS + 1),
    }
}

fn try_create(f: &mut Fixture, token: NewToken) -> Result<Token, StorageError> {
    match f.writer.change_access(AccessChange::CreateToken(token), &SOURCE, START_MS)? {
        AccessApplied::Token(token) => Ok(token),
        other => panic!("{other:?}"),
    }
}

fn create(f: &mut Fixture, nth: u64, name: &str) -> Token {
    try_create(f, new(nth, name)).unwrap()
}

fn session(nth: u8, token_id: i64, created_at_ms: i64) -> Session {
    let expires_at_ms = created_at_ms + 1_000;
    Session { hash: TokenHash([nth; 32]), token_id, created_at_ms, expires_at_ms }
}

fn begin(f: &mut Fixture, session: Session) -> Result<Vec<TokenHash>, StorageError> {
    match f.writer.change_access(
        AccessChange::BeginSession(session),
        &SOURCE,
        session.created_at_ms,
    )? {
        AccessApplied::Session { session: begun, ended } => {
            assert_eq!(begun, session);
            Ok(ended)
        }
        other => panic!("{other:?}"),
    }
}

fn revoke(f: &mut Fixture, id: i64, now_ms: i64) -> Result<AccessApplied, StorageError> {
    f.writer.change_access(AccessChange::RevokeToken(id), &SOURCE, now_ms)
}

fn a_token_is_stored_without_its_text_and_read_back(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 0);
    let created = create(&mut f, 7, "grafana");
    let expected = new(7, "grafana");
    assert_eq!((&created.name, created.hash), (&expected.name, text(7).hash()));
    assert_eq!((created.scopes, &created.groups), (expected.scopes, &expected.groups));
    assert_eq!((created.created_at_ms, created.created_by.as_str()), (START_MS, "command"));
    assert_eq!((created.expires_at_ms, created.last_used_at_ms), (Some(START_MS + 1), None));
    let all = NewToken { groups: GroupLimit::NONE, expires_at_ms: None, ..new(8, "all") };
    let all = try_create(&mut f, all).unwrap();
    assert!(!all.groups.is_limited() && all.expires_at_ms.is_none());
    assert_eq!(f.reader.tokens().unwrap(), [created, all]);
}

fn a_name_is_unique_among_the_tokens_that_are_not_revoked(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 0);
    let first = create(&mut f, 1, "a");
    let again = try_create(&mut f, new(2, "a"));
    assert_eq!(again, Err(StorageError::Conflict("name: \"a\" is already taken".to_owned())));
    let AccessApplied::Token(revoked) = revoke(&mut f, first.id, START_MS + 5).unwrap() else {
        panic!("no token");
    };
    assert_eq!(revoked.revoked_at_ms, Some(START_MS + 5));
    assert_eq!(revoke(&mut f, first.id, START_MS + 6), Err(StorageError::NotFound), "once");
    assert_eq!(revoke(&mut f, 99, START_MS), Err(StorageError::NotFound));
    let second = create(&mut f, 2, "a");
    assert_ne!(second.id, first.id);
    assert_eq!(f.reader.tokens().unwrap(), [revoked, second]);
    let same_hash = try_create(&mut f, new(2, "b"));
    assert!(matches!(same_hash, Err(StorageError::Conflict(_))), "{same_hash:?}");
}

fn there_are_ten_thousand_tokens_at_most(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 0);
    f.inspect.fill_tokens(TOKENS_LIMIT - 1);
    let last = create(&mut f, 1, "last");
    let more = try_create(&mut f, new(2, "more"));
    assert!(matches!(&more, Err(StorageError::Conflict(why)) if why.contains("10000")), "{more:?}");
    revoke(&mut f, last.id, START_MS).unwrap();
    assert!(try_create(&mut f, new(2, "more")).is_err(), "a revoked one still counts");
    assert!(!f.writer.expire_access(START_MS + 1, START_MS, 500).unwrap());
    create(&mut f, 2, "more");
}

fn a_revoked_token_ends_its_sessions_and_stays_for_90_days(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 0);
    let (revoked, kept) = (create(&mut f, 1, "a"), create(&mut f, 2, "b"));
    for (nth, id) in [(1, revoked.id), (2, revoked.id), (3, kept.id), (4, 0)] {
        assert_eq!(begin(&mut f, session(nth, id, START_MS)), Ok(vec![]));
    }
    revoke(&mut f, revoked.id, START_MS).unwrap();
    let sessions = f.reader.sessions().unwrap();
    let tokens: Vec<i64> = sessions.iter().map(|session| session.token_id).collect();
    assert_eq!(tokens, [0, kept.id]);
    let late = begin(&mut f, session(5, revoked.id, START_MS));
    assert_eq!(late, Err(StorageError::NotFound), "a revoked token has no session");

    let mut ids_after = |now_ms: i64| {
        let mut progress = Progress::Alerting;
        let day = Duration::from_secs(86_400);
        let retention = Retention { ticks: day, rollups: day, deliveries: day };
        while progress != Progress::Done {
            progress = retention::step(&mut *f.writer, retention, progress, now_ms).unwrap();
        }
        let tokens = f.reader.tokens().unwrap().iter().map(|token| token.id).collect::<Vec<_>>();
        (tokens, f.reader.sessions().unwrap().len())
    };
    assert_eq!(ids_after(START_MS + 999), (vec![revoked.id, kept.id], 2));
    assert_eq!(ids_after(START_MS + REVOKED_KEPT_MS), (vec![revoked.id, kept.id], 0), "over");
    assert_eq!(ids_after(START_MS + REVOKED_KEPT_MS + 1), (vec![kept.id], 0));
}

fn a_token_has_64_sessions_at_most(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 0);
    let token = create(&mut f, 1, "a");
    let other = session(200, 0, START_MS - 1);
    begin(&mut f, other).unwrap();
    for nth in 0..SESSIONS_LIMIT as u8 {
        let at_ms = START_MS + i64::from(nth);
        assert_eq!(begin(&mut f, session(nth, token.id, at_ms)), Ok(vec![]));
    }
    let ended = begin(&mut f, session(100, token.id, START_MS + 100)).unwrap();
    assert_eq!(ended, [TokenHash([0; 32])], "the oldest of this token");
    assert_eq!(f.reader.sessions().unwrap().len(), SESSIONS_LIMIT + 1);
    let end = AccessChange::EndSession(TokenHash([1; 32]));
    let ended = AccessApplied::SessionEnded(TokenHash([1; 32]));
    assert_eq!(f.writer.change_access(end.clone(), &SOURCE, START_MS), Ok(ended));
    assert_eq!(f.writer.change_access(end, &SOURCE, START_MS), Err(StorageError::NotFound));
}

fn uses_are_noted(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 0);
    let token = create(&mut f, 1, "a");
    begin(&mut f, session(1, token.id, START_MS)).unwrap();
    let uses = Uses {
        tokens: vec![(token.id, START_MS + 7), (99, START_MS)],
        sessions: vec![(TokenHash([1; 32]), START_MS + 9), (TokenHash([2; 32]), START_MS)],
    };
    let noted = f.writer.change_access(AccessChange::NoteUses(uses), &SOURCE, START_MS);
    assert_eq!(noted, Ok(AccessApplied::UsesNoted));
    assert_eq!(f.reader.tokens().unwrap()[0].last_used_at_ms, Some(START_MS + 7));
    assert_eq!(f.reader.sessions().unwrap()[0].expires_at_ms, START_MS + 9);
}
