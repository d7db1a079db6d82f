use super::*;
use crate::error::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;

fn config(source: KeySource) -> KeyConfig {
    KeyConfig { id: "k1".into(), source, allow_group_readable: false, sign: SignMode::Each }
}

#[test]
fn a_generated_key_signs_and_its_public_half_verifies() {
    let dir = crate::testing::TempDir::new();
    let path = dir.path().join("agent.pem");
    let made = generate(SignatureAlgorithm::Ed25519, &path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let key = load_signing_key(&config(KeySource::Ed25519File(path.clone())), None).unwrap();
    let public = VerifyingKey::from_named(made.public.unwrap()).unwrap();
    let signature = key.sign_local(b"ab");
    assert!(public.verify(&[b"ab"], &signature));
    assert!(!public.verify(&[b"ac"], &signature));
    assert_eq!(generate(SignatureAlgorithm::Ed25519, &path).unwrap_err().kind(), ErrorKind::Key);
}

#[test]
fn keys_that_others_can_read_are_refused_unless_allowed_by_name() {
    let dir = crate::testing::TempDir::new();
    let path = dir.path().join("k");
    generate(SignatureAlgorithm::HmacSha256, &path).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    let mut config = config(KeySource::HmacFile(path.clone()));
    let e = load_signing_key(&config, None).unwrap_err();
    assert!(e.to_string().contains("chmod 600") && e.place().unwrap().ends_with("/k"), "{e}");
    config.allow_group_readable = true;
    assert!(load_signing_key(&config, None).is_ok());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(load_signing_key(&config, None).is_err());
}

#[test]
fn wrong_kinds_of_key_are_refused_without_showing_them() {
    assert!(SigningKey::hmac("k", &[7; 31]).unwrap_err().message().contains("31"));
    assert!(VerifyingKey::hmac(&[7; 31]).is_err());
    let dir = crate::testing::TempDir::new();
    let path = dir.path().join("agent.pem");
    generate(SignatureAlgorithm::Ed25519, &path).unwrap();
    let e = VerifyingKey::from_named(&path).unwrap_err();
    assert!(e.message().contains("public key"), "{e}");
    let key = load_signing_key(&config(KeySource::Ed25519File(path)), None).unwrap();
    assert_eq!(format!("{key:?}"), "SigningKey(k1, ed25519)");
}

#[test]
fn what_has_no_end_is_no_key() {
    for named in ["hmac:/dev/zero", "/dev/zero"] {
        let e = VerifyingKey::from_named(named).unwrap_err();
        assert_eq!((e.kind(), e.place()), (crate::ErrorKind::Key, Some("/dev/zero")));
        assert!(e.message().contains("more than 16 MiB"), "{e}");
    }
}

#[test]
fn a_small_order_public_key_is_refused() {
    // The identity point, SPKI-wrapped: every signature with R = A = identity and s = 0 would "verify".
    let pem = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n-----END PUBLIC KEY-----\n";
    assert!(VerifyingKey::from_bytes(pem.as_bytes()).unwrap_err().message().contains("small order"));
}

#[test]
fn a_public_key_that_is_to_seal_is_called_that_whoever_can_read_it() {
    let dir = crate::testing::TempDir::new();
    let made = generate(SignatureAlgorithm::Ed25519, &dir.path().join("agent.pem")).unwrap();
    let public = made.public.unwrap();
    assert_eq!(std::fs::metadata(&public).unwrap().permissions().mode() & 0o777, 0o644);
    let e = load_signing_key(&config(KeySource::Ed25519File(public)), None).unwrap_err();
    assert!(e.message().contains("this is a public key") && e.message().contains("without .pub"), "{e}");
}
