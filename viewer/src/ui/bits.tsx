// Small parts that all views use.

import type { ComponentChildren, JSX } from 'preact';
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';

import type { Client } from '../client.ts';
import type { Api, State } from '../model/types.ts';
import { STATES } from './words.ts';

// What cannot be seen, or changes how what is beside it is read: controls, marks of direction, blanks of no width.
const HIDDEN =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff]|\p{Cs}|[\u{e0000}-\u{e01ef}]|(?<=\p{M}{4})\p{M}+/gu;
const WORD = /[\p{L}\p{M}\p{N}]+/gu;
const ALPHABETS = [
  /\p{Script=Latin}/u,
  /\p{Script=Cyrillic}/u,
  /\p{Script=Greek}/u,
  /\p{Script=Armenian}/u,
  /\p{Script=Cherokee}/u,
];

/** Whether letters of two alphabets that look alike stand in one word. */
export function mixed(text: string): boolean {
  if (/^[\x20-\x7e]*$/.test(text)) return false;
  return (text.match(WORD) ?? []).some(
    (word) => ALPHABETS.filter((alphabet) => alphabet.test(word)).length > 1 || /[\uff01-\uff5e]/.test(word),
  );
}

/** A character by its number; of marks heaped on a letter, how many there are. */
const shownAs = (hidden: string): string =>
  /^\p{M}{2,}$/u.test(hidden)
    ? `${hidden.length} marks`
    : `\\u${(hidden.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`;

/** Text of a stranger: always text, with what is hidden in it made visible, and apart from what stands beside it. */
export function T({
  v,
  keep = false,
  most = 4000,
}: {
  v: string;
  keep?: boolean;
  most?: number;
}): JSX.Element {
  const cut = v.length > most ? v.slice(0, most) : v;
  const parts: ComponentChildren[] = [];
  let at = 0;
  for (const found of cut.matchAll(HIDDEN)) {
    if (keep && found[0] === '\n') continue;
    parts.push(cut.slice(at, found.index), <span class="hidden-char">{shownAs(found[0])}</span>);
    at = found.index + found[0].length;
  }
  parts.push(cut.slice(at));
  return (
    <bdi class="t">
      {parts}
      {cut.length < v.length && <span class="hidden-char">… {v.length - cut.length} more</span>}
      {mixed(cut) && <span class="warn-tag">letters of several alphabets</span>}
    </bdi>
  );
}

/** A state: a mark, a word, and a colour, never the colour alone. */
export function Mark({ state, short = false }: { state: State; short?: boolean }): JSX.Element {
  const [mark, word, meaning] = STATES[state];
  return (
    <span class={`mark ${state}`} title={`${word}: ${meaning}`}>
      <span aria-hidden="true">{mark}</span>
      <span class={short ? 'sr' : ''}> {word}</span>
    </span>
  );
}

/** An answer of the worker; asked again when `keys` change. */
export function useAnswer<K extends keyof Api>(
  client: Client,
  name: K,
  args: Parameters<Api[K]>,
  turn: number,
): Awaited<ReturnType<Api[K]>> | undefined {
  const [answer, setAnswer] = useState<Awaited<ReturnType<Api[K]>>>();
  const key = JSON.stringify(args);
  useEffect(() => {
    let here = true;
    client
      .call(name, ...args)
      .then((value) => here && setAnswer(() => value as Awaited<ReturnType<Api[K]>>))
      .catch(() => here && setAnswer(undefined));
    return () => {
      here = false;
    };
  }, [name, key, turn]);
  return answer;
}

export const ROW = 30;
/** Browsers end at some 16 million pixels: a longer list is scrolled in proportion. */
const TALLEST = 8_000_000;

/** A list of any length of which only what is on screen is there. */
export function VirtualList({
  total,
  row,
  ask,
  label,
  goTo,
}: {
  total: number;
  row: (index: number) => ComponentChildren;
  /** Told which rows are on screen. */
  ask: (from: number, count: number) => void;
  label: string;
  goTo?: number | undefined;
}): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  const [[top, height], setAt] = useState<[number, number]>([0, 600]);
  const tall = Math.min(total * ROW, TALLEST);
  const fits = Math.ceil(height / ROW) + 1;
  const scaled = total * ROW > TALLEST;
  const room = Math.max(1, tall - height);
  const first = scaled
    ? Math.min(total - 1, Math.floor((top / room) * Math.max(0, total - fits + 1)))
    : Math.floor(top / ROW);
  const measure = useCallback(() => {
    const { current } = box;
    if (current) setAt([current.scrollTop, current.clientHeight]);
  }, []);
  useLayoutEffect(measure, [total]);
  useEffect(() => {
    window.addEventListener('resize', measure);
    return () => window.removeEventListener('resize', measure);
  }, []);
  useEffect(() => {
    if (goTo === undefined || goTo < 0 || !box.current) return;
    const wanted = scaled ? (goTo / Math.max(1, total - fits + 1)) * room : goTo * ROW - height / 2;
    box.current.scrollTop = Math.max(0, wanted);
  }, [goTo, total > 0]);
  useEffect(() => ask(first, fits), [first, fits, total]);
  const rows: ComponentChildren[] = [];
  for (let i = first; i < Math.min(total, first + fits); i += 1) rows.push(row(i));
  const offset = scaled ? top : first * ROW;
  return (
    <div class="virtual" ref={box} onScroll={measure} tabIndex={0} role="region" aria-label={label}>
      <div class="virtual-all" style={{ height: `${tall}px` }}>
        <div
          class="virtual-rows"
          style={{ transform: `translateY(${Math.min(offset, Math.max(0, tall - rows.length * ROW))}px)` }}
        >
          {rows}
        </div>
      </div>
    </div>
  );
}

export function Card({
  title,
  children,
  tone = '',
  id,
}: {
  title?: string;
  children: ComponentChildren;
  tone?: string;
  id?: string;
}): JSX.Element {
  return (
    <section class={`card ${tone}`} id={id}>
      {title && <h2>{title}</h2>}
      {children}
    </section>
  );
}

export const link = (view: string, ...rest: (string | number)[]): string =>
  `#/${[view, ...rest].map((part) => encodeURIComponent(String(part))).join('/')}`;

export const eventLink = (i: number): string => link('event', i);

export function Empty({ children }: { children: ComponentChildren }): JSX.Element {
  return <p class="empty">{children}</p>;
}
