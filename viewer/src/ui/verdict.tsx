// The verdict in words, the first place to look, and on what it rests.

import type { JSX } from 'preact';
import { useState } from 'preact/hooks';

import type { Summary, Told } from '../model/types.ts';
import type { View } from './app.tsx';
import { Card, Mark, T, eventLink, link } from './bits.tsx';
import { EventRow } from './events.tsx';
import { STATES, VERDICTS, bytes, count, failing, kindMeaning, kindTitle, time, wrongs } from './words.ts';

export function VerdictPage({ view }: { view: View }): JSX.Element {
  const { summary, meta } = view;
  const missing = summary.keys.filter(({ here }) => !here);
  const worst = summary.findings.filter(({ weight }) => weight === 'findings');
  const kinds = new Set(worst.map(({ kind }) => kind as string));
  const [mark, ...words] = summary.verdict
    ? VERDICTS[summary.verdict]
    : ['…', 'Checking', 'This page is reading and checking.'];
  const [headline, meaning] = summary.verdict === 'findings' ? failing(summary.states, kinds) : words;
  const said = wrongs(summary.kinds, kinds);
  const bad = Object.entries(summary.kinds).reduce((n, [kind, of]) => n + (kinds.has(kind) ? of : 0), 0);
  const open = summary.open > 0 && summary.verdict === 'sound';
  return (
    <>
      <section class={`hero ${summary.error !== undefined ? 'findings' : (summary.verdict ?? 'unchecked')}`}>
        <span class="hero-mark" aria-hidden="true">
          {summary.error !== undefined ? '✕' : mark}
        </span>
        <div>
          <h1>{summary.error !== undefined ? 'This cannot be judged' : headline}</h1>
          <p>{summary.error ?? meaning}</p>
          {said && <p>Found: {said}</p>}
          {summary.judged && summary.newer > 0 && (
            <p>
              Of the first {count(summary.judgedLines, 'line')}; {count(summary.newer, 'line')} came since
              then, and {summary.newer === 1 ? 'is' : 'are'} judged next.
            </p>
          )}
          {open && (
            <p>
              As far as it goes: {count(summary.open, 'stream')} {summary.open === 1 ? 'was' : 'were'} not
              closed, so lines cut off the end would show only against a checkpoint kept elsewhere.
            </p>
          )}
          {missing.length > 0 && (
            <p>
              Some of it is sealed with a shared secret, which is in no page. Give the secret below to check
              it.
            </p>
          )}
        </div>
      </section>
      {worst[0] && <First found={worst[0]} more={bad - 1} place={summary.place} />}
      <Compared view={view} />
      <div class="grid">
        <Card title="What is here">
          <dl>
            <dt>Events</dt>
            <dd>
              <a href="#/events">{summary.envelopes.toLocaleString('en')}</a> in{' '}
              <a href="#/streams">{count(summary.streams, 'stream')}</a>, {count(summary.runs, 'run')}
            </dd>
            {summary.first && (
              <>
                <dt>From, to</dt>
                <dd>
                  {time(summary.first)} – {time(summary.last)} UTC
                </dd>
              </>
            )}
            {(Object.keys(STATES) as (keyof typeof STATES)[])
              .filter((state) => summary.states[state] > 0)
              .map((state) => (
                <>
                  <dt>
                    <Mark state={state} />
                  </dt>
                  <dd>
                    <a href={`#/events?state=${state}`}>{summary.states[state].toLocaleString('en')}</a>{' '}
                    <small>{STATES[state][2]}</small>
                  </dd>
                </>
              ))}
            {summary.malformed > 0 && (
              <>
                <dt>No envelope</dt>
                <dd>{count(summary.malformed, 'line')}</dd>
              </>
            )}
            {Object.entries(summary.lost).map(([reason, n]) => (
              <>
                <dt>Declared lost</dt>
                <dd>
                  <a href="#/losses">{n.toLocaleString('en')}</a> <T v={reason} />
                </dd>
              </>
            ))}
            {summary.erased > 0 && (
              <>
                <dt>Erased</dt>
                <dd>{summary.erased.toLocaleString('en')} by retention, declared</dd>
              </>
            )}
          </dl>
        </Card>
        <Keys view={view} />
      </div>
      <Findings view={view} />
      <Card title="Where it comes from">
        <ul class="plain">
          {summary.sources.map((source) => (
            <li>
              <code>
                <T v={source.name} />
              </code>{' '}
              {source.kind === 'checkpoint' ? 'checkpoints kept elsewhere, ' : ''}
              {bytes(source.bytes)}, {count(source.lines, 'line')}
            </li>
          ))}
          {(meta.core.report.beside ?? []).map((path) => (
            <li>
              Not read, but beside it:{' '}
              <code>
                <T v={path} />
              </code>
            </li>
          ))}
        </ul>
        <p class="small">
          What this proves: that the holder of the key sealed these bytes in this order, and what is missing.
          Not that the agent was right, nor that its clock was.
        </p>
      </Card>
    </>
  );
}

