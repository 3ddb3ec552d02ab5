//! Whatever stands in an access log, each format reads its lines or skips them; and any text is a format or none.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tollgate_cli::log::{Format, can_read, names};

static FORMATS: LazyLock<Vec<Format>> =
    LazyLock::new(|| names().map(|(name, _)| Format::parse(name, None).expect(name)).collect());

fuzz_target!(|log: &[u8]| {
    let lines: Vec<&[u8]> = log.split(|byte| *byte == b'\n').collect();
    for format in FORMATS.iter() {
        for line in &lines {
            let _ = can_read(format, line);
        }
    }
    let _ = Format::of(&lines, Some("user"));
    // The first line as the format of the others.
    if let Some(Ok(text)) = lines.first().map(|line| std::str::from_utf8(line))
        && let Ok(format) = Format::parse(text, None)
    {
        for line in &lines {
            let _ = can_read(&format, line);
        }
    }
});
