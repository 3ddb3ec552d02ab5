//! `tollgate test`: tests of a policy, for those who write one.

mod file;
mod run;

use std::path::Path;
use std::process::ExitCode;

use anyhow::anyhow;
use file::File;
use run::Failure;
use serde::Serialize;
use serde_json::Value;

use crate::policy::{self, Policy};
use crate::tell::{self, Format};

/// Test a policy: requests, times, and what is expected of them
///
/// The exit code is 0 if all tests pass, 1 if one fails, 2 if a file cannot be read or a policy is refused.
#[derive(Debug, clap::Args)]
#[command(after_help = "A file of tests:
  policy: policy.json
  tests:
    - name: five failed logins, and no sixth
      steps:
        - { request: POST /api/auth/login, status: 401, times: 5, every: 1s, expect: allowed }
        - { request: POST /api/auth/login, after: 1s, expect: { decision: denied, by: login, retry_after: 55 } }")]
pub(crate) struct Args {
    /// Files of tests, in YAML or JSON; - for stdin
    #[arg(required = true, value_name = "CASES")]
    files: Vec<String>,
    /// The policy to test, in place of the one that the files name
    #[arg(long, value_name = "POLICY")]
    policy: Option<String>,
}

#[derive(Serialize)]
struct Tested {
    file: String,
    policy: String,
    tests: Vec<Done>,
}

#[derive(Serialize)]
struct Done {
    name: String,
    passed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<Failure>,
}

/// Tests.
///
/// # Errors
/// If a file or its policy cannot be read, or if a step in it cannot be played.
pub(crate) fn run(args: &Args, format: Format) -> anyhow::Result<ExitCode> {
    let mut all = Vec::new();
    for file in &args.files {
        all.push(test(file, args.policy.as_deref())?);
    }
    let tests = || all.iter().flat_map(|tested| &tested.tests);
    let (count, failed) = (tests().count(), tests().filter(|done| !done.passed).count());
    if format == Format::Json {
        tell::print_json(&serde_json::json!({ "files": all, "passed": count - failed, "failed": failed }))?;
    } else {
        let mut out = String::new();
        for tested in &all {
            show(tested, &mut out);
        }
        let style = if failed > 0 { tell::BAD } else { tell::GOOD };
        tell::line(
            &mut out,
            0,
            tell::styled(style, format_args!("{} passed, {failed} failed", count - failed)),
        );
        tell::print(&out)?;
    }
    Ok(ExitCode::from(u8::from(failed > 0)))
}

fn test(name: &str, policy: Option<&str>) -> anyhow::Result<Tested> {
    let file = read(name).map_err(|error| anyhow!("{name}: {error}"))?;
    let policy = match (policy, &file.policy) {
        (Some(word), _) => Policy::one(word)?,
        (None, Some(Value::String(word))) => Policy::one(&beside(name, word))?,
        (None, Some(document @ Value::Object(_))) => {
            Policy::parse(&format!("{name}: policy"), document.to_string().as_bytes())?
        }
        _ => {
            return Err(anyhow!(
                "{name}: which policy? Write `policy: policy.json`, from where this file is; `policy: default`; or the policy itself"
            ));
        }
    };
    let mut tests = Vec::new();
    for test in &file.tests {
        let failure = run::run(&policy, test)
            .map_err(|error| anyhow!("{name}: the test `{}`: {error}", tell::clean(&test.name)))?;
        tests.push(Done { name: test.name.clone(), passed: failure.is_none(), failure });
    }
    Ok(Tested { file: name.to_owned(), policy: policy.name, tests })
}

/// The path of a policy that a file names.
fn beside(file: &str, word: &str) -> String {
    let beside = Path::new(file).parent().unwrap_or(Path::new("")).join(word);
    if word == "default" && !beside.exists() {
        word.to_owned()
    } else {
        beside.to_string_lossy().into_owned()
    }
}

fn read(name: &str) -> Result<File, String> {
    let bytes = policy::read(name)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| "is not UTF-8")?;
    let is_json = Path::new(name).extension().is_some_and(|end| end.eq_ignore_ascii_case("json"));
    let file: File = if is_json {
        serde_json::from_str(text).map_err(|error| error.to_string())?
    } else {
        serde_saphyr::from_str(text).map_err(|error| error.to_string())?
    };
    if file.tests.iter().all(|test| test.steps.is_empty()) {
        return Err("there is nothing in it to test".to_owned());
    }
    Ok(file)
}

fn show(tested: &Tested, out: &mut String) {
    tell::line(out, 0, format_args!("{} ({})", tell::styled(tell::NAME, &tested.file), tested.policy));
    for Done { name, failure, .. } in &tested.tests {
        let Some(failure) = failure else {
            tell::line(out, 2, format_args!("{}      {}", tell::styled(tell::GOOD, "ok"), tell::clean(name)));
            continue;
        };
        tell::line(out, 2, format_args!("{}  {}", tell::styled(tell::BAD, "FAILED"), tell::clean(name)));
        let place = format!("step {}, request {}, at {}", failure.step, failure.request, failure.at);
        tell::line(out, 10, place);
        for difference in &failure.differences {
            tell::line(out, 10, tell::styled(tell::BAD, difference));
        }
        out.push('\n');
        for line in failure.shown.lines() {
            if line.is_empty() { out.push('\n') } else { tell::line(out, 10, line) }
        }
        out.push('\n');
    }
    out.push('\n');
}
