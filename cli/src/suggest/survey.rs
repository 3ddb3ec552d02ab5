//! What is learned from a log: for each endpoint, how fast its clients are.

use std::collections::{BTreeMap, HashMap};

use super::peaks::Peaks;

/// One request, as far as it matters here.
pub(super) struct Seen {
    pub(super) path: String,
    pub(super) is_post: bool,
    /// Where it comes from, and who that is: by what stands for the credential, else by the address.
    pub(super) address: Box<[u8]>,
    pub(super) user: Option<Box<[u8]>>,
    /// Whether the log tells users apart at all.
    pub(super) is_attributed: bool,
    pub(super) status: u16,
    /// The family of crawlers that it names itself.
    pub(super) crawler: Option<String>,
}

/// How fast the clients of one group of requests are.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) requests: u64,
    pub(super) clients: HashMap<u32, Peaks>,
}

/// One endpoint.
#[derive(Debug, Default)]
pub(super) struct Endpoint {
    pub(super) all: Group,
    pub(super) posts: u64,
    /// Of the posts, those that were answered 401 or 403.
    pub(super) posts_refused: u64,
    pub(super) refused_anonymous: u64,
    pub(super) accepted_anonymous: u64,
    pub(super) accepted_users: u64,
}

/// All that is learned.
#[derive(Default)]
pub(super) struct Survey {
    pub(super) requests: u64,
    pub(super) unattributed: u64,
    pub(super) first: Option<u64>,
    pub(super) last: u64,
    pub(super) endpoints: BTreeMap<String, Endpoint>,
    /// How many endpoints stand directly below a path.
    children: HashMap<String, usize>,
    pub(super) by_address: Group,
    pub(super) by_client: Group,
    pub(super) anonymous: Group,
    pub(super) crawlers: HashMap<String, Group>,
    ids: HashMap<Box<[u8]>, u32>,
    pub(super) names: Vec<Box<[u8]>>,
}

/// So many names below one path are looked at one by one: more of them are values, such as users' names.
const MOST_CHILDREN: usize = 50;
/// So many endpoints at the most.
const MOST_ENDPOINTS: usize = 2_000;

impl Survey {
    /// One request more, not before the last one.
    pub(super) fn count(&mut self, time: u64, seen: Seen) {
        self.requests += 1;
        self.unattributed += u64::from(!seen.is_attributed);
        self.first.get_or_insert(time);
        self.last = time;
        let address = self.id(&seen.address);
        let client = seen.user.as_deref().map_or(address, |user| self.id(user));
        let is_user = seen.user.is_some();
        self.by_address.count(address, time);
        self.by_client.count(client, time);
        if !is_user {
            self.anonymous.count(address, time);
        }
        if let Some(family) = seen.crawler {
            self.crawlers.entry(family).or_default().count(0, time);
        }
        let path = self.path(seen.path);
        let endpoint = self.endpoints.entry(path).or_default();
        endpoint.all.count(client, time);
        let is_refused = matches!(seen.status, 401 | 403);
        let is_accepted = matches!(seen.status, 200..=299 | 304);
        endpoint.posts += u64::from(seen.is_post);
        endpoint.posts_refused += u64::from(seen.is_post && is_refused);
        endpoint.refused_anonymous += u64::from(!is_user && is_refused);
        endpoint.accepted_anonymous += u64::from(!is_user && is_accepted);
        endpoint.accepted_users += u64::from(is_user && is_accepted);
    }

    fn id(&mut self, name: &[u8]) -> u32 {
        if let Some(id) = self.ids.get(name) {
            return *id;
        }
        let id = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.names.push(name.into());
        self.ids.insert(name.into(), id);
        id
    }

    /// The endpoint that a path belongs to.
    fn path(&mut self, path: String) -> String {
        if self.endpoints.contains_key(&path) {
            return path;
        }
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", &path));
        if !name.contains('*') {
            let count = self.children.entry(parent.to_owned()).or_default();
            *count += 1;
            if *count > MOST_CHILDREN {
                return format!("{parent}/*");
            }
        }
        if self.endpoints.len() >= MOST_ENDPOINTS { "/**".into() } else { path }
    }

    /// A client's name, for people.
    pub(super) fn name(&self, id: u32) -> String {
        let name = usize::try_from(id).ok().and_then(|id| self.names.get(id));
        name.map_or_else(String::new, |name| crate::output::printable(name, 40))
    }
}

impl Group {
    fn count(&mut self, client: u32, time: u64) {
        self.requests += 1;
        self.clients.entry(client).or_default().count(time);
    }

    /// Of each client's highest rate in one of the windows, in ascending order, with the client.
    pub(super) fn ranks(&self, window: usize) -> Vec<(u32, u32)> {
        let mut ranks: Vec<(u32, u32)> =
            self.clients.iter().map(|(client, peaks)| (peaks.most()[window], *client)).collect();
        ranks.sort_unstable();
        ranks
    }
}
