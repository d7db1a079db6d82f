'use strict';
// What it costs to hold data to JSON's rules before it crosses: ns per event, best and median of 7 rounds.
const data = {
  tool: 'search',
  outcome: 'ok',
  duration_ms: 12.5,
  n: 17,
  args: { query: 'weather in Berlin', limit: 10, tags: ['a', 'b', 'c'] },
  'mcp.server': 'web',
  nested: { a: { b: { c: [1, 2, 3, { d: null, e: true }] } } },
};
class Fault {
  constructor(m) {
    this.m = m;
    this.path = [];
  }
}
function plain(v) {
  const p = Object.getPrototypeOf(v);
  return p === Object.prototype || p === null || Object.getPrototypeOf(p) === null;
}
function walkKeys(v, d) {
  switch (typeof v) {
    case 'string':
    case 'boolean':
      return undefined;
    case 'number':
      return Number.isFinite(v) ? undefined : new Fault('nan');
    case 'object': {
      if (v === null) return undefined;
      if (d > 1024) return new Fault('deep');
      if (Array.isArray(v)) {
        for (let i = 0; i < v.length; i++) {
          const f = walkKeys(v[i], d + 1);
          if (f) {
            f.path.push(i);
            return f;
          }
        }
        return undefined;
      }
      if (!plain(v)) return new Fault('class');
      const ks = Object.keys(v);
      for (let i = 0; i < ks.length; i++) {
        const f = walkKeys(v[ks[i]], d + 1);
        if (f) {
          f.path.push(ks[i]);
          return f;
        }
      }
      return undefined;
    }
    default:
      return new Fault(typeof v);
  }
}
function walkIn(v, d) {
  switch (typeof v) {
    case 'string':
    case 'boolean':
      return undefined;
    case 'number':
      return Number.isFinite(v) ? undefined : new Fault('nan');
    case 'object': {
      if (v === null) return undefined;
      if (d > 1024) return new Fault('deep');
      if (Array.isArray(v)) {
        for (let i = 0; i < v.length; i++) {
          const f = walkIn(v[i], d + 1);
          if (f) {
            f.path.push(i);
            return f;
          }
        }
        return undefined;
      }
      if (!plain(v)) return new Fault('class');
      for (const k in v) {
        const f = walkIn(v[k], d + 1);
        if (f) {
          f.path.push(k);
          return f;
        }
      }
      return undefined;
    }
    default:
      return new Fault(typeof v);
  }
}
function replacer(k, v) {
  switch (typeof v) {
    case 'string':
    case 'boolean':
      return v;
    case 'number':
      if (Number.isFinite(v)) return v;
      throw new Fault('nan');
    case 'object':
      if (v === null || Array.isArray(v) || plain(v)) return v;
      throw new Fault('class');
    default:
      throw new Fault(typeof v);
  }
}
const esc = /["\\\u0000-\u001f\ud800-\udfff]/;
function own(v, d) {
  switch (typeof v) {
    case 'string':
      return esc.test(v) ? JSON.stringify(v) : '"' + v + '"';
    case 'boolean':
      return v ? 'true' : 'false';
    case 'number':
      if (Number.isFinite(v)) return '' + v;
      throw new Fault('nan');
    case 'object': {
      if (v === null) return 'null';
      if (Array.isArray(v)) {
        let s = '[';
        for (let i = 0; i < v.length; i++) s += (i ? ',' : '') + own(v[i], d + 1);
        return s + ']';
      }
      if (!plain(v)) throw new Fault('class');
      let s = '{',
        c = '';
      for (const k in v) {
        s += c + (esc.test(k) ? JSON.stringify(k) : '"' + k + '"') + ':' + own(v[k], d + 1);
        c = ',';
      }
      return s + '}';
    }
    default:
      throw new Fault(typeof v);
  }
}
const forms = {
  'stringify alone': (d) => JSON.stringify(d),
  'walker (keys) + stringify': (d) => {
    if (walkKeys(d, 0)) throw 1;
    return JSON.stringify(d);
  },
  'walker (for in) + stringify': (d) => {
    if (walkIn(d, 0)) throw 1;
    return JSON.stringify(d);
  },
  replacer: (d) => JSON.stringify(d, replacer),
  'own serializer': (d) => own(d, 0),
};
const small = { tool: 'search', outcome: 'ok' };
const out = own(data, 0);
if (out !== JSON.stringify(data)) throw new Error('differs');
for (const [label, d] of [
  ['small', small],
  ['nested', data],
])
  for (const [name, f] of Object.entries(forms)) {
    const runs = [];
    for (let r = 0; r < 7; r++) {
      const N = 200000;
      let sink = 0;
      const t = process.hrtime.bigint();
      for (let i = 0; i < N; i++) {
        d.n = i;
        const s = f(d);
        sink += Buffer.byteLength(s);
      }
      runs.push(Number(process.hrtime.bigint() - t) / N);
    }
    runs.sort((a, b) => a - b);
    console.log(
      label.padEnd(8),
      name.padEnd(30),
      runs[0].toFixed(0) + ' ns best',
      runs[3].toFixed(0) + ' ns median',
    );
  }
