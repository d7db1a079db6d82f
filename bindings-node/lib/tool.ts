/** Calls of tools as events. */
import { Emitter } from './emitter';
import { InvalidArgumentError, warn } from './errors';
import { checked } from './options';
import { kindOf, outcomeOf } from './outcome';

/** How calls of a tool become events. */
export interface ToolOptions {
  /** The process's default emitter if absent. */
  readonly emitter?: Pick<Emitter, 'emit'> | undefined;
  /** What the tool is called; the function's name if absent. */
  readonly name?: string | undefined;
}

type AnyFunction = (this: never, ...values: never[]) => unknown;

/**
 * The same function, whose calls are events: after each, when it has returned or its promise has settled, one
 * `tool.invocation` with `tool`, `outcome` (`ok`, `error`, `timeout`, `cancelled`), `duration_ms` and, of an exception,
 * its class as `error.type`. Neither arguments nor results are taken. It never waits, and never fails for it: an event
 * that cannot be emitted is a warning of the process. For an act that must not happen unrecorded this is too late. What
 * the function answers is answered; a promise of another class comes as a plain one.
 *
 * ```js
 * const search = tool('search', async (query) => …);
 * ```
 */
export function tool<F extends AnyFunction>(name: string, call: F, options?: ToolOptions): F;
export function tool<F extends AnyFunction>(call: F, options?: ToolOptions): F;
export function tool(...given: unknown[]): unknown {
  const [name, call, options] = (typeof given[0] === 'string' ? given : [undefined, ...given]) as [
    string | undefined,
    (...values: unknown[]) => unknown,
    ToolOptions | undefined,
  ];
  if (typeof call !== 'function') throw new InvalidArgumentError('a tool is a function', 'tool');
  checked('tool', options, ['emitter', 'name']);
  const known = name ?? options?.name ?? call.name;
  if (known === '')
    throw new InvalidArgumentError('a function without a name needs one: tool(name, f)', 'tool');

  const report = (since: number, failed: boolean, error?: unknown): void => {
    try {
      const data = {
        tool: known,
        outcome: failed ? outcomeOf(error) : ('ok' as const),
        duration_ms: performance.now() - since,
        ...(failed && { 'error.type': kindOf(error) }),
      };
      (options?.emitter ?? Emitter.default()).emit('tool.invocation', data);
    } catch (refusal) {
      warn(refusal);
    }
  };
  const wrapped = function (this: unknown, ...values: unknown[]): unknown {
    const since = performance.now();
    let result: unknown;
    try {
      result = Reflect.apply(call, this, values);
    } catch (error) {
      report(since, true, error);
      throw error;
    }
    if (typeof (result as PromiseLike<unknown> | null | undefined)?.then !== 'function') {
      report(since, false);
      return result;
    }
    // One that goes on from it: a rejection that nobody handles is still one.
    return Promise.resolve(result).then(
      (value) => {
        report(since, false);
        return value;
      },
      (error: unknown) => {
        report(since, true, error);
        throw error;
      },
    );
  };
  Object.defineProperty(wrapped, 'name', { value: call.name, configurable: true });
  Object.defineProperty(wrapped, 'length', { value: call.length, configurable: true });
  return wrapped;
}
