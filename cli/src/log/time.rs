//! When: the ways in which logs write a moment, each read into microseconds since 1970.

/// How a format writes a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TimeForm {
    /// `28/Nov/2026:03:04:58 +0000`, of whole seconds.
    Clf,
    /// `2026-11-28T03:04:58.123Z`, or with an offset.
    Iso,
    /// A number since 1970, with or without a fraction, of this unit in microseconds.
    Epoch(Unit),
    /// The form of RFC 3339, or a number of which the unit is known by its size.
    IsoOrEpoch,
    /// By directives as of C's `strftime`.
    Strftime(String),
}

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Seconds,
    Millis,
    Micros,
    Nanos,
}

const MICROS: u64 = 1_000_000;
const DAY: i64 = 86_400;

impl TimeForm {
    /// Microseconds since 1970; `None` if it is not written so, or lies before.
    pub(crate) fn parse(&self, text: &[u8]) -> Option<u64> {
        match self {
            Self::Clf => clf(text),
            Self::Iso => iso(text),
            Self::Epoch(unit) => unit.micros(text),
            Self::IsoOrEpoch => iso(text).or_else(|| {
                let whole = text.split(|byte| *byte == b'.').next().and_then(digits)?;
                Unit::of_epoch(whole).micros(text)
            }),
            Self::Strftime(form) => strftime(form, text),
        }
    }
}

impl Unit {
    /// A number of this unit, such as `12` or `0.000929675`, in microseconds.
    pub(crate) fn micros(self, text: &[u8]) -> Option<u64> {
        let (whole, fraction) = match text.iter().position(|byte| *byte == b'.') {
            Some(dot) => (&text[..dot], &text[dot + 1..]),
            None => (text, &b""[..]),
        };
        if !fraction.iter().all(u8::is_ascii_digit) {
            // `9.29675e-05`.
            let number: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
            return self.of_float(number);
        }
        let whole = digits(whole)?;
        let nine = fraction.iter().chain(std::iter::repeat(&b'0')).take(9);
        let billionths = nine.fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
        match self {
            Self::Seconds => whole.checked_mul(MICROS)?.checked_add(billionths / 1_000),
            Self::Millis => whole.checked_mul(1_000)?.checked_add(billionths / MICROS),
            Self::Micros => Some(whole),
            Self::Nanos => Some(whole / 1_000),
        }
    }

    /// What a moment of our days, as a number, counts.
    pub(crate) const fn of_epoch(number: u64) -> Self {
        match number {
            0..100_000_000_000 => Self::Seconds,
            100_000_000_000..100_000_000_000_000 => Self::Millis,
            100_000_000_000_000..100_000_000_000_000_000 => Self::Micros,
            _ => Self::Nanos,
        }
    }

    /// The same of a number that was read already.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub(crate) fn of_float(self, number: f64) -> Option<u64> {
        let micros = match self {
            Self::Seconds => number * 1e6,
            Self::Millis => number * 1e3,
            Self::Micros => number,
            Self::Nanos => number / 1e3,
        };
        // Far beyond any year that a log tells.
        (0.0..1e17).contains(&micros).then_some(micros.round() as u64)
    }

    /// The same of a whole number.
    pub(crate) fn of_int(self, number: u64) -> Option<u64> {
        match self {
            Self::Seconds => number.checked_mul(MICROS),
            Self::Millis => number.checked_mul(1_000),
            Self::Micros => Some(number),
            Self::Nanos => Some(number / 1_000),
        }
    }
}

/// `28/Nov/2026:03:04:58 +0000`.
fn clf(text: &[u8]) -> Option<u64> {
    const MONTHS: &[u8; 36] = b"JanFebMarAprMayJunJulAugSepOctNovDec";
    let [d1, d2, b'/', a, b, c, b'/', rest @ ..] = text else { return None };
    let [y1, y2, y3, y4, b':', h1, h2, b':', m1, m2, b':', s1, s2, rest @ ..] = rest else { return None };
    let month = MONTHS.as_chunks::<3>().0.iter().position(|month| month == &[*a, *b, *c])?;
    let date =
        Date { year: digits(&[*y1, *y2, *y3, *y4])?, month: month as u64 + 1, day: digits(&[*d1, *d2])? };
    let seconds = of_day([*h1, *h2], [*m1, *m2], [*s1, *s2])?;
    let rest = rest.trim_ascii();
    let offset = if rest.is_empty() { 0 } else { offset(rest)? };
    moment(date, seconds, offset, 0)
}

