//! Outside bytes are parsed in a process of its own, with limits: what kills it kills nothing else.
//!
//! The process gets one line of JSON, an [`Order`], and answers with lines of JSON, [`Said`], of which items are followed by
//! their bytes. It may read what it was told to read and nothing else, make no connection, start no program, and has so
//! much memory and time.

use std::{
    io::{self, BufRead as _, Read as _, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use hilum_domain::MicronsPerPixel;
use hilum_imaging::slide::Field;
use hilum_intake::{
    KeptCt, NotOne, Rejection, SeriesLabel, Unreadable, field_files, field_from_bytes, picture_to_bytes, volume_or_what,
};
use rustix::process::{Signal, set_parent_process_death_signal};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::UnixStream,
    process::Command,
};

use crate::{
    protocol::Denied,
    sandbox::{self, Enforced},
};

/// A line of the reader's is no longer than this.
const LONGEST_LINE: u64 = 16_384;
/// More series than this in one export are not told apart.
const MOST_SERIES: usize = 200;
/// The longest description of a series, in characters (LO: PS3.5 6.2).
const LONGEST_TEXT: usize = 64;

/// What a reader may use.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// Bytes of memory.
    pub(crate) memory: u64,
    /// Time by the clock on the wall.
    pub(crate) time: Duration,
    /// A socket whose connections are answered by a reader each; without it they are started here.
    pub(crate) socket: Option<PathBuf>,
}

/// What is to be read.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub(crate) enum What {
    /// The one CT series at a path, or that of several which is named.
    Ct {
        #[serde(with = "written::one")]
        path: PathBuf,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        series: Option<String>,
    },
    /// The images at paths.
    Fields {
        #[serde(with = "written::all")]
        paths: Vec<PathBuf>,
        um_per_px: Option<f64>,
    },
}

/// A path in an order: a text where it is one, else its bytes. Names on a share are in whatever letters its writer used.
mod written {
    use std::{
        ffi::OsString,
        os::unix::ffi::{OsStrExt as _, OsStringExt as _},
        path::{Path, PathBuf},
    };

    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Written {
        Text(String),
        Bytes(Vec<u8>),
    }

    impl From<&Path> for Written {
        fn from(path: &Path) -> Self {
            path.to_str()
                .map_or_else(|| Self::Bytes(path.as_os_str().as_bytes().to_vec()), |text| Self::Text(text.into()))
        }
    }

    impl From<Written> for PathBuf {
        fn from(written: Written) -> Self {
            match written {
                Written::Text(text) => text.into(),
                Written::Bytes(bytes) => OsString::from_vec(bytes).into(),
            }
        }
    }

    pub(super) mod one {
        use super::*;

        pub(in super::super) fn serialize<S: serde::Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
            Written::from(path).serialize(to)
        }

        pub(in super::super) fn deserialize<'de, D: serde::Deserializer<'de>>(from: D) -> Result<PathBuf, D::Error> {
            Written::deserialize(from).map(PathBuf::from)
        }
    }

    pub(super) mod all {
        use super::*;

        pub(in super::super) fn serialize<S: serde::Serializer>(paths: &[PathBuf], to: S) -> Result<S::Ok, S::Error> {
            to.collect_seq(paths.iter().map(|path| Written::from(path.as_path())))
        }

        pub(in super::super) fn deserialize<'de, D: serde::Deserializer<'de>>(
            from: D,
        ) -> Result<Vec<PathBuf>, D::Error> {
            Ok(Vec::<Written>::deserialize(from)?.into_iter().map(PathBuf::from).collect())
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Order {
    what: What,
    memory: u64,
    time_s: u64,
}

/// What the reader says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
enum Said {
    /// How it is confined.
    Confined(Enforced),
    /// A volume, `bytes` long, follows, and after it whose study it is of, `source` bytes long.
    Ct { bytes: u64, source: u64, patient_id: String, series: String, study_date: Option<String>, slices: u64 },
    /// A picture, `bytes` long, follows.
    Field { bytes: u64, um_per_px: Option<f64>, colour: bool },
    /// A series, one of several that make a volume each.
    Series { uid: String, patient_id: String, series: String, study_date: Option<String>, slices: u64 },
    /// That was all.
    Done,
    /// It can be read and must not be scored; whose it is where that is known.
    Refused { code: String, message: String, next_step: String, patient_id: Option<String> },
    /// It cannot be read.
    Unreadable { message: String },
}

/// What a CT says of itself.
#[derive(Clone, PartialEq, Eq, Default)]
pub(crate) struct Label {
    pub(crate) patient_id: String,
    /// What the scanner calls the series.
    pub(crate) series: String,
    /// As in 2026-11-01; nothing where the scanner did not say it.
    pub(crate) study_date: Option<String>,
    pub(crate) slices: u64,
}

impl std::fmt::Debug for Label {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Label(…)")
    }
}

/// One of several series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Apart {
    /// Series Instance UID.
    pub(crate) uid: String,
    pub(crate) label: Label,
}

