//! The server's side of TLS.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

use super::Tls;
use crate::error::{Error, Result};
use crate::seam::{Kept, read_kept};

/// A server that shows this certificate, and asks for those of clients if it has a CA for them.
pub(super) fn server(tls: &Tls) -> Result<Arc<ServerConfig>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let chain = certificates(&tls.certificate)?;
    let key = read_kept(&tls.key, Kept::INTAKE_KEY, tls.allow_group_readable)?;
    let key = PrivateKeyDer::from_pem_slice(&key)
        .map_err(|_| wrong(&tls.key, "the file holds no private key in PEM form (not encrypted)"))?;
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|_| Error::internal("the TLS library offers no protocol version"))?;
    let builder = match &tls.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path)? {
                roots
                    .add(certificate)
                    .map_err(|_| wrong(path, "a certificate in the file is no usable CA"))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .map_err(|_| wrong(path, "the file holds no CA that clients can be held to"))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_single_cert(chain, key).map_err(|_| {
        wrong(&tls.key, "the key cannot be used with the certificate: do they belong together?")
    })?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let pem = read(path)?;
    let certificates: std::result::Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let certificates = certificates.ok().filter(|certificates| !certificates.is_empty());
    certificates.ok_or_else(|| wrong(path, "the file holds no certificate in PEM form"))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    crate::seam::read(path).map_err(|e| wrong(path, &format!("cannot read it: {}", e.kind())))
}

fn wrong(path: &Path, text: &str) -> Error {
    Error::invalid_argument(text).at(path.display().to_string())
}
