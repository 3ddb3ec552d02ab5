//! What all workers of one proxy, and all configurations one after the other, have in common: the table's cells, and
//! what they agree on, in the proxy's shared data.

use std::borrow::Cow;

use super::{Capacity, Cells, Secret, TableName, Unavailable, numbers};

/// A change of what is stored needs another version: two builds may stand beside each other, and neither takes for its own
/// what the other has written. No cell has one of these names: cells' names are of 16 bytes.
const SECRET: &[u8] = b"tollgate.v2.secret";
/// For how many clients the nameless table is laid out. Where entries can be deleted: without it the table can be laid out anew.
pub const CAPACITY: &[u8] = b"tollgate.v2.capacity";
const TOLD: &[u8] = b"tollgate.v2.told";
const ABSENCE: &[u8] = b"tollgate.v2.absence";
const CELL: &[u8; 12] = b"tollgate.v2.";
/// The numbers of tables that have names.
const TABLES: &[u8] = b"tollgate.v2.tables";

/// So much is remembered of what the log was told: then the oldest goes, which may be told once more.
const MOST_TOLD: usize = 64;

/// So often another worker may be faster, before an entry is left as it is.
const ATTEMPTS: usize = 100;

/// What the log can be told of: a name, or a hash.
pub type Topic = [u8; 16];

/// A proxy's shared data: bytes by name, which all of its workers read and write.
pub trait SharedData {
    /// An entry's bytes and their version; `None` if it is not there.
    ///
    /// # Errors
    /// If the proxy does not give access.
    fn get(&self, name: &[u8]) -> Result<Option<(Vec<u8>, u32)>, Unavailable>;

    /// Sets an entry if it is at this version; returns whether it was. Which version stands for an entry that is not
    /// there differs from host to host, see [`Absence`].
    ///
    /// # Errors
    /// If the proxy does not give access.
    fn set(&self, name: &[u8], bytes: &[u8], version: u32) -> Result<bool, Unavailable>;
}

/// The version with which a write succeeds only if the entry is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absence {
    /// One that no entry ever has. So in Envoy, where a missing entry is inserted whatever the version, and a 0
    /// overwrites whatever another worker has put there meanwhile.
    Never,
    /// 0. So in nginx (`ngx_wasm_module`), where no entry ever has it, and any other version is that of some entry.
    Zero,
}

impl Absence {
    const fn version(self) -> u32 {
        match self {
            Self::Never => u32::MAX,
            Self::Zero => 0,
        }
    }

    const fn name(self) -> &'static [u8] {
        match self {
            Self::Never => b"never",
            Self::Zero => b"zero",
        }
    }

    /// Which one holds for this host. It is tried once, on an entry of its own that then says it: nothing in shared
    /// data can be deleted, and a configuration is loaded beside others that are at work.
    fn probe(data: &impl SharedData) -> Result<Self, String> {
        for absence in [Self::Never, Self::Zero] {
            // Tried in this order, neither attempt can overwrite: where a 0 would, the first one has succeeded.
            let tried = data.set(ABSENCE, absence.name(), absence.version()).map_err(no_access)?;
            if tried && data.set(ABSENCE, absence.name(), absence.version()).map_err(no_access)? {
                return Err(
                    "the proxy's shared data has no way to insert what is not there yet, without which \
                            workers would overwrite each other's counters"
                        .to_owned(),
                );
            }
            let said = data.get(ABSENCE).map_err(no_access)?;
            if let Some((said, _)) = said {
                let known = [Self::Never, Self::Zero].into_iter().find(|absence| absence.name() == said);
                return known
                    .ok_or_else(|| "shared data holds something else in Tollgate's place".to_owned());
            }
        }
        Err(no_access(Unavailable))
    }
}

/// A proxy's shared data, by the rule that it follows: the table's cells, one entry each, and what workers agree on.
///
/// A table that has a name has nothing in common with any other: neither counters, nor the secret, nor what is posted for the console.
#[derive(Clone, Debug)]
pub struct SharedCells<D> {
    data: D,
    absence: Absence,
    table: Option<Named>,
}

/// A table that has a name, and its number in this proxy.
#[derive(Clone, Debug)]
struct Named {
    name: TableName,
    number: u32,
}

