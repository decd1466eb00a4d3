//! C-STORE, the side that receives (PS3.4 B, PS3.7 9.1.1, PS3.8): what arrives is written as it comes and answered when it is on
//! the disk. Nothing of it is parsed here but the series it is of, which [`crate::scan`] finds.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, BufRead as _, BufReader, BufWriter, Read, Seek as _, SeekFrom, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use dicom_dictionary_std::{tags, uids};
use dicom_ul::{
    Pdu,
    pdu::{PDataValue, PDataValueType},
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{CWD, RenameFlags, renameat_with},
    io::Errno,
};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::{
    acceptor::{Accepted, Agreed, Arrived, NoAssociation, Offer, Piece},
    dimse::{C_ECHO_RQ, C_STORE_RQ, Command, is_uid, status},
    object::meta,
    part10::EXPLICIT_VR_BIG_ENDIAN,
    scan::{Coding, value_of},
    tls::ServerTls,
};

/// What a receiver is.
#[derive(Debug, Clone)]
pub struct Receiving {
    /// What it is called: an association for another title is rejected (PS3.8 9.3.2).
    pub ae_title: String,
    /// Who may send, by calling AE title; anybody, if nobody is named.
    pub allowed: Vec<String>,
    /// Where files go, in a folder for each series: the device's own, nothing else is written to it.
    pub folder: PathBuf,
    /// More associations at once are turned away.
    pub most_associations: usize,
    /// How long a connection may take to ask for an association (the timer ARTIM, PS3.8 9.1.4).
    pub greeting: Duration,
    /// How long an association may say nothing.
    pub idle: Duration,
    /// How many bytes stay free on the disk.
    pub keep_free: u64,
    /// What connections are secured with; without it they are not.
    pub tls: Option<ServerTls>,
}

impl Receiving {
    /// A receiver with the usual limits.
    #[must_use]
    pub fn new(ae_title: &str, folder: &Path) -> Self {
        Self {
            ae_title: ae_title.to_owned(),
            allowed: Vec::new(),
            folder: folder.to_owned(),
            most_associations: 16,
            greeting: Duration::from_secs(10),
            idle: Duration::from_secs(30),
            keep_free: 256 << 20,
            tls: None,
        }
    }
}

/// What a receiver tells of. It has no names and no UIDs of anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Incident {
    /// An object is on the disk; whether it was not there before.
    Stored {
        /// It was not there before.
        is_new: bool,
    },
    /// An object was not taken.
    NotStored(NotStored),
    /// A connection got no association: too many at once, or not allowed.
    TurnedAway,
    /// An association or a connection ended otherwise than by its release.
    Broken,
}

/// Why an object was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotStored {
    /// The disk has no room for it.
    #[error("there is no room on the disk")]
    NoRoom,
    /// It cannot be written.
    #[error("it cannot be written")]
    Disk,
    /// It is larger than any scanner's.
    #[error("it is larger than any scanner's")]
    TooLarge,
    /// Its SOP Instance UID is no UID.
    #[error("its SOP Instance UID is no UID")]
    Uid,
    /// It does not say which series it is of, or its beginning is damaged.
    #[error("it does not say which series it is of")]
    NoSeries,
}

impl NotStored {
    const fn status(self) -> u16 {
        match self {
            Self::NoRoom | Self::Disk | Self::TooLarge => status::OUT_OF_RESOURCES,
            Self::Uid => status::INVALID_INSTANCE,
            Self::NoSeries => status::CANNOT_UNDERSTAND,
        }
    }
}

/// A larger object is not taken.
const MOST_BYTES: u64 = 2 << 30;
/// The longest command set: a dozen short elements.
const MOST_COMMAND: usize = 16_384;
/// So much of a data set is kept to find its series in.
const BEGINNING: usize = 256 << 10;
/// How often deadlines are looked at.
const LOOK: Duration = Duration::from_millis(200);
/// How many connections may wait to be accepted.
const BACKLOG: i32 = 1024;
/// Where files are until they are whole. Whoever watches a folder passes over hidden ones.
const UNFINISHED: &str = ".unfinished";

