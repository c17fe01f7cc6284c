//! The way from the functions to the local AWS: a TCP relay that can break every connection on it.
//!
//! It has a second port. Whoever connects there cuts all that is open at that moment, in the middle of requests and of
//! answers, and reads one line: how many connections that were, and how many of them awaited an answer.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Result;

/// So long one side may be silent after the other has ended. The server does not always hang up on a client that died.
const LAST_WORDS: Duration = Duration::from_secs(30);

/// A running relay, which ends, with all that is open on it, when dropped.
pub struct Relay {
    /// Where to connect instead of to the server.
    pub address: SocketAddr,
    /// Where to connect to cut.
    pub scissors: SocketAddr,
    links: Arc<Links>,
    listeners: Vec<JoinHandle<()>>,
}

impl Relay {
    /// To a port on loopback, where nobody need listen yet.
    pub fn to(port: u16) -> Result<Self> {
        let (clients, cutters) = (on_loopback()?, on_loopback()?);
        let (address, scissors) = (clients.local_addr()?, cutters.local_addr()?);
        let links = Arc::new(Links::default());
        let (relaying, cutting) = (Arc::clone(&links), Arc::clone(&links));
        let listeners = vec![
            thread::spawn(move || {
                relaying.accept(&clients, |client| {
                    let links = Arc::clone(&relaying);
                    thread::spawn(move || links.carry(client, port));
                });
            }),
            thread::spawn(move || cutting.accept(&cutters, |cutter| cutting.cut_for(cutter))),
        ];
        Ok(Self { address, scissors, links, listeners })
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.links.ended.store(true, Ordering::SeqCst);
        for (listener, address) in self.listeners.drain(..).zip([self.address, self.scissors]) {
            // It looks up when somebody comes. Where nobody can, it is gone.
            if TcpStream::connect(address).is_ok() {
                let _ = listener.join();
            }
        }
        self.links.cut();
    }
}

/// What is open.
#[derive(Default)]
struct Links {
    open: Mutex<Vec<Arc<Link>>>,
    ended: AtomicBool,
}

impl Links {
    fn accept(&self, listener: &TcpListener, welcome: impl Fn(TcpStream)) {
        for stream in listener.incoming() {
            if self.ended.load(Ordering::SeqCst) {
                return;
            }
            match stream {
                Ok(stream) => welcome(stream),
                // One that went away again before it was accepted is no matter. What lasts must not take a core.
                Err(_) => thread::sleep(Duration::from_millis(10)),
            }
        }
    }

    /// Both ways until both have ended. A server that is not there is a connection that closes.
    fn carry(&self, client: TcpStream, port: u16) {
        let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { return };
        let link = Arc::new(Link { client, server, awaited: AtomicBool::default(), half: AtomicBool::default() });
        self.open().push(Arc::clone(&link));
        // After that: whoever ends the relay has either cut this link or been seen here.
        if self.ended.load(Ordering::SeqCst) {
            link.cut();
        }
        link.carry();
        self.open().retain(|other| !Arc::ptr_eq(other, &link));
    }

    fn cut_for(&self, mut cutter: TcpStream) {
        let (cut, awaited) = self.cut();
        // A cutter that does not wait for the answer has cut all the same.
        let _ = writeln!(cutter, "{cut} {awaited}");
    }

    /// How many there were, and how many of them awaited an answer.
    fn cut(&self) -> (usize, usize) {
        let open = self.open().clone();
        (open.len(), open.iter().filter(|link| link.cut()).count())
    }

    fn open(&self) -> MutexGuard<'_, Vec<Arc<Link>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Link {
    client: TcpStream,
    server: TcpStream,
    /// The client spoke last.
    awaited: AtomicBool,
    /// One side has ended.
    half: AtomicBool,
}

