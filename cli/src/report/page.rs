//! The page.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::policy::{SCRIPT, STYLE, content_security_policy};
use super::{MOST_PARTS, Report, Tile, Tone, chart, shown};

pub(super) fn render(report: &Report) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                // In front of all that it is to rule.
                meta http-equiv="Content-Security-Policy" content=(content_security_policy());
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                meta name="color-scheme" content="light dark";
                title { (shown(&report.title)) " · Tollgate" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    p .brand { "Tollgate" }
                    h1 { (shown(&report.title)) }
                    @for line in report.about.iter().take(MOST_PARTS) { p .muted { (shown(line)) } }
                }
                main {
                    ul .tiles aria-label="In short" { @for it in &report.tiles { (tile(it)) } }
                    @if let Some(table) = &report.first { (table.render("scopes")) }
                    (chart::over_time(&report.timeline))
                    @if !report.limits.is_empty() { (limits(report)) }
                    @for (number, table) in report.then.iter().enumerate() { (table.render(&format!("table{number}"))) }
                    @if let Some(policy) = &report.policy {
                        section aria-labelledby="policy" {
                            h2 id="policy" { "The policy" }
                            pre tabindex="0" aria-labelledby="policy" { (policy) }
                        }
                    }
                    @if !report.notes.is_empty() {
                        section .notes aria-labelledby="notes" {
                            h2 id="notes" { "To read these numbers" }
                            ul { @for note in report.notes.iter().take(MOST_PARTS) { li { (shown_long(note)) } } }
                        }
                    }
                }
                footer { p .muted { "Made by tollgate " (env!("CARGO_PKG_VERSION")) ". This page is one file: it loads nothing and sends nothing." } }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    }
}

/// A note holds what was sent, and sentences around it.
fn shown_long(note: &str) -> String {
    crate::output::printable(note.as_bytes(), 4 * super::MOST_CHARACTERS)
}

fn tile(tile: &Tile) -> Markup {
    let tone = match tile.tone {
        Tone::Plain => "plain",
        Tone::Denied => "denied",
        Tone::Shadowed => "shadowed",
        Tone::Warning => "warning",
    };
    html! {
        li .tile .(tone) {
            span .label { (tile.label) }
            span .value { (tile.value) }
            span .muted { (tile.detail) }
        }
    }
}

fn limits(report: &Report) -> Markup {
    let more = report.limits.len().saturating_sub(MOST_PARTS);
    html! {
        section aria-labelledby="limits" {
            h2 id="limits" { "Whom would a limit catch?" }
            p .muted {
                "Each client counts once, by the busiest window it ever had. The curve tells how many clients went beyond a rate; both axes are "
                "roughly logarithmic. Drag the line, or move the slider by the arrow keys: those at its right are caught. What another scope "
                "would deny counts, too. A peak is told up to a tenth too high, never too low."
            }
            div .curves {
                @for (number, chosen) in report.limits.iter().take(MOST_PARTS).enumerate() { (chart::limit(chosen, number)) }
            }
            @if more > 0 { p .muted { "… and " (more) " limits more" } }
        }
    }
}
