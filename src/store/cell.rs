//! The records of the few clients that share a cell.
//!
//! A record is its client's fingerprint (16 bytes), the length and the checksum of what follows (4 bytes each,
//! little-endian), and the counters as [`Record::encode`] writes them.

use super::record::Record;
use super::rules::Step;
use super::{Events, Fingerprint};
use std::ops::Range;

use super::checksum::checksum;
use crate::varint::Reader;

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
        let stored = next_record(&mut reader)?;
        if stored.client == client {
            return Some((stored.read()?, Some(start..cell.len() - reader.0.len())));
        }
    }
    Some((Record::default(), None))
}

/// The cell with this record of `client` in its place.
///
/// A client that is new to the cell drives out the records in which nothing matters any more, and if the cell
/// is full even then, of those who are not spared the one that has used the least of its limits, of several the one that came
/// last: a flood of new clients takes each other's places, not those of clients near their limits.
pub(super) fn replace(
    cell: &[u8],
    place: Option<&Place>,
    client: Fingerprint,
    record: &Record,
    step: &mut Step,
) -> Vec<u8> {
    let mut replaced = Vec::with_capacity(cell.len() + 64);
    if let Some(place) = place {
        replaced.extend_from_slice(&cell[..place.start]);
        put_record(&mut replaced, client, |out| record.encode(step.now, out));
        replaced.extend_from_slice(&cell[place.end..]);
        return replaced;
    }
    for (_, other) in neighbours(cell, client, step) {
        put_record(&mut replaced, other.client, |out| out.extend_from_slice(other.body));
    }
    put_record(&mut replaced, client, |out| record.encode(step.now, out));
    replaced
}

/// The records that stay when this client comes to the cell, each with how much of its limits is used.
fn neighbours<'c>(cell: &'c [u8], client: Fingerprint, step: &mut Step) -> Vec<(u32, Stored<'c>)> {
    let mut neighbours = Vec::with_capacity(WAYS as usize);
    // One of this client is there only if it could not be read.
    for other in records(cell).unwrap_or_default().into_iter().filter(|other| other.client != client) {
        match other.read() {
            Some(record) => neighbours.push((record.fill(step.now), other)),
            None => step.events.corrupt += 1,
        }
    }
    neighbours.retain(|(fill, _)| *fill > 0);
    let order = |(_, (fill, other)): &(usize, &(u32, Stored<'_>))| ((step.spared)(other.client), *fill);
    if neighbours.len() >= WAYS as usize
        && let Some((least, _)) = neighbours.iter().enumerate().rev().min_by_key(order)
    {
        neighbours.remove(least);
        step.events.evicted += 1;
    }
    neighbours
}

/// All records that can be read, and whose they are.
pub(super) fn readable(cell: &[u8]) -> impl Iterator<Item = (Fingerprint, Record)> {
    let records = records(cell).unwrap_or_default().into_iter();
    records.filter_map(|stored| Some((stored.client, stored.read()?)))
}

/// A record as it stands in a cell.
struct Stored<'a> {
    client: Fingerprint,
    checksum: u32,
    body: &'a [u8],
}

impl Stored<'_> {
    /// What it says; `None` if these are not the bytes that were written.
    fn read(&self) -> Option<Record> {
        if checksum(self.body) == self.checksum { Record::decode(self.body) } else { None }
    }
}

/// All records; `None` if the cell does not hold records.
fn records(cell: &[u8]) -> Option<Vec<Stored<'_>>> {
    let mut reader = Reader(cell);
    let mut records = Vec::with_capacity(WAYS as usize);
    while !reader.is_empty() {
        records.push(next_record(&mut reader)?);
    }
    Some(records)
}

fn next_record<'a>(reader: &mut Reader<'a>) -> Option<Stored<'a>> {
    let client = Fingerprint::from_bytes(*reader.take()?);
    let length = u32::from_le_bytes(*reader.take()?);
    let checksum = u32::from_le_bytes(*reader.take()?);
    Some(Stored { client, checksum, body: reader.bytes(usize::try_from(length).ok()?)? })
}

fn put_record(out: &mut Vec<u8>, client: Fingerprint, body: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(&client.to_bytes());
    let head = out.len();
    out.extend_from_slice(&[0; HEAD]);
    body(out);
    // Of whom nothing matters any more there is no record.
    if out.len() == head + HEAD {
        out.truncate(head - Fingerprint::SIZE);
        return;
    }
    let (before, body) = out.split_at_mut(head + HEAD);
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    before[head..head + 4].copy_from_slice(&length.to_le_bytes());
    before[head + 4..].copy_from_slice(&checksum(body).to_le_bytes());
}

/// Length and checksum.
const HEAD: usize = 8;

/// The bytes of a cell that holds this record of a client, whatever it says. For those who try what happens then.
#[must_use]
pub fn cell_with(client: Fingerprint, record: &[u8]) -> Vec<u8> {
    let mut cell = Vec::new();
    put_record(&mut cell, client, |out| out.extend_from_slice(record));
    cell
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Time;

    #[test]
    fn a_neighbour_that_cannot_be_read_makes_room_and_is_counted() {
        let [client, other] = [1, 2].map(|name| Fingerprint::from_bytes([name; 16]));
        let now = Time::from_micros(5);
        let mut record = Record::default();
        record.prove(Time::from_micros(9));
        let mut bytes = Vec::new();
        record.encode(now, &mut bytes);
        let alone = cell_with(client, &bytes);
        let mut broken = cell_with(other, &bytes);
        *broken.last_mut().expect("a body") ^= 1;
        for (neighbour, corrupt) in [(broken, 1), (cell_with(other, b"\xff"), 1), (Vec::new(), 0)] {
            let mut events = Events::default();
            let step = &mut Step { now, spared: &|_| false, events: &mut events };
            assert_eq!(replace(&neighbour, None, client, &record, step), alone);
            assert_eq!(events, Events { corrupt, ..Events::default() });
        }
    }
}
