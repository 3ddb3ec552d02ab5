//! `--decisions FILE`: what became of each request.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::Context;
use serde::Serialize;
use tollgate::decision::{Decision, Judgement};
use tollgate::policy::Policy;
use tollgate::time::whole_seconds;

use super::request::Entry;
use crate::log::time::rfc3339;

/// Writes a line for each request.
pub(super) struct Decisions {
    out: BufWriter<File>,
    files: Vec<String>,
}

#[derive(Serialize)]
struct Row<'a> {
    file: &'a str,
    line: u64,
    time: String,
    decision: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
    scopes: Scopes<'a>,
}

/// The scopes that it fell under, and what each said, in the policy's order.
struct Scopes<'a>(Vec<(&'a str, &'static str)>);

impl Serialize for Scopes<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().copied())
    }
}

impl Decisions {
    pub(super) fn create(path: &Path, files: Vec<String>) -> anyhow::Result<Self> {
        let out = File::create(path).with_context(|| format!("{} cannot be written", path.display()))?;
        Ok(Self { out: BufWriter::new(out), files })
    }

    pub(super) fn put(
        &mut self,
        time: u64,
        entry: &Entry,
        decision: &Decision,
        policy: &Policy,
    ) -> anyhow::Result<()> {
        let mut scopes: Vec<_> = decision.scopes().collect();
        scopes.sort_unstable_by_key(|(scope, _)| *scope);
        let said = |(scope, judgement): (usize, Judgement)| {
            let word = match judgement {
                Judgement::Allowed => "allowed",
                Judgement::Denied => "denied",
                Judgement::Shadowed => "shadowed",
            };
            policy.scopes.get(scope).map(|scope| (scope.name.as_str(), word))
        };
        let row = Row {
            file: self.files.get(entry.file).map_or("", String::as_str),
            line: entry.line,
            time: rfc3339(time),
            decision: if decision.is_allowed() { "allowed" } else { "denied" },
            retry_after: decision.wait.map(whole_seconds),
            scopes: Scopes(scopes.into_iter().filter_map(said).collect()),
        };
        serde_json::to_writer(&mut self.out, &row)?;
        self.out.write_all(b"\n")?;
        Ok(())
    }

    pub(super) fn finish(mut self) -> anyhow::Result<()> {
        Ok(self.out.flush()?)
    }
}
