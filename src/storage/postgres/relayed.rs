//! The cursors of remote write that are stored without a commit of their services.

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt};

use super::connection::StoreConnection;
use super::statement::statement;
use crate::domain::ServiceId;
use crate::storage::port::Result;

/// Part of the caller's transaction.
pub fn set(connection: &mut StoreConnection, seqs: &[(ServiceId, u64)]) -> Result<()> {
    let (ids, seqs): (Vec<i64>, Vec<i64>) =
        seqs.iter().map(|(id, seq)| (id.get(), seq.cast_signed())).unzip();
    SetRelayed { ids: &ids[..], seqs: &seqs[..] }.execute(connection)?;
    Ok(())
}

statement!(
    SetRelayed { ids: Array<BigInt> = [i64], seqs: Array<BigInt> = [i64] } -> (),
    "UPDATE service_metrics m SET relayed_seq = u.seq FROM unnest(?, ?) u(service_id, seq) \
        WHERE m.service_id = u.service_id AND m.region_id = 0 AND m.relayed_seq < u.seq"
);
