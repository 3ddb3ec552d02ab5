//! nginx' configuration as a tree.

/// A directive, and what stands in its block.
#[derive(Debug)]
pub(super) struct Directive {
    pub(super) name: String,
    pub(super) arguments: Vec<String>,
    pub(super) block: Vec<Directive>,
}

/// So deep may blocks stand in each other; nginx' own do not go beyond six.
const DEEPEST: usize = 32;

/// Reads a file.
pub(super) fn read(text: &str) -> Result<Vec<Directive>, String> {
    let mut levels: Vec<Vec<Directive>> = vec![Vec::new()];
    let mut words: Vec<String> = Vec::new();
    let mut rest = text;
    let line = |rest: &str| text[..text.len() - rest.len()].matches('\n').count() + 1;
    loop {
        rest = rest.trim_start();
        let Some(first) = rest.chars().next() else { break };
        match first {
            '#' => rest = &rest[rest.find('\n').unwrap_or(rest.len())..],
            ';' => {
                put(&mut levels, &mut words);
                rest = &rest[1..];
            }
            '{' => {
                // What stands in Lua or JavaScript blocks is no directive; such blocks are not expected to have limits.
                put(&mut levels, &mut words);
                levels.push(Vec::new());
                if levels.len() > DEEPEST {
                    return Err(format!("line {}: blocks stand too deep in each other", line(rest)));
                }
                rest = &rest[1..];
            }
            '}' => {
                let block = levels.pop().unwrap_or_default();
                let Some(outer) = levels.last_mut().and_then(|level| level.last_mut()) else {
                    return Err(format!("line {}: `}}` closes nothing", line(rest)));
                };
                outer.block = block;
                words.clear();
                rest = &rest[1..];
            }
            _ => {
                let (word, after) = word(rest);
                words.push(word);
                rest = after;
            }
        }
    }
    if !words.is_empty() {
        return Err(format!("ends within a directive, `{}`", words.join(" ")));
    }
    match (levels.pop(), levels.is_empty()) {
        (Some(directives), true) => Ok(directives),
        _ => Err("a `{` is never closed".into()),
    }
}

fn put(levels: &mut [Vec<Directive>], words: &mut Vec<String>) {
    let mut words = std::mem::take(words).into_iter();
    let name = words.next().unwrap_or_default();
    if let Some(level) = levels.last_mut() {
        level.push(Directive { name, arguments: words.collect(), block: Vec::new() });
    }
}

/// A word, in quotes or not, and what follows it.
fn word(text: &str) -> (String, &str) {
    let quote = text.chars().next().filter(|first| ['"', '\''].contains(first));
    let mut word = String::new();
    let mut characters = text.char_indices().skip(usize::from(quote.is_some()));
    // A brace that follows a `$` belongs to the variable's name.
    let mut is_in_name = false;
    while let Some((index, character)) = characters.next() {
        match (quote, character) {
            (_, '\\') => {
                let next = characters.next().map(|(_, next)| next);
                // Only what would mean something else is escaped: expressions keep their backslashes.
                if !next.is_some_and(|next| [' ', '"', '\'', ';', '{', '}'].contains(&next)) {
                    word.push('\\');
                }
                word.extend(next);
            }
            (Some(quote), end) if quote == end => return (word, &text[index + 1..]),
            (None, '{') if word.ends_with('$') => {
                is_in_name = true;
                word.push('{');
            }
            (None, '}') if is_in_name => {
                is_in_name = false;
                word.push('}');
            }
            (None, end) if end.is_whitespace() || [';', '{', '}'].contains(&end) => {
                return (word, &text[index..]);
            }
            (_, other) => word.push(other),
        }
    }
    (word, "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_are_read_as_nginx_reads_them() {
        let conf = "a 'b c' \"d\\\"e\" f\\;g ${h}i \\.php$; # j;\nk{l m;n{}}";
        let [a, k] = &read(conf).expect(conf)[..] else { panic!("two directives") };
        assert_eq!(a.arguments, ["b c", "d\"e", "f;g", "${h}i", "\\.php$"]);
        let names: Vec<_> = k.block.iter().map(|inner| inner.name.as_str()).collect();
        assert_eq!(names, ["l", "n"]);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(conf in "[a-c{};#'\"\\\\$ \né]{0,60}") {
            let _ = super::super::nginx::import(&conf);
        }
    }
}
