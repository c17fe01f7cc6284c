//! What the function does not start without.

use lambda::settings::Environment;
use pages::Pages;

fn start(settings: &[(&str, &str)]) -> Result<Pages, String> {
    let good = Environment::of([("PUBLIC_URL", "https://api.example")]);
    let environment = settings.iter().fold(good, |environment, setting| environment.with([*setting]));
    Pages::from_environment(&environment).map_err(|error| error.to_string())
}

fn refused(name: &str, settings: &[(&str, &str)]) {
    assert!(start(settings).err().is_some_and(|why| why.contains(name)), "{settings:?}");
}

#[test]
fn a_setting_that_is_missing_is_named() {
    refused("PUBLIC_URL", &[("PUBLIC_URL", "")]);
}

#[test]
fn there_may_be_no_sign_in_but_no_impossible_one() {
    let with = |url| [("SIGN_IN_CLIENT_ID", "c"), ("SIGN_IN_URL", url)];
    assert_eq!(start(&[]).expect("it starts").sign_in, None);
    assert_eq!(start(&with("")).expect("it starts").sign_in, None);
    assert!(start(&with("https://auth.example")).expect("it starts").sign_in.is_some());
    for url in ["auth.example", "https://auth.example;script-src *", "javascript:alert(1)"] {
        refused("SIGN_IN_URL", &with(url));
    }
}

#[test]
fn a_demo_is_asked_for_and_speaks_to_whom_it_may() {
    for settings in [&[][..], &[("DEMO", "false")], &[("DEMO", "false"), ("WEBSOCKET_URL", "nonsense")]] {
        assert!(start(settings).expect("it starts").demo.is_none(), "{settings:?}");
    }
    let url = ("WEBSOCKET_URL", "wss://live.example/live");
    let demo = start(&[("DEMO", "true"), url, ("TROUBLE_URL", "http://127.0.0.1:9")]).expect("it starts").demo;
    let demo = demo.expect("a demo");
    assert_eq!(demo.sockets.as_deref(), Some("wss://live.example"));
    assert_eq!(demo.trouble.as_deref(), Some("http://127.0.0.1:9"));
    refused("WEBSOCKET_URL", &[("DEMO", "true"), ("WEBSOCKET_URL", "https://live.example")]);
    refused("TROUBLE_URL", &[("DEMO", "true"), ("TROUBLE_URL", "http://127.0.0.1:9;script-src *")]);
}
