import type { DeedTerms } from './deed';
import { type TellerOptions } from './teller';
/** How runs are watched. */
export interface WatchOptions extends TellerOptions, Pick<DeedTerms, 'until' | 'timeout'> {
}
/** One program's use of the AI SDK. */
export declare class Watch {
    #private;
    /** For `wrapLanguageModel`: each answer of the model, streamed or not, is a `model.usage`. */
    readonly middleware: {
        readonly specificationVersion: 'v3';
        wrapGenerate(options: any): PromiseLike<any>;
        wrapStream(options: any): PromiseLike<any>;
    };
    constructor(given?: WatchOptions);
    /** Seals that nothing is watched any longer, and does nothing from now on. */
    stop(): void;
    /**
     * Calls `body` as an agent's run, to which what is emitted in it belongs. A run within a run, or within a tool, has that one as
     * its parent. It ends when `body` has ended: where it streams, read the stream in it to its end.
     */
    run<R>(name: string, body: () => R | PromiseLike<R>): Promise<R>;
    /**
     * The same tools, each call of which is a deed. Those without an `execute` (run by the provider, or by the client) stay as
     * they are. A call that waits for approval is a decision, and so is the answer.
     *
     * @throws {InvalidArgumentError} It is no object of tools.
     */
    tools<T extends object>(tools: T): T;
}