/// Something that was read.
#[derive(Debug)]
pub(crate) enum Item {
    /// A volume as it is kept, whose study it is of, and what it says of itself.
    Ct { bytes: Vec<u8>, source: Vec<u8>, label: Label },
    /// A picture as it is kept.
    Field { bytes: Vec<u8>, scale: Option<MicronsPerPixel>, colour: bool },
}

impl Item {
    /// The field that it is, decoded, if it is one.
    pub(crate) fn field(self) -> Option<Field> {
        match self {
            Self::Field { bytes, scale, colour } => field_from_bytes(&bytes, scale, colour).ok(),
            Self::Ct { .. } => None,
        }
    }
}

/// Why nothing was read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotRead {
    /// It can be read and must not be scored; whose it is where that is known.
    #[error("{message}; {next_step}")]
    Refused { code: String, message: String, next_step: String, patient_id: Option<String> },
    /// It is not one CT but several, each of which can be read by itself.
    #[error("{} CT series lie there: give the folder of one", .0.len())]
    Several(Vec<Apart>),
    /// It cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// The reader died or had to be killed.
    #[error("the reader of this input {0}")]
    Died(&'static str),
    /// No reader could be started.
    #[error("cannot start a reader")]
    Start(#[source] io::Error),
    /// It killed its reader too often.
    #[error("this input killed its reader twice: it is set aside and not read again")]
    SetAside,
    /// There is no room for it.
    #[error("{0}")]
    NoRoom(String),
    /// It was not come to.
    #[error("{}", .0.why)]
    Denied(Denied),
}

impl NotRead {
    /// What kind of "no" it is: for logs, which have nothing of the input's own words.
    pub(crate) fn kind(&self) -> &str {
        match self {
            Self::Refused { code, .. } => code,
            Self::Several(_) => "several series",
            Self::Unreadable(_) => "unreadable",
            Self::Died(how) => how,
            Self::Start(_) => "no reader",
            Self::SetAside => "set aside",
            Self::NoRoom(_) => "no room",
            Self::Denied(_) => "denied",
        }
    }

    /// The same as a code, for those that are counted.
    pub(crate) fn code(&self) -> &str {
        match self {
            Self::Refused { code, .. } => code,
            Self::Several(_) => "several-series",
            Self::Unreadable(_) => "unreadable",
            Self::Died(_) => "reader-died",
            Self::SetAside => "set-aside",
            Self::Start(_) | Self::NoRoom(_) | Self::Denied(_) => "device",
        }
    }
}

/// Has something read in a process of its own.
pub(crate) async fn read(what: What, limits: &Limits) -> Result<(Vec<Item>, Enforced), NotRead> {
    let order = Order { what, memory: limits.memory, time_s: limits.time.as_secs().max(1) };
    let mut line = serde_json::to_string(&order).map_err(|error| NotRead::Start(error.into()))?;
    line.push('\n');
    let heard = async {
        if let Some(socket) = &limits.socket {
            let mut stream = UnixStream::connect(socket).await.map_err(NotRead::Start)?;
            stream.write_all(line.as_bytes()).await.map_err(NotRead::Start)?;
            return heard(&mut BufReader::new(stream), limits.memory).await;
        }
        let program = std::env::current_exe().map_err(NotRead::Start)?;
        let mut child = Command::new(program)
            .arg("worker")
            .env_clear()
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(NotRead::Start)?;
        let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(NotRead::Start(io::ErrorKind::BrokenPipe.into()));
        };
        input.write_all(line.as_bytes()).await.map_err(NotRead::Start)?;
        let heard = heard(&mut BufReader::new(output), limits.memory).await;
        drop(input);
        // It is gone or as good as gone: nobody listens to it any more.
        child.kill().await.map_err(NotRead::Start)?;
        heard
    };
    // Whatever still runs after this is killed when it is dropped; a stopped process, too.
    tokio::time::timeout(limits.time, heard).await.unwrap_or(Err(NotRead::Died("took too long and was stopped")))
}

