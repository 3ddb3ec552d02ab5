//! Tables.

use maud::{Markup, html};

use super::{MOST_ROWS, shown};
use crate::output::{number, share};

/// A table with a caption. A heading that begins with a space is that of numbers.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) title: &'static str,
    pub(crate) caption: String,
    pub(crate) headings: Vec<&'static str>,
    pub(crate) rows: Vec<Vec<Cell>>,
    /// How many rows there would be more.
    pub(crate) more: u64,
}

/// What stands in a cell.
#[derive(Debug)]
pub(crate) enum Cell {
    Text(String),
    Number(u64),
    /// A part of a whole, as a bar. `true` if it would be, and is not.
    Share(u64, u64, bool),
}

impl Table {
    pub(super) fn render(&self, id: &str) -> Markup {
        let more = self.more + self.rows.len().saturating_sub(MOST_ROWS) as u64;
        html! {
            section aria-labelledby=(id) {
                h2 id=(id) { (self.title) }
                (self.bare(id))
                @if more > 0 { p .muted { "… and " (number(more)) " more" } }
            }
        }
    }

    /// The table alone, in a frame that scrolls where it is too wide. Who has no pointer scrolls it, too, so it has the focus.
    pub(super) fn bare(&self, id: &str) -> Markup {
        html! {
            div .scroll .tall[self.rows.len() > 20] role="region" tabindex="0" aria-labelledby=(id) {
                table {
                    caption { (self.caption) }
                    thead { tr {
                        @for heading in &self.headings {
                            th scope="col" .number[heading.starts_with(' ')] { (heading.trim()) }
                        }
                    } }
                    tbody {
                        @for row in self.rows.iter().take(MOST_ROWS) {
                            tr {
                                @for (column, cell) in row.iter().enumerate() {
                                    @if column == 0 { th scope="row" class=[cell.class()] { (cell.render()) } }
                                    @else { td class=[cell.class()] { (cell.render()) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

impl Cell {
    /// How it may be broken into lines.
    fn class(&self) -> Option<&'static str> {
        match self {
            Self::Text(text) if text.len() <= 22 => Some("brief"),
            Self::Text(text) if text.contains(' ') => Some("long"),
            Self::Text(_) => None,
            Self::Number(_) | Self::Share(..) => Some("number"),
        }
    }

    fn render(&self) -> Markup {
        html! {
            @match self {
                Self::Text(text) => (shown(text)),
                Self::Number(value) => (number(*value)),
                Self::Share(part, whole, is_shadow) => {
                    span .share {
                        svg .bar viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true" {
                            rect .rest width="1000" height="10" {}
                            rect .shadowed[*is_shadow] .denied[!*is_shadow] width=(permille(*part, *whole)) height="10" {}
                        }
                        span { (share(*part, *whole)) }
                    }
                },
            }
        }
    }
}

/// A part that is there can be seen.
fn permille(part: u64, whole: u64) -> u64 {
    let permille = part.saturating_mul(1_000).checked_div(whole).unwrap_or_default().min(1_000);
    if part > 0 { permille.max(12) } else { 0 }
}
