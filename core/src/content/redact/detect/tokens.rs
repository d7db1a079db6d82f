//! Keys with a prefix, by the grammars that their vendors publish or show.

use std::ops::Range;

use super::Kind::{self, Aws, Gcp, Github, Secrets};

/// A kind of key: its prefix as written, how many characters follow, and which.
pub(super) struct Key {
    pub(super) prefix: &'static str,
    pub(super) kind: Kind,
    pub(super) least: usize,
    pub(super) most: usize,
    pub(super) of: fn(u8) -> bool,
    pub(super) why: &'static str,
}

const fn key(
    prefix: &'static str,
    kind: Kind,
    least: usize,
    most: usize,
    of: fn(u8) -> bool,
    why: &'static str,
) -> Key {
    Key { prefix, kind, least, most, of, why }
}

fn alnum(b: u8) -> bool {
    b.is_ascii_alphanumeric()
}

fn upper(b: u8) -> bool {
    b.is_ascii_uppercase() || b.is_ascii_digit()
}

fn hex(b: u8) -> bool {
    matches!(b, b'0'..=b'9' | b'a'..=b'f')
}

fn url_safe(b: u8) -> bool {
    alnum(b) || matches!(b, b'-' | b'_')
}

pub(super) fn dotted(b: u8) -> bool {
    url_safe(b) || b == b'.'
}

/// For keys without a greatest length.
const ANY: usize = usize::MAX;

pub(super) const KEYS: &[Key] = &[
    key("AKIA", Aws, 16, 16, upper, "an AWS access key"),
    key("ASIA", Aws, 16, 16, upper, "an AWS temporary access key"),
    key("ABIA", Aws, 16, 16, upper, "an AWS bearer token's key"),
    key("ACCA", Aws, 16, 16, upper, "an AWS context key"),
    key("A3T", Aws, 17, 17, upper, "an AWS access key"),
    key("AIza", Gcp, 35, 35, url_safe, "a Google API key"),
    key("ya29.", Gcp, 20, ANY, dotted, "a Google access token"),
    key("GOCSPX-", Gcp, 20, 40, url_safe, "a Google client secret"),
    key("ghp_", Github, 36, 255, alnum, "a GitHub personal access token"),
    key("gho_", Github, 36, 255, alnum, "a GitHub OAuth token"),
    key("ghu_", Github, 36, 255, alnum, "a GitHub user token"),
    key("ghs_", Github, 36, 255, alnum, "a GitHub installation token"),
    key("ghr_", Github, 36, 255, alnum, "a GitHub refresh token"),
    key("github_pat_", Github, 60, 255, url_safe, "a GitHub fine-grained token"),
    key("sk-", Secrets, 20, ANY, url_safe, "a key of OpenAI, Anthropic or one like theirs"),
    key("sk_live_", Secrets, 16, ANY, alnum, "a Stripe secret key"),
    key("sk_test_", Secrets, 16, ANY, alnum, "a Stripe test key"),
    key("rk_live_", Secrets, 16, ANY, alnum, "a Stripe restricted key"),
    key("rk_test_", Secrets, 16, ANY, alnum, "a Stripe restricted test key"),
    key("whsec_", Secrets, 24, ANY, super::prefix::token68, "a webhook's signing secret"),
    key("sk_", Secrets, 48, 48, hex, "an ElevenLabs key"),
    key("xoxb-", Secrets, 20, ANY, url_safe, "a Slack bot token"),
    key("xoxp-", Secrets, 20, ANY, url_safe, "a Slack user token"),
    key("xoxa-", Secrets, 20, ANY, url_safe, "a Slack app token"),
    key("xoxr-", Secrets, 20, ANY, url_safe, "a Slack refresh token"),
    key("xoxs-", Secrets, 20, ANY, url_safe, "a Slack session token"),
    key("xoxc-", Secrets, 20, ANY, url_safe, "a Slack client token"),
    key("xoxd-", Secrets, 20, ANY, super::prefix::token68, "a Slack cookie"),
    key("xoxe-", Secrets, 20, ANY, url_safe, "a Slack refresh token"),
    key("xapp-", Secrets, 20, ANY, url_safe, "a Slack app-level token"),
    key("glpat-", Secrets, 20, ANY, dotted, "a GitLab personal access token"),
    key("gldt-", Secrets, 20, ANY, dotted, "a GitLab deploy token"),
    key("glrt-", Secrets, 20, ANY, dotted, "a GitLab runner token"),
    key("glptt-", Secrets, 20, ANY, dotted, "a GitLab trigger token"),
    key("glcbt-", Secrets, 20, ANY, dotted, "a GitLab job token"),
    key("npm_", Secrets, 36, 36, alnum, "an npm token"),
    key("pypi-", Secrets, 40, ANY, url_safe, "a PyPI token"),
    key("hf_", Secrets, 30, 40, alnum, "a Hugging Face token"),
    key("dop_v1_", Secrets, 64, 64, hex, "a DigitalOcean token"),
    key("doo_v1_", Secrets, 64, 64, hex, "a DigitalOcean OAuth token"),
    key("dor_v1_", Secrets, 64, 64, hex, "a DigitalOcean refresh token"),
    key("SG.", Secrets, 60, ANY, dotted, "a SendGrid key"),
    key("shpat_", Secrets, 32, 32, hex, "a Shopify access token"),
    key("shpca_", Secrets, 32, 32, hex, "a Shopify custom app token"),
    key("shppa_", Secrets, 32, 32, hex, "a Shopify private app token"),
    key("shpss_", Secrets, 32, 32, hex, "a Shopify shared secret"),
    key("hvs.", Secrets, 24, ANY, url_safe, "a Vault token"),
    key("hvb.", Secrets, 24, ANY, url_safe, "a Vault batch token"),
    key("gsk_", Secrets, 40, ANY, alnum, "a Groq key"),
    key("r8_", Secrets, 37, 40, alnum, "a Replicate token"),
    key("AGE-SECRET-KEY-1", Secrets, 50, ANY, upper, "an age identity"),
    key("lsv2_", Secrets, 40, 60, url_safe, "a LangSmith key"),
    key("e2b_", Secrets, 40, 40, hex, "an E2B key"),
    key("dapi", Secrets, 32, 32, hex, "a Databricks token"),
    key("SK", Secrets, 32, 32, hex, "a Twilio API key"),
    key("xai-", Secrets, 60, ANY, alnum, "an xAI key"),
    key("pplx-", Secrets, 40, ANY, alnum, "a Perplexity key"),
    key("nvapi-", Secrets, 50, ANY, url_safe, "an NVIDIA key"),
    key("glsa_", Secrets, 41, 41, url_safe, "a Grafana service account's token"),
    key("glc_", Secrets, 32, ANY, super::prefix::token68, "a Grafana Cloud token"),
    key("dckr_pat_", Secrets, 27, ANY, url_safe, "a Docker token"),
    key("sbp_", Secrets, 40, 40, hex, "a Supabase token"),
    key("lin_api_", Secrets, 40, 40, alnum, "a Linear key"),
    key("ntn_", Secrets, 40, 60, alnum, "a Notion token"),
    key("pcsk_", Secrets, 40, ANY, url_safe, "a Pinecone key"),
    key("tvly-", Secrets, 28, ANY, url_safe, "a Tavily key"),
    key("rubygems_", Secrets, 48, 48, hex, "a RubyGems key"),
    key("ATATT3", Secrets, 100, ANY, super::prefix::token68, "an Atlassian token"),
    key("ATCTT3", Secrets, 100, ANY, super::prefix::token68, "an Atlassian token"),
    key("PMAK-", Secrets, 50, 70, url_safe, "a Postman key"),
    key("figd_", Secrets, 36, ANY, url_safe, "a Figma token"),
    key("NRAK-", Secrets, 27, 27, upper, "a New Relic key"),
    key("sntrys_", Secrets, 60, ANY, super::prefix::token68, "a Sentry token"),
    key("sntryu_", Secrets, 64, 64, hex, "a Sentry user token"),
    key("pscale_tkn_", Secrets, 32, 64, dotted, "a PlanetScale token"),
    key("key-", Secrets, 32, 32, hex, "a Mailgun key"),
    key("tgp_v1_", Secrets, 40, 60, url_safe, "a Together key"),
];

