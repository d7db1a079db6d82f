/**
 * Options of a call, looked at before they are used: where no TypeScript does, a misspelt one would otherwise be read and
 * ignored, and an emitter handed over in their place would leave its events to another.
 */
import { InvalidArgumentError } from './errors';
import { isPlain } from './json';

/**
 * Refuses what is no object of options, and members that `call` does not know.
 *
 * @throws {InvalidArgumentError} It says which, and what is known.
 */
export function checked<T extends object>(
  call: string,
  options: T | undefined,
  members: readonly (keyof T & string)[],
): void {
  if (options === undefined) return;
  if (typeof options !== 'object' || options === null || !isPlain(options)) {
    const given: unknown = options;
    const is =
      typeof given === 'object' && given !== null
        ? `a ${given.constructor?.name ?? 'value'}`
        : `a ${typeof given}`;
    throw new InvalidArgumentError(
      `${call} takes an object of options, as { ${members[0]}: … }, not ${given === null ? 'null' : is}`,
      'options',
    );
  }
  const names: readonly string[] = members;
  for (const name of Object.keys(options)) {
    if (names.includes(name)) continue;
    throw new InvalidArgumentError(
      `${call} has no option ${JSON.stringify(name)}; known: ${members.join(', ')}`,
      name,
    );
  }
}

/** What every integration of a framework takes. */
export const INTEGRATION = ['emitter', 'permit', 'until', 'timeout'] as const;

/**
 * A time in milliseconds.
 *
 * @throws {InvalidArgumentError} It is none.
 */
export function milliseconds(timeout: unknown): void {
  if (timeout === undefined || (typeof timeout === 'number' && timeout >= 0)) return;
  throw new InvalidArgumentError('a time is a number of milliseconds, 0 or more', 'timeout');
}

/** The longest that a timer of Node's waits, in milliseconds (24 days); one that is to wait longer would end at once. */
export const LONGEST_TIMER = 0x7fffffff;