/// `2026-11-28T03:04:58.123456Z`, with a space for the `T`, or with an offset.
fn iso(text: &[u8]) -> Option<u64> {
    let [y1, y2, y3, y4, b'-', o1, o2, b'-', d1, d2, b'T' | b't' | b' ', rest @ ..] = text else {
        return None;
    };
    let [h1, h2, b':', m1, m2, b':', s1, s2, rest @ ..] = rest else { return None };
    let date =
        Date { year: digits(&[*y1, *y2, *y3, *y4])?, month: digits(&[*o1, *o2])?, day: digits(&[*d1, *d2])? };
    let seconds = of_day([*h1, *h2], [*m1, *m2], [*s1, *s2])?;
    let (micros, rest) = match rest {
        [b'.' | b',', rest @ ..] => {
            let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let (fraction, rest) = rest.split_at(count);
            let six = fraction.iter().chain(std::iter::repeat(&b'0')).take(6);
            (six.fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')), rest)
        }
        rest => (0, rest),
    };
    let offset = match rest.trim_ascii() {
        b"" | b"Z" | b"z" => 0,
        rest => offset(rest)?,
    };
    moment(date, seconds, offset, micros)
}

struct Date {
    year: u64,
    month: u64,
    day: u64,
}

fn of_day(hours: [u8; 2], minutes: [u8; 2], seconds: [u8; 2]) -> Option<u64> {
    let (hours, minutes, seconds) = (digits(&hours)?, digits(&minutes)?, digits(&seconds)?);
    // A leap second is the 60th.
    (hours < 24 && minutes < 60 && seconds < 61).then_some(hours * 3_600 + minutes * 60 + seconds)
}

/// `+0130` or `+01:30`, in seconds.
fn offset(text: &[u8]) -> Option<i64> {
    let (sign, h, m) = match text {
        [sign, h1, h2, m1, m2] | [sign, h1, h2, b':', m1, m2] => (*sign, [*h1, *h2], [*m1, *m2]),
        _ => return None,
    };
    let seconds = i64::try_from(digits(&h)? * 3_600 + digits(&m)? * 60).ok()?;
    match sign {
        b'+' => Some(seconds),
        b'-' => Some(-seconds),
        _ => None,
    }
}

fn moment(date: Date, seconds: u64, offset: i64, micros: u64) -> Option<u64> {
    let seconds = days(date)? * DAY + i64::try_from(seconds).ok()? - offset;
    u64::try_from(seconds).ok()?.checked_mul(MICROS)?.checked_add(micros)
}

/// Days since 1970, of the Gregorian calendar: years are taken to begin in March, so that the leap day is their last.
fn days(Date { year, month, day }: Date) -> Option<i64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let year = if month <= 2 { year.checked_sub(1)? } else { year };
    let (era, of_era) = (year / 400, year % 400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    i64::try_from(days).ok().map(|days| days - 719_468)
}

/// A number of digits alone, at least one.
pub(crate) fn digits(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |sum, byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 { None } else { sum.checked_mul(10)?.checked_add(digit.into()) }
    })
}

fn strftime(form: &str, text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    let time = jiff::fmt::strtime::parse(form, text).ok()?;
    let moment = match time.to_timestamp() {
        Ok(moment) => moment,
        // No offset is written: take it as UTC, which shifts all lines alike.
        Err(_) => jiff::tz::Offset::UTC.to_timestamp(time.to_datetime().ok()?).ok()?,
    };
    u64::try_from(moment.as_microsecond()).ok()
}

/// A moment for people, in UTC and whole seconds: `2026-11-28 03:04:58`.
pub(crate) fn shown(micros: u64) -> String {
    written(micros, "%Y-%m-%d %H:%M:%S")
}

/// A moment for programs: `2026-11-28T03:04:58.123456Z`.
pub(crate) fn rfc3339(micros: u64) -> String {
    written(micros, "%Y-%m-%dT%H:%M:%S%.fZ")
}

/// A moment as `strftime` has it, in UTC.
pub(crate) fn shown_as(micros: u64, form: &str) -> String {
    written(micros, form)
}

