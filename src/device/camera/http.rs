//! A camera on a network: a stream of JPEGs (multipart/x-mixed-replace), or one JPEG for each asking.
//!
//! It is asked as HTTP/1.0, so that nobody cuts the stream into chunks, and what is a picture is found by what pictures are: servers
//! are at odds about boundaries and lengths.

use std::{
    io::{Read as _, Write as _},
    net::{TcpStream, ToSocketAddrs as _},
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    CameraFault, Picture,
    feed::{Cut, Feed, readable},
    mjpeg::Splitter,
    once::Pictures,
};

/// How long a host may take to answer at all: after that the camera is not there.
const ANSWER: Duration = Duration::from_secs(2);
/// A longer head is none.
const HEAD: usize = 16 << 10;
const HEADERS: usize = 64;

/// Where a camera is asked.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) target: &'a str,
    pub(super) login: Option<&'a (String, String)>,
}

/// A camera that answered.
pub(super) struct Http {
    feed: Feed<TcpStream>,
    /// How one picture is asked for, where it gives one for each asking.
    again: Option<Again>,
}

struct Again {
    host: (String, u16),
    request: Vec<u8>,
    every: Duration,
    asked: Instant,
}

/// What an answer brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Stream,
    Snapshot,
}

impl Http {
    pub(super) fn open(place: &Place<'_>, rate_hz: f64) -> Result<Self, CameraFault> {
        let request = request(place);
        let host = (place.host.to_owned(), place.port);
        let asked = Instant::now();
        let (feed, kind) = ask(&host, &request)?;
        let every = Duration::from_secs_f64(1.0 / rate_hz);
        let again = (kind == Kind::Snapshot).then_some(Again { host, request, every, asked });
        Ok(Self { feed, again })
    }
}

impl Pictures for Http {
    fn next(&mut self, patience: Duration) -> Result<Picture, CameraFault> {
        let began = Instant::now();
        loop {
            let left = patience.saturating_sub(began.elapsed());
            if let Some(picture) = self.feed.next(left)? {
                return Ok(picture);
            }
            let Some(again) = &mut self.again else { return Err(CameraFault::Absent) };
            let due = again.every.saturating_sub(again.asked.elapsed()).min(left);
            std::thread::sleep(due);
            if began.elapsed() >= patience {
                return Err(CameraFault::Stalled(patience));
            }
            again.asked = Instant::now();
            let (feed, kind) = ask(&again.host, &again.request)?;
            if kind == Kind::Stream {
                self.again = None;
            }
            self.feed = feed;
        }
    }
}

/// RFC 1945 and RFC 7617; a host's name is told as HTTP/1.1 has it.
fn request(place: &Place<'_>) -> Vec<u8> {
    let Place { host, port, target, login } = place;
    let host = if host.contains(':') { format!("[{host}]") } else { (*host).to_owned() };
    let port = if *port == 80 { String::new() } else { format!(":{port}") };
    let login = login.map_or(String::new(), |(name, password)| {
        format!("Authorization: Basic {}\r\n", STANDARD.encode(format!("{name}:{password}")))
    });
    format!("GET {target} HTTP/1.0\r\nHost: {host}{port}\r\nUser-Agent: hilum\r\nAccept: multipart/x-mixed-replace, image/jpeg\r\n{login}Connection: close\r\n\r\n")
        .into_bytes()
}

