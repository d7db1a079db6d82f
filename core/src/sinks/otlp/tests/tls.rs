//! TLS: own CA, client certificates, and everything that can be wrong with them.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use super::receiver::{GrpcReceiver, HttpReceiver};
use super::{batch, settings, sink};
use crate::sink::{Answers, FailureKind, Sink as _};
use crate::sinks::otlp::OtlpConfig;
use crate::sinks::otlp::env::Said;
use crate::sinks::otlp::tls::open_key;
use crate::testing::TempDir;

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";
const CA: &str = "OTEL_EXPORTER_OTLP_CERTIFICATE";
const CLIENT_CERTIFICATE: &str = "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE";
const CLIENT_KEY: &str = "OTEL_EXPORTER_OTLP_CLIENT_KEY";

/// Variables, the one that is wrong, and what is said about it.
type Row<'a> = (Vec<(&'a str, &'a str)>, &'a str, &'a str);

/// A CA, and files of what it issues.
struct Pki {
    dir: TempDir,
    ca: CertifiedIssuer<'static, KeyPair>,
}

impl Pki {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let dir = TempDir::new();
        fs::write(dir.path().join("ca.pem"), ca.pem()).unwrap();
        Self { dir, ca }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    fn issue(
        &self,
        name: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        change(&mut params);
        (params.signed_by(&key, &self.ca).unwrap(), key)
    }

    /// The files of a client certificate.
    fn client(&self) -> (String, String) {
        let (certificate, key) = self.issue("client", |_| {});
        let (certificate_path, key_path) = (self.path("client.pem"), self.path("client.key"));
        fs::write(&certificate_path, certificate.pem()).unwrap();
        fs::write(&key_path, key.serialize_pem()).unwrap();
        (certificate_path, key_path)
    }

    fn server(&self, name: &str, wants_client: bool, alpn: &[u8]) -> Arc<ServerConfig> {
        self.server_with(name, wants_client, alpn, |_| {})
    }

    fn server_with(
        &self,
        name: &str,
        wants_client: bool,
        alpn: &[u8],
        change: impl FnOnce(&mut CertificateParams),
    ) -> Arc<ServerConfig> {
        let (certificate, key) = self.issue(name, change);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone());
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let builder = if wants_client {
            let mut roots = RootCertStore::empty();
            roots.add(self.ca.der().clone()).unwrap();
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        } else {
            builder.with_no_client_auth()
        };
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let mut config = builder.with_single_cert(vec![certificate.der().clone()], key).unwrap();
        config.alpn_protocols = vec![alpn.to_vec()];
        Arc::new(config)
    }
}

fn http_receiver(config: Arc<ServerConfig>) -> HttpReceiver {
    HttpReceiver::with("127.0.0.1:0", Vec::new(), move |stream| {
        let connection = ServerConnection::new(config.clone()).map_err(std::io::Error::other)?;
        Ok(StreamOwned::new(connection, stream))
    })
}

