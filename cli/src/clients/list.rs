//! `tollgate clients list`: the fullest clients.

use std::process::ExitCode;

use anyhow::bail;

use super::console::{Console, Question};
use super::{answers, show};
use crate::tell::{self, Format};

/// Which clients are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub(super) struct List {
    /// Only the counters of this scope
    #[arg(long, value_name = "SCOPE")]
    scope: Option<String>,
    /// Only the counters of this policy, by the name that the plugin has in Envoy
    #[arg(long, value_name = "POLICY")]
    policy: Option<String>,
    /// How many at most, 1 to 1000; else 100
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: Option<u16>,
}

impl List {
    /// What is said in `self`, or else in `other`.
    pub(super) fn or(&self, other: &Self) -> Self {
        Self {
            scope: self.scope.clone().or_else(|| other.scope.clone()),
            policy: self.policy.clone().or_else(|| other.policy.clone()),
            limit: self.limit.or(other.limit),
        }
    }

    /// Asks for it, and tells it.
    pub(super) fn run(&self, console: &Console, format: Format) -> anyhow::Result<ExitCode> {
        let mut question = Question::get("/v1/clients");
        let limit = self.limit.map(|limit| limit.to_string());
        for (name, value) in [("scope", &self.scope), ("policy", &self.policy), ("limit", &limit)] {
            question = question.with(name, value.as_deref());
        }
        let answer = console.ask::<answers::Listed>(&question)?;
        if answer.said.clients.is_empty() {
            self.check(console)?;
        }
        super::tell(&answer.json, format, || show::listed(&answer.said))?;
        let is_unknown = answer.said.problem.is_some() && answer.said.clients.is_empty();
        Ok(if is_unknown { ExitCode::from(crate::FAILED) } else { ExitCode::SUCCESS })
    }

    /// Nobody is counted by what is not there.
    fn check(&self, console: &Console) -> anyhow::Result<()> {
        if self.scope.is_none() && self.policy.is_none() {
            return Ok(());
        }
        let policies = console.ask::<answers::Status>(&Question::get("/v1/policies"))?.said.policies;
        let of_name =
            |policy: &&answers::Policy| self.policy.as_ref().is_none_or(|name| *name == policy.name);
        let there = |names: Vec<&str>| match names.as_slice() {
            [] => "there is none".to_owned(),
            names => format!("there is {}", tell::clean(&tell::and(names))),
        };
        let meant: Vec<_> = policies.iter().filter(of_name).collect();
        if let (Some(name), []) = (&self.policy, meant.as_slice()) {
            let names = policies.iter().map(|policy| policy.name.as_str()).collect();
            bail!("no policy `{}` is in force: {}", tell::clean(name), there(names));
        }
        let scopes: Vec<&str> =
            meant.iter().flat_map(|policy| &policy.scopes).map(|scope| scope.name.as_str()).collect();
        match &self.scope {
            Some(name) if !scopes.contains(&name.as_str()) => {
                bail!("no scope `{}` is in force: {}", tell::clean(name), there(scopes))
            }
            _ => Ok(()),
        }
    }
}