async fn heard(output: &mut (impl AsyncBufRead + Unpin), most: u64) -> Result<(Vec<Item>, Enforced), NotRead> {
    const DIED: NotRead = NotRead::Died("died: it may be damaged, or larger than this device can read");
    const NONSENSE: NotRead = NotRead::Died("said what makes no sense");
    let (mut items, mut apart) = (Vec::new(), Vec::new());
    let mut enforced = None;
    let mut left = most;
    loop {
        let mut line = Vec::new();
        let read = (&mut *output).take(LONGEST_LINE).read_until(b'\n', &mut line).await;
        let length = match read {
            // It never began: too many are at work, or it is not there. The input is not to blame.
            Ok(0) if enforced.is_none() => return Err(NotRead::Start(io::ErrorKind::ConnectionAborted.into())),
            Err(error) if enforced.is_none() => return Err(NotRead::Start(error)),
            Ok(length) => length,
            Err(_) => return Err(DIED),
        };
        if length == 0 || line.last() != Some(&b'\n') {
            return Err(DIED);
        }
        let said: Said = serde_json::from_slice(&line).map_err(|_| NONSENSE)?;
        let (Said::Ct { bytes: length, .. } | Said::Field { bytes: length, .. }) = said else {
            match said {
                Said::Confined(how) => enforced = Some(how),
                Said::Series { .. } if apart.len() == MOST_SERIES => return Err(NONSENSE),
                Said::Series { uid, patient_id, series, study_date, slices } => {
                    apart.push(Apart { uid, label: Label { patient_id, series, study_date, slices } });
                }
                Said::Refused { .. } | Said::Unreadable { .. } if !apart.is_empty() => {
                    return Err(NotRead::Several(apart));
                }
                Said::Done => return Ok((items, enforced.unwrap_or_default())),
                Said::Refused { code, message, next_step, patient_id } => {
                    return Err(NotRead::Refused { code, message, next_step, patient_id });
                }
                Said::Unreadable { message } => return Err(NotRead::Unreadable(message)),
                Said::Ct { .. } | Said::Field { .. } => {}
            }
            continue;
        };
        let behind = if let Said::Ct { source, .. } = said { source } else { 0 };
        let length = length.checked_add(behind).ok_or(NONSENSE)?;
        left = left.checked_sub(length).ok_or(NONSENSE)?;
        let mut bytes = Vec::new();
        let got = (&mut *output).take(length).read_to_end(&mut bytes).await.map_err(|_| DIED)?;
        if u64::try_from(got).ok() != Some(length) {
            return Err(DIED);
        }
        match said {
            Said::Ct { patient_id, series, study_date, slices, .. } => {
                let at =
                    usize::try_from(behind).ok().and_then(|behind| bytes.len().checked_sub(behind)).ok_or(NONSENSE)?;
                let source = bytes.split_off(at);
                items.push(Item::Ct { bytes, source, label: Label { patient_id, series, study_date, slices } });
            }
            Said::Field { um_per_px, colour, .. } => {
                let scale = um_per_px.map(|um| MicronsPerPixel::new(um).ok_or(NONSENSE)).transpose()?;
                items.push(Item::Field { bytes, scale, colour });
            }
            _ => {}
        }
    }
}

