//! No two rooms import each other: neither the rooms of `src/`, nor the files of one room.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

type Imports = BTreeMap<String, BTreeSet<String>>;

/// The files below a directory, each with its path in it as a list of names: `["limit", "window"]`.
fn files(directory: &Path, names: &[String], found: &mut Vec<(Vec<String>, String)>) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path: PathBuf = entry.expect("an entry").path();
        let stem = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let mut names = names.to_vec();
        if path.is_dir() {
            names.push(stem);
            files(&path, &names, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            if stem != "mod" {
                names.push(stem);
            }
            found.push((names, fs::read_to_string(&path).expect("a file")));
        }
    }
}

/// The names that follow `prefix` in a text without its comments and tests: one, or a list in braces.
fn names_after(text: &str, prefix: &str) -> Vec<String> {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    let code = lines.collect::<Vec<_>>().join(" ");
    let word = |text: &str| {
        text.trim_start()
            .chars()
            .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
            .collect::<String>()
    };
    let names = |rest: &str| match rest.strip_prefix('{') {
        Some(list) => {
            // Of `{a, b::{c, d}}` also `c` and `d`, which are no rooms.
            let list = list.split(';').next().unwrap_or_default();
            list.split([',', '{']).map(word).collect()
        }
        None => vec![word(rest)],
    };
    code.split(prefix).skip(1).flat_map(names).collect()
}

/// Which of `rooms` each imports, among them.
fn imports(files: &[(Vec<String>, String)], depth: usize, prefix: &str) -> Imports {
    let mut imports = Imports::new();
    for (names, text) in files.iter().filter(|(names, _)| names.len() > depth) {
        let of = imports.entry(names[depth].clone()).or_default();
        of.extend(names_after(text, prefix).into_iter().filter(|name| *name != names[depth]));
    }
    imports
}

/// A way from a room back to itself, if there is one.
fn circle(imports: &Imports) -> Option<Vec<String>> {
    fn walk(imports: &Imports, way: &mut Vec<String>) -> bool {
        let Some(next) = way.last().and_then(|room| imports.get(room)) else { return false };
        for room in next {
            let is_back = way.first() == Some(room);
            if is_back || !way.contains(room) {
                way.push(room.clone());
                if is_back || walk(imports, way) {
                    return true;
                }
                way.pop();
            }
        }
        false
    }
    imports.keys().find_map(|room| {
        let mut way = vec![room.clone()];
        walk(imports, &mut way).then_some(way)
    })
}

#[test]
fn no_rooms_import_each_other() {
    let mut all = Vec::new();
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &[], &mut all);
    let of_rooms = imports(&all, 0, "crate::");
    assert!(of_rooms["gate"].contains("store"), "imports are found: {of_rooms:?}");
    assert_eq!(circle(&of_rooms), None);
    let rooms: BTreeSet<&String> =
        all.iter().filter(|(names, _)| names.len() == 2).map(|(names, _)| &names[0]).collect();
    for room in rooms {
        let of_room: Vec<_> =
            all.iter().filter(|(names, _)| names.len() == 2 && names[0] == *room).cloned().collect();
        // What stands in a room's `mod.rs` is the room itself: its files may use it, and it uses them.
        let of_files = imports(&of_room, 1, "super::");
        assert_eq!(circle(&of_files), None, "in {room}");
    }
}

#[test]
fn a_circle_is_found() {
    let room = |name: &str, imported: &[&str]| {
        (name.to_owned(), imported.iter().map(ToString::to_string).collect::<BTreeSet<_>>())
    };
    let open = Imports::from([room("a", &["b", "c"]), room("b", &["c"]), room("c", &[])]);
    assert_eq!(circle(&open), None);
    let closed = Imports::from([room("a", &["b"]), room("b", &["c"]), room("c", &["b"])]);
    assert!(circle(&closed).is_some());
}
