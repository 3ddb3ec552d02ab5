//! What is read of a Python file.

use super::*;
use proptest::prelude::*;

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

#[test]
fn what_stands_there_literally_is_read() {
    let file = r#"
"""Settings: REST_FRAMEWORK = {"not": "this"}"""
import os
A = 'a' "b"  # and a comment
B: dict = {
    "list": ["x", ('y'), ("z",)],  # more
    'rate': os.environ.get("RATE", "60/min"),
    **A, "none": None, "sum": [1] + [2],
}
B["more"] = r"m"
B.update({"new": A, 'rate': "5/min"})
if DEBUG:
    B = {}
C == 5
D = f"{A}/min"
def f(x={1: "B = 5"}):
    return """
B = 7
"""
"#;
    let found = read(file);
    let b = &found.values["B"];
    assert_eq!(found.values["A"], text("ab"));
    assert_eq!(b.get("list"), Some(&Value::List(vec![text("x"), text("y"), Value::List(vec![text("z")])])));
    assert_eq!((b.get("rate"), b.get("more")), (Some(&text("5/min")), Some(&text("m"))));
    assert_eq!((b.get("none"), b.get("sum")), (Some(&Value::None), Some(&Value::Other("[1] + [2]".into()))));
    assert_eq!(found.resolved(b.get("new").expect("a value")), &text("ab"));
    assert_eq!(found.values["D"], Value::Other("f\"{A}/min\"".into()));
    assert_eq!(found.in_blocks, [("B".into(), 13)]);
    assert!(!found.values.contains_key("C"));
}

proptest! {
    #[test]
    fn any_text_is_read(file in "([A-C] = |[\\[\\](){}:,'\"#\\\\=. \n]|\"\"\"|None|ab|é){0,60}") {
        let _ = read(&file);
    }
}

#[test]
fn what_stands_too_deep_is_not_read() {
    let deep = ["A = ", &"[".repeat(100_000), &"]".repeat(100_000)].concat();
    assert!(read(&deep).values.contains_key("A"));
}
