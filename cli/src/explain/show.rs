//! An explanation for people.

use super::parameters::Parameter;
use super::scopes::{Exempt, Explained, Explanation, JudgedAs, LimitSays};
use super::why;
use crate::tell::{self, BAD, FAINT, GOOD, MIND, NAME};
use crate::world::{Answer, Outcome};

/// Where texts begin, behind the names of what they are about.
const INDENT: usize = 12;

fn row(out: &mut String, head: &str, text: &str) {
    tell::wrapped(out, INDENT, &tell::styled(NAME, head), text);
}

/// Writes it, with what its limits have said if they have been asked.
pub(crate) fn show(explanation: &Explanation, out: &mut String) {
    tell::line(out, 0, &explanation.request);
    out.push('\n');
    let Some(client) = &explanation.client else { return };
    match explanation.paths.as_deref() {
        Some([one]) => row(out, "path", one),
        Some(several) => {
            row(out, "path", &format!("{} readings; a limit applies if it would under any", several.len()));
            for path in several {
                tell::line(out, INDENT, path);
            }
        }
        None => {
            row(out, "path", "may be anything: it has too many readings; so every limit on a path applies");
        }
    }
    for parameter in &explanation.parameters {
        show_parameter(parameter, out);
    }
    let crawler = client.crawler.as_ref().map(|family| format!("; the crawler {family}, by its user agent"));
    let credential = match client.credential {
        "anonymous" => "anonymous",
        "proved" => "known by its credential",
        "trusted" => "with a credential that is trusted",
        "unproved" => "with a credential that is not known",
        "unclear" => "with credentials that may be several",
        _ => "with a credential that makes no difference",
    };
    let counted = if client.counted_as == client.address {
        String::new()
    } else {
        format!(" (counted as {})", client.counted_as)
    };
    row(
        out,
        "client",
        &format!("{}{counted}, {credential}: {}{}", client.address, client.why, crawler.unwrap_or_default()),
    );
    for exempt in &explanation.exempt {
        show_exempt(exempt, out);
    }
    out.push('\n');
    for scope in &explanation.scopes {
        show_scope(scope, out);
    }
    if explanation.scopes.is_empty() {
        tell::line(out, 0, "The policy has no scope that is on.");
    }
}

/// So many readings are shown at the most.
const MOST_READINGS: usize = 12;

fn show_parameter(parameter: &Parameter, out: &mut String) {
    let name = &parameter.name;
    let Some(values) = &parameter.values else {
        let text =
            format!("`{name}` may be anything, or missing: there is too much to read, or a charset decides");
        return row(out, "parameter", &text);
    };
    let count = values.len() + usize::from(parameter.may_be_missing);
    row(out, "parameter", &format!("`{name}`: {count} readings; a limit applies if it would under any"));
    for value in values.iter().take(MOST_READINGS) {
        tell::line(out, INDENT, format_args!("`{value}`"));
    }
    if values.len() > MOST_READINGS {
        tell::line(out, INDENT, format_args!("and {} more", values.len() - MOST_READINGS));
    }
    if parameter.may_be_missing {
        tell::line(out, INDENT, "missing");
    }
}

fn show_exempt(exempt: &Exempt, out: &mut String) {
    if exempt.holds {
        row(
            out,
            "exempt",
            &format!("by exempt[{}], so it falls under no scope: {}", exempt.index, exempt.words),
        );
    } else {
        row(out, "not exempt", &format!("by exempt[{}]", exempt.index));
        why::show(&exempt.why, INDENT, out);
    }
}

fn show_scope(scope: &Explained, out: &mut String) {
    let shadow = if scope.enforced { String::new() } else { tell::styled(MIND, "in shadow mode ") };
    let mut head = scope.scope.as_str();
    for judged in &scope.judged {
        let says = says(scope, judged);
        if head.chars().count() >= INDENT {
            tell::line(out, 0, tell::styled(NAME, head));
            head = "";
        }
        row(out, head, &format!("{shadow}{says}"));
        head = "";
        if judged.decided_by != Some("exempt") {
            why::show(&judged.why, INDENT, out);
        }
        for limit in &judged.limits {
            show_limit(limit, out);
        }
    }
}

