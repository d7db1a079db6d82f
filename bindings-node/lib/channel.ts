/** What programs publish on `node:diagnostics_channel`, as events. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { Emitter, type EventData, type EventOptions } from './emitter';
import { warn } from './errors';

/** What becomes of a message. */
export interface ChannelOptions {
  /** The process's default emitter if absent. */
  readonly emitter?: Emitter | undefined;
  /** What to emit for a message; nothing for nothing. */
  map(
    message: unknown,
    channel: string,
  ): { type: string; data?: EventData; options?: EventOptions } | undefined;
}

/**
 * Emits what is published on these channels; call the answer to stop. A message that cannot be emitted is a
 * warning of the process, since a publisher must not fail for its subscribers.
 */
export function subscribeChannels(channels: readonly string[], options: ChannelOptions): () => void {
  const take = (message: unknown, name: string | symbol): void => {
    try {
      const event = options.map(message, String(name));
      if (event === undefined) return;
      (options.emitter ?? Emitter.default()).emit(event.type, event.data, event.options);
    } catch (error) {
      warn(error);
    }
  };
  for (const channel of channels) subscribe(channel, take);
  return () => {
    for (const channel of channels) unsubscribe(channel, take);
  };
}
