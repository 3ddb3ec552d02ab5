//! Numbers for tables that have names: lines of a number and a name, which all workers of a proxy share.

use super::{Fingerprinter, Secret, TableName};

/// The largest number, and so the most tables; the least one is 1. As many as fit into a cell's name.
pub(super) const MOST: u32 = 511;

/// The number of a table; `None` if it has none.
pub(super) fn find(known: &[u8], name: &TableName) -> Option<u32> {
    lines(known).find(|(_, known)| *known == name.as_str()).map(|(number, _)| number)
}

/// The lines with one more for this table; `None` if it has a number already, or there is none left.
///
/// The number follows from the name, if no other table has it: should the lines get lost, a table mostly gets the number again that it
/// had, and finds its cells.
pub(super) fn with(known: &[u8], name: &TableName) -> Option<Vec<u8>> {
    if find(known, name).is_some() {
        return None;
    }
    let mut hash = Fingerprinter::new(&Secret::new(*b"tollgate.tables."));
    hash.piece(0, name.as_str().as_bytes());
    let first = hash.finish().place(MOST);
    let mut numbers = (0..MOST).map(|step| (first + step) % MOST + 1);
    let number = numbers.find(|number| lines(known).all(|(taken, _)| taken != *number))?;
    Some([known, format!("{number} {name}\n").as_bytes()].concat())
}

/// As much of it as can be read.
fn lines(known: &[u8]) -> impl Iterator<Item = (u32, &str)> {
    let lines = std::str::from_utf8(known).unwrap_or_default().lines();
    lines
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(number, name)| Some((number.parse().ok()?, name)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn name(number: u32) -> TableName {
        TableName::new(&format!("table-{number}")).expect("a name")
    }

    #[test]
    fn each_name_has_a_number_of_its_own_as_long_as_there_are_any() {
        let mut known = Vec::new();
        for number in 0..MOST {
            assert_eq!(find(&known, &name(number)), None);
            known = with(&known, &name(number)).expect("there are more");
            assert_eq!(with(&known, &name(number)), None, "it has one");
        }
        let numbers: BTreeSet<_> = (0..MOST).filter_map(|number| find(&known, &name(number))).collect();
        assert_eq!(numbers, (1..=MOST).collect());
        assert_eq!((with(&known, &name(MOST)), find(&known, &name(MOST))), (None, None));
    }

    #[test]
    fn a_name_mostly_gets_the_number_again_that_it_had() {
        let alone = with(b"", &name(1)).expect("a number");
        let behind_another = with(&with(b"", &name(2)).expect("a number"), &name(1)).expect("a number");
        assert_eq!(find(&alone, &name(1)), find(&behind_another, &name(1)));
    }
}
