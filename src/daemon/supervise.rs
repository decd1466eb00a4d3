//! A part that dies is started again, a little later each time, and the loop is told.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
    time::Duration,
};

use tokio::sync::mpsc;

use crate::event::Event;

/// The wait before a part is started again the first time, and the longest.
const WAITS: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(30)];

/// The wait before the start after `deaths`.
fn wait(deaths: u32) -> Duration {
    WAITS[0].saturating_mul(2_u32.saturating_pow(deaths.saturating_sub(1))).min(WAITS[1])
}

fn ended(part: &'static str, deaths: u32) -> Event {
    Event::Ended(part, format!("it panicked, for the {deaths}. time"))
}

/// A thread that runs `part` until that returns.
pub(crate) fn thread_of(
    name: &'static str,
    events: mpsc::Sender<Event>,
    mut part: impl FnMut() + Send + 'static,
) -> std::io::Result<thread::JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        let mut deaths = 0;
        while catch_unwind(AssertUnwindSafe(&mut part)).is_err() {
            deaths += 1;
            if events.blocking_send(ended(name, deaths)).is_err() {
                return;
            }
            thread::sleep(wait(deaths));
        }
    })
}

/// A task that runs what `part` makes until that returns.
pub(crate) fn task_of<F: Future<Output = ()> + Send + 'static>(
    name: &'static str,
    events: mpsc::Sender<Event>,
    part: impl Fn() -> F + Send + 'static,
) {
    tokio::spawn(async move {
        let mut deaths = 0;
        while tokio::spawn(part()).await.is_err_and(|error| error.is_panic()) {
            deaths += 1;
            if events.send(ended(name, deaths)).await.is_err() {
                return;
            }
            tokio::time::sleep(wait(deaths)).await;
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    // verifies: REQ-SERVICE-01
    #[test]
    fn a_part_that_dies_is_started_again_and_the_loop_hears_of_it() {
        let (tell, mut events) = mpsc::channel(4);
        let mut starts = 0;
        let thread = thread_of("part", tell, move || {
            starts += 1;
            assert!(starts == 2, "the first start dies");
        });
        assert!(matches!(events.blocking_recv(), Some(Event::Ended("part", _))));
        thread.expect("started").join().expect("returned");
        assert!(events.blocking_recv().is_none());
    }

    #[test]
    fn the_waits_grow_and_end() {
        assert_eq!([1, 2, 3, 60].map(wait), [500, 1000, 2000, 30_000].map(Duration::from_millis));
    }
}
