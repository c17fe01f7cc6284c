use super::super::address::samples::{NOT_PUBLIC, PUBLIC};
use super::*;

fn refused(url: &str) -> BadUrl {
    Destinations::public().check(url).expect_err(url)
}

/// The address as a URL has it.
fn in_url(address: &str) -> String {
    if address.contains(':') { format!("https://[{address}]/hook") } else { format!("https://{address}/hook") }
}

#[test]
fn public_hosts_by_https_may_be_named() {
    for url in [
        "https://hooks.example.com",
        "https://hooks.example.com/",
        "https://hooks.example.com:8443/a/b?c=d&e=%20",
        "https://HOOKS.Example.COM/",
        "HTTPS://hooks.example.com/",
        "https://xn--bcher-kva.example/",
        "https://1.hooks.example.com/",
        "https://127.0.0.1.example.com/",
        "https://localhost.example.com/",
        "https://notlocalhost.com/",
        "https://internal.example.com/",
    ] {
        assert_eq!(Destinations::public().check(url), Ok(url.parse().expect("a URI")), "{url}");
    }
    for address in PUBLIC {
        let url = in_url(address);
        assert!(Destinations::public().check(&url).is_ok(), "{url}");
    }
}

#[test]
fn an_address_that_is_not_public_is_refused_with_what_it_is() {
    for (address, what) in NOT_PUBLIC {
        let parsed = address.parse().expect("an address");
        assert_eq!(refused(&in_url(address)), BadUrl::Address(parsed, what));
    }
    assert_eq!(refused("https://10.0.0.1/").to_string(), "the address 10.0.0.1 is private");
}

#[test]
fn an_address_has_one_spelling() {
    for host in [
        "2130706433",
        "134744072",
        "017700000001",
        "0x7f000001",
        "0x7f.1",
        "0X7F.1",
        "127.1",
        "127.0.1",
        "0177.0.0.1",
        "0x7f.0.0.1",
        "127.0.0.0x1",
        "127.0.0.01",
        "127.0.0.1.",
        "8.8.8.8.",
        "8.8.8.010",
        "256.256.256.256",
        "1.2.3.4.5",
        "[::1%25lo]",
        "[fe80::1%eth0]",
        "[localhost]",
        "[]",
        "[v1.fe80]",
    ] {
        let why = refused(&format!("https://{host}/"));
        assert!(matches!(why, BadUrl::Host | BadUrl::Malformed), "{host}: {why:?}");
    }
    // The connector reads what is in brackets as either kind.
    assert!(matches!(refused("https://[127.0.0.1]/"), BadUrl::Address(_, _)));
}

#[test]
fn a_local_name_is_refused() {
    for host in [
        "localhost",
        "LocalHost",
        "a.localhost",
        "printer.local",
        "db.home.arpa",
        "internal",
        "ip-10-0-0-1.ec2.internal",
    ] {
        assert_eq!(refused(&format!("https://{host}:8443/")), BadUrl::LocalName, "{host}");
    }
}

#[test]
fn a_name_is_full_and_of_letters_digits_and_hyphens() {
    let long_label = format!("{}.example", "a".repeat(64));
    let long_name = format!("{}example", "a.".repeat(124));
    for host in [
        "intranet",
        "example.com.",
        "localhost.",
        ".com",
        "a..com",
        "-a.com",
        "a-.com",
        "a_b.com",
        "a!b.com",
        "a*.com",
        &long_label,
        &long_name,
    ] {
        assert_eq!(refused(&format!("https://{host}/")), BadUrl::Host, "{host}");
    }
}

