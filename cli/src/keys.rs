//! `sinkwell keys new`

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use sinkwell::config::SignatureAlgorithm;
use sinkwell::{Result, key};

use crate::Outcome;
use crate::out::Out;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make a key at PATH (0600), and for Ed25519 its public half at PATH.pub. Never overwrites.
    New {
        /// The algorithm.
        #[arg(long, value_enum, default_value = "ed25519")]
        alg: Algorithm,
        /// The id to show in the configuration lines that are printed.
        #[arg(long, default_value = "k1")]
        id: String,
        /// Where to write it.
        path: PathBuf,
    },
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Algorithm {
    /// PKCS#8 PEM.
    Ed25519,
    /// 32 raw bytes.
    HmacSha256,
}

pub(crate) fn run(command: Command) -> Result<Outcome> {
    let Command::New { alg, id, path } = command;
    let (algorithm, name, form) = match alg {
        Algorithm::Ed25519 => (SignatureAlgorithm::Ed25519, "ed25519", "ed25519"),
        Algorithm::HmacSha256 => (SignatureAlgorithm::HmacSha256, "hmac_sha256", "hmac"),
    };
    let made = key::generate(algorithm, &path)?;
    let verifier = made.public.as_ref().unwrap_or(&made.path);
    let mut out = Out::new();
    out.line(format_args!("private key  {}", made.path.display()))?;
    if let Some(public) = &made.public {
        out.line(format_args!("public key   {}", public.display()))?;
    }
    out.line(format_args!("seal with    key: {{ id: {id}, {name}: {{ file: {} }} }}", made.path.display()))?;
    out.line(format_args!("verify with  sinkwell verify --key {id}={form}:{} FILE", verifier.display()))?;
    out.flush()?;
    Ok(Outcome::Good)
}
