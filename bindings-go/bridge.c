#include "bridge.h"

#include <stdlib.h>
#include <string.h>

#include "_cgo_export.h"

// How many calls of the host's code are under way on this thread, on which the goroutine stays that they run on.
static _Thread_local int inside;

int32_t sw_is_inside(void) { return inside > 0; }

// How an emit waits on this thread that would wait so: inside not at all.
static int32_t waits(int32_t wait) { return inside > 0 ? SINKWELL_INSIDE : wait; }

static SinkwellBytes bytes(const uint8_t *data, uint64_t len) {
  SinkwellBytes b = {data, len};
  return b;
}

// The text that ends at `end`, moving the place on; an empty one is absent.
static SinkwellBytes next(const uint8_t *buffer, uint32_t *at, uint32_t end) {
  SinkwellBytes b = {end == *at ? NULL : buffer + *at, end - *at};
  *at = end;
  return b;
}

static SinkwellBytes next_present(const uint8_t *buffer, uint32_t *at, uint32_t end) {
  SinkwellBytes b = {buffer + *at, end - *at};
  *at = end;
  return b;
}

// The status of a call, with its error handed over in memory of its own: most calls have none.
static int32_t ended(sw_call *call, int32_t status, const SinkwellError *error) {
  if (status == 0) return 0;
  call->error = malloc(sizeof *error);
  if (call->error != NULL) {
    *call->error = *error;
  } else {
    SinkwellError lost = *error;
    sinkwell_error_free(&lost);
  }
  return status;
}

#define PARTS_ON_STACK 8

// Reads an event from the buffer; its parts are `few`, or of memory that the caller frees. NULL: there is no memory left.
static SinkwellPart *read_event(SinkwellEvent *e, SinkwellPart *few, const uint8_t *buffer, const sw_call *call,
                                const sw_part *parts) {
  SinkwellPart *all = few;
  uint32_t at = 0;
  memset(e, 0, sizeof *e);
  e->event_type = next(buffer, &at, call->ends[SW_TYPE]);
  e->data = next(buffer, &at, call->ends[SW_DATA]);
  e->data_form = SINKWELL_DATA_VALUES;
  e->subject = next(buffer, &at, call->ends[SW_SUBJECT]);
  e->severity = next(buffer, &at, call->ends[SW_SEVERITY]);
  e->run = next(buffer, &at, call->ends[SW_RUN]);
  e->parent_run = next(buffer, &at, call->ends[SW_PARENT_RUN]);
  e->turn = next(buffer, &at, call->ends[SW_TURN]);
  e->attempt = next(buffer, &at, call->ends[SW_ATTEMPT]);
  e->agent = next(buffer, &at, call->ends[SW_AGENT]);
  e->tenant = next(buffer, &at, call->ends[SW_TENANT]);
  e->time = next(buffer, &at, call->ends[SW_TIME]);
  e->id = next(buffer, &at, call->ends[SW_ID]);
  e->causation = next(buffer, &at, call->ends[SW_CAUSATION]);
  e->correlation = next(buffer, &at, call->ends[SW_CORRELATION]);
  e->child = next(buffer, &at, call->ends[SW_CHILD]);
  e->trace_id = next(buffer, &at, call->ends[SW_TRACE_ID]);
  e->span_id = next(buffer, &at, call->ends[SW_SPAN_ID]);
  e->trace_state = next(buffer, &at, call->ends[SW_TRACE_STATE]);
  e->trace_flags = call->trace_flags;
  e->terminal = call->terminal;
  if (call->parts > 0) {
    if (call->parts > PARTS_ON_STACK) all = malloc(call->parts * sizeof *all);
    if (all == NULL) return NULL;
    memset(all, 0, call->parts * sizeof *all);
    for (uint32_t i = 0; i < call->parts; i++) {
      all[i].content_class = next(buffer, &at, parts[i].ends[SW_CLASS]);
      all[i].mediatype = next(buffer, &at, parts[i].ends[SW_MEDIATYPE]);
      if (parts[i].is_text) all[i].text = next_present(buffer, &at, parts[i].ends[SW_TEXT]);
      else all[i].bytes = next_present(buffer, &at, parts[i].ends[SW_BYTES]);
      all[i].role = next(buffer, &at, parts[i].ends[SW_ROLE]);
      all[i].reference = next(buffer, &at, parts[i].ends[SW_REF]);
      all[i].summary = next(buffer, &at, parts[i].ends[SW_SUMMARY]);
      all[i].permit = next(buffer, &at, parts[i].ends[SW_PERMIT]);
      all[i].tokens = parts[i].tokens;
      all[i].has_tokens = parts[i].has_tokens;
    }
    e->content = all;
    e->content_len = call->parts;
  }
  return all;
}