/// PS3.4 B.5: what a study may have in it. What is no CT is kept beside it.
const CLASSES: [&str; 22] = [
    uids::VERIFICATION,
    uids::CT_IMAGE_STORAGE,
    uids::ENHANCED_CT_IMAGE_STORAGE,
    uids::LEGACY_CONVERTED_ENHANCED_CT_IMAGE_STORAGE,
    uids::SECONDARY_CAPTURE_IMAGE_STORAGE,
    uids::MULTI_FRAME_GRAYSCALE_BYTE_SECONDARY_CAPTURE_IMAGE_STORAGE,
    uids::MULTI_FRAME_GRAYSCALE_WORD_SECONDARY_CAPTURE_IMAGE_STORAGE,
    uids::MULTI_FRAME_TRUE_COLOR_SECONDARY_CAPTURE_IMAGE_STORAGE,
    uids::BASIC_TEXT_SR_STORAGE,
    uids::ENHANCED_SR_STORAGE,
    uids::COMPREHENSIVE_SR_STORAGE,
    uids::COMPREHENSIVE3_DSR_STORAGE,
    uids::X_RAY_RADIATION_DOSE_SR_STORAGE,
    uids::KEY_OBJECT_SELECTION_DOCUMENT_STORAGE,
    uids::GRAYSCALE_SOFTCOPY_PRESENTATION_STATE_STORAGE,
    uids::SEGMENTATION_STORAGE,
    uids::ENCAPSULATED_PDF_STORAGE,
    uids::RT_STRUCTURE_SET_STORAGE,
    uids::POSITRON_EMISSION_TOMOGRAPHY_IMAGE_STORAGE,
    uids::MR_IMAGE_STORAGE,
    uids::DIGITAL_X_RAY_IMAGE_STORAGE_FOR_PRESENTATION,
    uids::RAW_DATA_STORAGE,
];

/// What is read afterwards. A sender that has another coding sends it uncompressed, which each of them can (PS3.5 10.1).
const TRANSFER_SYNTAXES: &[&str] = &[
    uids::EXPLICIT_VR_LITTLE_ENDIAN,
    uids::IMPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    uids::JPEG_LOSSLESS_SV1,
    uids::JPEG_LOSSLESS,
    #[cfg(feature = "jpeg-ls")]
    uids::JPEGLS_LOSSLESS,
    #[cfg(feature = "jpeg-ls")]
    uids::JPEGLS_NEAR_LOSSLESS,
    uids::JPEG2000_LOSSLESS,
    uids::JPEG2000,
    uids::RLE_LOSSLESS,
];

/// A receiver that listens.
#[derive(Debug)]
pub struct Receiver {
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    settings: Receiving,
    began: Instant,
    /// The number of the next unfinished file.
    next: AtomicU64,
}

/// A connection as the one who watches the clock sees it.
#[derive(Debug)]
struct Watched {
    stream: TcpStream,
    /// When it is cut, in ms since the receiver began.
    until_ms: AtomicU64,
}

