//! The drawings. Places are percentages, so that text keeps its size on a narrow screen while lines stretch.

use std::fmt::Write;

use maud::{Markup, html};

use super::timeline::Span;
use super::{Cell, Chosen, Curve, Table, Timeline, shown};
use crate::log::time::shown_as;
use crate::output::{number, share, span};

/// Drawings are so wide and high, in units of their own.
const SIDE: f64 = 1_000.0;
const MICROS: u64 = 1_000_000;

// -- whom a limit catches -------------------------------------------------------------------------------------------------

/// A rank curve with its limit, and a slider that moves it. The script knows the numbers by `data-` attributes.
pub(super) fn limit(chosen: &Chosen, number_of_it: usize) -> Markup {
    let Chosen { scope, limit, window, remark, curve } = chosen;
    let (scope, id) = (shown(scope), format!("limit{number_of_it}"));
    let place = curve.place(*limit);
    let (_, caught) = curve.stops().get(place).copied().unwrap_or_default();
    let (x, last) = (at(place, curve), curve.stops().len().saturating_sub(1));
    let path = path(curve);
    html! {
        figure .curve data-limits=(joined(curve.stops().iter().map(|stop| u64::from(stop.0))))
            data-caught=(joined(curve.stops().iter().map(|stop| stop.1))) data-clients=(curve.clients()) data-window=(window)
            data-chosen=(place) {
            figcaption {
                h3 { (scope) " " span .muted { (number(u64::from(*limit))) "/" (window) } }
                @if !remark.is_empty() { p .muted { (shown(remark)) } }
            }
            p .caught {
                "At " output for=(id) .now { (number(u64::from(*limit))) } "/" (window) ", "
                strong .count { (number(caught)) } " of " (number(curve.clients())) " clients would be caught ("
                span .part { (share(caught, curve.clients())) } ")."
            }
            div .plot {
                (clients_axis(curve))
                svg .area role="img" aria-label={ "How many clients of the scope " (scope) " went beyond each rate" } {
                    (grid(curve))
                    clipPath id={ "c" (number_of_it) } {
                        rect .caught-clip x=(one(x * SIDE)) y="0" width=(one((1.0 - x) * SIDE)) height="1000" {}
                    }
                    svg width="100%" height="100%" viewBox="0 0 1000 1000" preserveAspectRatio="none" {
                        path .spared-area d={ (path) "V1000H0Z" } {}
                        path .caught-area d={ (path) "V1000H0Z" } clip-path={ "url(#c" (number_of_it) ")" } {}
                        path .rank d=(path) {}
                    }
                    line .chosen x1=(percent(x)) x2=(percent(x)) y1="0" y2="100%" {}
                    line .limit x1=(percent(x)) x2=(percent(x)) y1="-6" y2="100%" {}
                    circle .grip cx=(percent(x)) cy="-6" r="6" {}
                }
                (rates_axis(curve))
                input type="range" id=(id) min="0" max=(last) step="1" value=(place) autocomplete="off"
                    aria-label={ "Limit of " (scope) " per " (window) }
                    aria-valuetext={ (number(u64::from(*limit))) "/" (window) ", " (number(caught)) " of " (number(curve.clients())) " clients" };
            }
            p .tools { span .muted { "requests per " (window) " in the busiest window" } button type="button" hidden { "Back to " (number(u64::from(*limit))) "/" (window) } }
        }
    }
}

/// Where a stop is on the axis of rates, from 0 to 1.
fn at(place: usize, curve: &Curve) -> f64 {
    let last = curve.stops().len().saturating_sub(1).max(1);
    small(place as u64) / small(last as u64)
}

/// Where a number of clients is on its axis, from 0 at the bottom to 1. It is logarithmic, and has a zero.
fn height(clients: u64, of: u64) -> f64 {
    small(clients).ln_1p() / small(of.max(1)).ln_1p()
}

fn path(curve: &Curve) -> String {
    let mut path = String::new();
    for (place, (_, beyond)) in curve.stops().iter().enumerate() {
        let (x, y) = (at(place, curve) * SIDE, (1.0 - height(*beyond, curve.clients())) * SIDE);
        // A string takes all that is written.
        let _ = write!(path, "{}{} {}", if place == 0 { 'M' } else { 'L' }, one(x), one(y));
    }
    path
}

