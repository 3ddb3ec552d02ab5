use super::*;
use crate::request::{Headers, NoProperties, Request};

/// Whether the path fits under any of its readings.
fn path(pattern: &str, path: &str) -> bool {
    let pattern = PathPattern::new(pattern).expect(pattern);
    let block = Headers::encode(&[(":path", path)]);
    let request = Request::new(Headers::new(&block), &NoProperties);
    request.paths().expect(path).any(|path| pattern.matches(path, Reading::Possible))
}

fn check(cases: &[(&str, &[&str], &[&str])]) {
    for (pattern, inside, outside) in cases {
        for inside in *inside {
            assert!(path(pattern, inside), "{pattern} {inside}");
        }
        for outside in *outside {
            assert!(!path(pattern, outside), "{pattern} {outside}");
        }
    }
}

#[test]
fn paths() {
    check(&[
        ("/a/b", &["/a/b", "/a/b/", "/A/b", "/a//b", "/a/./b", "/a%2Fb"], &["/a", "/a/b/c", "/a/bb"]),
        ("/a/b/", &["/a/b", "/a/b/"], &["/a/b/c"]),
        ("/a/%62", &["/a/b"], &["/a/%2563"]),
        ("/a/*/c", &["/a/b/c", "/a/%2A/c"], &["/a/c", "/a/b/b/c", "/a/b"]),
        ("/a/%2A/c", &["/a/*/c", "/a/%2a/c"], &["/a/b/c"]),
        ("//a/./x/..//b%2Fc/", &["/a/b/c"], &["/a/b"]),
        ("/../a/%2e%2E/b", &["/b"], &["/a/b"]),
        ("/a/*/../b", &["/a/b"], &["/a/x/b"]),
        ("/", &["/", "", "//", "/a/.."], &["/a", "/.a"]),
    ]);
}

#[test]
fn any_segments() {
    check(&[
        ("/a/**/", &["/a", "/a/b/c"], &["/"]),
        ("/a/**", &["/a", "/a/", "/a/b", "/a/b/c"], &["/", "/ab"]),
        ("/a/*/**", &["/a/b", "/a/b/c"], &["/a", "/a/"]),
        ("/**", &["/", "", "/a/b"], &[]),
        ("/a/**/b", &["/a/b", "/a/x/b", "/a/x/y/b", "/a/b/b", "/a/b/x/b"], &["/a", "/b", "/a/b/c", "/x/a/b"]),
        ("/**/b", &["/b", "/a/b", "/a/b/b"], &["/", "/b/a"]),
        ("/**/**/b/**", &["/b", "/a/b/c", "/a/c/b"], &["/", "/a/c"]),
        ("/a/**/b/*/c", &["/a/b/x/c", "/a/b/b/c", "/a/b/x/b/y/c", "/a/b/b/b/c"], &["/a/b/c", "/a/b/x/c/d"]),
        ("/**/a/**/b", &["/a/b", "/x/a/y/b", "/b/a/b"], &["/b/a", "/a"]),
    ]);
}

