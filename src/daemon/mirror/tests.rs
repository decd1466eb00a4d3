//! The mirror as browsers have it: over TCP, with a screen that the test has.

use std::{
    fs, io,
    net::SocketAddr,
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use embedded_graphics::{pixelcolor::Rgb888, prelude::*, primitives::Rectangle};
use futures_util::{SinkExt as _, StreamExt as _};
use hilum_config::Tls;
use hilum_screen::{
    Frame,
    event::{Key, Touch},
};
use image::RgbImage;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    sync::mpsc,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName},
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, client::IntoClientRequest as _},
};

use super::*;
use crate::glass::Hand;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A mirror with a screen.
struct Stage {
    address: SocketAddr,
    glass: watch::Sender<Option<Glass>>,
    hands: mpsc::Receiver<Hand>,
    counts: Arc<Counts>,
    ended: tokio::task::JoinHandle<()>,
}

/// The right PIN.
const PIN: &str = "194603";

fn frame(size: u32) -> Arc<Frame> {
    Arc::new(Frame::new(Size::new(size, size)))
}

fn painted(frame: &Frame, x: i32, color: u8) -> Arc<Frame> {
    let mut frame = frame.clone();
    let Ok(()) = frame.fill_solid(&Rectangle::new(Point::new(x, 7), Size::new(20, 20)), Rgb888::new(color, 3, 200));
    Arc::new(frame)
}

/// A frame that does not compress.
fn noise(size: u32, seed: u32) -> Arc<Frame> {
    let mut frame = Frame::new(Size::new(size, size));
    let mut state = u64::from(seed) << 20 | 1;
    let colors = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let [_, _, _, _, _, r, g, b] = (state >> 20).to_be_bytes();
        Rgb888::new(r, g, b)
    });
    let Ok(()) = frame.fill_contiguous(&Rectangle::new(Point::zero(), Size::new(size, size)), colors);
    Arc::new(frame)
}

async fn stage_of(tls: Option<Tls>, auto_lock: Duration) -> Stage {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("an address");
    let address = listener.local_addr().expect("an address");
    let (glass, glasses) = watch::channel(Some(Glass { frame: frame(200), locked: false }));
    let (hands, heard) = mpsc::channel(64);
    let counts = Arc::<Counts>::default();
    let login: Login = Arc::new(|role, pin| {
        let right = (role, pin.as_str()) == (Role::Operator, PIN);
        Box::pin(async move { right.then_some(()).ok_or_else(|| Denied::new(64, "the PIN is wrong; <wait>")) })
    });
    let acceptor = tls.as_ref().map(|tls| connection::acceptor(tls).expect("a certificate"));
    let settings = Settings { listen: address, tls };
    let served = Served { settings, bound: None, auto_lock, glasses, hands, login, counts: Arc::clone(&counts) };
    let ended = tokio::spawn(answer(listener, acceptor, served));
    Stage { address, glass, hands: heard, counts, ended }
}

async fn stage() -> Stage {
    stage_of(None, PATIENCE).await
}

impl Stage {
    fn show(&self, frame: &Arc<Frame>) {
        self.glass.send_replace(Some(Glass { frame: Arc::clone(frame), locked: false }));
    }

    async fn hand(&mut self) -> String {
        match timeout(PATIENCE, self.hands.recv()).await.expect("in time").expect("a mirror") {
            Hand::Touch(Touch { finger, phase, x, y }) => format!("{phase:?} {finger} {x} {y}").to_lowercase(),
            Hand::Key(Key::Character(character)) => format!("text {character}"),
            Hand::Key(key) => format!("key {key:?}").to_lowercase(),
        }
    }

    async fn browser(&self) -> Browser<TcpStream> {
        let stream = TcpStream::connect(self.address).await.expect("a connection");
        opened(stream, &format!("http://{}", self.address), self.address, "").await.expect("a socket")
    }

    /// A plain request on a connection of its own: its status, its headers, its body.
    async fn asked(&self, request: &str, headers: &str, body: &str) -> (u16, String, Vec<u8>) {
        let stream = TcpStream::connect(self.address).await.expect("a connection");
        asked(stream, self.address, request, headers, body).await
    }

