//! Every policy shown in the documentation is one.

use tollgate::config::Config;

#[test]
fn policies_in_the_documentation_are_accepted() {
    for (file, expected) in [("README.md", 1), ("docs/configuration.md", 1)] {
        let text = std::fs::read_to_string(format!("{}/{file}", env!("CARGO_MANIFEST_DIR"))).expect(file);
        let policies: Vec<&str> =
            text.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
        assert!(policies.len() >= expected, "{file}");
        for policy in policies {
            let checked = Config::parse(policy.as_bytes());
            assert!(checked.is_ok(), "{file}: {} in\n{policy}", checked.unwrap_err());
        }
    }
}