impl<D: SharedData> SharedCells<D> {
    /// Finds out the host's rule.
    ///
    /// # Errors
    /// If the proxy does not give access to its shared data, or offers no way to insert an entry that is missing. The
    /// text is for those who run the proxy.
    pub fn open(data: D) -> Result<Self, String> {
        let absence = Absence::probe(&data)?;
        Ok(Self { data, absence, table: None })
    }

    /// The table of this name in the same proxy; that without a name, if there is none.
    ///
    /// # Errors
    /// If the proxy does not give access to its shared data, or it has known too many names; as text.
    pub fn of_table(self, name: Option<TableName>) -> Result<Self, String> {
        let Some(name) = name else { return Ok(Self { table: None, ..self }) };
        let all = Self { table: None, ..self };
        all.change(TABLES, |known| numbers::with(known, &name)).map_err(no_access)?;
        let known = all.entry(TABLES).map_err(no_access)?;
        let number = numbers::find(&known, &name).ok_or_else(|| {
            format!(
                "store.name: `{name}`: this proxy has had tables of {MOST} other names since it was started, and that is as \
                 many as it can tell apart; restart it",
                MOST = numbers::MOST
            )
        })?;
        Ok(Self { table: Some(Named { name, number }), ..all })
    }

    /// The host's rule.
    pub const fn absence(&self) -> Absence {
        self.absence
    }

    /// The secret under which this proxy's clients are fingerprinted: made at random by whoever comes first.
    ///
    /// # Errors
    /// If the proxy does not give access to its shared data or to random numbers; as text.
    pub fn agree_on_secret(
        &self,
        random: impl Fn() -> Result<[u8; 16], Unavailable>,
    ) -> Result<Secret, String> {
        let bytes = self.agree_on(SECRET, || Ok(random()?.to_vec())).map_err(no_access)?;
        bytes
            .try_into()
            .map(Secret::new)
            .map_err(|_| "shared data holds a secret of another length".to_owned())
    }

    /// Where a client's counters stand depends on the capacity: with another one none would be found again.
    ///
    /// # Errors
    /// If other workers use another capacity; as text.
    pub fn agree_on_capacity(&self, capacity: Capacity) -> Result<(), String> {
        let clients = capacity.clients();
        let agreed = self.agree_on(CAPACITY, || Ok(clients.to_le_bytes().to_vec())).map_err(no_access)?;
        let agreed = agreed.try_into().map(u32::from_le_bytes).unwrap_or_default();
        if agreed == clients {
            return Ok(());
        }
        Err(format!(
            "store.capacity: `{clients}`: the counters in use are laid out for {agreed} clients and would be lost; \
             keep {agreed}, or restart the proxy to change it (filters with one vm_id share their counters and need \
             the same capacity, unless each has a `store.name` of its own)"
        ))
    }

    /// Whether no worker has told the log of this yet, or all that have may do so again. To all others this one has, then.
    pub fn is_first_to_tell(&self, topic: &Topic) -> bool {
        self.change_told(|told| {
            if told.contains(topic) {
                return false;
            }
            told.push(*topic);
            told.drain(..told.len().saturating_sub(MOST_TOLD));
            true
        })
    }

    /// The log may be told of this again.
    pub fn may_tell_again(&self, topic: &Topic) {
        self.change_told(|told| {
            let before = told.len();
            told.retain(|known| known != topic);
            told.len() < before
        });
    }

    /// Changes what the log was told, if there is something to change. Returns whether it was changed.
    fn change_told(&self, change: impl Fn(&mut Vec<Topic>) -> bool) -> bool {
        let changed = self.change(TOLD, |bytes| {
            let mut told: Vec<Topic> = bytes.as_chunks().0.to_vec();
            change(&mut told).then(|| told.as_flattened().to_vec())
        });
        changed.unwrap_or(false)
    }

    /// For how many clients the table is laid out; `None` if nobody has laid it out.
    pub fn agreed_capacity(&self) -> Option<Capacity> {
        let bytes = self.entry(CAPACITY).ok()?;
        Capacity::new(u32::from_le_bytes(bytes.try_into().ok()?))
    }

    /// An entry's bytes; none if it is not there.
    ///
    /// # Errors
    /// If the proxy does not give access.
    pub fn entry(&self, name: &[u8]) -> Result<Vec<u8>, Unavailable> {
        Ok(self.data.get(&self.own(name))?.map(|(bytes, _)| bytes).unwrap_or_default())
    }