/// Numbers of clients that stand at the axis.
fn marks(curve: &Curve) -> Vec<u64> {
    let most = curve.clients().max(1);
    let tens = std::iter::successors(Some(1_u64), |ten| ten.checked_mul(10)).take_while(|ten| *ten <= most);
    let mut marks: Vec<u64> = std::iter::once(0).chain(tens).collect();
    // The top one, unless it would stand on another.
    if height(marks.last().copied().unwrap_or_default(), most) < 0.9 {
        marks.push(most);
    }
    marks
}

/// Rates that stand at the axis: 1, 2, 5, 10 and so on, as far as there is room.
fn rates(curve: &Curve) -> Vec<(u32, f64)> {
    let nice = |rate: u32| {
        let mut rate = rate;
        while rate >= 10 && rate.is_multiple_of(10) {
            rate /= 10;
        }
        matches!(rate, 1 | 2 | 5)
    };
    let mut marks: Vec<(u32, f64)> = Vec::new();
    for (place, (rate, _)) in curve.stops().iter().enumerate().filter(|(_, (rate, _))| nice(*rate)) {
        let x = at(place, curve);
        if marks.last().is_none_or(|(_, before)| x - before >= 0.1) {
            marks.push((*rate, x));
        }
    }
    marks
}

fn grid(curve: &Curve) -> Markup {
    html! {
        @for mark in marks(curve) {
            @let y = percent(1.0 - height(mark, curve.clients()));
            line .grid x1="0" x2="100%" y1=(y) y2=(y) {}
        }
        @for (_, x) in rates(curve) { line .grid x1=(percent(x)) x2=(percent(x)) y1="0" y2="100%" {} }
    }
}

fn clients_axis(curve: &Curve) -> Markup {
    html! {
        svg .yaxis aria-hidden="true" {
            @for mark in marks(curve) {
                text x="100%" dx="-8" y=(percent(1.0 - height(mark, curve.clients()))) dy="4" text-anchor="end" { (brief(mark)) }
            }
        }
    }
}

fn rates_axis(curve: &Curve) -> Markup {
    html! {
        svg .xaxis aria-hidden="true" {
            @for (rate, x) in rates(curve) { text x=(percent(x)) y="15" text-anchor="middle" { (brief(rate.into())) } }
        }
    }
}

// -- what happened when ----------------------------------------------------------------------------------------------------

/// Requests and denials, one above the other on one axis of time.
pub(super) fn over_time(timeline: &Timeline) -> Markup {
    let spans = timeline.spans();
    if spans.is_empty() {
        return html! {};
    }
    let has_denials = spans.iter().any(|span| span.denied + span.shadowed > 0);
    let most = |of: fn(&Span) -> u64| spans.iter().map(of).max().unwrap_or_default();
    let (all, denied) = (most(|span| span.requests), most(|span| span.denied + span.shadowed));
    let each = span(timeline.width().saturating_mul(MICROS));
    html! {
        section aria-labelledby="time" {
            h2 id="time" { @if has_denials { "Requests and denials over time" } @else { "Requests over time" } }
            p .muted { "Each bar is " (each) "; times are UTC." }
            h3 { "Requests" }
            (bars(timeline, "all", all, &[("requests", |span| span.requests, |_| 0)]))
            @if has_denials {
                h3 {
                    "Denied"
                    span .legend { span .key.denied {} " denied " span .key.shadowed {} " would be, were no scope in shadow" }
                }
                (bars(timeline, "denials", denied, &[("denied", |span| span.denied, |_| 0), ("shadowed", |span| span.shadowed, |span| span.denied)]))
            }
            details {
                summary { "The same as a table" }
                (by_span(timeline).bare("time"))
            }
        }
    }
}

