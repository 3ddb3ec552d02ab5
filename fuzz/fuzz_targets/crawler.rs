//! Any user agent is some crawler's or no one's, in any case the same, and an added name is found.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tollgate::client::Crawlers;

static LIST: LazyLock<Crawlers> = LazyLock::new(Crawlers::default);

fuzz_target!(|input: (&[u8], Vec<(String, Vec<String>)>)| {
    let (user_agent, additions) = input;
    let family = LIST.family(user_agent);
    assert_eq!(LIST.family(&user_agent.to_ascii_uppercase()), family);
    let Ok(crawlers) = Crawlers::new(additions.clone()) else { return };
    assert!(family.is_none() || crawlers.family(user_agent).is_some(), "additions take nothing away");
    for (family, names) in &additions {
        let family = family.to_ascii_lowercase();
        for name in names {
            assert_eq!(crawlers.family(name.as_bytes()), Some(family.as_str()));
            assert_eq!(crawlers.family(format!("({name})").as_bytes()), Some(family.as_str()));
        }
    }
});
