//! What a page holds, and what it never does.

use super::{Cell, Chosen, Curve, MOST_ROWS, Report, Table, Tile, Timeline, Tone, page};

const HOSTILE: &str = "</script><img src=x onerror=alert(1)>\"'&\u{202e}\u{0}";

/// All that can be filled with text is, with this.
fn filled(text: &str, rows: usize) -> Report {
    let table = || Table {
        title: "Table",
        caption: text.into(),
        headings: vec!["name", " number"],
        rows: (0..rows).map(|_| vec![Cell::Text(text.into()), Cell::Share(1, 2, true)]).collect(),
        more: 0,
    };
    let mut timeline = Timeline::default();
    (0..rows as u64).for_each(|place| timeline.count(place * 977_000_000, place % 2 == 0, place % 3 == 0));
    let peaks: Vec<u32> = (0..rows).map(|row| u32::try_from(row * row % 9_999).unwrap_or_default()).collect();
    let chosen = || Chosen {
        scope: text.into(),
        limit: 60,
        window: "min".into(),
        remark: text.into(),
        curve: Curve::of(peaks.clone(), 60),
    };
    Report {
        title: text.into(),
        about: vec![text.into(); rows],
        tiles: vec![Tile { label: "Tile", value: text.into(), detail: text.into(), tone: Tone::Denied }],
        first: Some(table()),
        limits: (0..rows.min(200)).map(|_| chosen()).collect(),
        timeline,
        then: vec![table()],
        policy: Some(text.into()),
        notes: vec![text.into(); rows],
    }
}

#[test]
fn what_was_sent_stays_text() {
    let plain = page::render(&filled("plain", 3)).into_string();
    let hostile = page::render(&filled(HOSTILE, 3)).into_string();
    // Not one element and not one attribute more than where nothing is hostile.
    for mark in ["<", ">", "\"", "<script", "<img"] {
        assert_eq!(hostile.matches(mark).count(), plain.matches(mark).count(), "{mark}");
    }
    assert!(hostile.contains("&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;&quot;"));
}

#[test]
fn nothing_is_loaded() {
    let page = page::render(&filled("x", 3)).into_string();
    for way in ["http:", "https:", "//", "src=", "url(", "@import", "<link", "<iframe", "fetch(", "style=\""]
    {
        let found = page.match_indices(way).map(|(at, _)| &page[at..page.len().min(at + 12)]);
        let own = |text: &&str| text.starts_with("url(#c") || text.starts_with("// ");
        assert_eq!(found.filter(|text| !own(text)).collect::<Vec<_>>(), [""; 0], "{way}");
    }
    let policy = "http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src 'sha256-";
    assert!(page.find(policy).is_some_and(|at| at < page.find("<style>").unwrap_or_default()));
}

#[test]
fn it_is_small_whatever_the_log() {
    let page = page::render(&filled(&"x".repeat(100_000), 3_000)).into_string();
    let rows = page.matches("<tr>").count();
    assert!((2 * MOST_ROWS..=2 * MOST_ROWS + 3 + 48).contains(&rows), "{rows}");
    // A policy is as long as it is.
    assert!(page.len() < 1_200_000, "{}", page.len());
}

#[test]
fn who_cannot_see_it_can_read_it() {
    let page = page::render(&filled("x", 3)).into_string();
    assert_eq!(page.matches("<table>").count(), page.matches("<caption>").count());
    assert_eq!(page.matches("<input").count(), page.matches(" aria-valuetext=\"").count());
    assert_eq!(page.matches("role=\"img\"").count(), page.matches("role=\"img\" aria-label=\"").count());
    assert!(page.starts_with("<!DOCTYPE html><html lang=\"en\">"));
}
