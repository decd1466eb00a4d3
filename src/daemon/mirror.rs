//! The mirror: what the panel shows, in a browser, and its hands on the panel.
//!
//! On this machine whoever reaches the address sees the panel, with its page of PINs. With a certificate it is served to whoever
//! logs in, and only while the panel is not locked: nobody unlocks it from elsewhere.

mod clients;
mod connection;
mod difference;
mod message;
mod origin;
mod pace;
mod pictures;
mod session;
mod socket;
mod visits;

#[cfg(test)]
mod tests;

use std::{future::Future, io, net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use axum::{
    Extension, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Request, State, WebSocketUpgrade},
    http::{
        HeaderMap, HeaderName, HeaderValue, StatusCode,
        header::{
            CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY, SET_COOKIE,
            X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
        },
    },
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use embedded_graphics::prelude::OriginDimensions as _;
use hilum_config::Mirror as Settings;
use hilum_store::Role;
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
};
use tokio_rustls::TlsAcceptor;
use zeroize::Zeroizing;

use crate::{
    glass::{Glass, Glasses, Hands},
    protocol::Denied,
};

pub(crate) use clients::Counts;

use clients::{Client, Clients, NoScreen};
use connection::Place;
use message::Said;
use pictures::Pictures;
use session::{Session, Sessions};
use visits::{Refused, Visits};

/// So many WebSockets at once.
const SOCKETS: usize = 16;
/// The longest body of a request, in bytes.
const BODY: usize = 4096;
/// How long until an address is tried again that is not there yet.
const AGAIN: Duration = Duration::from_secs(30);

const PAGE: &str = include_str!("mirror/page.html");
const LOGIN: &str = include_str!("mirror/login.html");
const SCRIPT: &str = include_str!("mirror/page.js");
const STYLE: &str = include_str!("mirror/page.css");

/// What every answer says: nothing from elsewhere, nothing in anybody's frame, nothing kept.
const ALWAYS: [(HeaderName, &str); 8] = [
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (CACHE_CONTROL, "no-store"),
    // Not no-referrer: with that a browser does not say from where a form comes.
    (REFERRER_POLICY, "same-origin"),
    (X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), microphone=(), geolocation=()"),
];

/// What becomes of a login.
type Logged = Pin<Box<dyn Future<Output = Result<(), Denied>> + Send>>;

/// Tries the PIN of a role; whoever makes it sees to the waits after wrong ones.
pub(crate) type Login = Arc<dyn Fn(Role, Zeroizing<String>) -> Logged + Send + Sync>;

/// What is served, and to whom.
#[derive(Clone)]
pub(crate) struct Served {
    /// `[mirror]`.
    pub(crate) settings: Settings,
    /// What it is served on, where that is bound already.
    pub(crate) bound: Option<Arc<std::net::TcpListener>>,
    /// A login from the network ends after so long without a touch.
    pub(crate) auto_lock: Duration,
    /// What the panel shows.
    pub(crate) glasses: Glasses,
    /// Where touches and keys go.
    pub(crate) hands: Hands,
    /// Who may look from the network.
    pub(crate) login: Login,
    /// What is counted.
    pub(crate) counts: Arc<Counts>,
}

/// A frame that the panel showed.
#[derive(Clone)]
struct Shown {
    serial: u32,
    glass: Glass,
}

/// All that requests need.
struct Mirror {
    /// Where it is served to others, who have to log in.
    network: Option<Network>,
    shown: watch::Receiver<Option<Shown>>,
    clients: Arc<Clients>,
    pictures: Pictures,
    visits: Visits,
    sockets: Arc<Semaphore>,
}

struct Network {
    sessions: Sessions,
    login: Login,
}

/// Serves until there is no screen any longer. What keeps it from serving is in the log.
pub(crate) async fn serve(served: Served) {
    let address = served.settings.listen;
    let tls = match served.settings.tls.as_ref().map(connection::acceptor).transpose() {
        Ok(tls) => tls,
        Err(error) => {
            let why = std::error::Error::source(&error).map(ToString::to_string);
            tracing::error!(%error, why, "no mirror");
            return;
        }
    };
    let mut is_told = false;
    let listener = loop {
        match listener(address, served.bound.as_deref()).await {
            Ok(listener) => break listener,
            Err(error) if !is_told => tracing::error!(%address, %error, "no mirror until the address is there"),
            Err(_) => {}
        }
        is_told = true;
        tokio::time::sleep(AGAIN).await;
        if served.glasses.has_changed().is_err() {
            return;
        }
    };
    tracing::info!(%address, tls = tls.is_some(), "mirror");
    answer(listener, tls, served).await;
}

async fn listener(address: SocketAddr, bound: Option<&std::net::TcpListener>) -> io::Result<TcpListener> {
    let Some(bound) = bound else { return TcpListener::bind(address).await };
    let own = bound.try_clone()?;
    own.set_nonblocking(true)?;
    TcpListener::from_std(own)
}

