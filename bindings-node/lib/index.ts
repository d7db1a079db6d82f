/**
 * Sealed governance and telemetry events for AI agents.
 *
 * `emit` seals an event with the process's default emitter; `Emitter.open` opens one of your own; `verify`
 * says what a file of sealed events proves.
 */
export {
  BackpressureError,
  ClosedError,
  InternalError,
  InvalidArgumentError,
  InvalidConfigError,
  InvalidEventError,
  JournalError,
  KeyError,
  PolicyError,
  RequiredSinkUnavailableError,
  SinkError,
  SinkwellError,
  TimeoutError,
  UnsupportedError,
  VerificationError,
  type ErrorKind,
} from './errors';
export {
  AuditLog,
  type AuditFilter,
  type AuditFound,
  type AuditGrouping,
  type AuditGroups,
  type AuditPlace,
  type AuditProof,
  type AuditReport,
  type TreeHead,
} from './audit';
export {
  evaluateContentCapture,
  part,
  type CaptureDecision,
  type CaptureRequest,
  type ContentMode,
  type Part,
  type PartOptions,
} from './content';
export type {
  AuditChainSink,
  Configuration,
  ConfigurationDocument,
  FileSink,
  KeyConfig,
  LaneConfig,
  LaneKeys,
  OtlpSink,
  Overflow,
  SinkConfig,
} from './config';
export { context, run, turn, type Context } from './context';
export { type Act, type Deed, type DeedOptions, type DeedTerms } from './deed';
export {
  authorityBoundary,
  configure,
  configureSync,
  deed,
  emit,
  emitAsync,
  Emitter,
  flush,
  shutdown,
  type ByLane,
  type Metric,
  type Counters,
  type Cursor,
  type Drained,
  type EndOptions,
  type EventOptions,
  type Health,
  type LaneReport,
  type OpenOptions,
  type Severity,
  type StateRecord,
} from './emitter';
export { SignedGovernanceEvent } from './event';
export type { Keys, KeySource } from './keys';
export { Receipt, type Ending, type WaitOptions } from './receipt';
export {
  Rejected,
  Uncertain,
  type BatchAnswer,
  type BatchGovernanceEventSink,
  type GovernanceEventSink,
  type Signer,
  type SinkClass,
  type SinkHealth,
  type SinkLike,
} from './sink';
export { eventOfLog, type LogRecord } from './log';
export type { Log, VacuumOptions, VacuumReport } from './vacuum';
export { eventsOfSpan, type Span, type SpanEvent } from './span';
export type { Step, StepCall, StepKind, StepMembers, StepOutcome, ToolStep } from './step';
export { tool, type ToolOptions } from './tool';
export type { Trace } from './trace';
export type * from './types';
export { costData, modelUsage, rollUp, type ChildUsage, type Cost } from './usage';
export {
  verify,
  type Finding,
  type Report,
  type StreamReport,
  type Verdict,
  type VerifyOptions,
} from './verify';
export { view, View, type ViewOptions } from './view';
