//! Connections: so many at once, each with little time to say what it wants.

use std::{io, path::Path, pin::pin, sync::Arc, time::Duration};

use axum::{Extension, Router};
use hilum_config::Tls;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
        version::TLS13,
    },
};

/// So many at once; who comes later waits.
pub(super) const MOST: usize = 64;
/// How long a client may take for a handshake, and for the headers of a request. One that asks nothing is closed after it.
const SLOWEST: Duration = Duration::from_secs(5);
/// How long requests may follow one another on a connection; a WebSocket may stay.
const LONGEST: Duration = Duration::from_secs(60);

/// The place that a connection takes.
pub(super) type Place = Arc<OwnedSemaphorePermit>;

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoTls {
    #[error("cannot read the {what}")]
    Read {
        what: &'static str,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("cannot use certificate and key together")]
    Use(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Reads certificate and key. TLS 1.3 alone.
pub(super) fn acceptor(tls: &Tls) -> Result<TlsAcceptor, NoTls> {
    let read = |what| move |source| NoTls::Read { what, source };
    let chain = |path: &Path| -> Result<Vec<_>, Box<dyn std::error::Error + Send + Sync>> {
        let chain: Vec<CertificateDer> = CertificateDer::pem_file_iter(path)?.collect::<Result<_, _>>()?;
        if chain.is_empty() { Err("no certificate is in it".into()) } else { Ok(chain) }
    };
    let chain = chain(&tls.certificate).map_err(read("certificate"))?;
    let key = PrivateKeyDer::from_pem_file(&tls.key).map_err(|error| read("key")(error.into()))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13])
        .and_then(|config| config.with_no_client_auth().with_single_cert(chain, key));
    let mut config = config.map_err(|error| NoTls::Use(error.into()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Answers whoever comes, until it is dropped.
pub(super) async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, router: Router) {
    let places = Arc::new(Semaphore::new(MOST));
    let mut talks = JoinSet::new();
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors, for one: those that are open will close.
                tracing::warn!(%error, "cannot take a connection to the mirror");
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        while talks.try_join_next().is_some() {}
        let (tls, router) = (tls.clone(), router.clone().layer(Extension::<Place>(Arc::new(place))));
        talks.spawn(async move {
            if let Err(error) = talk(stream, tls, router).await {
                tracing::debug!(%error, "a connection to the mirror ended");
            }
        });
    }
}

async fn talk(stream: TcpStream, tls: Option<TlsAcceptor>, router: Router) -> io::Result<()> {
    // What changed is small, and somebody waits for it.
    stream.set_nodelay(true)?;
    match tls {
        None => answered(stream, router).await,
        Some(tls) => answered(timeout(SLOWEST, tls.accept(stream)).await??, router).await,
    }
}

async fn answered(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, router: Router) -> io::Result<()> {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(SLOWEST).max_buf_size(16 << 10);
    let talk = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)).with_upgrades();
    let mut talk = pin!(talk);
    match timeout(LONGEST, talk.as_mut()).await {
        Ok(ended) => ended.map_err(io::Error::other),
        Err(_) => {
            talk.as_mut().graceful_shutdown();
            timeout(SLOWEST, talk).await?.map_err(io::Error::other)
        }
    }
}