int32_t sw_emit(const SinkwellEmitter *emitter, const uint8_t *buffer, sw_call *call, const sw_part *parts) {
  SinkwellEvent e;
  SinkwellError error = {0};
  SinkwellPart few[PARTS_ON_STACK], *all = read_event(&e, few, buffer, call, parts);
  if (all == NULL) return 255;
  SinkwellReceipt *receipt = NULL;
  SinkwellReceipt **wanted = call->want_receipt ? &receipt : NULL;
  call->inside |= sw_is_inside();
  int32_t status = call->inside ? sinkwell_emit(emitter, &e, SINKWELL_INSIDE, wanted, &error)
                                : sinkwell_try_emit(emitter, &e, call->waited_ms, &call->receipted, &call->limit_ms,
                                                    wanted, &error);
  if (call->inside) call->receipted = 1;
  if (all != few) free(all);
  call->receipt = receipt;
  return ended(call, status, &error);
}

int32_t sw_deed_intend(const SinkwellEmitter *emitter, const uint8_t *buffer, sw_call *call, const sw_part *parts,
                       const uint8_t *until, uint64_t until_len, int64_t timeout_ms, SinkwellDeed **deed) {
  SinkwellEvent e;
  SinkwellError error = {0};
  SinkwellPart few[PARTS_ON_STACK], *all = read_event(&e, few, buffer, call, parts);
  if (all == NULL) return 255;
  int32_t status = sinkwell_deed_intend(emitter, &e, bytes(until_len ? until : NULL, until_len), timeout_ms,
                                        waits(call->inside ? SINKWELL_INSIDE : SINKWELL_NO_WAIT), call->waited_ms,
                                        &call->receipted, &call->limit_ms, deed, &error);
  if (all != few) free(all);
  return ended(call, status, &error);
}

int32_t sw_deed_say(const SinkwellDeed *deed, const uint8_t *buffer, sw_call *call, const sw_part *parts) {
  SinkwellEvent e;
  SinkwellError error = {0};
  SinkwellPart few[PARTS_ON_STACK], *all = read_event(&e, few, buffer, call, parts);
  if (all == NULL) return 255;
  int32_t status = sinkwell_deed_say(deed, &e, &error);
  if (all != few) free(all);
  return ended(call, status, &error);
}

int32_t sw_deed_end(const SinkwellDeed *deed, const uint8_t *outcome, uint64_t outcome_len, const uint8_t *kind,
                    uint64_t kind_len, uint64_t waited_ms, uint8_t *done, uint64_t *limit_ms, SinkwellError *error) {
  return sinkwell_deed_end(deed, bytes(outcome, outcome_len), bytes(kind_len ? kind : NULL, kind_len), waited_ms, done,
                           limit_ms, error);
}

int32_t sw_emit_json(const SinkwellEmitter *emitter, const uint8_t *json, uint64_t len, sw_call *call) {
  SinkwellError error = {0};
  SinkwellReceipt *receipt = NULL;
  SinkwellReceipt **wanted = call->want_receipt ? &receipt : NULL;
  call->inside |= sw_is_inside();
  int32_t status = call->inside ? sinkwell_emit_json(emitter, bytes(json, len), SINKWELL_INSIDE, wanted, &error)
                                : sinkwell_try_emit_json(emitter, bytes(json, len), call->waited_ms, &call->receipted,
                                                         &call->limit_ms, wanted, &error);
  if (call->inside) call->receipted = 1;
  call->receipt = receipt;
  return ended(call, status, &error);
}

static void complete(uint64_t token, int32_t status, SinkwellBytes b) {
  sinkwellGoComplete(token, status, (uint8_t *)b.data, b.len);
}

