use std::error::Error as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{JoinHandle, spawn};
use std::time::Duration;

use lambda_http::http::{Request, Response};

use super::super::address::samples::{NOT_PUBLIC, PUBLIC};
use super::super::{NoAnswer, PUBLIC_BODY, PUBLIC_PATIENCE, WebClient};
use super::*;

/// Says the next of its answers, the last again and again, and keeps the names that it was asked for.
#[derive(Debug, Clone)]
struct Lookup {
    answers: Arc<Mutex<Vec<Vec<IpAddr>>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Lookup {
    fn saying(answers: &[&[&str]]) -> Self {
        let addresses = |answer: &&[&str]| answer.iter().map(|address| address.parse().expect("an address")).collect();
        Self { answers: Arc::new(Mutex::new(answers.iter().map(addresses).collect())), asked: Arc::default() }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ResolveDns for Lookup {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(name.to_owned());
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        DnsFuture::ready(Ok(if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() }))
    }
}

fn post(url: &str) -> Request<String> {
    Request::post(url).body("{}".to_owned()).expect("a request")
}

async fn sent(client: &WebClient, url: &str) -> Result<Response<String>, NoAnswer> {
    client.send(post(url)).await
}

async fn not_sent(client: &WebClient, url: &str) -> BadUrl {
    match sent(client, url).await {
        Err(NoAnswer::NotSent(why)) => why,
        other => panic!("{url}: {other:?}"),
    }
}

async fn handed_on(lookup: &Lookup) -> Result<Vec<IpAddr>, ResolveDnsError> {
    PublicOnly(SharedDnsResolver::new(lookup.clone())).resolve_dns("hooks.example").await
}

/// A server at an address of this machine for one connection: answers the request with this text, and returns the request.
fn serve(answer: String) -> (SocketAddr, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let served = spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut reader = BufReader::new(stream.try_clone().expect("the same connection"));
        let mut request = String::new();
        while !request.ends_with("\r\n\r\n") {
            assert_ne!(reader.read_line(&mut request).expect("a line"), 0, "the request ends early");
        }
        let mut body = [0; 2];
        reader.read_exact(&mut body).expect("a body");
        // The client hangs up when it has read enough.
        _ = stream.write_all(answer.as_bytes());
        request
    });
    (address, served)
}

#[tokio::test]
async fn no_kind_of_address_that_is_not_public_is_dialled() {
    for (address, what) in NOT_PUBLIC {
        let client = WebClient::public_by(Lookup::saying(&[&[address]]), Destinations::public());
        let why = not_sent(&client, "https://hooks.example/").await;
        assert_eq!(why, BadUrl::HostNotPublic(what), "{address}");
        assert!(!why.to_string().contains(address), "{why}");
    }
}

#[tokio::test]
async fn public_addresses_are_handed_on_in_their_order() {
    let found = handed_on(&Lookup::saying(&[&PUBLIC])).await.expect("addresses");
    assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), PUBLIC);
}

#[tokio::test]
async fn of_a_mix_the_public_addresses_alone_are_handed_on() {
    let mix = Lookup::saying(&[&["10.0.0.1", "8.8.8.8", "::1", "2600::1", "169.254.169.254", "fd00::1"]]);
    let found = handed_on(&mix).await.expect("addresses");
    assert_eq!(found, ["8.8.8.8", "2600::1"].map(|address| address.parse::<IpAddr>().expect("an address")));
}

#[tokio::test]
async fn a_name_that_leads_elsewhere_after_its_check_gains_nothing() {
    let rebinding = Lookup::saying(&[&["8.8.8.8"], &["127.0.0.1"]]);
    // Whoever checks by a lookup of their own sees the public address, and the connection would get the other.
    assert!(handed_on(&rebinding).await.is_ok());
    let client = WebClient::public_by(rebinding.clone(), Destinations::public());
    let why = not_sent(&client, "https://hooks.example/").await;
    assert_eq!(why, BadUrl::HostNotPublic("the machine's own"));
    assert_eq!(rebinding.asked(), ["hooks.example"; 2], "one lookup for one connection, whose addresses are dialled");
}