/// Whether the part of a key behind its prefix looks random, for keys that may contain dashes: with a piece of 16
/// characters or more between dashes, and digits or 30 characters in all. Words joined by dashes have no such piece.
pub(super) fn is_drawn(body: &[u8]) -> bool {
    body.split(|b| matches!(b, b'-' | b'.'))
        .any(|part| part.len() >= 16 && part.iter().any(u8::is_ascii_alphabetic))
        && (body.len() >= 30 || body.iter().any(u8::is_ascii_digit))
        && body.iter().collect::<std::collections::BTreeSet<_>>().len() >= 6
}

/// URLs that are secrets as a whole, as anyone who has one may post to it: what stands before the secret part, the
/// least length of that part, and what it is.
pub(super) const HOOKS: &[(&str, usize, &str)] = &[
    ("hooks.slack.com/services/", 30, "a Slack webhook"),
    ("hooks.slack.com/workflows/", 30, "a Slack webhook"),
    ("hooks.slack.com/triggers/", 30, "a Slack webhook"),
    ("discord.com/api/webhooks/", 60, "a Discord webhook"),
    ("discordapp.com/api/webhooks/", 60, "a Discord webhook"),
];

/// Where the URL of a hook begins: its scheme, and a subdomain.
pub(super) fn hook_start(bytes: &[u8], host: Range<usize>) -> usize {
    let low = host.start.saturating_sub(24);
    let before = &bytes[low..host.start];
    memchr::memmem::rfind(before, b"https://").map_or(host.start, |at| {
        let rest = &before[at + 8..];
        if rest.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'.') { low + at } else { host.start }
    })
}