function range(found: Told): string {
  if (found.from === undefined) return '';
  return found.from === found.to ? `number ${found.from}` : `numbers ${found.from} to ${found.to ?? ''}`;
}

/** A place in a file, as one says it: `line 11 of events.ndjson`. */
function Where({ where }: { where: string }): JSX.Element {
  const colon = where.lastIndexOf(':');
  return (
    <>
      line {where.slice(colon + 1)} of{' '}
      <code>
        <T v={where.slice(0, colon)} />
      </code>
    </>
  );
}

/** Kinds of what is not there: a line beside the hole says so. */
const HOLES = new Set(['removed', 'gap', 'truncated']);

/** Kinds of what no line here is of: a line elsewhere names it. */
const NAMED = new Set(['missing_stream', 'missing_lane']);

function First({ found, more, place }: { found: Told; more: number; place: Summary['place'] }): JSX.Element {
  const hole = HOLES.has(found.kind) && place.here.length === 0;
  const { before, here, after } = place;
  return (
    <Card tone="findings" title="The first place to look">
      <p class="lead">
        <strong>{kindTitle(found.kind)}</strong>
        {hole ? (
          <>: {range(found)} of a stream</>
        ) : (
          <>
            {found.where !== undefined && (
              <>
                : {NAMED.has(found.kind) && 'named by '}
                <Where where={found.where} />
              </>
            )}
            {found.from !== undefined && <>, {range(found)} of its stream</>}
          </>
        )}
      </p>
      <p>
        {kindMeaning(found.kind)}{' '}
        {found.why && (
          <em>
            <T v={found.why} />
          </em>
        )}
        {hole && found.where !== undefined && (
          <>
            {found.kind === 'truncated' ? 'It is named by' : 'The first line after the gap is'}{' '}
            <Where where={found.where} />.
          </>
        )}
      </p>
      {(hole || here.length > 0) && (
        <div class="place" role="group" aria-label="What stands there">
          {before && <EventRow row={before} />}
          {hole && (
            <p class="row hole">
              <span aria-hidden="true">✕</span>
              <strong>
                {range(found)}: {found.kind === 'truncated' ? 'cut off' : 'not here any more'}
              </strong>
            </p>
          )}
          {here.map((row) => (
            <EventRow row={row} key={row.i} />
          ))}
          {after && <EventRow row={after} />}
        </div>
      )}
      {here.some(({ state }) => state === 'wrong') && (
        <p class="small">Rely on nothing that a line marked ✕ says.</p>
      )}
      <p>
        {found.at !== undefined && (
          <a class="button" href={eventLink(found.at)}>
            {hole ? 'Show the line after the gap' : 'Show this line'}
          </a>
        )}{' '}
        {found.stream !== undefined && <a href={link('streams', found.stream)}>Show where in its stream</a>}{' '}
        {more > 0 && <span>and {count(more, 'more finding')} below</span>}
      </p>
    </Card>
  );
}

function Compared({ view: { summary, meta } }: { view: View }): JSX.Element {
  if (!summary.judged) return <></>;
  if (!summary.compared) {
    return (
      <p class="compared unchecked">
        ? The command {meta.live ? 'has not judged these lines yet' : 'had other keys'}; the verdict here is
        this page's own.
      </p>
    );
  }
  if (summary.differences.length === 0) {
    return (
      <p class={`compared ${summary.verdict === 'findings' ? '' : 'verified'}`}>
        {summary.verdict !== 'findings' && <span aria-hidden="true">✓ </span>}
        This verdict was reached twice, by two programs that share no code: this page, just now, and the
        command that {meta.live ? 'serves' : 'wrote'} it. They agree
        {summary.comparedLines < summary.judgedLines &&
          ` on the first ${count(summary.comparedLines, 'line')}; the command is asked again from time to time`}
        .
      </p>
    );
  }
  return (
    <Card
      tone="findings"
      title={`This page and the command that ${meta.live ? 'serves' : 'wrote'} it do not agree`}
    >
      <p>
        Believe neither until you know why: one of them is wrong, or the page was changed after it was
        written.
      </p>
      <ul>
        {summary.differences.slice(0, 30).map((difference) => (
          <li>
            <T v={difference} />
          </li>
        ))}
      </ul>
    </Card>
  );
}