#[tokio::test]
async fn a_url_that_may_not_be_is_not_even_looked_up() {
    let lookup = Lookup::saying(&[&["8.8.8.8"]]);
    let client = WebClient::public_by(lookup.clone(), Destinations::public());
    for (url, why) in [
        ("http://hooks.example/", BadUrl::NotHttps),
        ("https://me@hooks.example/", BadUrl::UserInfo),
        ("https://localhost/", BadUrl::LocalName),
        ("https://2130706433/", BadUrl::Host),
        ("https://127.1/", BadUrl::Host),
        ("https://hooks.example:99999/", BadUrl::Port),
    ] {
        assert_eq!(not_sent(&client, url).await, why, "{url}");
    }
    for (address, what) in NOT_PUBLIC {
        let url = if address.contains(':') { format!("https://[{address}]/") } else { format!("https://{address}/") };
        let parsed = address.parse().expect("an address");
        assert_eq!(not_sent(&client, &url).await, BadUrl::Address(parsed, what));
    }
    assert_eq!(lookup.asked(), [""; 0]);
}

#[tokio::test]
async fn the_systems_lookup_reads_odd_spellings_and_is_guarded_as_well() {
    let guarded = PublicOnly(SharedDnsResolver::new(SystemLookup));
    for name in ["localhost", "127.1", "2130706433", "0x7f.1"] {
        let failed = guarded.resolve_dns(name).await.expect_err(name);
        let why = failed.source().and_then(|why| why.downcast_ref());
        assert_eq!(why, Some(&BadUrl::HostNotPublic("the machine's own")), "{name}");
    }
}

#[tokio::test]
async fn a_name_without_an_address_is_a_failed_connection() {
    let client = WebClient::public_by(Lookup::saying(&[&[]]), Destinations::public());
    let failed = sent(&client, "https://hooks.example/").await;
    assert!(matches!(failed, Err(NoAnswer::Connection(_))), "{failed:?}");
}

#[tokio::test]
async fn an_added_origin_is_dialled_though_it_is_plain_and_private() {
    for host in ["127.0.0.1", "localhost"] {
        let (address, served) = serve("HTTP/1.1 202 Accepted\r\ncontent-length: 3\r\n\r\ntea".to_owned());
        let origin = format!("http://{host}:{}", address.port());
        let client = WebClient::public_by(Lookup::saying(&[&["127.0.0.1"]]), origin.parse().expect("an origin"));
        let answer = sent(&client, &format!("{origin}/hook?a=b")).await.expect("an answer");
        assert_eq!((answer.status().as_u16(), answer.body().as_str()), (202, "tea"));
        let request = served.join().expect("a request");
        assert!(request.starts_with("POST /hook?a=b HTTP/1.1\r\n"), "{request}");
        assert_eq!(not_sent(&client, &format!("http://{host}:9/")).await, BadUrl::NotHttps);
        let why = not_sent(&client, "https://hooks.example/").await;
        assert_eq!(why, BadUrl::HostNotPublic("the machine's own"), "what is added opens no other way");
    }
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let location = "http://169.254.169.254/latest/meta-data/";
    let (address, served) =
        serve(format!("HTTP/1.1 307 Temporary Redirect\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n"));
    let client = WebClient::public(format!("http://{address}").parse().expect("an origin"));
    let answer = sent(&client, &format!("http://{address}/")).await.expect("an answer");
    assert_eq!((answer.status().as_u16(), answer.headers()["location"].to_str().ok()), (307, Some(location)));
    served.join().expect("a request");
}

#[tokio::test]
async fn of_a_long_body_the_beginning_is_read() {
    // A byte that is not UTF-8 before it, and no end within what is sent.
    let body = "ä".repeat(PUBLIC_BODY);
    let (address, served) = serve(format!("HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\nx{body}"));
    let client = WebClient::public(format!("http://{address}").parse().expect("an origin"));
    let answer = sent(&client, &format!("http://{address}/")).await.expect("an answer");
    let read = answer.into_body();
    assert!(read.starts_with("xää") && read.ends_with("ä\u{fffd}"), "a character is cut in two");
    assert_eq!(read.len(), PUBLIC_BODY - 1 + '\u{fffd}'.len_utf8());
    served.join().expect("a request");
}

#[test]
fn strangers_have_their_time_and_an_installation_may_say_more() {
    let client = WebClient::public(Destinations::public());
    assert_eq!(client.patience, PUBLIC_PATIENCE);
    assert_eq!(client.patient_for(Duration::from_secs(30)).patience, Duration::from_secs(30));
}
