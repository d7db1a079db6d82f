/** How what was thrown says that something ended. */
import { outcomeOfError } from '../native';
import { isError } from './errors';
import { nameOfThrown } from './json';

/** The name that an error gives its kind: that of its class, or its own where that says more (`AbortError`). */
export function kindOf(error: unknown): string {
  try {
    if (isError(error) && /^[A-Za-z0-9_$]{1,64}$/.test(error.name) && error.name !== 'Error')
      return error.name;
  } catch {
    // Then by its class.
  }
  return nameOfThrown(error);
}

/** How it ended, by the names that the core knows: the error's own, else its code (`ETIMEDOUT`). */
export function outcomeOf(error: unknown): 'error' | 'timeout' | 'cancelled' {
  type Outcome = 'error' | 'timeout' | 'cancelled';
  const outcome = outcomeOfError(kindOf(error)) as Outcome;
  if (outcome !== 'error') return outcome;
  let code: unknown;
  try {
    code = (error as { code?: unknown } | null | undefined)?.code;
  } catch {
    // It says nothing.
  }
  return typeof code === 'string' ? (outcomeOfError(code.toWellFormed()) as Outcome) : outcome;
}
