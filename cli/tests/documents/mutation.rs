//! Documents with a change that nobody would make on purpose.

use serde_json::{Value, json};

use super::Random;

/// Changes one thing somewhere in a document.
pub(crate) fn mutate(document: &mut Value, random: &mut Random) {
    let count = size(document);
    let mut at = random.below(count);
    change(document, &mut at, random);
}

fn size(value: &Value) -> usize {
    1 + match value {
        Value::Array(values) => values.iter().map(size).sum::<usize>(),
        Value::Object(fields) => fields.values().map(size).sum::<usize>(),
        _ => 0,
    }
}

/// Changes the value that many steps further on. Returns whether it was here.
fn change(value: &mut Value, at: &mut usize, random: &mut Random) -> bool {
    if *at == 0 {
        anything_else(value, random);
        return true;
    }
    *at -= 1;
    match value {
        Value::Array(values) => values.iter_mut().any(|value| change(value, at, random)),
        Value::Object(fields) => fields.values_mut().any(|value| change(value, at, random)),
        _ => false,
    }
}

fn anything_else(value: &mut Value, random: &mut Random) {
    match (random.below(6), &mut *value) {
        (0 | 1, Value::Object(fields)) if !fields.is_empty() => {
            let name = fields.keys().nth(random.below(fields.len())).cloned().unwrap_or_default();
            fields.remove(&name);
        }
        (2, Value::Object(fields)) => {
            let name = random.pick(&[
                "rate", "key", "all", "not", "any", "header", "status", "mode", "unknown", "from", "",
            ]);
            let more = junk(random);
            fields.insert(name.to_owned(), more);
        }
        (0 | 1, Value::Array(values)) if !values.is_empty() => {
            let again = values[random.below(values.len())].clone();
            values.push(again);
        }
        (2, Value::Array(values)) => {
            values.pop();
        }
        (3, value) => *value = json!([value.clone()]),
        (_, value) => *value = junk(random),
    }
}

fn junk(random: &mut Random) -> Value {
    match random.below(10) {
        0 => Value::Null,
        1 => true.into(),
        2 => false.into(),
        3 => json!(0),
        4 => json!(-1.5),
        5 => json!("a"),
        6 => json!(""),
        7 => json!([]),
        8 => json!({}),
        _ => json!({ "a": [1, "b"] }),
    }
}
