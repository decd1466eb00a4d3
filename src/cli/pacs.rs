//! `hilum ct receive` and `hilum ct send`: the device's side of a PACS, alone.

use std::{
    fs,
    path::PathBuf,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use hilum_config::{ae_title, archive};
use hilum_dicom::{Archive, ClientTls, Identity, Incident, Receiver, Receiving, ServerTls, send};
use tokio::signal::unix::{SignalKind, signal};

use crate::{Failure, terminal::say};

#[derive(clap::Args)]
pub(crate) struct Receive {
    /// Where to listen.
    #[arg(long, value_name = "ADDR:PORT")]
    listen: String,
    /// The AE title that senders must call.
    #[arg(long, value_name = "NAME", value_parser = ae_title)]
    ae: String,
    /// The folder for what comes, a folder for each series in it.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// An AE title that may send; anybody may, if none is named.
    #[arg(long, value_name = "NAME", value_parser = ae_title)]
    allow: Vec<String>,
    /// How many associations at once.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    most: u16,
    /// How long an association may say nothing, in seconds.
    #[arg(long, value_name = "S", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    idle: u64,
    /// How much of the disk stays free, in MB.
    #[arg(long, value_name = "MB", default_value_t = 256)]
    keep_free: u64,
    /// Secures connections (TLS 1.2 and 1.3), and takes no others: the receiver's certificate, and those above it (PEM).
    #[arg(long, value_name = "FILE", requires = "key")]
    certificate: Option<PathBuf>,
    /// The private key of the certificate (PEM).
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
    /// The certificates of those who may connect, or of who signed them (PEM).
    #[arg(long, value_name = "FILE", requires = "certificate")]
    authorities: Option<PathBuf>,
}

#[derive(clap::Args)]
pub(crate) struct Send {
    /// The archive.
    #[arg(long, value_name = "NAME@HOST:PORT", value_parser = archive)]
    to: (String, String),
    /// What the device calls itself.
    #[arg(long, value_name = "NAME", default_value = "HILUM", value_parser = ae_title)]
    ae: String,
    /// How long the archive may take to answer, in seconds.
    #[arg(long, value_name = "S", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    patience: u64,
    /// Secures the connection (TLS 1.2 and 1.3): the archive's certificate, or that of who signed it (PEM).
    #[arg(long, value_name = "FILE")]
    authorities: Option<PathBuf>,
    /// What the device shows to an archive that asks for it: a certificate, and those above it (PEM).
    #[arg(long, value_name = "FILE", requires = "key", requires = "authorities")]
    certificate: Option<PathBuf>,
    /// The private key of the certificate (PEM).
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
    /// DICOM files.
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

pub(crate) fn receive(arguments: &Receive) -> Result<(), Failure> {
    let Receive { listen, ae, out, allow, most, idle, keep_free, certificate, key, authorities } = arguments;
    fs::create_dir_all(out).map_err(Failure::unwritable(out.display()))?;
    let settings = Receiving {
        allowed: allow.clone(),
        most_associations: usize::from(*most),
        idle: Duration::from_secs(*idle),
        keep_free: keep_free.saturating_mul(1 << 20),
        tls: identity(certificate, key).map(|identity| ServerTls { identity, authorities: authorities.clone() }),
        ..Receiving::new(ae, out)
    };
    let cannot = |error: std::io::Error| Failure::Said {
        exit: 75,
        why: format!("cannot listen on {listen}: {:#}", anyhow::Error::from(error)),
    };
    let receiver = Receiver::bind(listen, settings).map_err(cannot)?;
    let address = receiver.address().map_err(cannot)?;
    let stopping = AtomicBool::new(false);
    let [stored, again, refused] = [const { AtomicUsize::new(0) }; 3];
    let tell = |incident: Incident| match incident {
        Incident::Stored { is_new } => drop((if is_new { &stored } else { &again }).fetch_add(1, Ordering::Relaxed)),
        Incident::NotStored(why) => {
            refused.fetch_add(1, Ordering::Relaxed);
            eprintln!("an object was not taken: {why}");
        }
        Incident::TurnedAway => eprintln!("a connection was turned away"),
        Incident::Broken => eprintln!("an association broke"),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().map_err(Failure::internal)?;
    let (mut interrupt, mut terminate) = {
        let _inside = runtime.enter();
        let listen = |kind| signal(kind).map_err(Failure::internal);
        (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?)
    };
    eprintln!("listening on {address} as {ae}");
    let (ended, mut end) = tokio::sync::oneshot::channel();
    thread::scope(|scope| {
        let served = scope.spawn(|| {
            let served = receiver.serve(&stopping, &tell);
            // Whoever waits for a signal waits no more.
            ended.send(()).unwrap_or_default();
            served
        });
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = &mut end => {}
            }
        });
        stopping.store(true, Ordering::Relaxed);
        served.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)).map_err(cannot)
    })?;
    let [stored, again, refused] = [stored, again, refused].map(AtomicUsize::into_inner);
    eprintln!("{stored} objects taken, {again} were there already, {refused} not taken");
    Ok(())
}

fn identity(certificate: &Option<PathBuf>, key: &Option<PathBuf>) -> Option<Identity> {
    Some(Identity { certificate: certificate.clone()?, key: key.clone()? })
}

pub(crate) fn send_files(arguments: &Send) -> Result<(), Failure> {
    let Send { to: (title, address), ae, patience, authorities, certificate, key, files } = arguments;
    let archive = Archive {
        address: address.clone(),
        ae_title: title.clone(),
        own_ae_title: ae.clone(),
        patience: Duration::from_secs(*patience),
        tls: authorities.clone().map(|authorities| ClientTls { authorities, identity: identity(certificate, key) }),
    };
    let read = |path: &PathBuf| {
        fs::read(path).map_err(|error| {
            Failure::Unreadable(anyhow::Error::from(error).context(format!("cannot read {}", path.display())))
        })
    };
    let bytes: Vec<Vec<u8>> = files.iter().map(read).collect::<Result<_, _>>()?;
    match send(&bytes, &archive) {
        Ok(taken) => say(&format!(
            "{} objects taken{}",
            bytes.len(),
            if taken.is_verified { ", and found there" } else { "; the archive cannot be asked for them" }
        )),
        Err(error @ hilum_dicom::SendError::Object { .. }) => Err(Failure::Unreadable(error.into())),
        Err(error) => Err(Failure::Said { exit: 75, why: format!("{:#}", anyhow::Error::from(error)) }),
    }
}