/// Answers whoever comes until there is no screen any longer.
async fn answer(listener: TcpListener, tls: Option<TlsAcceptor>, served: Served) {
    let Served { auto_lock, glasses, hands, login, counts, .. } = served;
    let (show, shown) = watch::channel(None);
    let mirror = Arc::new(Mirror {
        network: tls.is_some().then(|| Network { sessions: Sessions::new(auto_lock), login }),
        shown,
        clients: Clients::new(hands, counts),
        pictures: Pictures::default(),
        visits: Visits::default(),
        sockets: Arc::new(Semaphore::new(SOCKETS)),
    });
    let router = router(Arc::clone(&mirror));
    tokio::select! {
        () = follow(&mirror, glasses, show) => {}
        () = connection::accept(listener, tls, router) => {}
        () = mirror.visits.swept() => {}
    }
}

/// Numbers frames, and ends logins when the panel is locked, until there is no screen any longer.
async fn follow(mirror: &Mirror, mut glasses: Glasses, show: watch::Sender<Option<Shown>>) {
    let mut serial = 0_u32;
    loop {
        let glass = glasses.borrow_and_update().clone();
        if let Some(network) = &mirror.network
            && glass.as_ref().is_none_or(|glass| glass.locked)
        {
            network.sessions.end_all();
        }
        show.send_modify(|shown| {
            let same = |shown: &Shown, glass: &Glass| Arc::ptr_eq(&shown.glass.frame, &glass.frame);
            if !shown.as_ref().zip(glass.as_ref()).is_some_and(|(shown, glass)| same(shown, glass)) {
                serial = serial.wrapping_add(1);
            }
            *shown = glass.map(|glass| Shown { serial, glass });
        });
        if glasses.changed().await.is_err() {
            return;
        }
    }
}

fn router(mirror: Arc<Mirror>) -> Router {
    let text = |kind: &'static str, text: &'static str| get(move || async move { ([(CONTENT_TYPE, kind)], text) });
    Router::new()
        .route("/", get(page))
        .route("/page.js", text("text/javascript; charset=utf-8", SCRIPT))
        .route("/page.css", text("text/css; charset=utf-8", STYLE))
        .route("/frame.png", get(frame))
        .route("/glass", get(glass))
        .route("/hand", post(hand))
        .route("/login", post(login))
        .route("/logout", post(logout))
        .layer(DefaultBodyLimit::max(BODY))
        .layer(from_fn_with_state(Arc::clone(&mirror), guarded))
        .with_state(mirror)
}

/// Lets in what comes from the mirror's own page, and says with every answer what a browser may do with it.
async fn guarded(State(mirror): State<Arc<Mirror>>, request: Request, next: Next) -> Response {
    let own = origin::is_own(request.method(), request.uri().path(), request.headers(), mirror.network.is_none());
    let mut response = match own {
        true => next.run(request).await,
        false => (StatusCode::FORBIDDEN, "not from here").into_response(),
    };
    for (name, value) in ALWAYS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

impl Mirror {
    fn now(&self) -> Option<Shown> {
        self.shown.borrow().clone()
    }

    /// What a browser is told beside the picture.
    fn state(&self, client: &Client, shown: Option<&Shown>) -> Value {
        json!({
            "writing": client.writes(), "locked": shown.is_none_or(|shown| shown.glass.locked),
            "screen": shown.is_some(), "login": self.network.is_some(),
        })
    }

    /// Does what a browser says, on the panel as that browser saw it last.
    async fn done(&self, client: &Client, said: Said, shown: Option<&Shown>) -> Result<(), NoScreen> {
        match said {
            Said::Take => client.take().await,
            Said::Key(key) => client.key(key).await,
            Said::Finger { finger, phase, x, y } => {
                let size = shown.map(|shown| shown.glass.frame.size()).unwrap_or_default();
                let of = |length: u32| u16::try_from(length).unwrap_or(u16::MAX);
                client.finger(finger, phase, (x, y), (of(size.width), of(size.height))).await
            }
            Said::Seen(_) => Ok(()),
        }
    }

    /// Whether the panel is locked, or there is none: then nothing of it leaves this machine.
    fn is_off(&self) -> bool {
        self.shown.borrow().as_ref().is_none_or(|shown| shown.glass.locked)
    }

    /// Who asks, if they may: on this machine everybody, from elsewhere who logged in.
    #[expect(clippy::result_large_err, reason = "it is answered at once")]
    fn visitor(&self, headers: &HeaderMap) -> Result<Option<Arc<Session>>, Response> {
        let Some(network) = &self.network else { return Ok(None) };
        if self.is_off() {
            return Err((StatusCode::FORBIDDEN, "the panel is locked").into_response());
        }
        match network.sessions.of(headers) {
            Some(session) => Ok(Some(session)),
            None => Err((StatusCode::UNAUTHORIZED, "log in").into_response()),
        }
    }

    /// The form that asks who somebody is; `why` is what became of the last try.
    fn form(&self, status: StatusCode, why: &str) -> Response {
        let why = if self.is_off() { "The panel is locked. Somebody has to log in at the panel first." } else { why };
        let why = why.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        (status, [(CONTENT_TYPE, "text/html; charset=utf-8")], LOGIN.replace("{why}", &why)).into_response()
    }
}

async fn page(State(mirror): State<Arc<Mirror>>, headers: HeaderMap) -> Response {
    match mirror.visitor(&headers) {
        Ok(_) => ([(CONTENT_TYPE, "text/html; charset=utf-8")], PAGE).into_response(),
        Err(_) => mirror.form(StatusCode::OK, ""),
    }
}

async fn frame(State(mirror): State<Arc<Mirror>>, headers: HeaderMap) -> Response {
    if let Err(denied) = mirror.visitor(&headers) {
        return denied;
    }
    let none = || (StatusCode::SERVICE_UNAVAILABLE, "there is no screen").into_response();
    let Some(shown) = mirror.now() else { return none() };
    match mirror.pictures.whole(&shown).await {
        Ok(Some(picture)) => ([(CONTENT_TYPE, "image/png")], picture).into_response(),
        Ok(None) | Err(_) => none(),
    }
}

async fn glass(
    State(mirror): State<Arc<Mirror>>,
    Extension(connection): Extension<Place>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let session = match mirror.visitor(&headers) {
        Ok(session) => session,
        Err(denied) => return denied,
    };
    let Ok(place) = Arc::clone(&mirror.sockets).try_acquire_owned() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many are looking").into_response();
    };
    // A message is written out before the next is made.
    let upgrade = upgrade.max_message_size(message::LONGEST).max_frame_size(message::LONGEST).write_buffer_size(0);
    upgrade.on_upgrade(|socket| async move {
        socket::talk(mirror, socket, session).await;
        drop((place, connection));
    })
}

