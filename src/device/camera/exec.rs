//! What a command writes to its standard output: a Jetson's Argus or libcamera through gst-launch, curl, ffmpeg.

use std::{
    os::unix::process::CommandExt as _,
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group};

use super::{
    CameraFault, Layout, Picture,
    feed::{Cut, Feed},
    mjpeg::Splitter,
    once::Pictures,
    raw::Rows,
};

/// How long a command may take to end by itself.
const GRACE: Duration = Duration::from_millis(500);
const LOOK: Duration = Duration::from_millis(20);

/// A command that runs.
pub(super) struct Exec {
    child: Child,
    feed: Feed<ChildStdout>,
}

impl Exec {
    /// A command that writes JPEGs.
    pub(super) fn jpegs(command: &str) -> Result<Self, CameraFault> {
        Self::start(command, Cut::Jpegs(Splitter::new()))
    }

    /// A command that writes pixels.
    pub(super) fn raw(command: &str, layout: Layout, size: [u32; 2]) -> Result<Self, CameraFault> {
        Self::start(command, Cut::Raw(Rows::new(layout, size)?))
    }

    fn start(command: &str, cut: Cut) -> Result<Self, CameraFault> {
        let mut child = Command::new("/bin/sh")
            .args(["-c", command])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // Its own group: what it starts ends with it.
            .process_group(0)
            .spawn()?;
        let out = child.stdout.take().ok_or(CameraFault::Absent)?;
        Ok(Self { child, feed: Feed::new(out, cut) })
    }

    fn signal(&self, signal: Signal) {
        let group = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(Err(error)) = group.map(|group| kill_process_group(group, signal)) {
            tracing::debug!(%error, "the camera's command has ended");
        }
    }

    fn ended(&mut self) -> CameraFault {
        match self.child.wait() {
            Ok(status) => CameraFault::Ended(status.to_string()),
            Err(error) => error.into(),
        }
    }
}

impl Pictures for Exec {
    fn next(&mut self, patience: Duration) -> Result<Picture, CameraFault> {
        match self.feed.next(patience)? {
            Some(picture) => Ok(picture),
            None => {
                // What it left running has no output any more.
                self.signal(Signal::KILL);
                Err(self.ended())
            }
        }
    }
}

impl Drop for Exec {
    fn drop(&mut self) {
        self.signal(Signal::TERM);
        let began = Instant::now();
        while began.elapsed() < GRACE {
            if !matches!(self.child.try_wait(), Ok(None)) {
                break;
            }
            std::thread::sleep(LOOK);
        }
        self.signal(Signal::KILL);
        drop(self.child.wait());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);

    #[test]
    fn pixels_come_as_they_are_written_and_the_end_is_named() {
        let mut exec = Exec::raw("printf 'abcdefghijklm'; exit 3", Layout::Rgb, [2, 1]).expect("started");
        for want in [b"abcdef", b"ghijkl"] {
            let Ok(Picture::Raw { bytes, .. }) = exec.next(PATIENCE) else { panic!("a picture") };
            assert_eq!(bytes, want);
        }
        let fault = exec.next(PATIENCE).expect_err("it ended").to_string();
        assert_eq!(fault, "the camera's command ended (exit status: 3)");
    }

    #[test]
    fn a_command_that_says_nothing_is_left_and_ends_with_all_it_started() {
        let folder = tempfile::tempdir().expect("a folder");
        let mark = folder.path().join("group");
        let mut exec = Exec::jpegs(&format!("sleep 600 & echo $! > {}; wait", mark.display())).expect("started");
        assert!(matches!(exec.next(Duration::from_millis(300)), Err(CameraFault::Stalled(_))));
        let pid: i32 = std::fs::read_to_string(&mark).expect("it began").trim().parse().expect("a number");
        drop(exec);
        let began = Instant::now();
        while std::path::Path::new(&format!("/proc/{pid}/cmdline")).exists() && began.elapsed() < PATIENCE {
            // Whoever adopted it has to take notice.
            if std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.is_empty()) {
                return;
            }
            std::thread::sleep(LOOK);
        }
        assert!(began.elapsed() < PATIENCE, "it lives on");
    }

    #[test]
    fn what_is_no_command_ends() {
        let mut exec = Exec::jpegs("/nonexistent/camera 2>/dev/null").expect("the shell starts");
        assert_eq!(exec.next(PATIENCE).expect_err("none").code(), "ended");
    }
}
