import type { Keys } from './keys';
/** How to judge what is shown. */
export interface ViewOptions {
    /** Whom to trust, as for `verify`. A shared secret (`hmac:`) is not in the page: whoever opens it gives the secret to it. */
    readonly keys?: Keys | undefined;
    /** Files of checkpoints, or their text as bytes. */
    readonly checkpoints?: readonly (string | Uint8Array)[] | undefined;
    /** Notes and declared losses count as findings. */
    readonly strict?: boolean | undefined;
    /** The input is one file of a rotated set. */
    readonly partial?: boolean | undefined;
}
/** A page that shows sealed events and verifies them itself; it asks nothing of any network. */
export declare class View {
    /** The page's text. */
    readonly html: string;
    /** Writes the page to a file, mode 0600 where the file is new. */
    save(path: string): Promise<void>;
}
/**
 * Makes the page of `sinkwell view --out` for files, directories or bytes of sealed events.
 *
 * ```js
 * const page = await view('events.ndjson', { keys: { agent: 'agent.pem.pub' } });
 * await page.save('report.html');
 * ```
 *
 * @throws {VerificationError} There is nothing to show; its message says why.
 */
export declare function view(paths: string | Uint8Array | readonly (string | Uint8Array)[], options?: ViewOptions): Promise<View>;
