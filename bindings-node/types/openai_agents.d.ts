/**
 * The OpenAI Agents SDK: runs, agents, models, tools, handoffs, guardrails, approvals.
 *
 *     const processor = new Processor();
 *     addTraceProcessor(processor); // of '@openai/agents': every run of the program
 *     processor.protect(agent); // its tools, and those of agents that it hands off to, as deeds
 *
 * Guarantees: the SDK swallows what a trace processor throws, so that tracing alone stops nothing. A function tool that
 * `protect` has seen runs only once its intent is safe, and where governance requires a sink that is down, the run ends with
 * the SDK's `ToolCallError`, whose `error` is a `RequiredSinkUnavailableError`, and the tool does not run. Any other call of a
 * tool is told when it has ended. The SDK is not loaded: its objects are taken by what they can.
 */
import type { DeedTerms } from './deed';
import { type TellerOptions } from './teller';
/** How runs are watched. */
export interface ProcessorOptions extends TellerOptions, Pick<DeedTerms, 'until' | 'timeout'> {
}
/** What is used of the SDK's spans. */
interface Span {
    readonly spanId: string;
    readonly traceId: string;
    readonly parentId: string | null;
    readonly spanData: object;
    readonly error: object | null;
}
interface Trace {
    readonly traceId: string;
    readonly name: string;
}
/** A trace processor, for `addTraceProcessor`. */
export declare class Processor {
    #private;
    constructor(given?: ProcessorOptions);
    /** A run begins. */
    onTraceStart({ traceId, name }: Trace): Promise<void>;
    /** A run has ended. */
    onTraceEnd({ traceId, name }: Trace): Promise<void>;
    /** Something within a run begins. */
    onSpanStart(span: Span): Promise<void>;
    /** Something within a run has ended. */
    onSpanEnd(span: Span): Promise<void>;
    /**
     * Makes each call of the agent's function tools a deed, and of the agents that it hands off to; returns the agent. The tools
     * are changed in place; those that an agent gets later need another call.
     *
     * @throws {InvalidArgumentError} It is no agent.
     */
    protect<A extends object>(agent: A): A;
    /** Seals that nothing is watched any longer, and does nothing from now on. */
    stop(): void;
    /** The emitter is the program's, which ends it. */
    shutdown(): Promise<void>;
    /** Waits, five seconds at most, until every lane has delivered. */
    forceFlush(): Promise<void>;
}
export {};