function Keys({ view: { summary, client } }: { view: View }): JSX.Element {
  const [wrong, setWrong] = useState('');
  const give = async (submit: Event): Promise<void> => {
    submit.preventDefault();
    const form = submit.currentTarget as HTMLFormElement;
    const data = new FormData(form);
    const file = data.get('file');
    if (!(file instanceof File) || file.size === 0 || file.size > 65_536)
      return setWrong('choose the file of the key');
    const bytes = new Uint8Array(await file.arrayBuffer());
    const pem = new TextDecoder('latin1').decode(bytes).trim().startsWith('-----BEGIN');
    setWrong(await client.call('give', String(data.get('id')), pem ? 'ed25519' : 'hmac', bytes));
    client.end();
    form.reset();
  };
  return (
    <Card title="Checked with these keys">
      {summary.keys.length === 0 && (
        <p>None was given. Without a key, form and chain can be checked, but anyone could have made them.</p>
      )}
      <dl>
        {summary.keys.map((key) => (
          <>
            <dt>
              <T v={key.id} />
            </dt>
            <dd>
              {key.alg === 'ed25519' ? 'public key' : 'shared secret'}
              {key.agent !== undefined && (
                <>
                  , may seal for <T v={key.agent} />
                </>
              )}
              , {key.here ? `${count(key.used, 'signature')} made with it` : 'not in this page'}
              {key.fingerprint && (
                <>
                  <br />
                  <small>fingerprint (SHA-256)</small> <code class="hash">{key.fingerprint}</code>
                </>
              )}
            </dd>
          </>
        ))}
      </dl>
      {summary.keys.some(({ fingerprint }) => fingerprint) && (
        <p class="small">
          If somebody sent you this page, compare the fingerprint with what the key's owner tells you: a page
          can be made with any key.
        </p>
      )}
      <details>
        <summary>Give a key of your own</summary>
        <form onSubmit={(submit) => void give(submit)}>
          <label>
            Its id <input name="id" required list="key-ids" autocomplete="off" />
          </label>
          <datalist id="key-ids">
            {summary.keys.map(({ id }) => (
              <option value={id} />
            ))}
          </datalist>
          <label>
            Its file <input name="file" type="file" required />
          </label>
          <button type="submit">Check with it</button>
          {wrong && <p role="alert">{wrong}</p>}
          <p class="small">It stays in this page, and is forgotten with it.</p>
        </form>
      </details>
    </Card>
  );
}

function Findings({ view: { summary } }: { view: View }): JSX.Element {
  const all = Object.values(summary.kinds).reduce((a, b) => a + b, 0);
  const [most, setMost] = useState(50);
  if (all === 0) return <></>;
  const notes = summary.findings.every(({ weight }) => weight === 'note');
  return (
    <Card title={notes ? 'Worth knowing' : 'What was found'} id="findings">
      <div class="scroll">
        <table class="stacks">
          <thead>
            <tr>
              <th>What</th>
              <th>Where</th>
              <th>Meaning</th>
            </tr>
          </thead>
          <tbody>
            {summary.findings.slice(0, most).map((found) => (
              <tr>
                <td>
                  <span class={`weight ${found.weight}`}>
                    <span aria-hidden="true">
                      {found.weight === 'findings' ? '✕' : found.weight === 'incomplete' ? '◐' : 'i'}
                    </span>{' '}
                    {kindTitle(found.kind)}
                  </span>
                  <br />
                  <small>
                    {found.kind}
                    {found.weight === 'note' && ', a note'}
                  </small>
                </td>
                <td>
                  {found.at !== undefined ? (
                    <a href={eventLink(found.at)}>{range(found) || 'this line'}</a>
                  ) : (
                    range(found)
                  )}
                  <br />
                  <small>{found.where !== undefined && <T v={found.where} />}</small>
                </td>
                <td>
                  {kindMeaning(found.kind)}{' '}
                  {found.why && (
                    <em>
                      <T v={found.why} />
                    </em>
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {all > most && (
        <p>
          {count(all - Math.min(most, summary.findings.length), 'more finding')}{' '}
          {summary.findings.length > most && (
            <button type="button" onClick={() => setMost(most + 200)}>
              Show more
            </button>
          )}
        </p>
      )}
    </Card>
  );
}