    /// Changes an entry, again if another worker is faster; `None` leaves it as it is. Returns whether it was changed.
    ///
    /// # Errors
    /// If the proxy does not give access, or others are faster too often.
    pub fn change(
        &self,
        name: &[u8],
        change: impl Fn(&[u8]) -> Option<Vec<u8>>,
    ) -> Result<bool, Unavailable> {
        let name = &self.own(name);
        for _ in 0..ATTEMPTS {
            let (bytes, version) = self.data.get(name)?.unwrap_or((Vec::new(), self.absence.version()));
            let Some(changed) = change(&bytes) else { return Ok(false) };
            if self.data.set(name, &changed, version)? {
                return Ok(true);
            }
        }
        Err(Unavailable)
    }

    /// The entry's value, which is `proposal` if there was none.
    fn agree_on(
        &self,
        name: &[u8],
        proposal: impl Fn() -> Result<Vec<u8>, Unavailable>,
    ) -> Result<Vec<u8>, Unavailable> {
        let name = &self.own(name);
        if let Some((value, _)) = self.data.get(name)? {
            return Ok(value);
        }
        let proposal = proposal()?;
        if self.data.set(name, &proposal, self.absence.version())? {
            return Ok(proposal);
        }
        self.data.get(name)?.map(|(value, _)| value).ok_or(Unavailable)
    }

    /// The name of this table's entry: `tollgate.v2.secret/inner`.
    fn own<'n>(&self, name: &'n [u8]) -> Cow<'n, [u8]> {
        match &self.table {
            None => Cow::Borrowed(name),
            Some(table) => Cow::Owned([name, b"/", table.name.as_str().as_bytes()].concat()),
        }
    }

    fn name(&self, cell: u32) -> [u8; 16] {
        self.table.as_ref().map_or_else(|| name(cell), |table| name_of(table.number, cell))
    }
}

impl<D: SharedData> Cells for SharedCells<D> {
    type Version = u32;

    fn read(&self, cell: u32) -> Result<(Vec<u8>, u32), Unavailable> {
        Ok(self.data.get(&self.name(cell))?.unwrap_or((Vec::new(), self.absence.version())))
    }

    fn write(&self, cell: u32, bytes: &[u8], version: &u32) -> Result<bool, Unavailable> {
        self.data.set(&self.name(cell), bytes, *version)
    }
}

fn no_access(Unavailable: Unavailable) -> String {
    "the proxy offers no shared data or no random numbers".to_owned()
}

/// The name of a cell of the table without a name. All cells' names differ in their last four bytes only, those of all tables: a host
/// that knows its entries by a CRC-32 alone cannot mix them up.
fn name(cell: u32) -> [u8; 16] {
    const DIGITS: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";
    let mut name = [0; 16];
    name[..12].copy_from_slice(CELL);
    for (place, byte) in name[12..].iter_mut().enumerate() {
        *byte = DIGITS[(cell >> (18 - 6 * place)) as usize % 64];
    }
    name
}

/// The name of a cell of the table with this number. The four bytes are 1 bit that no cell of the table without a name has, 9 for the
/// table, and 22 for the cell: there are no more.
fn name_of(table: u32, cell: u32) -> [u8; 16] {
    let mut name = [0; 16];
    name[..12].copy_from_slice(CELL);
    name[12..].copy_from_slice(&(1 << 31 | table << 22 | cell).to_be_bytes());
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_has_a_name_of_its_own() {
        for (cell, digits) in
            [(0, "0000"), (1, "0001"), (63, "000_"), (64, "0010"), (4_096, "0100"), ((1 << 21) - 1, "7___")]
        {
            assert_eq!(name(cell), [CELL, digits.as_bytes()].concat()[..], "{cell}");
        }
        let names: std::collections::HashSet<_> = (0..1 << 14).map(name).collect();
        assert_eq!(names.len(), 1 << 14);
    }

    #[test]
    fn no_two_tables_have_a_cell_of_one_name() {
        let last = Capacity::MAX.div_ceil(8) + 1;
        let mut names = std::collections::HashSet::new();
        let cells = [0, 1, 63, 64, 4_095, 4_096, last - 1, last];
        for cell in cells {
            names.insert(name(cell));
            for table in 1..=numbers::MOST {
                names.insert(name_of(table, cell));
            }
        }
        assert_eq!(names.len(), cells.len() * (numbers::MOST as usize + 1));
        // Which is what a CRC-32 always tells apart: names that differ within 32 bits that stand together.
        assert!(names.iter().all(|name| name.starts_with(CELL)));
    }
}