/// The reader itself: `hilum worker`. Reads its order from standard input and answers on standard output.
///
/// # Errors
/// If it was not asked properly, or nobody listens.
pub fn worker() -> anyhow::Result<()> {
    // A read that hangs must not outlive a daemon that was killed.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let mut line = String::new();
    io::stdin().lock().take(LONGEST_LINE * 4).read_line(&mut line)?;
    let order: Order = serde_json::from_str(&line)?;
    let paths: Vec<&Path> = match &order.what {
        What::Ct { path, .. } => vec![path],
        What::Fields { paths, .. } => paths.iter().map(PathBuf::as_path).collect(),
    };
    let enforced = sandbox::confine(&paths, order.memory, order.time_s);
    let mut out = io::stdout().lock();
    say(&mut out, &Said::Confined(enforced), &[])?;
    let end = match order.what {
        What::Ct { path, series } => ct(&path, series.as_deref(), &mut out)?,
        What::Fields { paths, um_per_px } => fields(&paths, um_per_px, &mut out)?,
    };
    say(&mut out, &end, &[])
}

fn ct(path: &Path, series: Option<&str>, out: &mut impl Write) -> anyhow::Result<Said> {
    let study = match volume_or_what(path, series) {
        Ok(study) => study,
        Err(not_one) => {
            let NotOne { rejection, patient_id, series } = *not_one;
            for SeriesLabel { uid, patient_id, description, study_date, slices } in series.into_iter().take(MOST_SERIES)
            {
                let (series, slices) = (shortened(&description), slices as u64);
                say(out, &Said::Series { uid, patient_id, series, study_date, slices }, &[])?;
            }
            return Ok(match rejection {
                Rejection::Refused(refusal) => Said::Refused {
                    code: refusal.code.code().to_owned(),
                    next_step: refusal.code.next_step().to_owned(),
                    message: refusal.message,
                    patient_id,
                },
                Rejection::Unreadable(error) => unreadable(error),
            });
        }
    };
    let (study_date, slices) = (study.study_date.clone(), study.volume.grid().size[2] as u64);
    let series = shortened(&study.description);
    let source = study.origin.to_bytes(&hilum_dicom::uid(&study.series_uid, "origin"))?;
    let kept = KeptCt::of(study);
    let bytes = kept.to_bytes()?;
    let (length, behind) = (bytes.len() as u64, source.len() as u64);
    let said = Said::Ct { bytes: length, source: behind, patient_id: kept.patient_id, series, study_date, slices };
    say(out, &said, &bytes)?;
    out.write_all(&source)?;
    Ok(Said::Done)
}

fn shortened(text: &str) -> String {
    text.chars().take(LONGEST_TEXT).collect()
}

fn fields(paths: &[PathBuf], um_per_px: Option<f64>, out: &mut impl Write) -> anyhow::Result<Said> {
    let files = match field_files(paths) {
        Ok(files) => files,
        Err(error) => return Ok(unreadable(error)),
    };
    for file in files {
        let field = match file.read(um_per_px.and_then(MicronsPerPixel::new)) {
            Ok(field) => field,
            Err(error) => return Ok(unreadable(error)),
        };
        let bytes = picture_to_bytes(&field.image)?;
        let um_per_px = field.scale.map(MicronsPerPixel::um);
        let said = Said::Field { bytes: bytes.len() as u64, um_per_px, colour: field.colour_file };
        say(out, &said, &bytes)?;
    }
    Ok(Said::Done)
}

