// Events that are made to break out of wherever a page could put them, sealed and not.
import type { JsonObject } from '../src/verify/json.ts';
import { Sealer } from './sealed.ts';

const RUN = 'globalThis.pwned=1';

/** Texts that do something where they are not taken as text. */
const TEXTS = [
  `</script><script>${RUN}</script>PWNED`,
  `<!--<script>${RUN}</script>`,
  `<img src=x onerror="${RUN}">PWNED`,
  `<svg onload="${RUN}"><animate onbegin="${RUN}" attributeName=x dur=1s></svg>`,
  `"><style>*{display:none}</style>`,
  `' onmouseover='${RUN}' x='`,
  `javascript:${RUN}`,
  `data:text/html,<script>${RUN}</script>`,
  `\${${RUN}}{{constructor.constructor("${RUN}")()}}`,
  `]]></script><script>${RUN}//`,
  `=HYPERLINK("http://evil.example";"x")`,
  `@import url(http://evil.example/x.css);`,
  `\u001b[2J\u001b]0;PWNED\u0007\u009b31m`,
  `ok\u202edenied\u202c\u2066x\u2069`,
  `line\u2028feed\u2029${RUN}`,
  `sin\u200bkwell\u00ad\ufeff`,
  'раypаl',
  'ｓｉｎｋｗｅｌｌ',
  `${'\u0301'.repeat(500)}zalgo`,
  '__proto__',
  'constructor',
  'hasOwnProperty',
  'A'.repeat(100_000),
];

export function attacks(): { lines: string; words: string[] } {
  const of = new Sealer(9, `urn:agent:${TEXTS[0] ?? ''}`);
  for (const text of TEXTS) {
    const data: JsonObject = { outcome: text.slice(0, 60), tool: text };
    Object.defineProperty(data, text.slice(0, 100), { value: text, enumerable: true });
    of.seal('tool.invocation', data, { runid: text.slice(0, 200), subject: text.slice(0, 200) });
    of.seal('run.started', { goal: text, parent_run: text.slice(0, 200) }, { runid: text.slice(0, 200) });
    of.seal(
      'policy.decision',
      { action: text, decision: 'allow', rule: text },
      { id: `d${of.n}`, runid: 'run' },
    );
    of.seal(
      'cost.estimated',
      { amount_micros: 1, currency: text, rate_table_version: '1' },
      { runid: 'run' },
    );
  }
  of.own('policy.breach', { count: 1, lane: TEXTS[2] ?? '', reason: TEXTS[0] ?? '' });
  of.own('sink.failed', {
    dropped: 0,
    failure: 'network',
    kind: 'x',
    lane: TEXTS[0] ?? '',
    state: TEXTS[2] ?? '',
    summary: TEXTS[13] ?? '',
    terminal_preserved: true,
  });
  of.own('heartbeat', {
    counters: { __proto__x: 1, [TEXTS[2] ?? '']: 7 },
    heads: [],
    lane: 'constructor',
    state: 'toString',
  });
  const deep = `{"streamid":"019b76da-a800-7000-8000-000000000009","sequence":"00000000000000000200","data":${'{"a":'.repeat(200_000)}1${'}'.repeat(200_000)}}`;
  const rest = [
    deep,
    `${'{'.repeat(1_000_000)}`,
    '{"a":'.repeat(2_000_000),
    '['.repeat(8_000_000),
    `{"a":"${'x'.repeat(17 << 20)}"}`,
    '</script><script>globalThis.pwned=1</script>',
    '{"__proto__":{"streamid":"x"},"sequence":"00000000000000000001"}',
    '{"sequence":"00000000000000000001","streamid":"019b76da-a800-7000-8000-000000000009","sequence":"00000000000000000002"}',
    '\u0000\u0000\u0000',
    '{"unfinished":"</script>',
  ];
  return {
    lines: of.lines.join('') + rest.join('\n'),
    words: ['PWNED', 'globalThis.pwned', 'evil.example', '\u202e', '\u2028', 'раypаl'],
  };
}
