//! From the bytes of a journal to the state they tell.

use super::{BootId, RECORD, Record, State, VERSION, decode};
use crate::ranges::RangeSet;

/// What a journal tells.
#[derive(Debug)]
pub struct Replayed {
    /// The file.
    pub state: State,
    /// Clean bytes that some sync of this journal trusted: if the machine lost power now, each of those
    /// syncs could turn out to be the last.
    pub believed: RangeSet,
    /// Bytes of the journal that count; what follows is to be cut off.
    pub len: u64,
    /// Checksum of the last record that counts: the next is chained to it.
    pub chain: u32,
    /// Written before the machine was last started: the state is that of the last sync, and the journal
    /// has to be begun anew before anything is appended.
    pub rebooted: bool,
    /// Whether all that it tells has been synced.
    pub synced: bool,
}

/// Why a journal can't be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Damage {
    /// Its first records are neither readable nor missing.
    Unreadable,
    /// Written by a newer program, in this format.
    Newer(u32),
    /// Its records contradict each other.
    Contradiction(&'static str),
}

/// Folds a journal. `Ok(None)`: it was never begun (a crash at the file's creation), so nothing that
/// was answered for is in it.
pub fn replay(log: &[u8], boot: BootId) -> Result<Option<Replayed>, Damage> {
    let (mut chain, mut len) = (0, 0);
    let mut records = Vec::new();
    for slot in log.chunks_exact(RECORD) {
        let Some(record) = decode(slot, &mut chain) else { break };
        if let Record::Header { version, .. } = record
            && version > VERSION
        {
            return Err(Damage::Newer(version));
        }
        records.push(record);
        len += RECORD as u64;
    }
    let [Record::Header { boot: written, .. }, Record::Base { content, .. }, Record::Times { mtime, .. }, ..] =
        records[..]
    else {
        // The three are one write. A short or zeroed start is what a crash at creation leaves.
        let start = &log[..log.len().min(3 * RECORD)];
        let never_begun = start.len() < 3 * RECORD || start.iter().all(|&b| b == 0);
        return if never_begun { Ok(None) } else { Err(Damage::Unreadable) };
    };
    let rebooted = written != boot;
    let last_sync = records.iter().rposition(|r| matches!(r, Record::Sync { .. }));
    let (mut state, mut believed) = (State::default(), RangeSet::new());
    match last_sync {
        Some(last) if rebooted => {
            records[..=last].iter().for_each(|r| state.apply(r));
            let doubt = records[last..].iter().any(|r| matches!(r, Record::Doubt | Record::Evict));
            state.settle(doubt);
        }
        // Never synced: the base as a whole, also where the file began truncated.
        None if rebooted => {
            state.apply(&records[0]);
            let State { ino, generation, .. } = state;
            let base = State::clean(ino.unwrap_or(crate::node::Ino(0)), content, mtime);
            state = State { generation, ..base };
        }
        _ => {
            for r in &records {
                state.apply(r);
                if let Record::Sync { .. } = r {
                    believed.union_with(&state.trusted);
                }
            }
        }
    }
    // An upload that was not complete can't have been committed, and whoever did it is gone.
    if let Some(f) = state.flight.as_ref().filter(|f| f.intent.is_none()) {
        state.apply(&Record::Thaw(f.generation));
    }
    if let Some(what) = state.fault() {
        return Err(Damage::Contradiction(what));
    }
    let synced = rebooted || last_sync == Some(records.len() - 1);
    Ok(Some(Replayed { state, believed, len, chain, rebooted, synced }))
}