impl Receiver {
    /// Listens, and removes what an earlier receiver left unfinished.
    ///
    /// # Errors
    /// If the address cannot be listened on, the folder not be written to, or the files of TLS not be used.
    pub fn bind(address: impl ToSocketAddrs, settings: Receiving) -> io::Result<Self> {
        let tls = settings.tls.as_ref().map(ServerTls::configuration).transpose().map_err(io::Error::other)?;
        let unfinished = settings.folder.join(UNFINISHED);
        match fs::remove_dir_all(&unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => fs::create_dir_all(&unfinished)?,
        }
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        // A crowd that says nothing must not keep out who has something to say: the usual 128 are soon full.
        rustix::net::listen(&listener, BACKLOG)?;
        Ok(Self { listener, tls, settings, began: Instant::now(), next: AtomicU64::new(0) })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// If the system does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Receives until it is to stop; then associations are cut, and what was answered is on the disk.
    ///
    /// # Errors
    /// If the listener fails.
    pub fn serve(&self, stopping: &AtomicBool, tell: &(dyn Fn(Incident) + Sync)) -> io::Result<()> {
        let open: Mutex<BTreeMap<u64, Arc<Watched>>> = Mutex::new(BTreeMap::new());
        let open = || open.lock().unwrap_or_else(PoisonError::into_inner);
        let timeout = Timespec::try_from(LOOK).map_err(io::Error::other)?;
        let mut number = 0;
        thread::scope(|scope| {
            let served = loop {
                let now = self.now_ms();
                open().values().filter(|watched| watched.until_ms.load(Ordering::Relaxed) < now).for_each(cut);
                if stopping.load(Ordering::Relaxed) {
                    break Ok(());
                }
                let mut listening = [PollFd::new(&self.listener, PollFlags::IN)];
                match poll(&mut listening, Some(&timeout)) {
                    Ok(_) | Err(Errno::INTR) => {}
                    Err(error) => break Err(error.into()),
                }
                // All who wait, but no more than it takes to look at the clock again.
                let mut accepted = Ok(());
                for _ in 0..BACKLOG {
                    let stream = match self.listener.accept() {
                        Ok((stream, _)) => stream,
                        Err(error) => {
                            accepted = waited_out(error);
                            break;
                        }
                    };
                    if open().len() >= self.settings.most_associations {
                        turn_away(&stream);
                        tell(Incident::TurnedAway);
                        continue;
                    }
                    let until_ms = AtomicU64::new(self.deadline(self.settings.greeting));
                    let watched = stream.set_nonblocking(false).and_then(|()| stream.try_clone());
                    let Ok(watched) = watched.map(|stream| Arc::new(Watched { stream, until_ms })) else { continue };
                    number += 1;
                    let at = number;
                    open().insert(at, Arc::clone(&watched));
                    let open = &open;
                    let thread = thread::Builder::new().name("association".to_owned());
                    let spawned = thread.spawn_scoped(scope, move || {
                        if let Some(incident) = self.associate(stream, &watched, tell) {
                            tell(incident);
                        }
                        open().remove(&at);
                    });
                    if spawned.is_err() {
                        open().remove(&at);
                        tell(Incident::TurnedAway);
                    }
                }
                if let Err(error) = accepted {
                    break Err(error);
                }
            };
            open().values().for_each(cut);
            served
        })
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn deadline(&self, from_now: Duration) -> u64 {
        self.now_ms().saturating_add(u64::try_from(from_now.as_millis()).unwrap_or(u64::MAX))
    }

    /// A connection from its beginning to its end; how it ended, if not as it should.
    fn associate(&self, stream: TcpStream, watched: &Watched, tell: &(dyn Fn(Incident) + Sync)) -> Option<Incident> {
        // Each answer is small and waited for; and nobody waits for ever who does not take it.
        drop(stream.set_nodelay(true));
        drop(stream.set_write_timeout(Some(self.settings.idle)));
        match &self.tls {
            None => self.converse(stream, watched, tell),
            Some(tls) => {
                let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(tls)).ok()?, stream);
                if stream.conn.complete_io(&mut stream.sock).is_err() {
                    return Some(Incident::TurnedAway);
                }
                let ended = self.converse(&mut stream, watched, tell);
                stream.conn.send_close_notify();
                // Whoever has hung up needs no goodbye.
                drop(stream.flush());
                ended
            }
        }
    }

    /// An association from its beginning to its end.
    fn converse(
        &self,
        stream: impl Read + Write,
        watched: &Watched,
        tell: &(dyn Fn(Incident) + Sync),
    ) -> Option<Incident> {
        let offer = Offer {
            ae_title: &self.settings.ae_title,
            allowed: &self.settings.allowed,
            abstract_syntaxes: &CLASSES,
            transfer_syntaxes: TRANSFER_SYNTAXES,
        };
        let mut association = match Accepted::negotiate(stream, &offer) {
            Ok(association) => association,
            Err(NoAssociation::Rejected) => return Some(Incident::TurnedAway),
            Err(NoAssociation::Broken) => return Some(Incident::Broken),
        };
        let mut message = Message::default();
        loop {
            watched.until_ms.store(self.deadline(self.settings.idle), Ordering::Relaxed);
            let Ok((agreed, arrived)) = association.receive() else { return Some(Incident::Broken) };
            let answers = match arrived {
                Arrived::Data(pieces) => {
                    let answers = pieces.into_iter().map(|piece| self.take(&mut message, piece, agreed, tell));
                    answers.collect::<Option<Vec<_>>>()
                }
                Arrived::Release => {
                    drop(association.send(&Pdu::ReleaseRP));
                    return None;
                }
                Arrived::Abort => return Some(Incident::Broken),
                Arrived::Other => None,
            };
            let Some(answers) = answers else {
                association.abort();
                return Some(Incident::Broken);
            };
            for answer in answers.iter().flatten() {
                if association.send(answer).is_err() {
                    return Some(Incident::Broken);
                }
            }
        }
    }