/// What is drawn: a class, how much of it, and how much lies below.
type Layer = (&'static str, fn(&Span) -> u64, fn(&Span) -> u64);

fn bars(timeline: &Timeline, what: &str, most: u64, layers: &[Layer]) -> Markup {
    let spans = timeline.spans();
    let width = spans.len();
    let ticks = ticks(timeline);
    html! {
        div .plot.short {
            svg .yaxis aria-hidden="true" {
                text x="100%" dx="-8" y="0" dy="9" text-anchor="end" { (brief(most)) }
                text x="100%" dx="-8" y="100%" text-anchor="end" { "0" }
            }
            svg .area role="img" aria-label={ "Over time: " (what) ", at most " (number(most)) " in one bar" } {
                @for (_, x) in &ticks { line .grid x1=(percent(*x)) x2=(percent(*x)) y1="0" y2="100%" {} }
                line .grid x1="0" x2="100%" y1="100%" y2="100%" {}
                svg width="100%" height="100%" viewBox={ "0 0 " (width) " 1000" } preserveAspectRatio="none" {
                    @for (class, much, below) in layers { path .(*class) d=(columns(spans, most, *much, *below)) {} }
                }
            }
            svg .xaxis aria-hidden="true" {
                @for (label, x) in &ticks { text x=(percent(*x)) y="15" text-anchor="middle" { (label) } }
            }
        }
    }
}

fn columns(spans: &[Span], most: u64, much: fn(&Span) -> u64, below: fn(&Span) -> u64) -> String {
    let mut path = String::new();
    let up = |count: u64| SIDE - small(count) / small(most.max(1)) * SIDE;
    for (place, span) in spans.iter().enumerate().filter(|(_, span)| much(span) > 0) {
        let bottom = up(below(span));
        // What is there can be seen.
        let top = up(below(span) + much(span)).min(bottom - 12.0);
        // A string takes all that is written.
        let _ = write!(path, "M{place} {}V{}H{}V{}Z", one(bottom), one(top), place + 1, one(bottom));
    }
    path
}

/// Moments on the axis: at most seven, on a clock's round figures.
fn ticks(timeline: &Timeline) -> Vec<(String, f64)> {
    const STEPS: [u64; 17] = [
        1, 5, 10, 30, 60, 300, 600, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800,
        2_592_000,
    ];
    let (start, length) = (timeline.start(), timeline.width().saturating_mul(timeline.spans().len() as u64));
    let fits = |step: &u64| length / step <= 6;
    let step = STEPS.iter().copied().find(fits).unwrap_or((length / 6).max(1));
    let form = if step < 60 {
        "%H:%M:%S"
    } else if step < 86_400 {
        "%H:%M"
    } else {
        "%m-%d"
    };
    let first = start.div_ceil(step);
    let moments = (first..first.saturating_add(8)).map(|count| count.saturating_mul(step));
    let inside = moments.take_while(|moment| *moment <= start.saturating_add(length));
    let label = |moment: u64| match moment % 86_400 {
        // A day begins: say which.
        0 => shown_as(moment.saturating_mul(MICROS), "%m-%d"),
        _ => shown_as(moment.saturating_mul(MICROS), form),
    };
    inside.map(|moment| (label(moment), small(moment - start) / small(length.max(1)))).collect()
}

fn by_span(timeline: &Timeline) -> Table {
    let coarse = timeline.coarse(48);
    let from = |place: u64| {
        shown_as((coarse.start() + place * coarse.width()).saturating_mul(MICROS), "%Y-%m-%d %H:%M:%S")
    };
    let row = |(place, span): (u64, &Span)| {
        vec![
            Cell::Text(from(place)),
            Cell::Number(span.requests),
            Cell::Number(span.denied),
            Cell::Number(span.shadowed),
        ]
    };
    Table {
        title: "",
        caption: format!("Each row is {}", span(coarse.width().saturating_mul(MICROS))),
        headings: vec!["from, UTC", " requests", " denied", " would be denied"],
        rows: (0..).zip(coarse.spans()).map(row).collect(),
        more: 0,
    }
}

// -- numbers ---------------------------------------------------------------------------------------------------------------

/// For a drawing, which is far coarser than this.
#[allow(clippy::cast_precision_loss)]
const fn small(number: u64) -> f64 {
    number as f64
}

fn percent(part: f64) -> String {
    format!("{:.2}%", part * 100.0)
}

/// With one digit behind the point, if that is not 0.
fn one(number: f64) -> String {
    let text = format!("{number:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// For an axis: `1500` as `1.5k`.
fn brief(count: u64) -> String {
    let scales = [(1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")];
    let scale = scales.iter().find(|(scale, _)| count >= *scale);
    scale.map_or_else(
        || count.to_string(),
        |(scale, name)| format!("{}{name}", one(small(count) / small(*scale))),
    )
}

fn joined(numbers: impl Iterator<Item = u64>) -> String {
    numbers.map(|number| number.to_string()).collect::<Vec<_>>().join(" ")
}