fn says(scope: &Explained, judged: &JudgedAs) -> String {
    let role = judged.role.words();
    let no = tell::styled(FAINT, "does not apply");
    match judged.decided_by {
        None => {
            let units = if scope.cost == 1 { "1 unit".to_owned() } else { format!("{} units", scope.cost) };
            format!("{}{role}: takes {units}, and counts {}", tell::styled(GOOD, "applies"), judged.key)
        }
        Some("exempt") => format!("{no}{role}: the request is exempt"),
        Some("key") => format!("{no}{role}: the request has nobody to count; counted is {}", judged.key),
        Some(_) => format!("{no}{role}, since not all of this holds:"),
    }
}

fn show_limit(limit: &LimitSays, out: &mut String) {
    let seconds = seconds(limit.seconds);
    let text = if limit.admits {
        let stays = match limit.stayed {
            Some(false) => "; given back, now that it is answered",
            _ => "",
        };
        format!(
            "{}: {}, {} left, more in {seconds}{stays}",
            limit.rate,
            tell::styled(GOOD, "admitted"),
            limit.remaining
        )
    } else {
        format!("{}: {}, would be admitted in {seconds}", limit.rate, tell::styled(BAD, "over the limit"))
    };
    tell::line(out, INDENT, text);
}

/// To a hundredth.
fn seconds(seconds: f64) -> String {
    let seconds = (seconds * 100.0).ceil() / 100.0;
    let span = std::time::Duration::try_from_secs_f64(seconds).unwrap_or_default();
    crate::span::show(span)
}

/// Writes what became of the request.
pub(crate) fn show_outcome(outcome: &Outcome, words: &str, answer: Answer, out: &mut String) {
    out.push('\n');
    let Some(reply) = &outcome.reply else {
        let answered = match answer {
            Answer::Status(status, None) => format!("the application answers {status}"),
            Answer::Status(status, Some(grpc)) => {
                format!("the application answers {status}, with the gRPC status {grpc}")
            }
            Answer::Never => "the application never answers".to_owned(),
        };
        let proof = match (outcome.has_proved, outcome.is_held_back) {
            (true, _) => ", and so accepts the credential, which counts from now on",
            (false, true) => {
                ", but the credential proves nothing: too many new ones have come from this address"
            }
            (false, false) => "",
        };
        tell::wrapped(
            out,
            INDENT,
            &tell::styled(GOOD, words_head(words)),
            &format!("{}{answered}{proof}", words_rest(words)),
        );
        for (name, value) in &outcome.fields {
            tell::line(out, INDENT, format_args!("{name}: {value}"));
        }
        return;
    };
    tell::wrapped(
        out,
        INDENT,
        &tell::styled(BAD, words_head(words)),
        words_rest(words).trim_end_matches("; "),
    );
    let as_grpc = if outcome.is_grpc {
        format!("; a gRPC call by the gRPC status RESOURCE_EXHAUSTED, with the text `{}`", reply.grpc_message)
    } else {
        String::new()
    };
    row(out, "told", &format!("status {}{as_grpc}", reply.status));
    for (name, value) in &reply.headers {
        tell::line(out, INDENT, format_args!("{name}: {}", tell::clean(value)));
    }
    for text in reply.body.lines() {
        tell::line(out, INDENT, tell::clean(text));
    }
}

/// The first word.
fn words_head(words: &str) -> &str {
    words.split(' ').next().unwrap_or(words)
}

/// What stands behind it.
fn words_rest(words: &str) -> String {
    words.split_once(' ').map(|(_, rest)| format!("{rest}; ")).unwrap_or_default()
}