impl Link {
    fn carry(&self) {
        for side in [&self.client, &self.server] {
            // Without it, small packets wait for each other's acknowledgement.
            let _ = side.set_nodelay(true);
            let _ = side.set_read_timeout(Some(LAST_WORDS));
        }
        thread::scope(|scope| {
            scope.spawn(|| self.pass(&self.client, &self.server, true));
            self.pass(&self.server, &self.client, false);
        });
    }

    /// One way until it ends, and its end as well; the other way may go on. An error ends both.
    fn pass(&self, mut from: &TcpStream, mut to: &TcpStream, asking: bool) {
        let mut buffer = [0; 16 * 1024];
        loop {
            let passed = from.read(&mut buffer).and_then(|read| {
                self.awaited.store(asking && read > 0, Ordering::SeqCst);
                to.write_all(&buffer[..read]).map(|()| read)
            });
            match passed {
                Ok(0) => {
                    self.half.store(true, Ordering::SeqCst);
                    // One that is closed already is as it should be.
                    let _ = to.shutdown(Shutdown::Write);
                    return;
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && !self.half.load(Ordering::SeqCst) => {}
                Err(_) => {
                    self.cut();
                    return;
                }
            }
        }
    }

    /// Whether it awaited an answer.
    fn cut(&self) -> bool {
        let awaited = self.awaited.load(Ordering::SeqCst);
        for side in [&self.client, &self.server] {
            // One that is closed already is as it should be.
            let _ = side.shutdown(Shutdown::Both);
        }
        awaited
    }
}

fn on_loopback() -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(mut stream: impl Read) -> Result<String> {
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    }

    /// A connection by way of the relay, from both ends, after a question.
    fn asked(relay: &Relay, server: &TcpListener) -> Result<(TcpStream, TcpStream)> {
        let mut client = TcpStream::connect(relay.address)?;
        client.write_all(b"?")?;
        let (mut answering, _) = server.accept()?;
        answering.read_exact(&mut [0])?;
        Ok((client, answering))
    }

    #[test]
    fn one_way_may_end_before_the_other() -> Result<()> {
        let server = on_loopback()?;
        let relay = Relay::to(server.local_addr()?.port())?;
        let (client, mut answering) = asked(&relay, &server)?;
        client.shutdown(Shutdown::Write)?;
        assert_eq!(read(&answering)?, "");
        answering.write_all(b"answer")?;
        drop(answering);
        assert_eq!(read(client)?, "answer");
        Ok(())
    }

    #[test]
    fn a_cut_ends_what_is_open_on_both_sides_and_says_how_much() -> Result<()> {
        let server = on_loopback()?;
        let relay = Relay::to(server.local_addr()?.port())?;
        let ((waiting, slow), (mut answered, mut quick)) = (asked(&relay, &server)?, asked(&relay, &server)?);
        quick.write_all(b"!")?;
        answered.read_exact(&mut [0])?;
        assert_eq!(read(TcpStream::connect(relay.scissors)?)?, "2 1\n");
        for side in [waiting, slow, answered, quick] {
            assert_eq!(read(side)?, "");
        }
        Ok(())
    }

    #[test]
    fn it_goes_on_after_a_cut_and_ends_with_its_owner() -> Result<()> {
        let server = on_loopback()?;
        let relay = Relay::to(server.local_addr()?.port())?;
        read(TcpStream::connect(relay.scissors)?)?;
        let (client, answering) = asked(&relay, &server)?;
        let address = relay.address;
        drop(relay);
        assert_eq!((read(client)?.as_str(), read(answering)?.as_str()), ("", ""));
        assert!(TcpStream::connect(address).is_err(), "nobody listens there any more");
        Ok(())
    }

    #[test]
    fn without_a_server_a_connection_closes() -> Result<()> {
        let nobody = on_loopback()?;
        let relay = Relay::to(nobody.local_addr()?.port())?;
        drop(nobody);
        assert_eq!(read(TcpStream::connect(relay.address)?)?, "");
        Ok(())
    }
}
