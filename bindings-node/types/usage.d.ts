/** An amount that a run cost. */
export interface Cost {
    /** In millionths of the currency; a correction may be negative. */
    readonly amountMicros: number;
    /** By ISO 4217. */
    readonly currency: string;
    /** Which prices it was reckoned with. */
    readonly rateTableVersion: string;
    /** The provider itself names the cost. */
    readonly reported?: boolean | undefined;
    /** The id of the event that this one corrects, which stays as it is. */
    readonly correctionRef?: string | undefined;
}
/** A `model.usage` event of a child run. */
export interface ChildUsage {
    readonly run: string;
    /** That of the event: one that comes twice counts once. */
    readonly id: string;
    readonly data: object;
}
/** The data of a cost event: of `cost.corrected` with a `correctionRef`, else of `cost.estimated`. */
export declare function costData(cost: Cost): Record<string, unknown>;
/** The data of a parent run's `model.usage`: the sums, and each child's own under its run. */
export declare function rollUp(children: readonly ChildUsage[]): Record<string, unknown>;
/**
 * The data of `model.usage`, from what a provider answered: its usage object, or the whole response, as its client gives
 * it, instances of classes included. `provider` is `openai`, `azure`, `anthropic`, `google`, `bedrock`, `mistral`,
 * `cohere`, `ollama`; `ai_sdk` and `langchain` take what these make of any provider's answer (of a stream's result, its
 * awaited `totalUsage`); `otel` takes the attributes of a span.
 *
 * @throws {InvalidArgumentError} An unknown provider, or no usage in it.
 * @throws {InvalidEventError} A count that is no integer of at least 0.
 */
export declare function modelUsage(provider: string, answer: object): Record<string, unknown>;
