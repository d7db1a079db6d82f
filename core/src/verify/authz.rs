//! What an event says of the authority under which it happened: `data.authz`.
//!
//! The one reader of it, for the verifier's edges and for the graph.

use crate::json::Value;

/// The members that lead to another event, by its id.
pub(super) const LINKS: [&str; 3] = ["identity", "decision", "delegated_by"];

/// The text of a member of `data.authz`: for those of [`LINKS`], another event's id.
pub(super) fn link<'d>(data: &'d Value, member: &str) -> Option<&'d str> {
    data.get("authz")?.get(member)?.as_str()
}

/// The members of `data.authz` that lead to another event, each with that event's id.
pub(super) fn links(data: &Value) -> impl Iterator<Item = (&'static str, &str)> {
    LINKS.into_iter().filter_map(|member| Some((member, link(data, member)?)))
}

/// On whose behalf it happened: a name, not the id of an event.
pub(super) fn principal(data: &Value) -> Option<&str> {
    link(data, "principal")
}