#[test]
fn each_rule_for_a_url_has_its_reason() {
    let long = format!("https://hooks.example.com/{}", "a".repeat(LONGEST_URL));
    for (url, why) in [
        (long.as_str(), BadUrl::TooLong),
        ("http://hooks.example.com/", BadUrl::NotHttps),
        ("ftp://hooks.example.com/", BadUrl::NotHttps),
        ("ws://hooks.example.com/", BadUrl::NotHttps),
        ("https://me@hooks.example.com/", BadUrl::UserInfo),
        ("https://me:secret@hooks.example.com/", BadUrl::UserInfo),
        ("https://hooks.example.com@127.0.0.1/", BadUrl::UserInfo),
        ("https://hooks.example.com/#a", BadUrl::Fragment),
        ("https://hooks.example.com#@127.0.0.1/", BadUrl::Fragment),
        ("https://:443/", BadUrl::NoHost),
        ("https://hooks.example.com:/", BadUrl::Port),
        ("https://hooks.example.com:0/", BadUrl::Port),
        ("https://hooks.example.com:65536/", BadUrl::Port),
        ("https://hooks.example.com:+443/", BadUrl::Port),
        ("https://hooks.example.com:a/", BadUrl::Port),
        ("", BadUrl::Malformed),
        ("/hook", BadUrl::Malformed),
        ("hooks.example.com", BadUrl::Malformed),
        ("//hooks.example.com/", BadUrl::Malformed),
        ("https:hooks.example.com", BadUrl::Malformed),
        ("https:///hook", BadUrl::Malformed),
        ("file:///etc/passwd", BadUrl::Malformed),
        ("https://hooks.example.com\\@127.0.0.1/", BadUrl::Malformed),
        ("https://hooks.example.com%2f@127.0.0.1/", BadUrl::UserInfo),
        ("https://%31%32%37.0.0.1/", BadUrl::Malformed),
        ("https://１２７.0.0.1/", BadUrl::Malformed),
        ("https://127。0。0。1/", BadUrl::Malformed),
        (" https://hooks.example.com/", BadUrl::Malformed),
        ("https://hooks.example.com/a b", BadUrl::Malformed),
        ("https://hooks.example.com/\r\nHost: a", BadUrl::Malformed),
    ] {
        assert_eq!(refused(url), why, "{url}");
    }
}

#[test]
fn an_added_origin_may_be_plain_and_private_and_no_other_is() {
    let added: Destinations =
        " http://127.0.0.1:8080  https://Hooks.internal/ http://receiver ".parse().expect("origins");
    for url in
        ["http://127.0.0.1:8080/a?b", "https://hooks.internal/a", "https://HOOKS.internal:443", "http://receiver:80/"]
    {
        assert_eq!(added.way(url).map(|(_, way)| way), Ok(Way::Added), "{url}");
    }
    for (url, why) in [
        ("http://127.0.0.1:8081/", BadUrl::NotHttps),
        ("https://127.0.0.1:8080/", BadUrl::Address([127, 0, 0, 1].into(), "the machine's own")),
        ("http://hooks.internal/", BadUrl::NotHttps),
        ("https://hooks.internal:8443/", BadUrl::LocalName),
        ("http://me@127.0.0.1:8080/", BadUrl::UserInfo),
        ("http://127.0.0.1:8080/#a", BadUrl::Fragment),
    ] {
        assert_eq!(added.check(url), Err(why), "{url}");
    }
    assert_eq!(added.way("https://hooks.example.com/").map(|(_, way)| way), Ok(Way::Public));
}

#[test]
fn what_is_added_must_be_origins() {
    assert!("".parse::<Destinations>().expect("none").is_public_only());
    for text in [
        "127.0.0.1:8080",
        "http://127.0.0.1:8080/a",
        "http://127.0.0.1/?a",
        "http://127.0.0.1/#a",
        "http://me@127.0.0.1/",
        "http://127.0.0.1:a",
        "ftp://127.0.0.1",
        "http://127.0.0.1,http://127.0.0.2",
        "http://127.0.0.1 x",
        "*",
    ] {
        assert_eq!(text.parse::<Destinations>().map(|_| ()), Err(BadOrigins), "{text}");
    }
}