#[test]
fn parts_of_a_segment() {
    check(&[
        (
            "/jobs.*",
            &["/jobs.json", "/JOBS.", "/jobs.a.b", "/jobs%2ejson"],
            &["/jobs", "/jobsx", "/jobs/x", "/jobs/a.json"],
        ),
        ("/jobs*", &["/jobs", "/jobs7", "/jobs.json", "/jobs/"], &["/job", "/jobs/7"]),
        (
            "/f/*.pdf",
            &["/f/a.pdf", "/f/.pdf", "/f/a.PDF/", "/f/a.pdf.json"],
            &["/f/pdf", "/f/a.pdfx", "/f/a/b.pdf"],
        ),
        ("/f/**/*.pdf", &["/f/a.pdf", "/f/a/b.pdf"], &["/f/a", "/f/a.pdf/b"]),
        (
            "/a*b*c",
            &["/abc", "/abbc", "/aXbYc", "/abcbc", "/a%2Ab*c"],
            &["/ab", "/acb", "/ac", "/xabc", "/abcx"],
        ),
        ("/a*bc*c", &["/abcc", "/abc.c", "/abbcc"], &["/abc", "/ac"]),
        ("/*a*", &["/a", "/bab", "/ba"], &["/b", "/"]),
        ("/a%2Ab*", &["/a*b", "/a*bc"], &["/axb"]),
        ("/{jobs,tasks}/*", &["/jobs/7", "/Tasks/7"], &["/job/7", "/jobs,tasks/7", "/jobs"]),
        ("/v{1,2}{,-beta}/x", &["/v1/x", "/v2-beta/x"], &["/v3/x", "/v1-/x", "/v/x"]),
        ("/{a,b}*.{c,d}", &["/a.c", "/bxx.d"], &["/a.e", "/c.c"]),
        ("/{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}", &["/aaaaaa", "/bababa"], &["/aaaaac", "/aaaaa"]),
        ("/x*a*a*", &["/xaa", "/xbaba"], &["/xa", "/xba", "/xbba"]),
        ("/{a%2Cb,c%7D}", &["/a,b", "/c}"], &["/a", "/c"]),
    ]);
}

#[test]
fn a_format_suffix_is_read_with_and_without() {
    check(&[
        (
            "/a/jobs",
            &["/a/jobs.json", "/a/jobs.api/", "/a/Jobs.x-y", "/a/jobs%2Ejson", "/a/jobs.json;x"],
            &["/a/jobs.", "/a/jobsjson", "/a/jobs.a.b", "/a.b/jobs2"],
        ),
        ("/a.json", &["/a.json", "/a.json.gz"], &["/a", "/a.xml"]),
        ("/", &[], &["/.json", "/a.json"]),
        ("/a", &["/a.b"], &["/a.b/c"]),
    ]);
    let jobs = PathPattern::new("/jobs").expect("a pattern");
    assert!(!jobs.matches(b"/jobs.json", Reading::Certain), "an exemption is not wider for it");
}

/// How many comparisons of segments it takes.
fn steps(pattern: &str, path: &str) -> usize {
    let pattern = PathPattern::new(pattern).expect(pattern);
    let steps = std::cell::Cell::new(0);
    let found = path.split('/').filter(|segment| !segment.is_empty()).map(str::as_bytes);
    fits(&pattern.segments, found, |segment, found| {
        steps.set(steps.get() + 1);
        segment.fits(found, Reading::Possible)
    });
    steps.get()
}

#[test]
fn no_path_takes_long() {
    for pattern in ["/**/a/**/a/**/a/**/b", "/**/a/a/a/a/b", "/a/**/a/*/**/b/a"] {
        let parts = pattern.split('/').count();
        for length in [10, 100, 10_000] {
            let steps = steps(pattern, &"/a".repeat(length));
            assert!(steps <= parts * length, "{pattern}: {steps} steps for {length} segments");
        }
    }
}

proptest::proptest! {
    #[test]
    fn what_the_head_decides_is_what_the_segments_say(
        pattern in "(/(a|A|ab|a.b|%2e|..|b%2fa|\\*|\\*\\*|\\{a,b\\}|a\\*)){1,4}/?",
        path in "(/|a|A|b|ab|\\.|/a|/ab|/a\\.b|/A|\\.\\.){0,8}",
    ) {
        let Ok(pattern) = PathPattern::new(&pattern) else { return Ok(()) };
        for reading in [Reading::Possible, Reading::Certain] {
            let path = path.as_bytes();
            let walked = pattern.is_walked(path, reading);
            proptest::prop_assert_eq!(pattern.matches(path, reading), walked, "{:?}", reading);
        }
    }
}

#[test]
fn a_certain_reading_minds_case() {
    let pattern = PathPattern::new("/Docs").expect("a pattern");
    assert!(pattern.matches(b"/Docs", Reading::Certain));
    assert!(!pattern.matches(b"/docs", Reading::Certain));
}
