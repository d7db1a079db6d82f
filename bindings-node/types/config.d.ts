/**
 * A configuration as an object, for the editor and the type checker: the keys of docs/CONFIG.md. What holds is the
 * core's to say, which names an unknown key with the nearest known one. Durations carry a unit (`200ms`, `30s`, `5m`,
 * `1h`), sizes too (`64KiB`, `10MB`).
 */
import type { ContentMode } from './content';
import type { SinkClass } from './sink';
/** What a lane does when it is full. */
export type Overflow = 'block' | 'drop_oldest' | 'drop_progress' | 'coalesce_by_run' | 'fail_sink';
/** How safely a file must be this user's. */
interface Written {
    /** A symbolic link as the last part of the path is followed. */
    readonly allow_links?: boolean | undefined;
    /** Others may write to it, or own it. */
    readonly allow_shared_write?: boolean | undefined;
}
/** A secret that comes from elsewhere. */
type Secret = {
    readonly file: string;
} | {
    readonly env: string;
};
/** The key that seals. */
export interface KeyConfig {
    /** A look-up hint in every envelope. */
    readonly id: string;
    /** PKCS#8 PEM; made by `npx sinkwell keys new agent.pem`. */
    readonly ed25519?: Secret | {
        readonly pem: string;
    } | undefined;
    /** At least 32 bytes, as they are. */
    readonly hmac_sha256?: Secret | {
        readonly base64: string;
    } | undefined;
    /** The program signs: give `Emitter.open` a `signer`, and say `alg`. */
    readonly signer?: 'host' | undefined;
    readonly alg?: 'ed25519' | 'hmac-sha256' | undefined;
    /** Every envelope, or one of each stream in whatever leaves together. */
    readonly sign?: 'each' | 'batch' | undefined;
    readonly allow_group_readable?: boolean | undefined;
}
/** Appends to a file. */
export interface FileSink extends Written {
    /** Made 0600. */
    readonly path: string;
    readonly rotate?: {
        readonly size?: string | undefined;
        readonly age?: string | undefined;
    } | undefined;
    /** How many rotated files stay; all if absent. */
    readonly keep?: number | undefined;
    readonly fsync?: boolean | undefined;
}
/** Exports as OTLP logs; what is left out comes from `OTEL_EXPORTER_OTLP_*`. */
export interface OtlpSink {
    readonly endpoint?: string | undefined;
    readonly protocol?: 'grpc' | 'http/protobuf' | undefined;
    readonly headers?: Readonly<Record<string, string>> | undefined;
    readonly compression?: 'none' | 'gzip' | 'zstd' | undefined;
    readonly ca?: string | undefined;
    readonly client_certificate?: string | undefined;
    readonly client_key?: string | undefined;
    readonly insecure?: boolean | undefined;
    readonly body?: 'string' | 'map' | 'none' | undefined;
    readonly max_request_bytes?: string | undefined;
    /** With `traces`, what finished spans came to goes out as spans, too. */
    readonly signals?: readonly ('logs' | 'traces')[] | undefined;
    readonly resource?: object | undefined;
}
/** A database that proves its own history. */
export interface AuditChainSink extends Written {
    readonly path: string;
    readonly retention?: 'none' | {
        readonly policy: string;
        readonly max_age: string;
    } | undefined;
}
export interface HoneycombSink {
    readonly api_key?: string | undefined;
    readonly dataset?: string | undefined;
    readonly api_host?: string | undefined;
    readonly compression?: 'none' | 'gzip' | 'zstd' | undefined;
    readonly body?: 'none' | 'envelope' | undefined;
    readonly depth?: number | undefined;
    readonly max_fields?: number | undefined;
    readonly max_string?: string | undefined;
    readonly max_event?: string | undefined;
}
export interface StreamSink {
    /** A URL, `HOST:PORT` with TLS, or `unix:PATH`. */
    readonly endpoint: string;
    readonly profile?: 'compact' | 'datadog' | undefined;
    /** With `datadog`: which of its published paths. */
    readonly method?: 'LogsStream' | 'StatefulStream' | undefined;
    /** With `datadog`: the tags of every log. */
    readonly tags?: string | undefined;
    readonly headers?: Readonly<Record<string, string>> | undefined;
    readonly ca?: string | undefined;
    readonly client_certificate?: string | undefined;
    readonly client_key?: string | undefined;
    readonly insecure?: boolean | undefined;
    /** `0s`: for ever. */
    readonly lifetime?: string | undefined;
    /** What is spoken if the peer does not speak this. */
    readonly fallback?: OtlpSink | undefined;
    readonly drain?: string | undefined;
}
/** A sink: by its name alone, or with its keys. */
export type SinkConfig = 'stdout' | 'stderr' | 'console' | 'otlp' | 'honeycomb' | 'memory' | 'null' | {
    readonly stdout: object | null;
} | {
    readonly stderr: object | null;
} | {
    readonly console: {
        readonly color?: 'auto' | 'always' | 'never' | undefined;
        readonly stream?: 'stderr' | 'stdout' | undefined;
    };
} | {
    readonly file: FileSink;
} | {
    readonly otlp: OtlpSink;
} | {
    readonly honeycomb: HoneycombSink | null;
} | {
    readonly stream: StreamSink;
} | {
    readonly audit_chain: AuditChainSink;
}
/** The name of a sink that the program gives. */
 | {
    readonly host: string;
} | {
    readonly memory: object | null;
} | {
    readonly null: object | null;
};
interface QueueConfig {
    readonly events?: number | undefined;
    readonly bytes?: string | undefined;
    /** Events kept free for terminal ones. */
    readonly terminal_reserve?: number | undefined;
}
/** The keys of a lane; what they do: docs/LANES.md. */
export interface LaneKeys {
    /** Unique; the sink's kind if absent. */
    readonly id?: string | undefined;
    readonly preset?: 'agent_telemetry' | undefined;
    readonly classes?: readonly SinkClass[] | undefined;
    readonly queue?: QueueConfig | undefined;
    readonly overflow?: Overflow | undefined;
    /** Then `BackpressureError`. */
    readonly block_timeout?: string | undefined;
    readonly batch?: {
        readonly events?: number | undefined;
        readonly bytes?: string | undefined;
        /** How long delivery waits for a batch to fill. */
        readonly linger?: string | undefined;
    } | undefined;
    /** One delivery. */
    readonly timeout?: string | undefined;
    readonly retry?: {
        readonly initial?: string | undefined;
        readonly cap?: string | undefined;
        /** A duration, or `never`. */
        readonly give_up?: string | undefined;
    } | undefined;
    readonly breaker?: {
        readonly failures?: number | undefined;
        readonly open?: string | undefined;
    } | undefined;
    readonly durable?: boolean | undefined;
    readonly sync?: 'always' | 'os' | {
        readonly every: string;
    } | undefined;
    /** Batches in flight; more than 1 for idempotent sinks only. */
    readonly in_flight?: number | undefined;
    /** @deprecated The former name of `in_flight`. */
    readonly order?: number | undefined;
    readonly content?: {
        readonly mode?: ContentMode | undefined;
        readonly classes?: readonly string[] | undefined;
    } | undefined;
    readonly streams?: number | undefined;
}
/** A lane. */
export interface LaneConfig extends LaneKeys {
    readonly sink: SinkConfig;
}
/** Which sinks must be there. */
interface RequiredSink {
    readonly class: SinkClass;
    readonly health?: 'required' | undefined;
    /** `fail_closed` if absent. */
    readonly on_unhealthy?: 'fail_closed' | 'degrade' | 'alert_only' | undefined;
}
/** A mode as a policy spells it: this product's words, or those of the proposals that it reads. */
type PolicyMode = ContentMode | 'metadata_only' | 'payload_refs' | 'raw_content' | boolean;
/** What may be seen of content, by class; docs/CONTENT.md. */
export interface ContentPolicy {
    /** For classes without a rule; `off` if absent. */
    readonly mode?: PolicyMode | undefined;
    readonly classes?: Readonly<Record<string, PolicyMode | {
        readonly mode: PolicyMode;
        /** Globs. */
        readonly tenants?: readonly string[] | undefined;
        /** Globs. */
        readonly agents?: readonly string[] | undefined;
        /** A date or a time. */
        readonly expires?: string | undefined;
    }>> | undefined;
    /** What is masked, everywhere. */
    readonly redaction?: {
        readonly id: string;
        readonly detectors?: readonly string[] | undefined;
        /** Members of `data`: `$.user.name`. */
        readonly paths?: readonly string[] | undefined;
        /** By name, linear-time regular expressions. */
        readonly patterns?: Readonly<Record<string, string>> | undefined;
        /** Regular expressions of what detectors leave alone. */
        readonly keep?: readonly string[] | undefined;
        readonly replace?: 'mask' | 'drop' | 'hash' | undefined;
        readonly keep_identifiers?: boolean | undefined;
    } | undefined;
    readonly retention?: {
        readonly class: string;
        readonly window: string;
    } | undefined;
    readonly sampling?: {
        readonly key?: 'run' | 'trace' | 'event' | undefined;
        readonly rate: {
            readonly numerator: number;
            readonly denominator: number;
        };
    } | undefined;
    readonly limits?: {
        readonly bytes?: string | number | undefined;
        readonly parts?: number | undefined;
        readonly tokens?: number | undefined;
        readonly media_bytes?: string | number | undefined;
    } | undefined;
    /** Child agents and extensions that are included, by name. */
    readonly children?: readonly string[] | undefined;
}
/** The policy that the emitter enforces: whatever of it cannot be understood refuses to start. */
export interface GovernanceDocument {
    /** Sealed as `policyversion`. */
    readonly version?: string | undefined;
    readonly required_sinks?: readonly RequiredSink[] | undefined;
    /** One class, `fail_closed`. */
    readonly requires_sink?: SinkClass | undefined;
    readonly heartbeat?: {
        readonly every: string | 0;
    } | undefined;
    /** Ids of `audit` or `siem` lanes that may drop. */
    readonly allow_drop?: readonly string[] | undefined;
    readonly content?: ContentPolicy | undefined;
}
/** The document. */
export interface ConfigurationDocument {
    readonly agent?: {
        /** Whose events these are. */
        readonly id?: string | undefined;
        readonly tenant?: string | undefined;
        /** Globs that an event's own `agent` or `tenant` must match. */
        readonly allow?: readonly string[] | undefined;
    } | undefined;
    /** URI-reference of the producer; the agent's id if absent. */
    readonly source?: string | undefined;
    /** Prefix of built-in types; `dev.sinkwell.` if absent. */
    readonly type_prefix?: string | undefined;
    /** Whether ids are random, or count from a random number on in each process; `random` if absent. */
    readonly ids?: 'random' | 'derived' | undefined;
    /** Without one, envelopes are unsigned. */
    readonly key?: KeyConfig | undefined;
    /** Without one, no lane is durable. */
    readonly journal?: (Written & {
        readonly dir: string;
        readonly sync?: 'always' | 'os' | {
            readonly every: string;
        } | undefined;
        readonly budget?: string | undefined;
        readonly floor?: string | undefined;
    }) | undefined;
    readonly heartbeat?: 'off' | {
        readonly every?: string | undefined;
    } | undefined;
    readonly queue?: QueueConfig | undefined;
    readonly overflow?: Overflow | undefined;
    /** One `console` lane if absent. */
    readonly lanes?: readonly (LaneConfig | Exclude<SinkConfig, object>)[] | undefined;
    readonly checkpoint?: (Written & {
        readonly file: string;
    }) | {
        readonly lane: string;
    } | undefined;
    /** On SIGTERM and SIGINT what is queued goes out at once; see "Shutting down" in the README. */
    readonly handle_signals?: boolean | undefined;
    readonly limits?: {
        readonly envelope?: string | undefined;
        readonly depth?: number | undefined;
    } | undefined;
    readonly dead_letter?: (Written & {
        readonly dir: string;
    }) | undefined;
    readonly redaction?: {
        readonly hash_key?: Secret | undefined;
    } | undefined;
    /** Which sinks must be there, and what may be seen of content; in place, or the path of a file. */
    readonly governance?: GovernanceDocument | string | undefined;
    /** Telemetry policies: documents in place, or paths of files of them. */
    readonly telemetry?: readonly (object | string)[] | undefined;
    /** How often the files of `telemetry` are looked at for changes; never if absent. */
    readonly watch_policies?: string | undefined;
    /** What the emitter runs in, for policies with such a target. */
    readonly target?: {
        readonly namespace?: string | undefined;
        readonly gateway?: string | undefined;
    } | undefined;
    /** How metrics leave the process; docs/POLICY.md. */
    readonly metrics?: {
        /** A port of the loopback, or `ADDRESS:PORT`, where `GET /metrics` answers with the Prometheus text. */
        readonly listen?: number | string | undefined;
        /** How often metrics are sent, where a policy has them sent. */
        readonly every?: string | undefined;
    } | undefined;
    /** Events out of log streams; docs/VACUUM.md. */
    readonly vacuum?: {
        /** The ids of the lanes that get what is found; all if absent. */
        readonly transports?: readonly string[] | undefined;
        /** A database that holds how far each lane has got with each process's log. */
        readonly cursors?: string | undefined;
    } | undefined;
    /** Refused unless `SINKWELL_TESTING=1`. */
    readonly testing?: {
        readonly clock?: string | undefined;
        readonly step?: string | undefined;
        readonly seed?: number | undefined;
    } | undefined;
}
/** The path of a document, or the document itself. */
export type Configuration = string | ConfigurationDocument;
export {};