fn ask(host: &(String, u16), request: &[u8]) -> Result<(Feed<TcpStream>, Kind), CameraFault> {
    let began = Instant::now();
    let left = || ANSWER.saturating_sub(began.elapsed()).max(Duration::from_millis(1));
    // A name that nobody knows is a camera that is not there.
    let addresses = (host.0.as_str(), host.1).to_socket_addrs().map_err(|_| CameraFault::Absent)?;
    let mut last = CameraFault::Absent;
    let mut found = None;
    for address in addresses {
        match TcpStream::connect_timeout(&address, left()) {
            Ok(stream) => {
                found = Some(stream);
                break;
            }
            Err(error) if error.kind() == std::io::ErrorKind::TimedOut => last = CameraFault::Absent,
            Err(error) => last = error.into(),
        }
    }
    let mut stream = found.ok_or(last)?;
    stream.set_write_timeout(Some(ANSWER))?;
    stream.write_all(request)?;
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        if let Some((length, kind)) = head(&bytes)? {
            let mut feed = Feed::new(stream, Cut::Jpegs(Splitter::new()));
            feed.before(&bytes[length..]);
            return Ok((feed, kind));
        }
        if began.elapsed() >= ANSWER {
            return Err(CameraFault::Stalled(ANSWER));
        }
        if readable(&stream, left())? {
            match stream.read(&mut piece)? {
                0 => return Err(CameraFault::Absent),
                length => bytes.extend_from_slice(&piece[..length]),
            }
        }
    }
}

/// The length of an answer's head, and what follows it, once the head is whole.
fn head(bytes: &[u8]) -> Result<Option<(usize, Kind)>, CameraFault> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let no_http = |_| CameraFault::Format("no HTTP".to_owned());
    let length = match response.parse(bytes).map_err(no_http)? {
        httparse::Status::Complete(length) => length,
        httparse::Status::Partial if bytes.len() > HEAD => {
            return Err(CameraFault::Format("no end of the head".to_owned()));
        }
        httparse::Status::Partial => return Ok(None),
    };
    let code = response.code.unwrap_or(0);
    if code != 200 {
        return Err(CameraFault::Answered(code));
    }
    let said = |name: &str| {
        let header = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        header.map_or(String::new(), |header| String::from_utf8_lossy(header.value).trim().to_ascii_lowercase())
    };
    if said("transfer-encoding").contains("chunked") {
        return Err(CameraFault::Format("a stream in chunks, though it was asked not to".to_owned()));
    }
    let kind = said("content-type");
    match kind.split(';').next().unwrap_or_default().trim() {
        "image/jpeg" | "image/jpg" => Ok(Some((length, Kind::Snapshot))),
        what if what.starts_with("multipart/") || what == "video/x-motion-jpeg" => Ok(Some((length, Kind::Stream))),
        "" => Err(CameraFault::Format("an answer that does not say what it is".to_owned())),
        what => Err(CameraFault::Format(what.chars().take(60).collect())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_says_what_follows() {
        let check = |head: &str, want: &str| {
            let found = super::head(head.as_bytes());
            let found = match found {
                Ok(None) => "more".to_owned(),
                Ok(Some((length, kind))) => {
                    assert_eq!(length, head.len());
                    format!("{kind:?}")
                }
                Err(fault) => fault.to_string(),
            };
            assert_eq!(found, want, "{head}");
        };
        check("HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace;boundary=x\r\n\r\n", "Stream");
        check("HTTP/1.1 200 OK\r\ncontent-type: image/JPEG\r\n\r\n", "Snapshot");
        check("HTTP/1.1 200 OK\r\ncontent-ty", "more");
        check("HTTP/1.1 401 No\r\n\r\n", "the camera answers 401");
        check("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n", "the camera offers no usable format: text/html");
        check("SSH-2.0-x\r\n\r\n", "the camera offers no usable format: no HTTP");
    }

    #[test]
    fn a_login_is_basic_and_a_port_is_told() {
        let login = ("u".to_owned(), "p:w".to_owned());
        let place = Place { host: "::1", port: 8080, target: "/a?b", login: Some(&login) };
        let text = String::from_utf8(request(&place)).expect("a text");
        assert!(
            text.starts_with("GET /a?b HTTP/1.0\r\nHost: [::1]:8080\r\n") && text.contains("Basic dTpwOnc=\r\n"),
            "{text}"
        );
    }

    #[test]
    fn nobody_there_is_a_camera_that_is_not_there() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its number").port();
        let place = Place { host: "127.0.0.1", port: free, target: "/", login: None };
        assert!(matches!(Http::open(&place, 30.0), Err(CameraFault::Absent)));
    }
}