fn unreadable(error: Unreadable) -> Said {
    Said::Unreadable { message: format!("{:#}", anyhow::Error::from(error)) }
}

fn say(out: &mut impl Write, said: &Said, bytes: &[u8]) -> anyhow::Result<()> {
    serde_json::to_writer(&mut *out, said)?;
    out.write_all(b"\n")?;
    out.write_all(bytes)?;
    out.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};

    use super::*;

    #[test]
    fn a_path_of_any_bytes_comes_through() {
        let odd = PathBuf::from(OsStr::from_bytes(b"/srv/M\xfcller"));
        for (path, line) in [
            (PathBuf::from("/srv/M\u{fc}ller"), "{\"ct\":{\"path\":\"/srv/M\u{fc}ller\"}}"),
            (odd, r#"{"ct":{"path":[47,115,114,118,47,77,252,108,108,101,114]}}"#),
        ] {
            let what = What::Ct { path: path.clone(), series: None };
            assert_eq!(serde_json::to_string(&what).expect("JSON"), line);
            assert!(matches!(serde_json::from_str(line), Ok(What::Ct { path: read, series: None }) if read == path));
            let what =
                serde_json::to_string(&What::Fields { paths: vec![path.clone()], um_per_px: None }).expect("JSON");
            assert!(matches!(serde_json::from_str(&what), Ok(What::Fields { paths, .. }) if paths == [path]));
        }
    }

    /// What a reader that has been taken over may say to the daemon.
    // verifies: REQ-INPUT-01
    #[test]
    fn fuzz_protocol() {
        let line = |said: &Said, bytes: &[u8]| {
            let mut out = Vec::new();
            say(&mut out, said, bytes).expect("in memory");
            out
        };
        let confined = line(&Said::Confined(Enforced::default()), &[]);
        let label = |bytes: u64| Said::Ct {
            bytes,
            source: bytes.min(1),
            patient_id: "4711".into(),
            series: "thorax".into(),
            study_date: Some("2026-11-01".into()),
            slices: 3,
        };
        let field = Said::Field { bytes: 3, um_per_px: Some(0.5), colour: true };
        let series = Said::Series {
            uid: "2.25.1".into(),
            patient_id: "4711".into(),
            series: String::new(),
            study_date: None,
            slices: 9,
        };
        let refused = Said::Refused {
            code: "missing-slice".into(),
            message: "1 slice is missing".into(),
            next_step: "export it again".into(),
            patient_id: None,
        };
        let done = line(&Said::Done, &[]);
        let seeds = vec![
            [&confined[..], &line(&label(4), b"abcde"), &done].concat(),
            [&confined[..], &line(&field, b"png"), &line(&field, b"png"), &done].concat(),
            [&confined[..], &line(&series, &[]), &line(&series, &[]), &line(&refused, &[])].concat(),
            [&confined[..], &line(&Said::Unreadable { message: "it is empty".into() }, &[])].concat(),
            [&confined[..], &line(&label(u64::MAX), b"abcd"), &done].concat(),
        ];
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        const MOST: u64 = 1 << 20;
        hilum_fuzz::fuzz("protocol", seeds, |bytes| match runtime.block_on(heard(&mut BufReader::new(bytes), MOST)) {
            Ok((items, _)) => {
                let held = |item: &Item| match item {
                    Item::Ct { bytes, .. } | Item::Field { bytes, .. } => bytes.len() as u64,
                };
                assert!(items.iter().map(held).sum::<u64>() <= MOST);
                format!("{} items", items.len().min(9))
            }
            Err(NotRead::Several(series)) => format!("{} series", series.len().min(9)),
            Err(NotRead::Refused { .. }) => "refused".to_owned(),
            Err(NotRead::Unreadable(_)) => "unreadable".to_owned(),
            Err(not) => not.to_string(),
        });
    }
}