    /// Takes a piece of a message: nothing, if it makes no sense; else the answer, if the message is whole.
    fn take(
        &self,
        message: &mut Message,
        Piece { context, is_command, is_last, data }: Piece<'_>,
        agreed: &Agreed,
        tell: &(dyn Fn(Incident) + Sync),
    ) -> Option<Option<Pdu>> {
        let answer = |command: &Command, status| {
            let data = command.response(status).bytes();
            let value = PDataValue {
                presentation_context_id: context,
                value_type: PDataValueType::Command,
                is_last: true,
                data,
            };
            Some(Some(Pdu::PData { data: vec![value] }))
        };
        match (is_command, message.object.as_mut()) {
            (true, None) => {
                message.command.extend_from_slice(data);
                if message.command.len() > MOST_COMMAND {
                    return None;
                }
                if !is_last {
                    return Some(None);
                }
                let command = Command::read(&std::mem::take(&mut message.command))?;
                let transfer_syntax = agreed.transfer_syntax(context)?;
                match command.number(tags::COMMAND_FIELD)? {
                    C_ECHO_RQ => answer(&command, status::SUCCESS),
                    C_STORE_RQ if command.has_data_set() => {
                        let begun = self.begin(&command, transfer_syntax, &agreed.peer);
                        message.object = Some((context, command, begun));
                        Some(None)
                    }
                    _ if command.has_data_set() => None,
                    _ => answer(&command, status::UNRECOGNISED_OPERATION),
                }
            }
            (false, Some((of, _, object))) if *of == context => {
                if let Ok(incoming) = object
                    && let Err(why) = incoming.extend(data, is_last)
                {
                    *object = Err(why);
                }
                if !is_last {
                    return Some(None);
                }
                let (_, command, object) = message.object.take()?;
                match object.and_then(|incoming| self.finish(incoming)) {
                    Ok(is_new) => {
                        tell(Incident::Stored { is_new });
                        answer(&command, status::SUCCESS)
                    }
                    Err(why) => {
                        tell(Incident::NotStored(why));
                        answer(&command, why.status())
                    }
                }
            }
            _ => None,
        }
    }

