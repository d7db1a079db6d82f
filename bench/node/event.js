// The event that everybody emits: a dozen attributes, about 500 bytes as JSON, one of them different each time.
export const TYPE = 'com.example.tool.called';

export function attributes(n) {
  return {
    'agent.version': '2026.11.3',
    decision: 'allowed',
    'gen_ai.request.model': 'example-model-large-2026-10-01',
    policy: 'urn:example:policy/tools/read-only',
    resource: 'https://tickets.example.com/api/v2/tickets/483920/comments',
    'session.id': '0193f9a2-7c1e-7b52-a1f4-5d0c2f6e8b91',
    summary: 'Looked up the comments of a ticket to find out which release the customer runs; 14 found',
    'tool.name': 'ticket_comments',
    'usage.call': n,
    'usage.duration_ms': 18.25,
    'usage.input_tokens': 1843,
    'user.confirmed': true,
  };
}