fn failure(answers: Answers) -> (FailureKind, String) {
    match answers {
        Answers::Retry(failure, None) => (failure.kind, format!("{} {:?}", failure.summary, failure.detail)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_client_key_that_others_can_read_is_warned_of_once() {
    use std::os::unix::fs::PermissionsExt as _;
    let pki = Pki::new();
    let (_, path) = pki.client();
    let key = Said { value: PathBuf::from(&path), place: CLIENT_KEY.to_owned(), for_signal: false };
    let mode = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    mode(0o600);
    assert_eq!(open_key(&key), None);
    mode(0o640);
    let said = open_key(&key).unwrap();
    assert_eq!(
        said,
        format!("{CLIENT_KEY}: {path}: others can read this private key (mode 0640); run `chmod 600` on it")
    );
    assert_eq!(open_key(&key), None);
}

#[test]
fn an_own_ca_and_a_client_certificate_are_used() {
    let pki = Pki::new();
    let (certificate, key) = pki.client();
    let http = http_receiver(pki.server("localhost", true, b"http/1.1"));
    let grpc = GrpcReceiver::with(Vec::new(), Some(pki.server("localhost", true, b"h2")));
    for (port, protocol) in [(http.address.port(), "http/protobuf"), (grpc.address.port(), "grpc")] {
        let url = format!("https://localhost:{port}");
        let mut sink = sink(&[
            (ENDPOINT, &url),
            (PROTOCOL, protocol),
            (CA, &pki.path("ca.pem")),
            (CLIENT_CERTIFICATE, &certificate),
            (CLIENT_KEY, &key),
        ]);
        for _ in 0..2 {
            assert_eq!(sink.deliver(&batch(2)), Answers::Acknowledged);
        }
    }
    assert_eq!(http.got().len(), 2);
    assert_eq!(grpc.got().len(), 2);
    assert!(grpc.got().iter().all(|got| got.lines().len() == 2 && got.connection == 0));
}

#[test]
fn a_missing_client_certificate_is_a_matter_of_credentials() {
    let pki = Pki::new();
    let http = http_receiver(pki.server("localhost", true, b"http/1.1"));
    let grpc = GrpcReceiver::with(Vec::new(), Some(pki.server("localhost", true, b"h2")));
    for (port, protocol) in [(http.address.port(), "http/protobuf"), (grpc.address.port(), "grpc")] {
        let url = format!("https://localhost:{port}");
        let mut sink = sink(&[(ENDPOINT, &url), (PROTOCOL, protocol), (CA, &pki.path("ca.pem"))]);
        let (kind, text) = failure(sink.deliver(&batch(1)));
        assert!(text.contains("client_certificate"), "{text}");
        // The alert that says it outright may be lost with the connection.
        assert!(matches!(kind, FailureKind::Auth | FailureKind::Network));
    }
    let alert = rustls::Error::AlertReceived(rustls::AlertDescription::CertificateRequired);
    assert_eq!(crate::sinks::otlp::tls::explain(&alert, "here").kind, FailureKind::Auth);
}

#[test]
fn a_server_that_cannot_be_trusted_says_why() {
    let (pki, other) = (Pki::new(), Pki::new());
    let past = rcgen::date_time_ymd(2020, 1, 1);
    let cases = [
        (http_receiver(other.server("localhost", false, b"http/1.1")), "OTEL_EXPORTER_OTLP_CERTIFICATE"),
        (http_receiver(pki.server("elsewhere.example", false, b"http/1.1")), "another name"),
        (
            http_receiver(pki.server_with("localhost", false, b"http/1.1", |params| params.not_after = past)),
            "expired",
        ),
        (http_receiver(pki.server("localhost", false, b"h2")), "another HTTP version"),
    ];
    for (receiver, advice) in cases {
        let url = format!("https://localhost:{}", receiver.address.port());
        let mut sink = sink(&[(ENDPOINT, &url), (CA, &pki.path("ca.pem"))]);
        let (kind, text) = failure(sink.deliver(&batch(1)));
        assert_eq!(kind, FailureKind::Network);
        assert!(text.contains(advice), "{text}");
        assert!(receiver.got().is_empty());
    }
}

#[test]
fn a_ca_that_serves_itself_is_called_that() {
    let pki = Pki::new();
    let name = pki.path("self.pem");
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).unwrap();
    fs::write(&name, certificate.pem()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config =
        builder.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap();
    let receiver = http_receiver(Arc::new(config));
    let url = format!("https://localhost:{}", receiver.address.port());
    let (_, text) = failure(sink(&[(ENDPOINT, &url), (CA, &name)]).deliver(&batch(1)));
    assert!(text.contains("CA:TRUE") && text.contains("have that CA issue one"), "{text}");
}

#[test]
fn a_mark_before_the_first_line_of_a_pem_file_does_no_harm() {
    let pki = Pki::new();
    let (certificate, key) = pki.client();
    for path in [&pki.path("ca.pem"), &certificate, &key] {
        let text = fs::read(path).unwrap();
        fs::write(path, [b"\xEF\xBB\xBF".as_slice(), &text].concat()).unwrap();
    }
    let receiver = http_receiver(pki.server("localhost", true, b"http/1.1"));
    let url = format!("https://localhost:{}", receiver.address.port());
    let variables = [
        (ENDPOINT, url.as_str()),
        (CA, &pki.path("ca.pem")),
        (CLIENT_CERTIFICATE, &certificate),
        (CLIENT_KEY, &key),
    ];
    assert_eq!(sink(&variables).deliver(&batch(1)), Answers::Acknowledged);
    fs::write(pki.path("ca.pem"), b"\xFF\xFE-\0").unwrap();
    let error = settings(&OtlpConfig::default(), &variables).unwrap_err();
    assert!(error.message().contains("UTF-16"), "{error}");
}

#[test]
fn plain_text_where_tls_was_expected_is_recognized() {
    let pki = Pki::new();
    let grpc = GrpcReceiver::new(Vec::new());
    let url = format!("https://localhost:{}", grpc.address.port());
    let (_, text) =
        failure(sink(&[(ENDPOINT, &url), (PROTOCOL, "grpc"), (CA, &pki.path("ca.pem"))]).deliver(&batch(1)));
    assert!(text.contains("write the endpoint with http://"), "{text}");
}

#[test]
fn files_that_cannot_be_used_are_named_at_the_start() {
    let pki = Pki::new();
    let (certificate, key) = pki.client();
    let stranger = pki.path("stranger.key");
    fs::write(&stranger, KeyPair::generate().unwrap().serialize_pem()).unwrap();
    let empty = pki.path("empty.pem");
    fs::write(&empty, "").unwrap();
    let missing = pki.path("missing.pem");
    let ca = pki.path("ca.pem");
    let rows: Vec<Row<'_>> = vec![
        (vec![(CA, &missing)], CA, "cannot read"),
        (vec![(CA, &empty)], CA, "no certificate"),
        (vec![(CA, &ca), (CLIENT_CERTIFICATE, &certificate)], CLIENT_CERTIFICATE, "needs a client key"),
        (vec![(CA, &ca), (CLIENT_KEY, &key)], CLIENT_KEY, "needs a client certificate"),
        (
            vec![(CA, &ca), (CLIENT_CERTIFICATE, &certificate), (CLIENT_KEY, &empty)],
            CLIENT_KEY,
            "no private key",
        ),
        (
            vec![(CA, &ca), (CLIENT_CERTIFICATE, &certificate), (CLIENT_KEY, &stranger)],
            CLIENT_KEY,
            "together",
        ),
    ];
    for (mut variables, place, message) in rows {
        variables.push((ENDPOINT, "https://localhost:4318"));
        let error = settings(&OtlpConfig::default(), &variables).unwrap_err();
        assert_eq!(error.place(), Some(place), "{error}");
        assert!(error.message().contains(message), "{error}");
        // Plain text needs none of them.
        variables.pop();
        variables.push((ENDPOINT, "http://localhost:4318"));
        settings(&OtlpConfig::default(), &variables).unwrap();
    }
    let config = OtlpConfig {
        ca: Some(PathBuf::from(missing)),
        endpoint: Some("https://c".into()),
        ..OtlpConfig::default()
    };
    assert_eq!(settings(&config, &[]).unwrap_err().place(), Some("otlp.ca"));
}
