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
            let checked = Config::parse_with(policy.as_bytes(), &|_| Some(vec![b'x'; 64]));
            assert!(checked.is_ok(), "{file}: {} in\n{policy}", checked.unwrap_err());
        }
    }
}

#[test]
fn the_policy_for_nginx_is_accepted() {
    let file = format!("{}/nginx/ngx_wasm_module.conf", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(file).expect("the file");
    let policy = text.split("proxy_wasm tollgate '").nth(1).and_then(|rest| rest.split("';").next());
    Config::parse(policy.expect("a policy").as_bytes()).expect("one that checks");
}
