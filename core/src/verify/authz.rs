//! What an event says of the authority under which it happened: `data.authz`.
//!
//! The one reader of it, for the verifier's edges and for the graph.

use crate::json::Value;

/// The members that lead to another event, by its id.
pub(super) const LINKS: [&str; 3] = ["identity", "decision", "delegated_by"];

/// Whose id a member of `data.authz` holds.
pub(super) fn link<'d>(data: &'d Value, member: &str) -> Option<&'d str> {
    data.get("authz")?.get(member)?.as_str()
}

/// All that lead to another event.
pub(super) fn links(data: &Value) -> impl Iterator<Item = (&'static str, &str)> {
    LINKS.into_iter().filter_map(|member| Some((member, link(data, member)?)))
}

/// For whom it happened: a name, no event's id.
pub(super) fn principal(data: &Value) -> Option<&str> {
    link(data, "principal")
}