    /// Waits until so many look.
    async fn looking(&self, count: u64) {
        self.until(|counts| counts.clients.load(Ordering::Relaxed) == count).await;
    }

    async fn until(&self, what: impl Fn(&Counts) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !what(&self.counts) {
            assert!(Instant::now() < end, "not in time: {:?}", self.counts);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn asked(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    host: SocketAddr,
    request: &str,
    headers: &str,
    body: &str,
) -> (u16, String, Vec<u8>) {
    let length = body.len();
    let text = format!(
        "{request} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    );
    stream.write_all(text.as_bytes()).await.expect("written");
    let mut answer = Vec::new();
    // A TLS connection may end without a word after the last byte.
    drop(timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("in time"));
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("headers") + 4;
    let body = answer.split_off(end);
    let head = String::from_utf8(answer).expect("text").to_lowercase();
    (head[9..12].parse().expect("a status"), head, body)
}

/// The other end of a WebSocket.
struct Browser<S> {
    socket: WebSocketStream<S>,
    canvas: Option<RgbImage>,
    state: serde_json::Value,
}

/// Opens one as a page of `origin` does; the status if that is refused.
async fn opened<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    origin: &str,
    host: SocketAddr,
    cookie: &str,
) -> Result<Browser<S>, u16> {
    let scheme = origin.split("://").next().expect("a scheme").replace("http", "ws");
    let mut request = format!("{scheme}://{host}/glass").into_client_request().expect("a request");
    request.headers_mut().insert("origin", origin.parse().expect("a value"));
    request.headers_mut().insert("cookie", cookie.parse().expect("a value"));
    match timeout(PATIENCE, client_async(request, stream)).await.expect("in time") {
        Ok((socket, _)) => Ok(Browser { socket, canvas: None, state: serde_json::Value::Null }),
        Err(Error::Http(response)) => Err(response.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Browser<S> {
    async fn say(&mut self, message: impl Into<Message>) {
        self.socket.send(message.into()).await.expect("said");
    }

    /// Draws what comes, and says so; the code with which the mirror closes.
    async fn heard(&mut self) -> Result<(), u16> {
        match timeout(PATIENCE, self.socket.next()).await.expect("in time") {
            Some(Ok(Message::Binary(update))) => {
                let serial = difference::drawn(&mut self.canvas, &update);
                self.say(format!("seen {serial}")).await;
                Ok(())
            }
            Some(Ok(Message::Text(state))) => {
                self.state = serde_json::from_str(&state).expect("JSON");
                Ok(())
            }
            Some(Ok(Message::Close(close))) => Err(close.map_or(0, |close| close.code.into())),
            Some(Ok(_)) => Ok(()),
            Some(Err(_)) | None => Err(0),
        }
    }

    /// Draws until it shows a frame.
    async fn shows(&mut self, frame: &Frame) {
        let want = frame.image();
        while self.canvas.as_ref() != Some(&want) {
            self.heard().await.expect("a frame");
        }
    }

    /// Hears until the state has what is wanted.
    async fn is(&mut self, key: &str, want: bool) {
        while self.state[key] != want {
            self.heard().await.expect("a state");
        }
    }

    /// Draws until the mirror closes: with which code.
    async fn closed(&mut self) -> u16 {
        loop {
            if let Err(code) = self.heard().await {
                return code;
            }
        }
    }
}

#[tokio::test]
async fn the_first_picture_comes_and_then_what_changes() {
    let stage = stage().await;
    let mut browser = stage.browser().await;
    browser.shows(&frame(200)).await;
    browser.is("writing", true).await;
    assert_eq!((&browser.state["locked"], &browser.state["login"]), (&json!(false), &json!(false)));
    let mut shown = frame(200);
    let sent = stage.counts.bytes.load(Ordering::Relaxed);
    for step in 0..10 {
        shown = painted(&shown, i32::from(step) * 17, 100 + step);
        stage.show(&shown);
        browser.shows(&shown).await;
    }
    let sent = stage.counts.bytes.load(Ordering::Relaxed) - sent;
    assert!(sent < 10 * 1500, "only what changed: {sent} bytes");
    stage.show(&frame(64));
    browser.shows(&frame(64)).await;
    stage.glass.send_modify(|glass| glass.iter_mut().for_each(|glass| glass.locked = true));
    browser.is("locked", true).await;
    // On this machine the locked panel is shown: it has a page of PINs.
    stage.show(&shown);
    browser.shows(&shown).await;
    let (status, head, picture) = stage.asked("GET /frame.png", "", "").await;
    assert!(status == 200 && head.contains("content-type: image/png"), "{head}");
    assert_eq!(image::load_from_memory(&picture).expect("a picture").to_rgb8(), shown.image());
}

#[tokio::test]
async fn the_page_is_ours_alone() {
    let stage = stage().await;
    for path in ["/", "/page.js", "/page.css", "/frame.png", "/nothing"] {
        let (status, head, body) = stage.asked(&format!("GET {path}"), "", "").await;
        assert_eq!(status, if path == "/nothing" { 404 } else { 200 });
        for header in [
            "content-security-policy: default-src 'none'; script-src 'self'",
            "frame-ancestors 'none'",
            "x-content-type-options: nosniff",
            "cache-control: no-store",
        ] {
            assert!(head.contains(header), "{path}: {header} is not in {head}");
        }
        if path != "/frame.png" {
            let text = String::from_utf8(body).expect("text");
            assert!(!text.contains("http://") && !text.contains("https://"), "{path} names another place");
            assert!(!text.contains("style=") && !text.contains("onclick"), "the policy forbids it");
        }
    }
    let (_, _, page) = stage.asked("GET /", "", "").await;
    let page = String::from_utf8(page).expect("text");
    for part in
        ["<img id=\"still\" src=\"/frame.png\" alt=", "<canvas", "aria-label=", "role=\"status\"", "name=\"viewport\""]
    {
        assert!(page.contains(part), "{part}");
    }
    assert_eq!(stage.asked("POST /login", &format!("origin: http://{}\r\n", stage.address), "").await.0, 404);
}

#[tokio::test]
async fn hands_reach_the_panel() {
    let mut stage = stage().await;
    let mut browser = stage.browser().await;
    browser.shows(&frame(200)).await;
    for (said, want) in [
        ("down 0 10 20", "down 128 10 20"),
        ("down 1 199 199", "down 129 199 199"),
        ("move 0 -5 500", "move 128 0 199"),
        ("up 0 12 13", "up 128 12 13"),
        ("text 7", "text 7"),
        ("text \u{e01}", "text \u{e01}"),
        ("key enter", "key enter"),
    ] {
        browser.say(said).await;
        assert_eq!(stage.hand().await, want);
    }
    drop(browser);
    assert_eq!(stage.hand().await, "lost 129 199 199");
}

#[tokio::test]
async fn a_viewer_only_looks_until_it_takes_over() {
    let mut stage = stage().await;
    let mut writer = stage.browser().await;
    writer.is("writing", true).await;
    let mut viewer = stage.browser().await;
    viewer.shows(&frame(200)).await;
    assert_eq!(viewer.state["writing"], false);
    viewer.say("down 0 1 1").await;
    viewer.say("text x").await;
    // What a viewer says is ignored, which is heard by what is heard next.
    viewer.say("take").await;
    viewer.is("writing", true).await;
    writer.is("writing", false).await;
    viewer.say("text y").await;
    assert_eq!(stage.hand().await, "text y");
    drop(viewer);
    writer.is("writing", true).await;
    writer.shows(&frame(200)).await;
    writer.say("text z").await;
    assert_eq!(stage.hand().await, "text z");
}

#[tokio::test]
async fn what_makes_no_sense_closes_its_own_connection() {
    let stage = stage().await;
    let mut good = stage.browser().await;
    good.shows(&frame(200)).await;
    let said: [Message; 7] = [
        "jump 1 2 3".into(),
        "down 0 1".into(),
        "seen 77".into(),
        "text \u{7}".into(),
        Message::binary(vec![1, 2, 3]),
        "x".repeat(message::LONGEST + 1).into(),
        Message::binary(vec![0; 1 << 20]),
    ];
    for (count, message) in (1..).zip(said) {
        let mut bad = stage.browser().await;
        // It may be closed before all of it is written.
        drop(bad.socket.send(message).await);
        let code = bad.closed().await;
        assert!(code == 1008 || code == 0, "{code}");
        stage.until(|counts| counts.dropped.load(Ordering::Relaxed) == count).await;
    }
    // Bytes that are no frames.
    let raw = stage.browser().await;
    let mut stream = raw.socket.into_inner();
    stream.write_all(&[0xff; 64]).await.expect("written");
    let mut rest = Vec::new();
    drop(timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("closed in time"));
    stage.looking(1).await;
    let other = painted(&frame(200), 5, 9);
    stage.show(&other);
    good.shows(&other).await;
}

// verifies: REQ-NET-05
#[tokio::test]
async fn a_flood_of_hands_ends() {
    let mut stage = stage().await;
    let mut browser = stage.browser().await;
    browser.shows(&frame(200)).await;
    let mut hands = std::mem::replace(&mut stage.hands, mpsc::channel(1).1);
    let drain = tokio::spawn(async move {
        let mut count = 0_u64;
        while hands.recv().await.is_some() {
            count += 1;
        }
        count
    });
    for _ in 0..5000 {
        if browser.socket.feed(Message::from("text x")).await.is_err() {
            break;
        }
    }
    drop(browser.socket.flush().await);
    browser.closed().await;
    stage.until(|counts| counts.dropped.load(Ordering::Relaxed) == 1).await;
    drop(stage.glass);
    timeout(PATIENCE, stage.ended).await.expect("in time").expect("ended");
    let taken = timeout(PATIENCE, drain).await.expect("in time").expect("counted");
    assert!((200..5000).contains(&taken), "{taken}");
}

#[tokio::test]
async fn who_never_reads_is_dropped_and_the_others_go_on() {
    let stage = stage().await;
    let mut good = stage.browser().await;
    let silent = stage.browser().await;
    stage.looking(2).await;
    let began = Instant::now();
    let mut step = 0;
    // Frames that do not compress, so that what waits in the kernel fills too.
    while stage.counts.clients.load(Ordering::Relaxed) == 2 {
        step += 1;
        let shown = noise(400, step);
        stage.show(&shown);
        good.shows(&shown).await;
        assert!(began.elapsed() < PATIENCE, "it is still there after {step} frames");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(stage.counts.dropped.load(Ordering::Relaxed), 1);
    // All that it cost is two frames.
    let each = stage.counts.bytes.load(Ordering::Relaxed) / stage.counts.frames.load(Ordering::Relaxed);
    assert!(each < 600_000 && stage.counts.frames.load(Ordering::Relaxed) > 10);
    drop(silent);
    let last = painted(&frame(200), 5, 9);
    stage.show(&last);
    good.shows(&last).await;
}

#[tokio::test]
async fn who_is_slow_skips_frames() {
    let stage = stage().await;
    let mut slow = stage.browser().await;
    stage.looking(1).await;
    stage.until(|counts| counts.frames.load(Ordering::Relaxed) == 1).await;
    let mut shown = frame(200);
    for step in 0..50 {
        shown = painted(&shown, i32::from(step) * 3, 50 + step);
        stage.show(&shown);
        tokio::task::yield_now().await;
    }
    slow.shows(&shown).await;
    let frames = stage.counts.frames.load(Ordering::Relaxed);
    assert!((2..=4).contains(&frames), "{frames} frames for 50");
}

// verifies: REQ-NET-05
#[tokio::test]
async fn pages_of_other_sites_get_nothing() {
    let stage = stage().await;
    let own = format!("http://{}", stage.address);
    for (origin, host) in [
        ("http://evil.example".to_owned(), stage.address.to_string()),
        (own.replace("http", "https"), stage.address.to_string()),
        (format!("http://127.0.0.1:{}", stage.address.port().wrapping_add(1)), stage.address.to_string()),
        ("null".to_owned(), stage.address.to_string()),
        ("http://evil.example".to_owned(), "evil.example".to_owned()),
    ] {
        let stream = TcpStream::connect(stage.address).await.expect("a connection");
        let mut request = format!("ws://{host}/glass").into_client_request().expect("a request");
        request.headers_mut().insert("origin", origin.parse().expect("a value"));
        let refused = timeout(PATIENCE, client_async(request, stream)).await.expect("in time");
        assert!(matches!(refused, Err(Error::Http(response)) if response.status() == 403), "{origin} {host}");
        let posted = stage.asked("POST /hand", &format!("origin: {origin}\r\n"), &"0".repeat(32)).await;
        assert_eq!(posted.0, 403);
    }
    assert_eq!(stage.asked("GET /frame.png", "sec-fetch-site: cross-site\r\n", "").await.0, 403);
    assert_eq!(stage.counts.clients.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_page_without_sockets_works_by_requests() {
    let mut stage = stage().await;
    let origin = format!("origin: http://{}\r\n", stage.address);
    let [one, two] = ["a".repeat(32), "b".repeat(32)];
    let said = async |stage: &Stage, page: &str, lines: &str| {
        let (status, _, body) = stage.asked("POST /hand", &origin, &format!("{page}{lines}")).await;
        (status, serde_json::from_slice::<serde_json::Value>(&body).unwrap_or_default())
    };
    let (status, state) = said(&stage, &one, "\ndown 0 5 6\nup 0 7 8").await;
    assert_eq!((status, &state["writing"]), (200, &json!(true)));
    assert_eq!([stage.hand().await, stage.hand().await], ["down 128 5 6", "up 128 7 8"]);
    let first = state["serial"].as_u64().expect("a serial");
    stage.show(&painted(&frame(200), 5, 9));
    let end = Instant::now() + PATIENCE;
    while said(&stage, &one, "").await.1["serial"].as_u64() == Some(first) {
        assert!(Instant::now() < end, "the new frame has the old serial");
    }
    let (status, state) = said(&stage, &two, "\ntext x").await;
    assert_eq!((status, &state["writing"]), (200, &json!(false)));
    let (_, state) = said(&stage, &two, "\ntake\ndown 3 1 1").await;
    assert_eq!(state["writing"], true);
    assert_eq!(stage.hand().await, "down 131 1 1");
    for wrong in ["", "\njump", &"\ntake".repeat(65)] {
        let page = if wrong.is_empty() { "short" } else { &two };
        assert_eq!(said(&stage, page, wrong).await.0, 400);
    }
    assert_eq!(said(&stage, &one, &"\ntext x".repeat(600)).await.0, 413, "too long");
    // A page that asks nothing any more is gone, and what it held is let go.
    assert_eq!(stage.hand().await, "lost 131 1 1");
    stage.looking(0).await;
}

// verifies: REQ-NET-05
#[tokio::test]
async fn only_so_many_look() {
    let stage = stage().await;
    let mut browsers = Vec::new();
    for _ in 0..SOCKETS {
        let mut browser = stage.browser().await;
        browser.shows(&frame(200)).await;
        browsers.push(browser);
    }
    let stream = TcpStream::connect(stage.address).await.expect("a connection");
    let refused = opened(stream, &format!("http://{}", stage.address), stage.address, "").await;
    assert_eq!(refused.err(), Some(503));
    browsers.pop();
    stage.looking(SOCKETS as u64 - 1).await;
    stage.browser().await.shows(&frame(200)).await;
}

// verifies: REQ-NET-05
#[tokio::test]
async fn a_thousand_connections_do_no_harm() {
    let files = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: files.maximum, maximum: files.maximum }).expect("more files");
    let mut stage = stage().await;
    let mut browser = stage.browser().await;
    browser.shows(&frame(200)).await;
    let closed = Arc::<AtomicU64>::default();
    let mut silent = Vec::new();
    for index in 0..1000 {
        let closed = Arc::clone(&closed);
        let address = stage.address;
        silent.push(tokio::spawn(async move {
            let mut stream = TcpStream::connect(address).await?;
            if index % 2 == 0 {
                stream.write_all(b"GET / HTTP/1.1\r\nhost: ").await?;
            }
            // Says no more; the mirror hangs up, with a word or without.
            let ended = stream.read_to_end(&mut Vec::new()).await;
            closed.fetch_add(1, Ordering::Relaxed);
            ended
        }));
    }
    // Whoever is in goes on, while those who are in the way are closed.
    let (mut shown, mut step) = (frame(200), 0_u8);
    let began = Instant::now();
    while closed.load(Ordering::Relaxed) < 100 {
        step = step.wrapping_add(1);
        shown = painted(&shown, 5, step);
        stage.show(&shown);
        browser.shows(&shown).await;
        browser.say("text x").await;
        assert_eq!(stage.hand().await, "text x");
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(began.elapsed() < PATIENCE, "nobody was closed");
    }
    for silent in silent {
        silent.abort();
    }
    // And later ones come in.
    stage.browser().await.shows(&shown).await;
}

/// A certificate for 127.0.0.1 in files, and what trusts it.
fn certificate(folder: &std::path::Path) -> (Tls, TlsConnector) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    let (certificate, key) = (folder.join("mirror.pem"), folder.join("mirror.key"));
    fs::write(&certificate, made.cert.pem()).expect("written");
    fs::write(&key, made.signing_key.serialize_pem()).expect("written");
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).expect("a root");
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    (Tls { certificate, key }, TlsConnector::from(Arc::new(config)))
}

/// A mirror for the network.
struct Lan {
    stage: Stage,
    connector: TlsConnector,
}

impl Lan {
    async fn new(auto_lock: Duration) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (tls, connector) = certificate(folder.path());
        Self { stage: stage_of(Some(tls), auto_lock).await, connector }
    }

    async fn stream(&self) -> impl AsyncRead + AsyncWrite + Unpin + use<> {
        let stream = TcpStream::connect(self.stage.address).await.expect("a connection");
        let name = ServerName::from(self.stage.address.ip());
        timeout(PATIENCE, self.connector.connect(name, stream)).await.expect("in time").expect("TLS")
    }

    async fn asked(&self, request: &str, cookie: &str, body: &str) -> (u16, String, Vec<u8>) {
        let headers = format!("origin: https://{}\r\ncookie: {cookie}\r\n", self.stage.address);
        asked(self.stream().await, self.stage.address, request, &headers, body).await
    }

    async fn opened(&self, cookie: &str) -> Result<Browser<impl AsyncRead + AsyncWrite + Unpin + use<>>, u16> {
        let address = self.stage.address;
        opened(self.stream().await, &format!("https://{address}"), address, cookie).await
    }

    /// Logs in; the cookie.
    async fn login(&self) -> String {
        let (status, head, _) = self.asked("POST /login", "", &format!("role=operator&pin={PIN}")).await;
        assert_eq!(status, 303, "{head}");
        let cookie = head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).expect("a cookie");
        for part in ["; httponly", "; secure", "; samesite=strict", "; path=/"] {
            assert!(cookie.contains(part), "{cookie}");
        }
        cookie.split(';').next().expect("a cookie").replace("__host", "__Host")
    }

    fn lock(&self, locked: bool) {
        self.stage.glass.send_modify(|glass| glass.iter_mut().for_each(|glass| glass.locked = locked));
    }
}

// verifies: REQ-NET-05
#[tokio::test]
async fn on_the_network_only_who_logs_in_sees_the_panel() {
    let mut lan = Lan::new(PATIENCE).await;
    let mut plain = TcpStream::connect(lan.stage.address).await.expect("a connection");
    plain.write_all(b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n").await.expect("written");
    let mut answer = Vec::new();
    drop(timeout(PATIENCE, plain.read_to_end(&mut answer)).await.expect("closed in time"));
    assert!(!answer.starts_with(b"HTTP"), "nothing without TLS");
    for cookie in ["", "__Host-hilum=", "__Host-hilum=0000"] {
        let (status, _, page) = lan.asked("GET /", cookie, "").await;
        let page = String::from_utf8(page).expect("text");
        assert!(status == 200 && page.contains("name=\"pin\"") && !page.contains("canvas"), "{page}");
        assert_eq!(lan.asked("GET /frame.png", cookie, "").await.0, 401);
        assert_eq!(lan.asked("POST /hand", cookie, &"0".repeat(32)).await.0, 401);
        assert_eq!(lan.opened(cookie).await.err(), Some(401));
    }
    for wrong in ["role=operator&pin=000000", "role=reviewer&pin=194603"] {
        let (status, head, page) = lan.asked("POST /login", "", wrong).await;
        let page = String::from_utf8(page).expect("text");
        assert!(status == 403 && !head.contains("set-cookie"), "{head}");
        assert!(page.contains("the PIN is wrong; &lt;wait&gt;"), "{page}");
    }
    for odd in ["", "role=operator", "pin=194603", "role=nobody&pin=194603", "%%%"] {
        assert_eq!(lan.asked("POST /login", "", odd).await.0, 400);
    }
    let cookie = lan.login().await;
    let (status, _, page) = lan.asked("GET /", &cookie, "").await;
    assert!(status == 200 && String::from_utf8(page).expect("text").contains("canvas"));
    assert_eq!(lan.asked("GET /frame.png", &cookie, "").await.0, 200);
    let mut browser = lan.opened(&cookie).await.expect("a socket");
    browser.shows(&frame(200)).await;
    assert_eq!(browser.state["login"], true);
    browser.say("text x").await;
    assert_eq!(lan.stage.hand().await, "text x");
    assert_eq!(lan.asked("POST /logout", &cookie, "").await.0, 303);
    assert_eq!(browser.closed().await, 4001);
    assert_eq!(lan.opened(&cookie).await.err(), Some(401));
}

// verifies: REQ-NET-05
#[tokio::test]
async fn on_the_network_a_locked_panel_is_off() {
    let lan = Lan::new(PATIENCE).await;
    let cookie = lan.login().await;
    let mut browser = lan.opened(&cookie).await.expect("a socket");
    browser.shows(&frame(200)).await;
    lan.lock(true);
    assert_eq!(browser.closed().await, 4001);
    for (request, body) in [("GET /frame.png", ""), ("POST /hand", "00000000000000000000000000000000")] {
        assert_eq!(lan.asked(request, &cookie, body).await.0, 403);
    }
    assert_eq!(lan.opened(&cookie).await.err(), Some(403));
    let (status, head, page) = lan.asked("POST /login", "", &format!("role=operator&pin={PIN}")).await;
    assert!(status == 403 && !head.contains("set-cookie"), "the right PIN is not even tried");
    assert!(String::from_utf8(page).expect("text").contains("The panel is locked."));
    lan.lock(false);
    assert_eq!(lan.asked("GET /frame.png", &cookie, "").await.0, 401, "the login ended");
    let cookie = lan.login().await;
    assert_eq!(lan.asked("GET /frame.png", &cookie, "").await.0, 200);
    lan.stage.glass.send_replace(None);
    assert_eq!(lan.asked("GET /frame.png", &cookie, "").await.0, 403, "no screen, nothing to see");
}

// verifies: REQ-NET-05
#[tokio::test]
async fn on_the_network_a_login_ends_in_silence() {
    let lan = Lan::new(Duration::from_millis(500)).await;
    let cookie = lan.login().await;
    let mut browser = lan.opened(&cookie).await.expect("a socket");
    assert_eq!(browser.closed().await, 4001);
    assert_eq!(lan.asked("GET /frame.png", &cookie, "").await.0, 401);
}

#[tokio::test]
async fn a_mirror_ends_with_the_screen() {
    let mut stage = stage().await;
    let mut browser = stage.browser().await;
    browser.shows(&frame(200)).await;
    browser.say("down 0 1 2").await;
    assert_eq!(stage.hand().await, "down 128 1 2");
    drop(stage.glass);
    assert_eq!(browser.closed().await, 1001);
    timeout(PATIENCE, stage.ended).await.expect("in time").expect("ended");
    let refused = TcpStream::connect(stage.address).await.map(drop);
    assert_eq!(refused.map_err(|error| error.kind()), Err(io::ErrorKind::ConnectionRefused));
}

#[tokio::test]
async fn certificates_are_read_or_it_is_said_why_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let (tls, _) = certificate(folder.path());
    let other = certificate(tempfile::tempdir().expect("a folder").path()).0;
    let empty = folder.path().join("empty");
    fs::write(&empty, "").expect("written");
    let not = |certificate, key| connection::acceptor(&Tls { certificate, key }).err().map(|error| error.to_string());
    assert_eq!(not(tls.certificate.clone(), tls.key.clone()), None);
    assert_eq!(not(empty.clone(), tls.key.clone()), Some("cannot read the certificate".to_owned()));
    assert_eq!(not(tls.certificate.clone(), empty), Some("cannot read the key".to_owned()));
    assert_eq!(not(other.certificate, tls.key), Some("cannot read the certificate".to_owned()), "the folder is gone");
}