    /// Begins the file of an object.
    fn begin(&self, command: &Command, transfer_syntax: &str, from: &str) -> Result<Incoming, NotStored> {
        let text = |tag| command.text(tag).unwrap_or_default().to_owned();
        let (class, instance) = (text(tags::AFFECTED_SOP_CLASS_UID), text(tags::AFFECTED_SOP_INSTANCE_UID));
        if !is_uid(&instance) || !is_uid(&class) {
            return Err(NotStored::Uid);
        }
        let free = rustix::fs::statvfs(&self.settings.folder).map_err(|_| NotStored::Disk)?;
        if free.f_bavail.saturating_mul(free.f_frsize) < self.settings.keep_free {
            return Err(NotStored::NoRoom);
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let path = self.settings.folder.join(UNFINISHED).join(number.to_string());
        let file = File::create(&path).map_err(|error| of_disk(&error))?;
        // Whoever reads it may be another user of the same group, and nobody else.
        file.set_permissions(fs::Permissions::from_mode(0o640)).map_err(|_| NotStored::Disk)?;
        let mut file = BufWriter::with_capacity(1 << 16, file);
        let unfinished = Unfinished { path, is_there: true };
        let meta = file_meta(&class, &instance, transfer_syntax, from).ok_or(NotStored::Uid)?;
        file.write_all(&meta).map_err(|error| of_disk(&error))?;
        let coding = Coding {
            explicit: transfer_syntax != uids::IMPLICIT_VR_LITTLE_ENDIAN,
            big_endian: transfer_syntax == EXPLICIT_VR_BIG_ENDIAN,
        };
        let series = Series::Sought { beginning: Vec::new(), coding, again_at: 4096 };
        Ok(Incoming { file, unfinished, instance, series, bytes: 0 })
    }

    /// Puts a whole object in its place; whether it was not there before.
    fn finish(&self, incoming: Incoming) -> Result<bool, NotStored> {
        let Incoming { file, mut unfinished, instance, series, .. } = incoming;
        let Series::Found(series) = series else { return Err(NotStored::NoSeries) };
        let file = file.into_inner().map_err(|error| of_disk(error.error()))?;
        let folder = self.settings.folder.join(series);
        place(&mut unfinished, &file, &folder, &instance).map_err(|error| of_disk(&error))
    }
}

/// Puts an unfinished file into its folder under a name that no other picture has, durably.
///
/// The name is given before the bytes are on the disk, so that one commit of the file system's journal takes both: where power fails
/// between, a beginning of the file may stand there, or none of it. It was not answered then and will be sent again, and a file
/// gives way to one that begins with it.
fn place(unfinished: &mut Unfinished, file: &File, folder: &Path, instance: &str) -> io::Result<bool> {
    if !folder.is_dir() {
        fs::create_dir_all(folder)?;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o2750))?;
        if let Some(parent) = folder.parent() {
            File::open(parent)?.sync_all()?;
        }
    }
    // One UID on two different objects is left for the checks of the series to find: neither replaces the other.
    for copy in 1.. {
        let name = if copy == 1 { format!("{instance}.dcm") } else { format!("{instance}-{copy}.dcm") };
        let path = folder.join(name);
        let is_free = match renameat_with(CWD, &unfinished.path, CWD, &path, RenameFlags::NOREPLACE) {
            Ok(()) => {
                unfinished.is_there = false;
                true
            }
            Err(Errno::EXIST) => false,
            // Some file systems of networks cannot: there a link is as good.
            Err(Errno::INVAL | Errno::NOSYS) => match fs::hard_link(&unfinished.path, &path) {
                Ok(()) => true,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
                Err(error) => return Err(error),
            },
            Err(error) => return Err(error.into()),
        };
        let likeness = if is_free { Likeness::Beginning } else { likeness(&path, &unfinished.path)? };
        match likeness {
            Likeness::Other => continue,
            Likeness::Beginning => {
                if !is_free {
                    fs::rename(&unfinished.path, &path)?;
                    unfinished.is_there = false;
                }
                if let Err(error) = file.sync_all() {
                    // What is not on the disk has no name; if that fails as well, it gives way when it is sent again.
                    drop(fs::remove_file(&path));
                    return Err(error);
                }
            }
            // It may have come at the same moment by another way, which has not got so far.
            Likeness::Same => File::open(&path)?.sync_all()?,
        }
        File::open(folder)?.sync_all()?;
        return Ok(likeness == Likeness::Beginning);
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// What a file that was received is to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Likeness {
    /// The same object, but for who sent it.
    Same,
    /// A beginning of it, or nothing.
    Beginning,
    /// Another object.
    Other,
}

fn likeness(there: &Path, new: &Path) -> io::Result<Likeness> {
    let (mut there, mut new) = (data_set(there)?, data_set(new)?);
    loop {
        let (old, fresh) = (there.fill_buf()?, new.fill_buf()?);
        if old.is_empty() {
            return Ok(if fresh.is_empty() { Likeness::Same } else { Likeness::Beginning });
        }
        let length = old.len().min(fresh.len());
        if length == 0 || old[..length] != fresh[..length] {
            return Ok(Likeness::Other);
        }
        there.consume(length);
        new.consume(length);
    }
}

/// The data set of a file that was received; of one that ends within its File Meta Information there is none.
fn data_set(path: &Path) -> io::Result<BufReader<File>> {
    let mut file = File::open(path)?;
    let mut head = Vec::new();
    Read::by_ref(&mut file).take(144).read_to_end(&mut head)?;
    let length = head.get(140..).and_then(|bytes| bytes.first_chunk::<4>());
    file.seek(match length {
        Some(length) => SeekFrom::Start(144 + u64::from(u32::from_le_bytes(*length))),
        None => SeekFrom::End(0),
    })?;
    Ok(BufReader::with_capacity(1 << 16, file))
}

