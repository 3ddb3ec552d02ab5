//! Shared data: what all workers of one proxy, and all configurations one after the other, have in common.

use super::host;
use crate::store::{Capacity, Cells, Secret, Unavailable};

/// A change of what is stored needs another version. No cell has one of these names: cells' names are of 16
/// bytes.
const SECRET: &[u8] = b"tollgate.v1.secret";
const CAPACITY: &[u8] = b"tollgate.v1.capacity";
const TOLD: &[u8] = b"tollgate.v1.warning";
const CELL: &[u8; 12] = b"tollgate.v1.";

/// The version of an entry that is not there. As no entry ever has it, a write with it succeeds only if the
/// entry is still missing; a 0 would overwrite whatever another worker has put there meanwhile.
const ABSENT: u32 = u32::MAX;

/// The table's cells, one entry each.
#[derive(Debug)]
pub(super) struct SharedCells;

impl Cells for SharedCells {
    type Version = u32;

    fn read(&self, cell: u32) -> Result<(Vec<u8>, u32), Unavailable> {
        Ok(host::shared_data(&name(cell))?.unwrap_or((Vec::new(), ABSENT)))
    }

    fn write(&self, cell: u32, bytes: &[u8], version: &u32) -> Result<bool, Unavailable> {
        host::set_shared_data(&name(cell), bytes, *version)
    }
}

/// A cell's name. Names differ in their last four bytes only: a host that knows its entries by a CRC-32
/// alone cannot mix them up.
fn name(cell: u32) -> [u8; 16] {
    const DIGITS: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";
    let mut name = [0; 16];
    name[..12].copy_from_slice(CELL);
    for (place, byte) in name[12..].iter_mut().enumerate() {
        *byte = DIGITS[(cell >> (18 - 6 * place)) as usize % 64];
    }
    name
}

/// The secret under which this proxy's clients are fingerprinted: made at random by whoever comes first.
pub(super) fn agree_on_secret() -> Result<Secret, String> {
    let bytes = agree_on(SECRET, || Ok(host::random()?.to_vec()))?;
    bytes.try_into().map(Secret::new).map_err(|_| "shared data holds a secret of another length".to_owned())
}

/// Where a client's counters stand depends on the capacity: with another one none would be found again.
pub(super) fn agree_on_capacity(capacity: Capacity) -> Result<(), String> {
    let clients = capacity.clients();
    let agreed = agree_on(CAPACITY, || Ok(clients.to_le_bytes().to_vec()))?;
    let agreed = agreed.try_into().map(u32::from_le_bytes).unwrap_or_default();
    if agreed == clients {
        return Ok(());
    }
    Err(format!(
        "store.capacity: `{clients}`: the counters in use are laid out for {agreed} clients and would be lost; \
         keep {agreed}, or restart the proxy to change it (filters with one vm_id share their counters and need \
         the same capacity)"
    ))
}

/// Whether no worker has told the log yet that all clients seem to be one.
pub(super) fn is_first_to_tell() -> bool {
    host::shared_data(TOLD) == Ok(None) && host::set_shared_data(TOLD, b"1", ABSENT) == Ok(true)
}

/// The entry's value, which is `proposal` if there was none.
fn agree_on(name: &[u8], proposal: impl Fn() -> Result<Vec<u8>, Unavailable>) -> Result<Vec<u8>, String> {
    let agree = || {
        if let Some((value, _)) = host::shared_data(name)? {
            return Ok(value);
        }
        let proposal = proposal()?;
        if host::set_shared_data(name, &proposal, ABSENT)? {
            return Ok(proposal);
        }
        host::shared_data(name)?.map(|(value, _)| value).ok_or(Unavailable)
    };
    agree().map_err(|Unavailable| "the proxy offers no shared data or no random numbers".to_owned())
}
