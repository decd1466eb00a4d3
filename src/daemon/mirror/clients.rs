//! Who looks at the panel, and whose hands reach it: one at a time, and at most one.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use hilum_screen::event::{Key, Phase, Touch};
use tokio::{
    runtime::Handle,
    sync::{Mutex, watch},
    time::timeout,
};

use crate::glass::{Hand, Hands};

/// A browser's fingers have other numbers than those on the panel itself.
pub(super) const FIRST_FINGER: u8 = 128;
/// A screen that takes nothing for so long hangs.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the mirror counts, for the metrics.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Browsers that look now.
    pub(crate) clients: AtomicU64,
    /// Frames, or what changed in them.
    pub(crate) frames: AtomicU64,
    /// Bytes of those.
    pub(crate) bytes: AtomicU64,
    /// Browsers that were too slow or too fast, or made no sense.
    pub(crate) dropped: AtomicU64,
}

/// The screen is gone, or takes nothing.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoScreen;

/// All that look.
pub(super) struct Clients {
    hands: Hands,
    crew: Mutex<Crew>,
    writer: watch::Sender<Option<u64>>,
    pub(super) counts: Arc<Counts>,
}

#[derive(Default)]
struct Crew {
    next: u64,
    /// The first is the writer.
    order: Vec<u64>,
    /// The writer's fingers, where they are.
    down: BTreeMap<u8, (u16, u16)>,
}

impl Clients {
    pub(super) fn new(hands: Hands, counts: Arc<Counts>) -> Arc<Self> {
        Arc::new(Self { hands, crew: Mutex::default(), writer: watch::Sender::new(None), counts })
    }

    /// One more looks. Who is first, or alone, is the writer.
    pub(super) async fn join(self: &Arc<Self>) -> Client {
        let mut crew = self.crew.lock().await;
        let id = crew.next;
        crew.next += 1;
        crew.order.push(id);
        self.counts.clients.fetch_add(1, Ordering::Relaxed);
        self.publish(&crew);
        Client { clients: Arc::clone(self), id }
    }

    fn publish(&self, crew: &Crew) {
        let first = crew.order.first().copied();
        self.writer.send_if_modified(|writer| std::mem::replace(writer, first) != first);
    }

    async fn tell(&self, hand: Hand) -> Result<(), NoScreen> {
        match timeout(PATIENCE, self.hands.send(hand)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(NoScreen),
        }
    }

    /// The writer's fingers are no longer there.
    async fn lose(&self, crew: &mut Crew) -> Result<(), NoScreen> {
        while let Some((finger, (x, y))) = crew.down.pop_first() {
            self.tell(Hand::Touch(Touch { finger, phase: Phase::Lost, x, y })).await?;
        }
        Ok(())
    }

    async fn leave(&self, id: u64) {
        let mut crew = self.crew.lock().await;
        let lost = if crew.order.first() == Some(&id) { self.lose(&mut crew).await } else { Ok(()) };
        if lost.is_err() {
            tracing::debug!("a finger was lost that the screen does not hear of");
        }
        crew.order.retain(|other| *other != id);
        self.publish(&crew);
    }
}

/// One that looks, until it is dropped.
pub(super) struct Client {
    clients: Arc<Clients>,
    id: u64,
}

impl Client {
    /// Whether its hands reach the panel.
    pub(super) fn writes(&self) -> bool {
        *self.clients.writer.borrow() == Some(self.id)
    }

    /// Tells when somebody else's hands reach the panel.
    pub(super) fn writers(&self) -> watch::Receiver<Option<u64>> {
        self.clients.writer.subscribe()
    }

    /// Becomes the writer. What the one before held is let go.
    pub(super) async fn take(&self) -> Result<(), NoScreen> {
        let mut crew = self.clients.crew.lock().await;
        if crew.order.first() != Some(&self.id) {
            self.clients.lose(&mut crew).await?;
            crew.order.retain(|other| *other != self.id);
            crew.order.insert(0, self.id);
            self.clients.publish(&crew);
        }
        Ok(())
    }

    /// A key, which reaches the panel if this is the writer.
    pub(super) async fn key(&self, key: Key) -> Result<(), NoScreen> {
        let crew = self.clients.crew.lock().await;
        if crew.order.first() == Some(&self.id) { self.clients.tell(Hand::Key(key)).await } else { Ok(()) }
    }

