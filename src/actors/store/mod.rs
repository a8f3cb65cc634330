//! The actors that own the store's connections, one thread each.

pub mod coordinator;
pub mod marks;
pub mod readers;
pub mod reopening;
mod watched;
pub mod writer;

use std::time::Duration;

use actix::prelude::*;

use crate::actors::messages::instances::ShardsWrite;
use crate::actors::messages::relaying::SaveRelayed;
use crate::actors::messages::store::{
    ApplyFile, ChangeAccess, ChangeAlerting, ChangeMaintenance, Close, Commit, MakeChange,
    SettleAlerts, UpkeepWrite,
};
use crate::actors::revision::Revision;
use crate::actors::runtime::Runtime;
use crate::domain::alert::AlertMarks;
use crate::storage::StoreAccess;
use crate::storage::relayed::RelayedSeqs;
use marks::MarksSource;
use readers::Reader;
use writer::Writer;

/// Threads that answer queries.
const READERS: usize = 2;

/// The writer, by the messages that the recorder sends.
pub struct WriterRecipients {
    pub commit: Recipient<Commit>,
    pub change: Recipient<MakeChange>,
    pub alerting: Recipient<ChangeAlerting>,
    pub settle: Recipient<SettleAlerts>,
    pub relayed: Recipient<SaveRelayed>,
    pub maintenance: Recipient<ChangeMaintenance>,
    pub access: Recipient<ChangeAccess>,
    pub file: Recipient<ApplyFile>,
    pub upkeep: Recipient<UpkeepWrite>,
    pub shards: Recipient<ShardsWrite>,
    pub close: Recipient<Close>,
}

/// The started store actors.
pub struct StoreActors {
    /// Incremented by the writer with each write, before the recorder learns of its end.
    pub written: Revision,
    pub writer: Addr<Writer>,
    /// Answer queries from HTTP.
    pub readers: Addr<Reader>,
    /// Answers the upkeep's queries, which may take seconds.
    pub upkeep_reader: Addr<Reader>,
}

impl StoreActors {
    /// Starts the actors on the open store. `relayed` are the cursors of remote write, if it is on.
    pub fn start(
        access: &StoreAccess,
        marks: (MarksSource, AlertMarks),
        relayed: Option<RelayedSeqs>,
        default_interval: Duration,
        runtime: &Runtime,
    ) -> Self {
        let written = Revision::default();
        let (store, lifelines) = (access.clone(), runtime.lifelines.clone());
        let of_writer = written.clone();
        let writer = SyncArbiter::start(1, move || {
            let lifeline = lifelines.lifeline("writer");
            let (marks, relayed) = (marks.clone(), relayed.clone());
            let written = of_writer.clone();
            Writer::new(store.clone(), marks, written, relayed, default_interval, lifeline)
        });
        Self {
            written,
            writer,
            readers: start_readers(READERS, "reader", access, runtime),
            upkeep_reader: start_readers(1, "upkeep reader", access, runtime),
        }
    }

    pub fn writer_recipients(&self) -> WriterRecipients {
        let writer = || self.writer.clone();
        WriterRecipients {
            commit: writer().recipient(),
            change: writer().recipient(),
            alerting: writer().recipient(),
            settle: writer().recipient(),
            relayed: writer().recipient(),
            maintenance: writer().recipient(),
            access: writer().recipient(),
            file: writer().recipient(),
            upkeep: writer().recipient(),
            shards: writer().recipient(),
            close: writer().recipient(),
        }
    }
}

fn start_readers(
    threads: usize,
    name: &'static str,
    access: &StoreAccess,
    runtime: &Runtime,
) -> Addr<Reader> {
    let (store, lifelines) = (access.clone(), runtime.lifelines.clone());
    SyncArbiter::start(threads, move || Reader::new(store.clone(), lifelines.lifeline(name)))
}
