import type { DeedTerms } from './deed';
import { type TellerOptions } from './teller';
/** How runs are watched. */
export interface HandlerOptions extends TellerOptions, Pick<DeedTerms, 'until' | 'timeout'> {
}
type Metadata = Record<string, unknown>;
/**
 * Callbacks for LangChain and LangGraph, for `callbacks: [new Handler()]`.
 *
 * LangChain hands the arguments of its callbacks over in another order than its own declarations say; they are taken as they
 * come.
 */
export declare class Handler {
    #private;
    readonly name = "sinkwell";
    /** The tool waits for its intent. */
    readonly awaitHandlers = true;
    /** What a deed rejects with must reach the program, or its tool would run: LangChain swallows it otherwise. */
    readonly raiseError = true;
    constructor(given?: HandlerOptions);
    /** Seals that nothing is watched any longer, and does nothing from now on. */
    stop(): void;
    /** What LangChain asks of a handler: the same, wherever it is handed on to. */
    copy(): this;
    handleChainStart(chain: unknown, inputs: unknown, id: string, parent?: string, tags?: string[], _metadata?: Metadata, _type?: string, name?: string): void;
    handleChainEnd(outputs: unknown, id: string): void;
    handleChainError(error: unknown, id: string): void;
    /** LangGraph: the graph stopped to ask a person. */
    handleInterrupt({ runId, interrupts, }: {
        runId?: string | undefined;
        interrupts: readonly unknown[];
    }): void;
    handleChatModelStart(model: unknown, given: unknown[][], id: string, parent?: string, extra?: Metadata, _tags?: string[], metadata?: Metadata): void;
    handleLLMStart(model: unknown, prompts: string[], id: string, parent?: string, extra?: Metadata, _tags?: string[], metadata?: Metadata): void;
    handleLLMEnd(response: unknown, id: string): void;
    handleLLMError(error: unknown, id: string): void;
    handleToolStart(tool: unknown, input: string, id: string, parent?: string, _tags?: string[], _metadata?: Metadata, name?: string, toolCallId?: string): Promise<void>;
    handleToolEnd(output: unknown, id: string): Promise<void>;
    handleToolError(error: unknown, id: string): Promise<void>;
    handleRetrieverStart(retriever: unknown, query: string, id: string, parent?: string, _tags?: string[], _metadata?: Metadata, name?: string): void;
    handleRetrieverEnd(documents: unknown, id: string): void;
    handleRetrieverError(error: unknown, id: string): void;
}
/** What is used of `@langchain/core/context`. */
export interface LangChainContext {
    registerConfigureHook(config: {
        contextVar: string;
        inheritable?: boolean;
    }): void;
    setContextVariable(name: PropertyKey, value: unknown): void;
}
/**
 * Watches every run that is begun from here on by the calling code, and by whatever it starts: call it first. Takes the
 * program's `@langchain/core/context`. Installed again, the handler that is there is returned.
 *
 * @throws {InvalidArgumentError} It is not that module.
 */
export declare function install(context: LangChainContext, options?: HandlerOptions): Handler;
/** Undoes `install`. */
export declare function uninstall(): void;
export {};
