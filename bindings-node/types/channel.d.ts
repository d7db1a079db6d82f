import { Emitter, type EventData, type EventOptions } from './emitter';
/** What becomes of a message. */
export interface ChannelOptions {
    /** The process's default emitter if absent. */
    readonly emitter?: Emitter | undefined;
    /** What to emit for a message; nothing for nothing. */
    map(message: unknown, channel: string): {
        type: string;
        data?: EventData;
        options?: EventOptions;
    } | undefined;
}
/**
 * Emits what is published on these channels; call the answer to stop. A message that cannot be emitted is a
 * warning of the process, since a publisher must not fail for its subscribers.
 */
export declare function subscribeChannels(channels: readonly string[], options: ChannelOptions): () => void;
