//! TLS by rustls: own CA, client certificate, and what to do when a handshake fails.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{AlertDescription, CertificateError, ClientConfig, RootCertStore};

use crate::error::{Error, Result};
use crate::sink::{Failure, FailureKind};

use super::endpoint::Protocol;
use super::env::Said;

/// The PEM files that the configuration names.
pub(super) struct Files {
    pub(super) ca: Option<Said<PathBuf>>,
    pub(super) certificate: Option<Said<PathBuf>>,
    pub(super) key: Option<Said<PathBuf>>,
}

/// A client that trusts the configured CA, or else those of the system, and nobody beside.
pub(super) fn client(files: &Files, protocol: Protocol) -> Result<Arc<ClientConfig>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| Error::internal("the TLS library offers no protocol version"))?
        .with_root_certificates(roots(files.ca.as_ref())?);
    let mut config = match (&files.certificate, &files.key) {
        (None, None) => builder.with_no_client_auth(),
        (Some(certificate), Some(key)) => {
            let chain = certificates(certificate)?;
            let secret = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|_| {
                key.error("the file holds no private key in PEM form (PKCS#8, PKCS#1 or SEC1, not encrypted)")
            })?;
            if let Some(warning) = open_key(key) {
                crate::diagnostics::warn(&warning);
            }
            builder.with_client_auth_cert(chain, secret).map_err(|_| {
                key.error(
                    "the client key cannot be used with the client certificate: do they belong together?",
                )
            })?
        }
        (Some(certificate), None) => {
            return Err(certificate.error("a client certificate needs a client key too"));
        }
        (None, Some(key)) => return Err(key.error("a client key needs a client certificate too")),
    };
    config.alpn_protocols = match protocol {
        Protocol::Grpc => vec![b"h2".to_vec()],
        Protocol::Http => vec![b"http/1.1".to_vec()],
    };
    Ok(Arc::new(config))
}

/// What is to be said, once for each file, of a client's key that others can read. It is not refused, as OpenTelemetry's own
/// exporters take it.
pub(super) fn open_key(key: &Said<PathBuf>) -> Option<String> {
    static SAID: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
    let wrong = crate::seam::others_read_key(&key.value)?;
    let first = SAID.lock().unwrap_or_else(PoisonError::into_inner).insert(key.value.clone());
    first.then(|| format!("{}: {}: {wrong}", key.place, key.value.display()))
}

fn roots(ca: Option<&Said<PathBuf>>) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    if let Some(ca) = ca {
        for certificate in certificates(ca)? {
            roots.add(certificate).map_err(|_| ca.error("a certificate in the file is no usable CA"))?;
        }
    } else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err(Error::invalid_config(
                "this system has no CA certificates; install its ca-certificates package or name a bundle",
            )
            .at("otlp.ca, OTEL_EXPORTER_OTLP_CERTIFICATE"));
        }
    }
    Ok(roots)
}

fn certificates(file: &Said<PathBuf>) -> Result<Vec<CertificateDer<'static>>> {
    let pem = read(file)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(file.error("the file holds no certificate in PEM form")),
    }
}

fn read(file: &Said<PathBuf>) -> Result<Vec<u8>> {
    let bytes = crate::seam::read(&file.value)
        .map_err(|e| file.error(format!("cannot read {}: {}", file.value.display(), e.kind())))?;
    // Editors on some systems put a mark before the first line, which then is no `-----BEGIN`.
    match bytes.as_slice() {
        [0xEF, 0xBB, 0xBF, rest @ ..] => Ok(rest.to_vec()),
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => {
            Err(file.error("the file is text in UTF-16; save it as ASCII or UTF-8"))
        }
        _ => Ok(bytes),
    }
}

/// Whether a server shows the certificate of a CA as its own, which the rules for servers' certificates forbid.
fn is_ca_itself(error: &CertificateError) -> bool {
    matches!(error, CertificateError::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity"))
}

/// What a TLS error means and what to do about it.
pub(super) fn explain(error: &rustls::Error, place: &str) -> Failure {
    use FailureKind::{Auth, Network};
    let (kind, text) = match error {
        rustls::Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        ) => (
            Network,
            "its certificate is from a CA we do not know: name the CA with `ca` or OTEL_EXPORTER_OTLP_CERTIFICATE",
        ),
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => (Network, "its certificate is for another name: use in the endpoint a name that it lists"),
        rustls::Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => (Network, "its certificate has expired: renew it, or set this machine's clock right"),
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
        ) => (Network, "its certificate is not valid yet: set this machine's clock right"),
        rustls::Error::InvalidCertificate(error) if is_ca_itself(error) => (
            Network,
            "its certificate is marked as a CA's own (CA:TRUE), which no server may use: have that CA issue one for the \
             server and keep the CA's as `ca`, or make the self-signed one without that mark (openssl req -addext \
             basicConstraints=critical,CA:FALSE)",
        ),
        rustls::Error::InvalidCertificate(_) => (
            Network,
            "its certificate was not accepted; the detail says why, and `openssl s_client -connect HOST:PORT` shows it",
        ),
        rustls::Error::AlertReceived(AlertDescription::CertificateRequired) => (
            Auth,
            "it asks for a client certificate: set `client_certificate` and `client_key`, or their variables",
        ),
        rustls::Error::AlertReceived(
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::AccessDenied,
        ) => (Auth, "it does not accept our client certificate: use one from a CA it trusts"),
        rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol)
        | rustls::Error::NoApplicationProtocol => {
            (Network, "it speaks another HTTP version over TLS: change the protocol (`grpc` needs HTTP/2)")
        }
        rustls::Error::AlertReceived(
            AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure,
        )
        | rustls::Error::PeerIncompatible(_) => (
            Network,
            "it shares no TLS version or cipher with us: allow TLS 1.2 or 1.3 there, with ECDHE and an AEAD cipher",
        ),
        _ => (
            Network,
            "the TLS handshake failed; the detail says at what, and `openssl s_client -connect HOST:PORT` tries the same",
        ),
    };
    Failure::new(kind, format!("{place}: {text}")).detail(error.to_string())
}
