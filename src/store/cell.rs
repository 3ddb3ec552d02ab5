//! The records of the few clients that share a cell.
//!
//! A record is its client's fingerprint (16 bytes), the length of what follows (4 bytes, little-endian), and
//! the counters as [`Record::encode`] writes them.

use super::record::Record;
use super::{Events, Fingerprint};
use std::ops::Range;

use crate::codec::Reader;
use crate::time::Time;

/// The most clients in one cell.
pub(super) const WAYS: u32 = 8;

/// A client's place in a cell: the bytes that its record takes.
pub(super) type Place = Range<usize>;

/// What is known of `client`, and its place; nothing if it is not in the cell.
pub(super) fn find(cell: &[u8], client: Fingerprint, events: &mut Events) -> (Record, Option<Place>) {
    look_up(cell, client).unwrap_or_else(|| {
        events.corrupt += 1;
        (Record::default(), None)
    })
}

/// `None` if the cell does not hold records.
fn look_up(cell: &[u8], client: Fingerprint) -> Option<(Record, Option<Place>)> {
    let mut reader = Reader(cell);
    while !reader.is_empty() {
        let start = cell.len() - reader.0.len();
        let (found, body) = next_record(&mut reader)?;
        if found == client {
            return Some((Record::decode(body)?, Some(start..cell.len() - reader.0.len())));
        }
    }
    Some((Record::default(), None))
}

/// The cell with this record of `client` in its place.
///
/// A client that is new to the cell drives out the records in which nothing matters any more, and if the cell
/// is full even then, the one that has used the least of its limits: a flood of new clients takes each
/// other's places, not those of clients near their limits.
pub(super) fn replace(
    cell: &[u8],
    place: Option<&Place>,
    client: Fingerprint,
    record: &Record,
    now: Time,
    events: &mut Events,
) -> Vec<u8> {
    let mut replaced = Vec::with_capacity(cell.len() + 64);
    if let Some(place) = place {
        replaced.extend_from_slice(&cell[..place.start]);
        put_record(&mut replaced, client, |out| record.encode(now, out));
        replaced.extend_from_slice(&cell[place.end..]);
        return replaced;
    }
    // A record of this client that could not be read goes with the others.
    let mut others = records(cell).unwrap_or_default();
    others.retain(|(found, _)| *found != client);
    make_room(&mut others, now, events);
    for (other, body) in others {
        put_record(&mut replaced, other, |out| out.extend_from_slice(body));
    }
    put_record(&mut replaced, client, |out| record.encode(now, out));
    replaced
}

fn make_room(others: &mut Vec<(Fingerprint, &[u8])>, now: Time, events: &mut Events) {
    let mut fills = Vec::with_capacity(others.len());
    others.retain(|(_, body)| {
        let fill = Record::decode(body).map_or_else(
            || {
                events.corrupt += 1;
                0
            },
            |record| record.fill(now),
        );
        if fill > 0 {
            fills.push(fill);
        }
        fill > 0
    });
    if others.len() >= WAYS as usize
        && let Some((least, _)) = fills.iter().enumerate().min_by_key(|(_, fill)| **fill)
    {
        others.remove(least);
        events.evicted += 1;
    }
}

/// All records; `None` if the cell does not hold records.
fn records(cell: &[u8]) -> Option<Vec<(Fingerprint, &[u8])>> {
    let mut reader = Reader(cell);
    let mut records = Vec::with_capacity(WAYS as usize);
    while !reader.is_empty() {
        records.push(next_record(&mut reader)?);
    }
    Some(records)
}

fn next_record<'a>(reader: &mut Reader<'a>) -> Option<(Fingerprint, &'a [u8])> {
    let client = Fingerprint::from_bytes(*reader.take()?);
    let length = u32::from_le_bytes(*reader.take()?);
    Some((client, reader.bytes(usize::try_from(length).ok()?)?))
}

fn put_record(out: &mut Vec<u8>, client: Fingerprint, body: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(&client.to_bytes());
    let length_at = out.len();
    out.extend_from_slice(&[0; 4]);
    body(out);
    let length = u32::try_from(out.len() - length_at - 4).unwrap_or(u32::MAX);
    out[length_at..length_at + 4].copy_from_slice(&length.to_le_bytes());
}
