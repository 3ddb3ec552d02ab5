//! `--report FILE.html`: what came out, as one page that needs nothing else.
//!
//! What is shown was sent by strangers. `maud` escapes all text; numbers alone reach the script, by `data-` attributes; and the
//! page's policy lets no script and no style run but these two, by their hashes, and loads nothing from anywhere.

mod chart;
mod curve;
mod page;
mod policy;
mod table;
#[cfg(test)]
mod tests;
mod timeline;

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::output::printable;
pub(crate) use curve::Curve;
pub(crate) use table::{Cell, Table};
pub(crate) use timeline::Timeline;

/// So many rows has a table, at the most.
pub(crate) const MOST_ROWS: usize = 100;
/// So many curves, and notes.
const MOST_PARTS: usize = 24;
/// So many characters has what a log tells.
const MOST_CHARACTERS: usize = 300;

/// What a page shows, from top to bottom.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) title: String,
    /// What was read, and when that was.
    pub(crate) about: Vec<String>,
    pub(crate) tiles: Vec<Tile>,
    /// In front of the curves.
    pub(crate) first: Option<Table>,
    pub(crate) limits: Vec<Chosen>,
    pub(crate) timeline: Timeline,
    /// Behind the curves.
    pub(crate) then: Vec<Table>,
    /// A policy, as text.
    pub(crate) policy: Option<String>,
    pub(crate) notes: Vec<String>,
}

/// A number that one should see first.
#[derive(Debug)]
pub(crate) struct Tile {
    pub(crate) label: &'static str,
    pub(crate) value: String,
    pub(crate) detail: String,
    pub(crate) tone: Tone,
}

/// What a number is about. It decides the colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tone {
    #[default]
    Plain,
    Denied,
    Shadowed,
    Warning,
}

/// A limit, and the curve of those whom it might meet.
#[derive(Debug)]
pub(crate) struct Chosen {
    pub(crate) scope: String,
    /// Units in a window, and the window's name: `60` and `min`.
    pub(crate) limit: u32,
    pub(crate) window: String,
    /// What else is to be known.
    pub(crate) remark: String,
    pub(crate) curve: Curve,
}

/// A page's file. It is made before the log is read, so that a wrong path is refused at once.
#[derive(Debug)]
pub(crate) struct Target {
    file: File,
    path: PathBuf,
}

impl Target {
    /// The file, which is there from now on. What stands in it stays until there is a page.
    pub(crate) fn create(path: &Path) -> anyhow::Result<Self> {
        let file = File::options().write(true).create(true).truncate(false).open(path);
        let file = file.with_context(|| format!("--report: {} cannot be written", path.display()))?;
        Ok(Self { file, path: path.to_owned() })
    }

    /// Puts the page there.
    pub(crate) fn write(mut self, report: &Report) -> anyhow::Result<()> {
        let page = page::render(report).into_string();
        let written = self.file.set_len(0).and_then(|()| self.file.write_all(page.as_bytes()));
        written.with_context(|| format!("--report: {} cannot be written", self.path.display()))
    }
}

/// What somebody has sent, on one line and not too long.
fn shown(text: &str) -> String {
    printable(text.as_bytes(), MOST_CHARACTERS)
}
