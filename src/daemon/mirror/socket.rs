//! One browser's WebSocket: what changed goes out, what hands do comes in.

use std::{
    collections::VecDeque,
    future::pending,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use tokio::time::{Instant, interval_at, sleep_until, timeout};

use super::{
    Mirror, Shown,
    clients::Client,
    message::Said,
    pace::{Pace, Verdict},
    session::Session,
};

/// So many frames are under way to a browser; later ones wait, and the newest wins.
const UNDER_WAY: usize = 2;
/// A browser that does not take a frame in this time is too slow.
const SLOWEST: Duration = Duration::from_secs(15);
/// How often a silent browser is asked whether it is there.
const PING: Duration = Duration::from_secs(25);
/// How long the word that it is over may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// Closes because the login is over, or the panel was locked.
const LOGGED_OUT: u16 = 4001;

/// Why it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The browser went.
    Left,
    /// There is no screen any longer.
    NoScreen,
    /// Nobody is logged in any longer.
    LoggedOut,
    /// The browser is too slow.
    Slow,
    /// It says what makes no sense.
    Nonsense,
    /// It says too much.
    Flood,
}

/// Talks to a browser until one of the two ends it.
pub(super) async fn talk(mirror: Arc<Mirror>, mut socket: WebSocket, session: Option<Arc<Session>>) {
    let client = mirror.clients.join().await;
    let end = match talked(&mirror, &mut socket, session.as_deref(), &client).await {
        Ok(never) => match never {},
        Err(end) => end,
    };
    drop(client);
    let (code, reason) = match end {
        End::Left => return,
        End::NoScreen => (close_code::AWAY, "the panel is gone"),
        End::LoggedOut => (LOGGED_OUT, "nobody is logged in"),
        End::Slow => (close_code::POLICY, "too slow"),
        End::Nonsense => (close_code::POLICY, "not understood"),
        End::Flood => (close_code::POLICY, "too much"),
    };
    if matches!(end, End::Slow | End::Nonsense | End::Flood) {
        mirror.clients.counts.dropped.fetch_add(1, Ordering::Relaxed);
        tracing::info!(reason, "a browser was dropped");
    }
    let farewell = socket.send(Message::Close(Some(CloseFrame { code, reason: reason.into() })));
    // Who does not read does not hear it.
    drop(timeout(FAREWELL, farewell).await);
}

async fn sent(socket: &mut WebSocket, message: Message) -> Result<(), End> {
    match timeout(SLOWEST, socket.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(End::Left),
        Err(_) => Err(End::Slow),
    }
}

async fn talked(
    mirror: &Mirror,
    socket: &mut WebSocket,
    session: Option<&Session>,
    client: &Client,
) -> Result<std::convert::Infallible, End> {
    let mut shown = mirror.shown.clone();
    let mut writers = client.writers();
    let mut ping = interval_at(Instant::now() + PING, PING);
    let mut pace = Pace::new(std::time::Instant::now());
    let mut is_there = true;
    let mut told = None;
    let mut last: Option<Shown> = None;
    let mut under_way: VecDeque<(u32, Instant)> = VecDeque::new();
    loop {
        let now = shown.borrow_and_update().clone();
        if session.is_some() && now.as_ref().is_none_or(|shown| shown.glass.locked) {
            return Err(End::LoggedOut);
        }
        let state = mirror.state(client, now.as_ref());
        if told.as_ref() != Some(&state) {
            sent(socket, Message::Text(state.to_string().into())).await?;
            told = Some(state);
        }
        let due =
            now.filter(|now| under_way.len() < UNDER_WAY && last.as_ref().is_none_or(|last| last.serial != now.serial));
        if let Some(due) = due {
            let update = mirror.pictures.update(last.as_ref(), &due).await.map_err(|_| End::NoScreen)?;
            if let Some(update) = update {
                let counts = &mirror.clients.counts;
                counts.frames.fetch_add(1, Ordering::Relaxed);
                counts.bytes.fetch_add(update.len() as u64, Ordering::Relaxed);
                under_way.push_back((due.serial, Instant::now()));
                sent(socket, Message::Binary(update)).await?;
            }
            last = Some(due);
            continue;
        }
        let oldest = under_way.front().map(|(_, since)| *since + SLOWEST);
        tokio::select! {
            changed = shown.changed() => changed.map_err(|_| End::NoScreen)?,
            changed = writers.changed() => changed.map_err(|_| End::NoScreen)?,
            () = async { match session { Some(session) => session.over().await, None => pending().await } } => {
                return Err(End::LoggedOut);
            }
            () = async { match oldest { Some(oldest) => sleep_until(oldest).await, None => pending().await } } => {
                return Err(End::Slow);
            }
            _ = ping.tick() => {
                if !std::mem::take(&mut is_there) {
                    return Err(End::Slow);
                }
                sent(socket, Message::Ping(axum::body::Bytes::new())).await?;
            }
            heard = socket.recv() => {
                let Some(heard) = heard else { return Err(End::Left) };
                is_there = true;
                match pace.verdict(std::time::Instant::now()) {
                    Verdict::Take => {}
                    // A frame that was seen is not heard of again.
                    Verdict::Drop if matches!(&heard, Ok(Message::Text(text)) if text.starts_with("seen ")) => {}
                    Verdict::Drop => continue,
                    Verdict::Close => return Err(End::Flood),
                }
                match heard {
                    Ok(Message::Text(text)) => match Said::of(&text).ok_or(End::Nonsense)? {
                        Said::Seen(serial) => {
                            let at = under_way.iter().position(|(waits, _)| *waits == serial).ok_or(End::Nonsense)?;
                            under_way.drain(..=at);
                        }
                        said => {
                            if let Some(session) = session {
                                session.touched();
                            }
                            mirror.done(client, said, last.as_ref()).await.map_err(|_| End::NoScreen)?;
                        }
                    },
                    Ok(Message::Ping(_) | Message::Pong(_)) => {}
                    Ok(Message::Close(_)) => return Err(End::Left),
                    Ok(Message::Binary(_)) => return Err(End::Nonsense),
                    // It went without a word, or what it sent is too long or no WebSocket.
                    Err(error) => return Err(if is_gone(&error) { End::Left } else { End::Nonsense }),
                }
            }
        }
    }
}

/// Whether a connection broke, rather than that what came over it made no sense.
fn is_gone(error: &axum::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        if error.is::<std::io::Error>() {
            return true;
        }
        source = error.source();
    }
    false
}