    /// A finger on a panel of so many pixels. One that comes down beside it is none; one that leaves it stays at the edge.
    pub(super) async fn finger(
        &self,
        finger: u8,
        phase: Phase,
        (x, y): (i32, i32),
        (width, height): (u16, u16),
    ) -> Result<(), NoScreen> {
        let mut crew = self.clients.crew.lock().await;
        let inside = (0..i32::from(width)).contains(&x) && (0..i32::from(height)).contains(&y);
        if crew.order.first() != Some(&self.id) || width == 0 || height == 0 {
            return Ok(());
        }
        let finger = finger.saturating_add(FIRST_FINGER);
        let within = |at: i32, length: u16| u16::try_from(at.max(0)).unwrap_or(u16::MAX).min(length - 1);
        let (x, y) = (within(x, width), within(y, height));
        let was_down = crew.down.get(&finger).copied();
        match (phase, was_down) {
            (Phase::Down, _) if !inside => return Ok(()),
            (Phase::Down, Some((x, y))) => {
                self.clients.tell(Hand::Touch(Touch { finger, phase: Phase::Lost, x, y })).await?;
            }
            (Phase::Down, None) | (_, Some(_)) => {}
            (_, None) => return Ok(()),
        }
        match phase {
            Phase::Down | Phase::Move => crew.down.insert(finger, (x, y)),
            Phase::Up | Phase::Lost => crew.down.remove(&finger),
        };
        self.clients.tell(Hand::Touch(Touch { finger, phase, x, y })).await
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.clients.counts.clients.fetch_sub(1, Ordering::Relaxed);
        let (clients, id) = (Arc::clone(&self.clients), self.id);
        // After the event loop ended there is no screen either.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move { clients.leave(id).await });
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    const SIZE: (u16, u16) = (100, 50);

    fn crew() -> (Arc<Clients>, mpsc::Receiver<Hand>) {
        let (hands, heard) = mpsc::channel(64);
        (Clients::new(hands, Arc::default()), heard)
    }

    /// What the screen heard so far, in words.
    fn heard(from: &mut mpsc::Receiver<Hand>) -> String {
        let mut words = Vec::new();
        while let Ok(hand) = from.try_recv() {
            words.push(match hand {
                Hand::Touch(Touch { finger, phase, x, y }) => {
                    format!("{phase:?} {} {x} {y}", finger - FIRST_FINGER).to_lowercase()
                }
                Hand::Key(key) => format!("{key:?}").to_lowercase(),
            });
        }
        words.join(", ")
    }

    #[tokio::test]
    async fn fingers_are_whole() {
        let (clients, mut screen) = crew();
        let client = clients.join().await;
        for (said, want) in [
            ((0, Phase::Move, 1, 1), ""),
            ((0, Phase::Up, 1, 1), ""),
            ((0, Phase::Down, -1, 5), ""),
            ((0, Phase::Down, 100, 5), ""),
            ((0, Phase::Down, 99, 49), "down 0 99 49"),
            ((1, Phase::Down, 3, 4), "down 1 3 4"),
            ((0, Phase::Move, -7, 900_000), "move 0 0 49"),
            ((1, Phase::Down, 5, 6), "lost 1 3 4, down 1 5 6"),
            ((0, Phase::Up, 500, 2), "up 0 99 2"),
            ((0, Phase::Up, 1, 2), ""),
            ((1, Phase::Lost, 1, 2), "lost 1 1 2"),
        ] {
            let (finger, phase, x, y) = said;
            client.finger(finger, phase, (x, y), SIZE).await.expect("a screen");
            assert_eq!(heard(&mut screen), want, "{said:?}");
        }
        client.finger(0, Phase::Down, (0, 0), (0, 0)).await.expect("a screen");
        assert_eq!(heard(&mut screen), "", "no panel");
    }

    #[tokio::test]
    async fn one_writes_and_another_may_take_over() {
        let (clients, mut screen) = crew();
        let (first, second) = (clients.join().await, clients.join().await);
        assert_eq!([first.writes(), second.writes()], [true, false]);
        first.finger(0, Phase::Down, (1, 2), SIZE).await.expect("a screen");
        second.finger(0, Phase::Down, (3, 4), SIZE).await.expect("a screen");
        second.key(Key::Enter).await.expect("a screen");
        assert_eq!(heard(&mut screen), "down 0 1 2");
        second.take().await.expect("a screen");
        assert_eq!([first.writes(), second.writes()], [false, true]);
        first.finger(0, Phase::Up, (1, 2), SIZE).await.expect("a screen");
        second.key(Key::Enter).await.expect("a screen");
        assert_eq!(heard(&mut screen), "lost 0 1 2, enter");
    }

    #[tokio::test]
    async fn who_goes_lets_go_and_the_next_writes() {
        let (clients, mut screen) = crew();
        let (first, second, third) = (clients.join().await, clients.join().await, clients.join().await);
        first.finger(2, Phase::Down, (1, 2), SIZE).await.expect("a screen");
        let mut writers = second.writers();
        drop(first);
        writers.changed().await.expect("clients");
        assert_eq!([second.writes(), third.writes()], [true, false]);
        assert_eq!(heard(&mut screen), "down 2 1 2, lost 2 1 2");
        assert_eq!(clients.counts.clients.load(Ordering::Relaxed), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_screen_that_hangs_holds_nobody() {
        let (hands, _kept) = mpsc::channel(1);
        let clients = Clients::new(hands, Arc::default());
        let client = clients.join().await;
        assert_eq!(client.key(Key::Enter).await, Ok(()));
        assert_eq!(client.key(Key::Enter).await, Err(NoScreen));
    }
}
