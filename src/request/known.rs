//! The headers that nearly every request is asked about, found in one walk.

use super::Headers;

/// A header that nearly every request is asked about. What else a policy asks about is looked for when it asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Host,
    Path,
    Cookie,
    Method,
    Upgrade,
    Authority,
    ContentType,
    Authorization,
    HttpMethod,
    MethodOverride,
    HttpMethodOverride,
}

const COUNT: usize = Name::HttpMethodOverride as usize + 1;

impl Name {
    /// By its length first: then hardly a name is compared that is not the one.
    #[inline]
    pub(super) fn of(name: &[u8]) -> Option<Self> {
        Some(match name.len() {
            4 if name == b"host" => Self::Host,
            5 if name == b":path" => Self::Path,
            6 if name == b"cookie" => Self::Cookie,
            7 if name == b":method" => Self::Method,
            7 if name == b"upgrade" => Self::Upgrade,
            10 if name == b":authority" => Self::Authority,
            12 if name == b"content-type" => Self::ContentType,
            13 if name == b"authorization" => Self::Authorization,
            13 if name == b"x-http-method" => Self::HttpMethod,
            17 if name == b"x-method-override" => Self::MethodOverride,
            22 if name == b"x-http-method-override" => Self::HttpMethodOverride,
            _ => return None,
        })
    }
}

/// Headers, of which some are known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known<'a> {
    headers: Headers<'a>,
    /// The first value of each of these names.
    first: [Option<&'a [u8]>; COUNT],
    /// Whether there are more, a bit for each.
    repeated: u16,
}

impl<'a> Known<'a> {
    pub(super) fn of(headers: Headers<'a>) -> Self {
        let (mut first, mut repeated) = ([None; COUNT], 0);
        headers.iter().for_each(|(name, value)| {
            if let Some(name) = Name::of(name) {
                match &mut first[name as usize] {
                    Some(_) => repeated |= 1 << name as usize,
                    none => *none = Some(value),
                }
            }
        });
        Self { headers, first, repeated }
    }

    /// All of them.
    pub(super) const fn headers(&self) -> Headers<'a> {
        self.headers
    }

    /// The first value of this header.
    pub(super) const fn first(&self, name: Name) -> Option<&'a [u8]> {
        self.first[name as usize]
    }

    /// Whether there is more than one.
    pub(super) const fn is_repeated(&self, name: Name) -> bool {
        self.repeated >> name as usize & 1 == 1
    }

    /// All values of the header `name`, in order.
    pub(super) fn all<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        let (one, listed) = match Name::of(name.as_bytes()) {
            Some(name) if !self.is_repeated(name) => (self.first(name), Headers::default()),
            _ => (None, self.headers),
        };
        one.into_iter().chain(listed.all(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_found_as_in_the_list_itself() {
        let pairs = [
            (":method", "a"),
            (":path", "b"),
            (":authority", "c"),
            ("host", "d"),
            ("cookie", "e"),
            ("accept", "f"),
            ("content-type", "g"),
            ("cookie", "h"),
            ("authorization", "i"),
            ("x-http-method", "j"),
            ("accept", "k"),
            ("upgrade", "l"),
            ("x-method-override", "m"),
            ("x-http-method-override", "n"),
            ("content-type", "o"),
        ];
        let block = Headers::encode(&pairs);
        let headers = Headers::new(&block);
        let known = Known::of(headers);
        for name in pairs.iter().map(|(name, _)| *name).chain(["", "none", ":scheme", "x-request-id"]) {
            assert!(known.all(name).eq(headers.all(name)), "{name}");
            if let Some(place) = Name::of(name.as_bytes()) {
                assert_eq!(known.first(place), headers.first(name), "{name}");
                assert_eq!(known.is_repeated(place), headers.all(name).count() > 1, "{name}");
            }
        }
        assert!(known.first.iter().all(Option::is_some), "each is tried");
        assert!(Known::of(Headers::default()).all("cookie").next().is_none());
    }
}
