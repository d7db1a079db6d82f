// What stands between Go and the C ABI: calls that take Go's memory as flat bytes, so that nothing has to be
// pinned and no Go pointer is kept in C, and the tables of functions that lead back into Go.
#ifndef SINKWELL_GO_BRIDGE_H
#define SINKWELL_GO_BRIDGE_H

#include <sinkwell.h>

// The texts of an event, in the order in which they lie in the buffer.
enum {
  SW_TYPE, SW_DATA, SW_SUBJECT, SW_SEVERITY, SW_RUN, SW_PARENT_RUN, SW_TURN, SW_ATTEMPT, SW_AGENT, SW_TENANT, SW_TIME, SW_ID,
  SW_CAUSATION, SW_CORRELATION, SW_CHILD, SW_TRACE_ID, SW_SPAN_ID, SW_TRACE_STATE, SW_TEXTS
};

// The texts of a content part.
enum {
  SW_CLASS, SW_MEDIATYPE, SW_TEXT, SW_BYTES, SW_ROLE, SW_REF, SW_SUMMARY, SW_PERMIT, SW_PART_TEXTS
};

// One emit: what goes in beside the buffer, and what comes out. cgo looks through what holds pointers, so there are few;
// `error` is set if the call failed, and then whoever called frees it.
typedef struct {
  uint64_t waited_ms;
  uint64_t limit_ms;
  SinkwellReceipt *receipt;
  SinkwellError *error;
  uint32_t ends[SW_TEXTS];
  uint32_t parts;
  uint8_t trace_flags;
  uint8_t terminal;
  uint8_t receipted;
  uint8_t want_receipt;
  uint8_t inside; // a sink of the host's, or a callback, on whatever thread: never waits
  uint8_t reserved[3];
} sw_call;

// A content part: where its texts end, after those of the event; an empty one is absent but for the body.
typedef struct {
  uint64_t tokens;
  uint32_t ends[SW_PART_TEXTS];
  uint8_t has_tokens;
  uint8_t is_text;
  uint8_t reserved[6];
} sw_part;

int32_t sw_emit(const SinkwellEmitter *emitter, const uint8_t *buffer, sw_call *call, const sw_part *parts);
int32_t sw_emit_json(const SinkwellEmitter *emitter, const uint8_t *json, uint64_t len, sw_call *call);

int32_t sw_deed_intend(const SinkwellEmitter *emitter, const uint8_t *buffer, sw_call *call, const sw_part *parts,
                       const uint8_t *until, uint64_t until_len, int64_t timeout_ms, SinkwellDeed **deed);
int32_t sw_deed_on_settled(const SinkwellDeed *deed, uint64_t token, SinkwellError *error);
int32_t sw_deed_say(const SinkwellDeed *deed, const uint8_t *buffer, sw_call *call, const sw_part *parts);
int32_t sw_deed_end(const SinkwellDeed *deed, const uint8_t *outcome, uint64_t outcome_len, const uint8_t *kind,
                    uint64_t kind_len, uint64_t waited_ms, uint8_t *done, uint64_t *limit_ms, SinkwellError *error);

int32_t sw_open(int32_t source, const uint8_t *config, uint64_t len, uint8_t manual, const SinkwellSink *sinks,
                uint64_t sinks_len, uint64_t signer, SinkwellEmitter **emitter, SinkwellError *error);
SinkwellSink sw_sink(uint64_t user, SinkwellBytes name, SinkwellBytes classes, SinkwellBytes lane);
int32_t sw_change_key(const SinkwellEmitter *emitter, const uint8_t *key, uint64_t len, uint64_t signer,
                      SinkwellError *error);
int32_t sw_set_logger(SinkwellError *error);
// Whether this thread is one on which a sink, a signer or a logger of the host's was called.
int32_t sw_is_inside(void);
// Calls a function of Go's as inside.
void sw_call_inside(uint64_t function);

// signals.c
int sw_watch_signals(void);

int32_t sw_receipt_on(const SinkwellReceipt *receipt, int32_t stage, uint64_t token, SinkwellError *error);
int32_t sw_on_room(const SinkwellEmitter *emitter, uint64_t token, SinkwellError *error);
int32_t sw_flush_on(const SinkwellEmitter *emitter, uint64_t timeout_ms, uint64_t token, SinkwellError *error);
int32_t sw_shutdown_on(const SinkwellEmitter *emitter, uint64_t timeout_ms, uint64_t token, SinkwellError *error);

int32_t sw_with_lane(const SinkwellEmitter *emitter, const uint8_t *lane, uint64_t len, uint64_t *queued,
                     SinkwellOwned *drained, SinkwellError *error);
int32_t sw_emit_span(const SinkwellEmitter *emitter, const uint8_t *span, uint64_t len, int32_t wait,
                     uint64_t *emitted, SinkwellError *error);
int32_t sw_emit_step(const SinkwellEmitter *emitter, const uint8_t *step, uint64_t len, int32_t wait,
                     uint64_t *emitted, SinkwellError *error);
int32_t sw_step_intent(const SinkwellEmitter *emitter, const uint8_t *step, uint64_t len, SinkwellOwned *out,
                       SinkwellError *error);
int32_t sw_step_result(const SinkwellEmitter *emitter, const uint8_t *step, uint64_t len, int32_t wait, SinkwellOwned *out,
                       SinkwellError *error);
int32_t sw_emit_log(const SinkwellEmitter *emitter, const uint8_t *record, uint64_t len, int32_t wait, SinkwellError *error);
int32_t sw_vacuum_start(const SinkwellEmitter *emitter, const uint8_t *options, uint64_t len, SinkwellVacuum **vacuum,
                        SinkwellError *error);
int32_t sw_vacuum_push(const SinkwellVacuum *vacuum, const uint8_t *data, uint64_t len, int32_t wait, SinkwellOwned *passed,
                       SinkwellError *error);
int32_t sw_event_of_log(const uint8_t *record, uint64_t len, SinkwellOwned *out, SinkwellError *error);
int32_t sw_events_of_span(const uint8_t *span, uint64_t len, SinkwellOwned *out, SinkwellError *error);
int32_t sw_evaluate(const uint8_t *request, uint64_t len, SinkwellOwned *out, SinkwellError *error);
int32_t sw_verify_envelope(const uint8_t *envelope, uint64_t len, const SinkwellKey *keys, uint64_t keys_len,
                           uint8_t *sound, SinkwellError *error);
int32_t sw_repair(const SinkwellEmitter *emitter, const uint8_t *lane, uint64_t lane_len, const uint8_t *streamid,
                  uint64_t streamid_len, uint64_t sequence, SinkwellError *error);
int32_t sw_usage(const uint8_t *provider, uint64_t provider_len, const uint8_t *answer, uint64_t answer_len,
                 SinkwellOwned *out, SinkwellError *error);
int32_t sw_outside_text(const uint8_t *text, uint64_t len, SinkwellOwned *out, SinkwellError *error);
int32_t sw_outside_trace(const uint8_t *traceparent, uint64_t len, SinkwellTrace *trace, SinkwellError *error);
int32_t sw_cost(const uint8_t *cost, uint64_t len, SinkwellOwned *out, SinkwellError *error);
int32_t sw_roll_up(const uint8_t *facts, uint64_t len, SinkwellOwned *out, SinkwellError *error);

#endif