fn of_disk(error: &io::Error) -> NotStored {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => NotStored::NoRoom,
        _ => NotStored::Disk,
    }
}

/// A message of which not all has come.
#[derive(Default)]
struct Message {
    command: Vec<u8>,
    /// The context and command of an object, and what has come of it, or why it is not taken: the rest is listened to.
    object: Option<(u8, Command, Result<Incoming, NotStored>)>,
}

/// An object of which not all has come.
struct Incoming {
    file: BufWriter<File>,
    unfinished: Unfinished,
    instance: String,
    series: Series,
    bytes: u64,
}

/// Which series an object is of.
enum Series {
    /// It has not been said yet in the beginning that has come, and is looked for again at a length.
    Sought {
        beginning: Vec<u8>,
        coding: Coding,
        again_at: usize,
    },
    Found(String),
    /// It is not said.
    Missing,
}

impl Incoming {
    fn extend(&mut self, data: &[u8], is_last: bool) -> Result<(), NotStored> {
        self.bytes += data.len() as u64;
        if self.bytes > MOST_BYTES {
            return Err(NotStored::TooLarge);
        }
        self.series.extend(data, is_last);
        self.file.write_all(data).map_err(|error| of_disk(&error))
    }
}

impl Series {
    fn extend(&mut self, data: &[u8], is_last: bool) {
        let Self::Sought { beginning, coding, again_at } = self else { return };
        let wanted = BEGINNING.saturating_sub(beginning.len()).min(data.len());
        beginning.extend_from_slice(&data[..wanted]);
        let is_all = is_last || beginning.len() == BEGINNING;
        // At twice the length each time: whoever sends byte by byte does not make it a long search.
        if !is_all && beginning.len() < *again_at {
            return;
        }
        *again_at = 2 * beginning.len();
        let found =
            value_of(beginning, *coding, tags::SERIES_INSTANCE_UID).and_then(|value| String::from_utf8(value).ok());
        match found.map(|uid| uid.trim_end_matches(['\0', ' ']).to_owned()).filter(|uid| is_uid(uid)) {
            Some(uid) => *self = Self::Found(uid),
            None if is_all => *self = Self::Missing,
            None => {}
        }
    }
}

/// A file that is removed unless it got another name.
struct Unfinished {
    path: PathBuf,
    is_there: bool,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if self.is_there {
            // If it cannot be removed, the next start does.
            drop(fs::remove_file(&self.path));
        }
    }
}

/// Preamble and File Meta Information (PS3.10 7.1), or nothing if it cannot be written.
fn file_meta(class: &str, instance: &str, transfer_syntax: &str, from: &str) -> Option<Vec<u8>> {
    let meta = meta(transfer_syntax)
        .media_storage_sop_class_uid(class)
        .media_storage_sop_instance_uid(instance)
        .source_application_entity_title(from);
    let mut bytes = vec![0; 128];
    bytes.extend(b"DICM");
    meta.build().ok()?.write(&mut bytes).ok()?;
    Some(bytes)
}

fn cut(watched: &Arc<Watched>) {
    // An association that is gone already cannot be cut.
    drop(watched.stream.shutdown(Shutdown::Both));
}

/// What a listener says of nobody there, of a connection that is gone, and of too little of something, which is waited for.
fn waited_out(error: io::Error) -> io::Result<()> {
    match Errno::from_io_error(&error) {
        Some(Errno::AGAIN | Errno::INTR | Errno::CONNABORTED) => Ok(()),
        Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
            thread::sleep(LOOK);
            Ok(())
        }
        _ => Err(error),
    }
}

/// PS3.8 9.3.4: rejected transiently by the service provider, local limit exceeded.
fn turn_away(mut stream: &TcpStream) {
    // It is told if it listens; nobody waits for it.
    drop(stream.set_nonblocking(true));
    drop(stream.write(&[0x03, 0, 0, 0, 0, 4, 0, 2, 3, 2]));
}