/// What hands do where there is no WebSocket: see [`Visits::said`].
async fn hand(State(mirror): State<Arc<Mirror>>, headers: HeaderMap, text: String) -> Response {
    let session = match mirror.visitor(&headers) {
        Ok(session) => session,
        Err(denied) => return denied,
    };
    let text = Zeroizing::new(text);
    match mirror.visits.said(&mirror, session, mirror.now().as_ref(), &text).await {
        Ok(state) => ([(CONTENT_TYPE, "application/json")], state.to_string()).into_response(),
        Err(Refused::Nonsense) => (StatusCode::BAD_REQUEST, "not understood").into_response(),
        Err(Refused::TooMuch) => (StatusCode::TOO_MANY_REQUESTS, "too much").into_response(),
        Err(Refused::NoScreen) => (StatusCode::SERVICE_UNAVAILABLE, "there is no screen").into_response(),
    }
}

async fn login(State(mirror): State<Arc<Mirror>>, body: Bytes) -> Response {
    let Some(network) = &mirror.network else { return StatusCode::NOT_FOUND.into_response() };
    // A PIN is not even tried while the panel is locked: nobody finds out from elsewhere which one is right.
    if mirror.is_off() {
        return mirror.form(StatusCode::FORBIDDEN, "");
    }
    let (mut role, mut pin) = (None, None);
    for (name, value) in form_urlencoded::parse(&body) {
        match &*name {
            "role" => role = value.parse::<Role>().ok(),
            "pin" => pin = Some(Zeroizing::new(value.into_owned())),
            _ => {}
        }
    }
    let (Some(role), Some(pin)) = (role, pin) else {
        return mirror.form(StatusCode::BAD_REQUEST, "A role and its PIN are needed.");
    };
    if let Err(denied) = (network.login)(role, pin).await {
        tracing::warn!(role = role.name(), "a login to the mirror was denied");
        return mirror.form(StatusCode::FORBIDDEN, &denied.why);
    }
    // It may have been locked meanwhile.
    if mirror.is_off() {
        return mirror.form(StatusCode::FORBIDDEN, "");
    }
    match network.sessions.begin() {
        Ok(cookie) => (StatusCode::SEE_OTHER, [(LOCATION, "/".to_owned()), (SET_COOKIE, cookie)]).into_response(),
        Err(_) => mirror.form(StatusCode::SERVICE_UNAVAILABLE, "The device cannot do this now."),
    }
}

async fn logout(State(mirror): State<Arc<Mirror>>, headers: HeaderMap) -> Response {
    if let Some(session) = mirror.network.as_ref().and_then(|network| network.sessions.of(&headers)) {
        session.end();
    }
    (StatusCode::SEE_OTHER, [(LOCATION, "/")]).into_response()
}