static void deliver(uint64_t user, const SinkwellEnvelope *batch, uint64_t len, uint64_t timeout_ms,
                    SinkwellReply *reply) {
  inside++;
  sinkwellGoDeliver(user, (SinkwellEnvelope *)batch, len, timeout_ms, reply);
  inside--;
}

static void health(uint64_t user, SinkwellHealthReply *reply) {
  inside++;
  sinkwellGoHealth(user, reply);
  inside--;
}

static void sign(uint64_t user, const SinkwellBytes *inputs, uint64_t len, SinkwellSignReply *reply) {
  inside++;
  sinkwellGoSign(user, (SinkwellBytes *)inputs, len, reply);
  inside--;
}

void sw_call_inside(uint64_t function) {
  inside++;
  sinkwellGoCall(function);
  inside--;
}

static void write_log(uint64_t user, int32_t level, SinkwellBytes message) {
  (void)user;
  sinkwellGoLog(level, (uint8_t *)message.data, message.len);
}

SinkwellSink sw_sink(uint64_t user, SinkwellBytes name, SinkwellBytes classes, SinkwellBytes lane) {
  SinkwellSink sink;
  memset(&sink, 0, sizeof sink);
  sink.name = name;
  sink.classes = classes;
  sink.lane = lane;
  sink.user = user;
  sink.deliver = deliver;
  sink.health = health;
  sink.free = sinkwellGoFree;
  return sink;
}

static SinkwellSigner signer_of(uint64_t user) {
  SinkwellSigner signer = {user, sign, sinkwellGoFree};
  return signer;
}

int32_t sw_open(int32_t source, const uint8_t *config, uint64_t len, uint8_t manual, const SinkwellSink *sinks,
                uint64_t sinks_len, uint64_t signer, SinkwellEmitter **emitter, SinkwellError *error) {
  SinkwellOpening opening;
  SinkwellSigner table = signer_of(signer);
  memset(&opening, 0, sizeof opening);
  opening.source = source;
  opening.manual = manual;
  opening.config = bytes(config, len);
  opening.sinks = sinks;
  opening.sinks_len = sinks_len;
  opening.signer = signer == 0 ? NULL : &table;
  return sinkwell_open(&opening, emitter, error);
}

int32_t sw_change_key(const SinkwellEmitter *emitter, const uint8_t *key, uint64_t len, uint64_t signer,
                      SinkwellError *error) {
  SinkwellSigner table = signer_of(signer);
  return sinkwell_change_key(emitter, bytes(key, len), signer == 0 ? NULL : &table, error);
}

int32_t sw_set_logger(SinkwellError *error) { return sinkwell_set_logger(0, write_log, error); }

int32_t sw_receipt_on(const SinkwellReceipt *receipt, int32_t stage, uint64_t token, SinkwellError *error) {
  return sinkwell_receipt_on(receipt, stage, token, complete, error);
}

int32_t sw_on_room(const SinkwellEmitter *emitter, uint64_t token, SinkwellError *error) {
  return sinkwell_on_room(emitter, token, complete, error);
}

int32_t sw_deed_on_settled(const SinkwellDeed *deed, uint64_t token, SinkwellError *error) {
  return sinkwell_deed_on_settled(deed, token, complete, error);
}

int32_t sw_flush_on(const SinkwellEmitter *emitter, uint64_t timeout_ms, uint64_t token, SinkwellError *error) {
  return sinkwell_flush_on(emitter, timeout_ms, token, complete, error);
}

int32_t sw_shutdown_on(const SinkwellEmitter *emitter, uint64_t timeout_ms, uint64_t token, SinkwellError *error) {
  return sinkwell_shutdown_on(emitter, timeout_ms, token, complete, error);
}

int32_t sw_with_lane(const SinkwellEmitter *emitter, const uint8_t *lane, uint64_t len, uint64_t *queued,
                     SinkwellOwned *drained, SinkwellError *error) {
  if (queued != NULL) return sinkwell_queued(emitter, bytes(lane, len), queued, error);
  return sinkwell_drain(emitter, bytes(lane, len), drained, error);
}