fn written(micros: u64, form: &str) -> String {
    let moment = i64::try_from(micros).ok().and_then(|micros| jiff::Timestamp::from_microsecond(micros).ok());
    moment.map_or_else(|| "?".to_owned(), |moment| moment.strftime(form).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MOMENT: u64 = 1_795_835_098_000_000; // 2026-11-28T03:04:58Z

    #[test]
    fn every_way_to_write_a_moment() {
        for (form, text, expected) in [
            (TimeForm::Clf, "28/Nov/2026:03:04:58 +0000", MOMENT),
            (TimeForm::Clf, "28/Nov/2026:04:34:58 +0130", MOMENT),
            (TimeForm::Clf, "27/Nov/2026:22:04:58 -0500", MOMENT),
            (TimeForm::Clf, "28/Nov/2026:03:04:58", MOMENT),
            (TimeForm::Clf, "01/Jan/1970:00:00:00 +0000", 0),
            (TimeForm::Clf, "29/Feb/2024:00:00:00 +0000", 1_709_164_800_000_000),
            (TimeForm::Iso, "2026-11-28T03:04:58Z", MOMENT),
            (TimeForm::Iso, "2026-11-28T03:04:58.1Z", MOMENT + 100_000),
            (TimeForm::Iso, "2026-11-28 03:04:58,123456789+00:00", MOMENT + 123_456),
            (TimeForm::Iso, "2026-11-27T22:04:58-05:00", MOMENT),
            (TimeForm::Epoch(Unit::Seconds), "1795835098.123", MOMENT + 123_000),
            (TimeForm::Epoch(Unit::Seconds), "1.795835098e9", MOMENT),
            (TimeForm::Epoch(Unit::Millis), "1795835098123", MOMENT + 123_000),
            (TimeForm::Epoch(Unit::Micros), "1795835098123456", MOMENT + 123_456),
            (TimeForm::IsoOrEpoch, "1795835098123456789", MOMENT + 123_456),
            (TimeForm::IsoOrEpoch, "1795835098", MOMENT),
            (TimeForm::IsoOrEpoch, "1795835098.123456789", MOMENT + 123_456),
            (TimeForm::IsoOrEpoch, "1795835098123", MOMENT + 123_000),
            (TimeForm::IsoOrEpoch, "2026-11-28T03:04:58Z", MOMENT),
            (TimeForm::Strftime("%d.%m.%Y %H:%M:%S".into()), "28.11.2026 03:04:58", MOMENT),
            (TimeForm::Strftime("%d/%b/%Y %T %z".into()), "28/Nov/2026 04:04:58 +0100", MOMENT),
        ] {
            assert_eq!(form.parse(text.as_bytes()), Some(expected), "{text}");
        }
        assert_eq!(shown(MOMENT), "2026-11-28 03:04:58");
        assert_eq!(rfc3339(MOMENT + 120_000), "2026-11-28T03:04:58.12Z");
    }

    #[test]
    fn what_is_no_moment() {
        for (form, text) in [
            (TimeForm::Clf, ""),
            (TimeForm::Clf, "28/Non/2026:03:04:58 +0000"),
            (TimeForm::Clf, "28/Nov/2026:25:04:58 +0000"),
            (TimeForm::Clf, "31/Dec/1969:23:59:59 +0000"),
            (TimeForm::Clf, "28/Nov/2026:03:04:58 GMT"),
            (TimeForm::Iso, "2026-13-28T03:04:58Z"),
            (TimeForm::Iso, "0000-01-01T00:00:00Z"),
            (TimeForm::Iso, "-"),
            (TimeForm::Epoch(Unit::Seconds), "99999999999999999999"),
            (TimeForm::Epoch(Unit::Seconds), "."),
            (TimeForm::Epoch(Unit::Seconds), "-5"),
        ] {
            assert_eq!(form.parse(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(micros in 0_u64..4_102_444_800_000_000) {
            let moment = jiff::Timestamp::from_microsecond(micros.try_into().unwrap()).unwrap();
            prop_assert_eq!(TimeForm::Iso.parse(rfc3339(micros).as_bytes()), Some(micros));
            let clf = moment.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string();
            prop_assert_eq!(TimeForm::Clf.parse(clf.as_bytes()), Some(micros / MICROS * MICROS));
        }

        #[test]
        fn any_bytes_are_a_moment_or_none(text in proptest::collection::vec(any::<u8>(), 0..40)) {
            for form in [TimeForm::Clf, TimeForm::Iso, TimeForm::IsoOrEpoch, TimeForm::Strftime("%d/%b/%Y".into())] {
                let _ = form.parse(&text);
            }
            for unit in [Unit::Seconds, Unit::Millis, Unit::Micros, Unit::Nanos] {
                let _ = unit.micros(&text);
            }
        }
    }
}
