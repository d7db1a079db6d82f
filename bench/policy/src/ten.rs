//! Ten rules and an event: what they cost is measured here, and that they allocate nothing is tested in
//! `bindings-c/tests/policy_cost.rs`.

/// Ten rules, none of which comes true but the last, regular expressions among them.
pub(crate) const RULES: [&str; 10] = [
    "event.severity >= ERROR",
    "event.data.http.status >= 500",
    "event.type == 'policy.decision' && event.data.decision == 'deny'",
    "event.data.tool in ['shell', 'browser', 'payments']",
    "event.data.url.path.matches('^/admin(/|$)')",
    "event.data.user_agent.matches('(?i)(curl|wget)/[0-9]+')",
    "event.data.duration_ms > 5000 || event.data.bytes > 1000000",
    "has(event.data.error) && event.data.error != null",
    "event.data.message.startsWith('panic:') || event.data.message.contains('out of memory')",
    "event.agent.startsWith('urn:') && event.data.outcome != 'ignored'",
];

/// So many events like [`EVENT`], of which no two have the same message, path or client.
#[allow(dead_code, reason = "of use where it is measured what is never seen again")]
pub(crate) fn varied(events: u32) -> Vec<String> {
    (0..events)
        .map(|n| {
            EVENT
                .replace("the page", &format!("page {n:05}"))
                .replace("v1/search", &format!("v1/search/{n:05}"))
                .replace("rv:128.0", &format!("rv:{n:05}"))
        })
        .collect()
}

/// A dozen members.
pub(crate) const EVENT: &str = r#"{"bytes":48213,"decision":"allow","duration_ms":812,"gen_ai.request.model":"large","http":{"status":200},"message":"fetched the page and\nfound \"what\" was asked for","n":1,"outcome":"ok","retries":0,"tool":"search","url":{"path":"/api/v1/search"},"user_agent":"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"}"#;