int32_t sw_emit_span(const SinkwellEmitter *emitter, const uint8_t *span, uint64_t len, int32_t wait,
                     uint64_t *emitted, SinkwellError *error) {
  return sinkwell_emit_span(emitter, bytes(span, len), waits(wait), emitted, error);
}

int32_t sw_events_of_span(const uint8_t *span, uint64_t len, SinkwellOwned *out, SinkwellError *error) {
  return sinkwell_events_of_span(bytes(span, len), out, error);
}

int32_t sw_emit_step(const SinkwellEmitter *emitter, const uint8_t *step, uint64_t len, int32_t wait,
                     uint64_t *emitted, SinkwellError *error) {
  return sinkwell_emit_step(emitter, bytes(step, len), waits(wait), emitted, error);
}

int32_t sw_step_intent(const SinkwellEmitter *emitter, const uint8_t *step, uint64_t len, SinkwellOwned *out,
                       SinkwellError *error) {
  return sinkwell_step_intent(emitter, bytes(step, len), out, error);
}

int32_t sw_step_result(const SinkwellEmitter *emitter, const uint8_t *step, uint64_t len, int32_t wait, SinkwellOwned *out,
                       SinkwellError *error) {
  return sinkwell_step_result(emitter, bytes(step, len), waits(wait), out, error);
}

int32_t sw_emit_log(const SinkwellEmitter *emitter, const uint8_t *record, uint64_t len, int32_t wait, SinkwellError *error) {
  return sinkwell_emit_log(emitter, bytes(record, len), waits(wait), error);
}

int32_t sw_vacuum_start(const SinkwellEmitter *emitter, const uint8_t *options, uint64_t len, SinkwellVacuum **vacuum,
                        SinkwellError *error) {
  return sinkwell_vacuum_start(emitter, bytes(options, len), vacuum, error);
}

int32_t sw_vacuum_push(const SinkwellVacuum *vacuum, const uint8_t *data, uint64_t len, int32_t wait, SinkwellOwned *passed,
                       SinkwellError *error) {
  return sinkwell_vacuum_push(vacuum, bytes(data, len), waits(wait), passed, error);
}

int32_t sw_event_of_log(const uint8_t *record, uint64_t len, SinkwellOwned *out, SinkwellError *error) {
  return sinkwell_event_of_log(bytes(record, len), out, error);
}

int32_t sw_evaluate(const uint8_t *request, uint64_t len, SinkwellOwned *out, SinkwellError *error) {
  return sinkwell_evaluate_content_capture(bytes(request, len), out, error);
}

int32_t sw_verify_envelope(const uint8_t *envelope, uint64_t len, const SinkwellKey *keys, uint64_t keys_len,
                           uint8_t *sound, SinkwellError *error) {
  return sinkwell_verify_envelope(bytes(envelope, len), keys, keys_len, sound, error);
}

int32_t sw_repair(const SinkwellEmitter *emitter, const uint8_t *lane, uint64_t lane_len, const uint8_t *streamid,
                  uint64_t streamid_len, uint64_t sequence, SinkwellError *error) {
  return sinkwell_repair(emitter, bytes(lane, lane_len), bytes(streamid, streamid_len), sequence, error);
}

int32_t sw_usage(const uint8_t *provider, uint64_t provider_len, const uint8_t *answer, uint64_t answer_len,
                 SinkwellOwned *out, SinkwellError *error) {
  return sinkwell_usage_model(bytes(provider, provider_len), bytes(answer, answer_len), out, error);
}

int32_t sw_cost(const uint8_t *cost, uint64_t len, SinkwellOwned *out, SinkwellError *error) {
  return sinkwell_usage_cost(bytes(cost, len), out, error);
}

int32_t sw_roll_up(const uint8_t *facts, uint64_t len, SinkwellOwned *out, SinkwellError *error) {
  return sinkwell_usage_roll_up(bytes(facts, len), out, error);
}

int32_t sw_outside_text(const uint8_t *text, uint64_t len, SinkwellOwned *out, SinkwellError *error) {
  return sinkwell_outside_text(bytes(text, len), out, error);
}

int32_t sw_outside_trace(const uint8_t *traceparent, uint64_t len, SinkwellTrace *trace, SinkwellError *error) {
  return sinkwell_outside_trace(bytes(traceparent, len), trace, error);
}
