//! The secure transport connection (PS3.15 B.12: TLS 1.2 and 1.3 as BCP 195 has them), by rustls.
//!
//! Hospitals rarely have an authority of their own, and archives come with a certificate that they signed themselves, often for
//! another name than they are reached by. So a certificate that lies in the file of those who are trusted is trusted as it is,
//! whatever its name and its dates; any other needs one of these above it, the right name, and dates around today's.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, ServerConfig, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject as _},
    server::{
        WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};

/// What a side proves itself with, as PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its certificate, and those above it in their order.
    pub certificate: PathBuf,
    /// The private key of the first.
    pub key: PathBuf,
}

/// What a receiver secures its connections with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerTls {
    /// Its own.
    pub identity: Identity,
    /// The certificates of those who may connect, or of the authorities above them (PEM); whoever connects must have one then.
    pub authorities: Option<PathBuf>,
}

/// What a sender secures its connections with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientTls {
    /// The certificate of the archive, or of the authority above it (PEM).
    pub authorities: PathBuf,
    /// Its own, for an archive that asks for one.
    pub identity: Option<Identity>,
}

/// Files that make no secure connection.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or has none of what it is for.
    #[error("cannot read {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: io::Error,
    },
    /// They do not go together, or cannot be used.
    #[error("certificates and keys that cannot be used")]
    Unusable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl ServerTls {
    pub(crate) fn configuration(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions().map_err(unusable)?;
        let builder = match &self.authorities {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let trusted = Trusted::read(path)?;
                let verifier = WebPkiClientVerifier::builder_with_provider(trusted.roots, provider);
                let verifier = verifier.build().map_err(unusable)?;
                builder.with_client_cert_verifier(Arc::new(OrKnown { known: trusted.known, verifier }))
            }
        };
        let (chain, key) = self.identity.read()?;
        builder.with_single_cert(chain, key).map(Arc::new).map_err(unusable)
    }
}

impl ClientTls {
    pub(crate) fn configuration(&self) -> Result<Arc<ClientConfig>, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let trusted = Trusted::read(&self.authorities)?;
        let verifier = WebPkiServerVerifier::builder_with_provider(trusted.roots, Arc::clone(&provider));
        let verifier: Arc<dyn ServerCertVerifier> = verifier.build().map_err(unusable)?;
        let builder = ClientConfig::builder_with_provider(provider);
        let builder = builder.with_safe_default_protocol_versions().map_err(unusable)?;
        let builder =
            builder.dangerous().with_custom_certificate_verifier(Arc::new(OrKnown { known: trusted.known, verifier }));
        match &self.identity {
            None => Ok(Arc::new(builder.with_no_client_auth())),
            Some(identity) => {
                let (chain, key) = identity.read()?;
                builder.with_client_auth_cert(chain, key).map(Arc::new).map_err(unusable)
            }
        }
    }
}

impl Identity {
    fn read(&self) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
        let chain = certificates(&self.certificate)?;
        let key =
            PrivateKeyDer::from_pem_file(&self.key).map_err(|error| in_file(&self.key, io::Error::other(error)))?;
        Ok((chain, key))
    }
}

/// Who is trusted.
struct Trusted {
    known: Vec<CertificateDer<'static>>,
    roots: Arc<RootCertStore>,
}

impl Trusted {
    fn read(path: &Path) -> Result<Self, TlsError> {
        let known = certificates(path)?;
        let mut roots = RootCertStore::empty();
        for certificate in &known {
            roots.add(certificate.clone()).map_err(|error| in_file(path, io::Error::other(error)))?;
        }
        Ok(Self { known, roots: Arc::new(roots) })
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(found) if found.is_empty() => Err(in_file(path, io::Error::other("there is no certificate in it"))),
        Ok(found) => Ok(found),
        Err(error) => Err(in_file(path, io::Error::other(error))),
    }
}

fn in_file(path: &Path, source: io::Error) -> TlsError {
    TlsError::File { path: path.to_owned(), source }
}

fn unusable(source: impl std::error::Error + Send + Sync + 'static) -> TlsError {
    TlsError::Unusable(Box::new(source))
}

/// Trusts the certificates that it knows, and those that a verifier trusts. That the other side has the key is proved either way.
#[derive(Debug)]
struct OrKnown<V: ?Sized> {
    known: Vec<CertificateDer<'static>>,
    verifier: Arc<V>,
}

/// Whether the other side has the key of what it shows, which is asked of known ones too.
macro_rules! verified_as_it_would {
    () => {
        fn verify_tls12_signature(
            &self,
            message: &[u8],
            shown: &CertificateDer<'_>,
            signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            self.verifier.verify_tls12_signature(message, shown, signed)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            shown: &CertificateDer<'_>,
            signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            self.verifier.verify_tls13_signature(message, shown, signed)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.verifier.supported_verify_schemes()
        }
    };
}

impl ServerCertVerifier for OrKnown<dyn ServerCertVerifier> {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.known.contains(shown) {
            return Ok(ServerCertVerified::assertion());
        }
        self.verifier.verify_server_cert(shown, between, name, ocsp, now)
    }

    verified_as_it_would!();
}

impl ClientCertVerifier for OrKnown<dyn ClientCertVerifier> {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.verifier.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        shown: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if self.known.contains(shown) {
            return Ok(ClientCertVerified::assertion());
        }
        self.verifier.verify_client_cert(shown, between, now)
    }

    verified_as_it_would!();
}
