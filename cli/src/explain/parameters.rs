//! What the parameters that a policy looks at may be read as.

use serde::Serialize;
use tollgate::client::Client;
use tollgate::policy::Trust;
use tollgate::request::Values;
use tollgate::scope::{Condition, Matcher};

use crate::policy::Policy;
use crate::tell;

/// A parameter of the query that servers read in several ways.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Parameter {
    /// Its name.
    pub(crate) name: String,
    /// What it may be; `None` if it may be anything.
    pub(crate) values: Option<Vec<String>>,
    /// Whether some servers do not find it.
    pub(crate) may_be_missing: bool,
}

/// Those of a request that conditions of the policy look at, and that have more than one reading.
pub(super) fn several(policy: &Policy, client: &Client) -> Vec<Parameter> {
    let rules = &policy.config.policy;
    let proof = match &rules.trust {
        Trust::Upstream { proof, .. } => Some(proof),
        Trust::Any => None,
    };
    let mut names = Vec::new();
    for matched in rules.scopes.iter().map(|scope| &scope.matcher).chain(&rules.exempt).chain(proof) {
        collect(matched, &mut names);
    }
    names.into_iter().filter_map(|name| parameter(name, client)).collect()
}

/// The names of the parameters that a match looks at, each once.
fn collect<'p>(matched: &'p Matcher, names: &mut Vec<&'p str>) {
    for condition in &matched.0 {
        match condition {
            Condition::Query(name, _) if !names.contains(&name.as_str()) => names.push(name),
            Condition::Any(alternatives) => alternatives.iter().for_each(|one| collect(one, names)),
            Condition::Not(matched) => collect(matched, names),
            _ => {}
        }
    }
}

/// `None` if there is one reading: one value, or none.
fn parameter(name: &str, client: &Client) -> Option<Parameter> {
    let anything = || Parameter { name: tell::clean(name), values: None, may_be_missing: true };
    let Some(parameters) = client.request().parameters() else { return Some(anything()) };
    let mut values: Vec<String> = Vec::new();
    let mut may_be_missing = false;
    for list in parameters.named(name.as_bytes()) {
        let mut is_there = false;
        for (read, is_named_so) in list {
            is_there |= is_named_so;
            let Some(read) = read.as_ref().map(Values::iter) else { return Some(anything()) };
            for value in read.map(tell::bytes) {
                if !values.contains(&value) {
                    values.push(value);
                }
            }
        }
        may_be_missing |= !is_there;
    }
    let readings = values.len() + usize::from(may_be_missing);
    (readings > 1).then(|| Parameter { name: tell::clean(name), values: Some(values), may_be_missing })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{Sent, Url};
    use crate::world::World;

    /// Each parameter with several readings, as `name: value, value`.
    fn read(target: &str) -> Vec<String> {
        let policy = Policy::one("default").unwrap_or_else(|error| panic!("{error}"));
        let url = Url::parse(target.as_bytes()).expect("a target");
        let sent = Sent::new(b"GET", url).expect("a request");
        let found = World::new(&policy).with_client(&sent, |client| several(&policy, client));
        let shown = |Parameter { name, values, may_be_missing }: Parameter| {
            let mut values = values.unwrap_or_else(|| vec!["anything".to_owned()]);
            values.extend(may_be_missing.then(|| "missing".to_owned()));
            format!("{name}: {}", values.join(", "))
        };
        let Ok(found) = found else { panic!("{target} tells no request") };
        found.into_iter().map(shown).collect()
    }

    #[test]
    fn of_several_readings_each_is_told() {
        for (target, expected) in [
            ("/?ids_only=1&ids_only=2", "ids_only: 1, 2"),
            // Some take a name in another case, and some a part of a list.
            ("/?IDS_ONLY=1", "ids_only: 1, missing"),
            ("/?ids_only[]=1", "ids_only: anything, missing"),
            ("/?ids_only=%001", "ids_only: \\u{0}1, , 1"),
        ] {
            assert_eq!(read(target), [expected], "{target}");
        }
        // Nothing looks at `other`.
        assert_eq!(
            read("/?ids_only=1;incomplete_only=0&other=1;a"),
            ["ids_only: 1;incomplete_only=0, 1", "incomplete_only: 0, missing"]
        );
    }

    #[test]
    fn of_one_reading_nothing_is_told() {
        for target in ["/", "/?ids_only", "/?ids_only=1&ids_only=1", "/?ids_only=a%20b", "/?other=1&OTHER=2"]
        {
            assert_eq!(read(target), [""; 0], "{target}");
        }
    }
}
