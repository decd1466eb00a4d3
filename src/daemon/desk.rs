//! The socket on which people and programs of this machine ask.

use std::{
    fs::{self, File, TryLockError},
    io,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    sync::Arc,
    time::Duration,
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{UnixListener, UnixStream},
    sync::Semaphore,
};

use crate::{
    door::{Door, Session},
    office::Office,
    protocol::{self, Denied, Request},
};

/// So many ask at once; who comes later waits.
const MOST: usize = 64;
/// A connection on which nobody asks is closed after this: it keeps others out.
const SILENCE: Duration = Duration::from_secs(60);

/// So much of a request that is too long is taken before the connection is closed, in bytes.
const LONGEST_REST: u64 = 16 << 20;

/// The socket, and the lock that keeps others from taking its place.
pub(crate) struct Desk {
    pub(crate) listener: UnixListener,
    pub(crate) lock: File,
}

/// Opens the socket at `path`, for the own user and root alone. What a killed daemon left there is removed; another that lives
/// has the lock beside it.
pub(crate) fn open(path: &Path) -> io::Result<Desk> {
    let lock = File::create(path.with_extension("lock"))?;
    match lock.try_lock() {
        Ok(()) => (),
        Err(TryLockError::WouldBlock) => {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, "another daemon has this runtime folder"));
        }
        Err(TryLockError::Error(error)) => return Err(error),
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => (),
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(Desk { listener, lock })
}

/// Answers whoever asks, until it is dropped.
pub(crate) async fn serve(listener: UnixListener, office: Office, door: Arc<Door>) {
    let places = Arc::new(Semaphore::new(MOST));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors, for one: those that are open will close.
                tracing::warn!(%error, "cannot take a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (office, door) = (office.clone(), Arc::clone(&door));
        tokio::spawn(async move {
            if let Err(error) = talk(stream, &office, &door).await {
                tracing::debug!(%error, "a connection ended");
            }
            drop(place);
        });
    }
}

async fn talk(stream: UnixStream, office: &Office, door: &Door) -> io::Result<()> {
    let peer = stream.peer_cred()?.uid();
    let (input, mut output) = stream.into_split();
    if peer != 0 && peer != rustix::process::getuid().as_raw() {
        let denied = Denied::new(64, "only the user of the daemon and root may ask");
        return output.write_all(protocol::line(Err(denied)).as_bytes()).await;
    }
    let mut input = BufReader::new(input);
    let mut session = Session::default();
    loop {
        let mut line = Vec::new();
        let mut limited = (&mut input).take(protocol::LONGEST);
        let read = tokio::time::timeout(SILENCE, limited.read_until(b'\n', &mut line)).await;
        if read.is_err() || line.last() != Some(&b'\n') {
            if line.len() as u64 == protocol::LONGEST {
                let denied = Denied::new(64, format!("a request has at most {} bytes", protocol::LONGEST));
                output.write_all(protocol::line(Err(denied)).as_bytes()).await?;
                // Who is still writing hears the answer only when all of it is taken.
                let (mut rest, mut nowhere) = ((&mut input).take(LONGEST_REST), tokio::io::sink());
                drop(tokio::time::timeout(SILENCE, tokio::io::copy(&mut rest, &mut nowhere)).await);
            }
            return Ok(());
        }
        let answer = match serde_json::from_slice::<Request>(&line) {
            Ok(request) => answered(request, office, door, &mut session).await,
            // What serde says of it may quote it, and it may name a patient.
            Err(_) => Err(Denied::new(64, "this is no request")),
        };
        output.write_all(protocol::line(answer).as_bytes()).await?;
    }
}

async fn answered(request: Request, office: &Office, door: &Door, session: &mut Session) -> Result<Value, Denied> {
    let actor = door.actor(session, &request).await?;
    match request {
        Request::Login { role, pin } => door.login(session, role, pin).await,
        Request::SetPin { role, pin } => door.set_pin(role, pin, actor).await,
        request => office.done(request, actor).await,
    }
}
