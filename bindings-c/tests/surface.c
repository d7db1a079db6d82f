// The whole surface from C: one TAP line per fact. Built plainly, with AddressSanitizer and with ThreadSanitizer
// by run.sh.
#define _GNU_SOURCE  // memmem
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sinkwell.h>

// ThreadSanitizer does not see the locks of the library, as Rust is not instrumented: what the ABI promises (what a host
// did before it gave a token away happens before the callback) is said to it here.
#if defined(__has_feature)  // clang
#if __has_feature(thread_sanitizer)
#define UNDER_TSAN
#endif
#elif defined(__SANITIZE_THREAD__)  // gcc
#define UNDER_TSAN
#endif
#ifdef UNDER_TSAN
#include <sanitizer/tsan_interface.h>
#define GIVEN(address) __tsan_release(address)
#define TAKEN(address) __tsan_acquire(address)
#else
#define GIVEN(address) (void)(address)
#define TAKEN(address) (void)(address)
#endif

static atomic_int failures;

static void ok(int good, const char *name) {
  printf("%s %s\n", good ? "ok" : "not ok", name);
  if (!good) failures++;
}

static SinkwellBytes text(const char *s) {
  SinkwellBytes b = {(const uint8_t *)s, strlen(s)};
  return b;
}

static int has(const SinkwellOwned *owned, const char *needle) {
  return owned->data != NULL && memmem(owned->data, owned->len, needle, strlen(needle)) != NULL;
}

// A completion that a thread waits for; it counts how often it came.
typedef struct {
  pthread_mutex_t lock;
  pthread_cond_t came;
  int times;
  int32_t status;
  char bytes[512];
} Wait;

static void wait_init(Wait *w) {
  memset(w, 0, sizeof *w);
  pthread_mutex_init(&w->lock, NULL);
  pthread_cond_init(&w->came, NULL);
}

static void complete(uint64_t token, int32_t status, SinkwellBytes bytes) {
  Wait *w = (Wait *)(uintptr_t)token;
  TAKEN(w);
  pthread_mutex_lock(&w->lock);
  w->times++;
  w->status = status;
  snprintf(w->bytes, sizeof w->bytes, "%.*s", (int)bytes.len, (const char *)bytes.data);
  pthread_cond_signal(&w->came);
  pthread_mutex_unlock(&w->lock);
}

static int32_t await_(Wait *w) {
  pthread_mutex_lock(&w->lock);
  while (w->times == 0) pthread_cond_wait(&w->came, &w->lock);
  int32_t status = w->status;
  pthread_mutex_unlock(&w->lock);
  return status;
}

static uint64_t token(Wait *w) {
  GIVEN(w);
  return (uint64_t)(uintptr_t)w;
}

// A sink: answers on a thread of its own, failing first.
typedef struct {
  atomic_int calls, hosts, freed;
} Sink;

typedef struct {
  SinkwellReply *reply;
  int call;
} Answering;

static void *answer(void *arg) {
  Answering *a = arg;
  SinkwellAnswer verdict;
  memset(&verdict, 0, sizeof verdict);
  if (a->call == 1) {
    verdict.outcome = SINKWELL_RETRY;
    verdict.reason = text("TimeoutError");
    verdict.detail = text("no answer from the far end");
  }
  if (a->call == 2) sinkwell_reply_free(&a->reply);  // says nothing: a failure
  else sinkwell_reply(&a->reply, &verdict, NULL);
  if (a->reply != NULL) abort();
  free(a);
  return NULL;
}

static void deliver(uint64_t user, const SinkwellEnvelope *batch, uint64_t len, uint64_t timeout_ms,
                    SinkwellReply *reply) {
  Sink *sink = (Sink *)(uintptr_t)user;
  TAKEN(sink);
  Answering *a = malloc(sizeof *a);
  a->reply = reply;
  a->call = ++sink->calls;
  if (timeout_ms != 10000) abort();
  if (a->call > 2)
    for (uint64_t i = 0; i < len; i++)
      if (!batch[i].own) sink->hosts++;
  pthread_t thread;
  pthread_create(&thread, NULL, answer, a);
  pthread_detach(thread);
}

static void free_sink(uint64_t user) {
  TAKEN((Sink *)(uintptr_t)user);
  ((Sink *)(uintptr_t)user)->freed++;
}

static SinkwellSink sink_of(Sink *sink, const char *name, const char *lane) {
  SinkwellSink table;
  GIVEN(sink);
  memset(&table, 0, sizeof table);
  table.name = text(name);
  table.classes = text("observability");
  table.lane = text(lane);
  table.user = (uint64_t)(uintptr_t)sink;
  table.deliver = deliver;
  table.free = free_sink;
  return table;
}

static SinkwellEmitter *opened(const char *config, SinkwellSink *sinks, uint64_t n, SinkwellError *error) {
  SinkwellOpening opening;
  SinkwellEmitter *emitter = NULL;
  memset(&opening, 0, sizeof opening);
  opening.source = SINKWELL_SOURCE_TEXT;
  opening.config = text(config);
  opening.sinks = sinks;
  opening.sinks_len = n;
  sinkwell_open(&opening, &emitter, error);
  return emitter;
}

static int32_t emit(SinkwellEmitter *emitter, const char *type, const char *data, SinkwellReceipt **receipt,
                    SinkwellError *error) {
  SinkwellEvent event;
  memset(&event, 0, sizeof event);
  event.event_type = text(type);
  event.data = text(data);
  return sinkwell_emit(emitter, &event, SINKWELL_WAIT, receipt, error);
}

static void errors(void) {
  SinkwellError error;
  SinkwellOwned out;
  memset(&error, 0, sizeof error);
  ok(opened("lanez: []", NULL, 0, &error) == NULL && error.code == 1 && has(&error.message, "lanes"),
     "an unknown key is invalid_config and names the nearest");
  sinkwell_error_free(&error);
  sinkwell_error_free(&error);
  ok(error.message.data == NULL && error.code == 0, "a freed error is empty, and may be freed again");
  ok(sinkwell_open(NULL, NULL, &error) == 3, "NULL is invalid_argument");
  sinkwell_error_free(&error);
  ok(sinkwell_counters(NULL, &out, NULL) == 3, "an error need not be asked for");
  SinkwellEmitter *none = NULL;
  sinkwell_emitter_free(&none);
  sinkwell_emitter_free(NULL);
  sinkwell_receipt_free(NULL);
  sinkwell_owned_free(NULL);
  ok(1, "freeing nothing does nothing");

  SinkwellEmitter *emitter = opened("agent: { id: a }\nlanes: [ memory ]", NULL, 0, &error);
  ok(emit(emitter, "tool.invocation", "{\"tool\":\"x\",\"n\":9007199254740992}", NULL, &error) == 2 &&
         has(&error.place, "data.n"),
     "2^53 is invalid_event at its place");
  sinkwell_error_free(&error);
  ok(emit(emitter, "tool.invocation", "{\"tool\":NaN}", NULL, &error) == 2 && has(&error.message, "NaN"),
     "NaN is invalid_event");
  sinkwell_error_free(&error);
  ok(emit(emitter, "com.x", "{\"a\":\"\xff\"}", NULL, NULL) == 2, "data that is no UTF-8 is invalid_event");
  SinkwellEvent event;
  memset(&event, 0, sizeof event);
  event.event_type = text("com.x");
  event.subject = text("\xed\xa0\x80");
  ok(sinkwell_emit(emitter, &event, SINKWELL_WAIT, NULL, &error) == 2 && has(&error.place, "subject"),
     "a lone surrogate is invalid_event at its place");
  sinkwell_error_free(&error);
  memset(&event, 0, sizeof event);
  event.event_type = text("com.x");
  event.data_form = SINKWELL_DATA_VALUES;
  ok(sinkwell_emit(emitter, &event, SINKWELL_WAIT, NULL, NULL) == 0, "an event without data needs no form");
  event.data.data = (const uint8_t *)"{k\1\0\0\0ai\0\0\0\0\0\0 \0}";
  event.data.len = 17;
  ok(sinkwell_emit(emitter, &event, SINKWELL_WAIT, NULL, &error) == 2 && has(&error.place, "data.a"),
     "2^53 in a stream of values is invalid_event at its place");
  sinkwell_error_free(&error);
  event.data.len = 5;
  ok(sinkwell_emit(emitter, &event, SINKWELL_WAIT, NULL, NULL) == 3, "a stream that breaks off is invalid_argument");
  event.data.data = (const uint8_t *)"{k\1\0\0\0at}";
  event.data.len = 9;
  ok(sinkwell_emit(emitter, &event, SINKWELL_WAIT, NULL, NULL) == 0, "a stream of values is data");
  event.data_form = 2;
  ok(sinkwell_emit(emitter, &event, SINKWELL_WAIT, NULL, &error) == 3 && has(&error.place, "data_form"),
     "an unknown form is invalid_argument");
  sinkwell_error_free(&error);
  ok(sinkwell_emit_json(emitter, text("{\"type\":\"com.x\",\"data\":{\"a\":1}}"), SINKWELL_NO_WAIT, NULL, NULL) == 0,
     "the emitter goes on as if nothing had come");
  Wait room;
  wait_init(&room);
  ok(sinkwell_on_room(emitter, token(&room), complete, NULL) == 0 && await_(&room) == 0 && room.times == 1,
     "where there is room on_room calls back at once");
  ok(sinkwell_on_room(emitter, 0, NULL, NULL) == 3, "a NULL callback is invalid_argument");
  sinkwell_shutdown(emitter, 5000, &out, NULL);
  sinkwell_owned_free(&out);
  ok(emit(emitter, "com.x", "{}", NULL, NULL) == 7, "an emitter that was shut down says closed");
  sinkwell_emitter_free(&emitter);
  ok(emitter == NULL, "a freed handle is NULL");
}

// Arrays and texts that cannot be what they say are refused, never taken for none.
static void slices(void) {
  SinkwellError error;
  SinkwellOwned out;
  uint8_t sound = 0;
  const char *config = "agent: { id: a }\nlanes: [ memory ]";
  memset(&error, 0, sizeof error);
  ok(opened(config, NULL, 3, &error) == NULL && error.code == 3 && has(&error.place, "sinks"),
     "three sinks at NULL are invalid_argument, not no sinks");
  sinkwell_error_free(&error);
  _Alignas(SinkwellSink) uint8_t room[2 * sizeof(SinkwellSink)] = {0};
  ok(opened(config, (SinkwellSink *)(void *)room, UINT64_MAX / 2, &error) == NULL && error.code == 3,
     "more sinks than fit into memory are invalid_argument");
  sinkwell_error_free(&error);
  // By way of an integer, as a C compiler would rightly complain.
  SinkwellSink *odd = (SinkwellSink *)(((uintptr_t)room) + 1);
  ok(opened(config, odd, 1, &error) == NULL && error.code == 3 && has(&error.message, "aligned"),
     "misaligned sinks are invalid_argument");
  sinkwell_error_free(&error);

  SinkwellEmitter *emitter = opened(config, NULL, 0, &error);
  SinkwellEvent event;
  memset(&event, 0, sizeof event);
  event.event_type = text("com.x");
  event.content_len = 1;
  ok(sinkwell_emit(emitter, &event, SINKWELL_WAIT, NULL, &error) == 3 && has(&error.place, "content"),
     "a content part at NULL is invalid_argument");
  sinkwell_error_free(&error);
  event.content_len = 0;
  event.subject.len = 4;
  ok(sinkwell_emit(emitter, &event, SINKWELL_WAIT, NULL, &error) == 3 && has(&error.place, "subject"),
     "so is a subject of four bytes at NULL");
  sinkwell_error_free(&error);
  event.subject.len = 0;
  ok(sinkwell_emit(emitter, (SinkwellEvent *)(((uintptr_t)&event) + 1), SINKWELL_WAIT, NULL, NULL) == 3,
     "and a misaligned event");
  sinkwell_shutdown(emitter, 5000, &out, NULL);
  sinkwell_owned_free(&out);
  sinkwell_emitter_free(&emitter);

  SinkwellVerification verification;
  memset(&verification, 0, sizeof verification);
  verification.inputs_len = 1;
  ok(sinkwell_verify(&verification, &out, &error) == 3 && has(&error.place, "inputs"), "inputs at NULL");
  sinkwell_error_free(&error);
  verification.keys_len = 1;
  ok(sinkwell_verify(&verification, &out, &error) == 3 && has(&error.place, "keys"), "keys at NULL");
  sinkwell_error_free(&error);
  verification.keys_len = 0;
  verification.checkpoints_len = 1;
  ok(sinkwell_verify(&verification, &out, &error) == 3 && has(&error.place, "checkpoints"), "checkpoints at NULL");
  sinkwell_error_free(&error);
  ok(sinkwell_verify_envelope(text("{}"), NULL, 1, &sound, NULL) == 3, "and keys of one envelope");
}

static void sinks(void) {
  SinkwellError error;
  SinkwellOwned out;
  Sink sink = {0};
  memset(&error, 0, sizeof error);
  SinkwellSink table = sink_of(&sink, "mine", "{\"retry\":{\"initial\":\"1ms\",\"cap\":\"1ms\"}}");
  SinkwellEmitter *emitter = opened("agent: { id: a }\nlanes: []", &table, 1, &error);
  SinkwellReceipt *receipt = NULL;
  Wait delivered;
  wait_init(&delivered);
  emit(emitter, "com.x", "{}", &receipt, NULL);
  char id[SINKWELL_ID_MAX + 1] = {0};
  uint64_t id_len = 0;
  ok(sinkwell_receipt_id(receipt, (uint8_t *)id, &id_len, NULL) == 0 && id_len == 36 && strlen(id) == 36, "a receipt has the event's id");
  ok(sinkwell_receipt_on(receipt, SINKWELL_JOURNALED, token(&delivered), complete, NULL) == 13,
     "journaled without a durable lane is unsupported, and calls nobody back");
  ok(sinkwell_receipt_on(receipt, SINKWELL_DELIVERED, token(&delivered), complete, NULL) == 0, "a wait starts");
  sinkwell_receipt_free(&receipt);
  ok(await_(&delivered) == 0 && strstr(delivered.bytes, "\"state\":\"delivered\"") != NULL,
     "the wait outlives its receipt, and the sink its failures");
  ok(sink.calls >= 3 && sink.hosts == 1, "a sink that fails, and one that says nothing, is asked again");
  ok(sinkwell_add_sink(emitter, &table, &error) == 1, "a taken id is invalid_config");
  sinkwell_error_free(&error);
  sinkwell_health(emitter, &out, NULL);
  ok(has(&out, "\"mine\":{") && has(&out, "\"state\":\""), "health is JSON");
  sinkwell_owned_free(&out);
  Wait ended;
  wait_init(&ended);
  sinkwell_shutdown_on(emitter, 5000, token(&ended), complete, NULL);
  sinkwell_emitter_free(&emitter);
  ok(await_(&ended) == 0 && strstr(ended.bytes, "\"pending\":0") != NULL, "shutdown outlives its handle");
  ok(delivered.times == 1 && ended.times == 1, "each completion came once");
  // The handle that was refused, and, once its lane has ended, the one that was taken.
  while (sink.freed < 2) sched_yield();
  ok(sink.freed == 2, "free is called once for each time a sink was given");
}

static void spans(void) {
  SinkwellError error;
  SinkwellOwned out;
  uint64_t emitted = 0;
  const char *agent = "{\"name\":\"invoke_agent a\",\"end_unix_nano\":\"5\",\"attributes\":"
                      "{\"gen_ai.operation.name\":\"invoke_agent\",\"gen_ai.usage.input_tokens\":7}}";
  memset(&error, 0, sizeof error);
  ok(sinkwell_events_of_span(text(agent), &out, NULL) == 0 && has(&out, "\"type\":\"run.completed\""),
     "a span says what it stands for");
  sinkwell_owned_free(&out);
  SinkwellEmitter *emitter = opened("agent: { id: a }\nlanes: [ memory ]", NULL, 0, &error);
  ok(sinkwell_emit_span(emitter, text(agent), SINKWELL_WAIT, &emitted, &error) == 0 && emitted == 3,
     "an agent's span that nobody saw begin is its start, its usage and its end");
  ok(sinkwell_emit_span(emitter, text("{\"kind\":1}"), SINKWELL_NO_WAIT, NULL, &error) == 3 &&
         has(&error.place, "span"),
     "what is no span is invalid_argument");
  sinkwell_error_free(&error);
  sinkwell_emitter_free(&emitter);
}

static void logs(void) {
  SinkwellError error;
  SinkwellOwned out;
  memset(&error, 0, sizeof error);
  ok(sinkwell_event_of_log(text("{\"scale\":\"slog\",\"level\":4,\"message\":\"words\",\"attributes\":{\"n\":1e999}}"), &out,
                           &error) == 0 &&
         has(&out, "\"severity\":\"warn\"") && has(&out, "\"text\":\"words\"") && has(&out, "\"respelled\":1"),
     "a log record says which event it is");
  sinkwell_owned_free(&out);
  // {"message": a text that is no UTF-8}, as a stream of values.
  const uint8_t stream[] = {'{', 'k', 7, 0, 0, 0, 'm', 'e', 's', 's', 'a', 'g', 'e', 's', 2, 0, 0, 0, 'a', 0xFF, '}'};
  SinkwellBytes values = {stream, sizeof stream};
  ok(sinkwell_event_of_log(values, &out, &error) == 0 && has(&out, "\"text\":\"a\xEF\xBF\xBD\""),
     "and so does one of values that JSON cannot carry");
  sinkwell_owned_free(&out);
  ok(sinkwell_event_of_log(text("nothing"), &out, &error) == 3 && has(&error.place, "record"),
     "what is no record is invalid_argument where it is asked about");
  sinkwell_error_free(&error);
  SinkwellEmitter *emitter = opened("agent: { id: a }\nlanes: [ memory ]", NULL, 0, &error);
  ok(sinkwell_emit_log(emitter, values, SINKWELL_WAIT, &error) == 0 &&
         sinkwell_emit_log(emitter, text("nothing"), SINKWELL_WAIT, &error) == 0,
     "a log line is emitted, whatever it is");
  ok(sinkwell_emit_log(emitter, text("{}"), 7, &error) == 3, "but not with a way to wait that does not exist");
  sinkwell_error_free(&error);
  uint64_t told = 0;
  const char *step = "{\"kind\":\"tool\",\"id\":\"t-1\",\"name\":\"pay\",\"end_unix_nano\":\"2\"}";
  ok(sinkwell_emit_step(emitter, text(step), SINKWELL_WAIT, &told, &error) == 0 && told == 1,
     "a step is emitted as what it stands for");
  ok(sinkwell_step_intent(emitter, text("{\"kind\":\"tool\",\"id\":\"t-2\",\"name\":\"pay\"}"), &out, &error) == 0 &&
         has(&out, "\"tool\":\"pay\""),
     "that of a tool may be a deed: its intent");
  sinkwell_owned_free(&out);
  ok(sinkwell_step_result(emitter, text("{\"kind\":\"tool\",\"id\":\"t-2\",\"end_unix_nano\":\"2\"}"), SINKWELL_WAIT,
                          &out, &error) == 0 &&
         has(&out, "\"outcome\":\"ok\""),
     "and its result");
  sinkwell_owned_free(&out);
  ok(sinkwell_emit_step(emitter, text("{}"), SINKWELL_WAIT, &told, &error) == 3 && has(&error.place, "step.kind"),
     "what is no step is invalid_argument");
  sinkwell_error_free(&error);
  sinkwell_emitter_free(&emitter);
}

// What the languages on this ABI build their helpers on.
static void helpers(void) {
  SinkwellError error;
  SinkwellOwned out;
  memset(&error, 0, sizeof error);
  ok(sinkwell_usage_model(text("openai"), text("{\"prompt_tokens\":3,\"completion_tokens\":4}"), &out, &error) == 0 &&
         has(&out, "\"total_tokens\":7"),
     "a provider's usage is the data of model.usage");
  sinkwell_owned_free(&out);
  ok(sinkwell_usage_model(text("nobody"), text("{}"), &out, &error) == 3 && has(&error.place, "provider"),
     "an unknown provider is invalid_argument");
  sinkwell_error_free(&error);
  ok(sinkwell_usage_cost(text("{\"amount_micros\":5,\"currency\":\"EUR\",\"rate_table_version\":\"1\"}"), &out, &error) ==
             0 &&
         has(&out, "\"status\":\"estimated\""),
     "an amount is the data of cost.estimated");
  sinkwell_owned_free(&out);
  ok(sinkwell_usage_roll_up(text("[{\"run\":\"r\",\"id\":\"e\",\"data\":{\"source.family\":\"run\",\"bytes\":2}}]"), &out,
                            &error) == 0 &&
         has(&out, "\"children\":[{\"bytes\":2,\"run\":\"r\"}]"),
     "children roll up under their own run");
  sinkwell_owned_free(&out);
  SinkwellTrace trace;
  const char *header = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  ok(sinkwell_outside_trace(text(header), &trace, NULL) == 0 && trace.known == 1 && trace.flags == 1 &&
         memcmp(trace.span_id, "b7ad6b7169203331", 16) == 0,
     "a traceparent header is read");
  ok(sinkwell_outside_trace(text("00-\xff"), &trace, NULL) == 0 && trace.known == 0, "and what is none is no error");
  ok(sinkwell_outside_text(text(" a\tb\xff"), &out, NULL) == 0 && out.len == 8 && has(&out, "a\xef\xbf\xbd" "b\xef\xbf\xbd"),
     "text of strangers becomes one that an attribute can hold");
  sinkwell_owned_free(&out);
  SinkwellBytes severity = sinkwell_severity(SINKWELL_LEVELS_SLOG, 4);
  ok(severity.len == 4 && memcmp(severity.data, "warn", 4) == 0, "a level of slog has a severity");
  ok(sinkwell_severity(99, 4).data == NULL, "one of nobody's has none");

  SinkwellEmitter *emitter = opened(
      "agent: { id: a }\nlanes: [ { sink: memory, overflow: block, queue: { events: 2, terminal_reserve: 1 }, batch: { linger: 1h } } ]",
      NULL, 0, &error);
  SinkwellReceipt *receipt = NULL;
  SinkwellEvent event;
  SinkwellPart part;
  memset(&event, 0, sizeof event);
  memset(&part, 0, sizeof part);
  part.content_class = text("prompt");
  part.text = text("what was said");
  event.event_type = text("com.x");
  event.content = &part;
  event.content_len = 1;
  sinkwell_emit(emitter, &event, SINKWELL_INSIDE, &receipt, NULL);
  sinkwell_receipt_lanes(receipt, &out, NULL);
  ok(has(&out, "\"memory\":\"enqueued\""), "inside a callback there may be room");
  sinkwell_owned_free(&out);
  uint8_t salt[16] = {0}, known = 9;
  ok(sinkwell_receipt_wait(receipt, SINKWELL_DELIVERED, 20000, NULL) == 0 &&
         sinkwell_receipt_salt(receipt, 0, salt, &known, NULL) == 0 && known == 1,
     "a sealed part has a salt");
  ok(sinkwell_receipt_salt(receipt, 1, salt, &known, NULL) == 0 && known == 0, "a part that there is not has none");
  sinkwell_receipt_free(&receipt);
  ok(sinkwell_emit(emitter, &event, 7, NULL, NULL) == 3, "another wait is invalid_argument");
  ok(sinkwell_repair(emitter, text("memory"), text("x"), 1, &error) == 3 && has(&error.place, "from.streamid"),
     "a stream's id that is none is invalid_argument");
  sinkwell_error_free(&error);
  ok(sinkwell_repair(emitter, text("memory"), text("0190a0b0-0000-7000-8000-000000000001"), 1, NULL) == 13,
     "a lane that is not durable has nothing to repair from");
  sinkwell_shutdown(emitter, 5000, &out, NULL);
  sinkwell_owned_free(&out);
  sinkwell_emitter_free(&emitter);

  // Without threads nothing makes room: who may not wait is turned away, and from inside the event is dropped.
  SinkwellOpening opening;
  memset(&opening, 0, sizeof opening);
  opening.source = SINKWELL_SOURCE_TEXT;
  opening.manual = 1;
  opening.config =
      text("agent: { id: a }\nlanes: [ { sink: memory, overflow: block, queue: { events: 2, terminal_reserve: 1 } } ]");
  sinkwell_open(&opening, &emitter, NULL);
  while (sinkwell_emit(emitter, &event, SINKWELL_NO_WAIT, NULL, NULL) == 0) continue;
  ok(sinkwell_emit(emitter, &event, SINKWELL_INSIDE, &receipt, NULL) == 0, "from inside nothing is turned away");
  sinkwell_receipt_lanes(receipt, &out, NULL);
  ok(has(&out, "\"memory\":\"dropped: reentrant\""), "but dropped, and says so");
  sinkwell_owned_free(&out);
  sinkwell_receipt_free(&receipt);
  sinkwell_emitter_free(&emitter);
}

#define THREADS 4
#define EACH 2000

static void *emits(void *arg) {
  SinkwellEmitter *emitter = arg;
  for (int i = 0; i < EACH; i++)
    if (emit(emitter, "tool.invocation", "{\"tool\":\"x\"}", NULL, NULL) != 0) failures++;
  return NULL;
}

static void threads(void) {
  SinkwellOwned out;
  char want[64];
  pthread_t all[THREADS];
  SinkwellEmitter *emitter = opened("agent: { id: a }\nlanes: [ { sink: memory, overflow: block } ]", NULL, 0, NULL);
  for (int i = 0; i < THREADS; i++) pthread_create(&all[i], NULL, emits, emitter);
  for (int i = 0; i < THREADS; i++) pthread_join(all[i], NULL);
  sinkwell_shutdown(emitter, 20000, &out, NULL);
  snprintf(want, sizeof want, "\"delivered\":%d", THREADS * EACH);
  ok(has(&out, want), "what four threads emit is delivered");
  sinkwell_owned_free(&out);
  sinkwell_emitter_free(&emitter);
}

// An act happens between two events, the second of which says what came of it.
static void deeds(void) {
  SinkwellOwned out;
  SinkwellError error;
  SinkwellDeed *deed = NULL;
  SinkwellBytes none = {NULL, 0};
  SinkwellEvent intent, result;
  Wait settled;
  uint8_t id[SINKWELL_ID_MAX], entered = 0, ended = 0;
  uint64_t len = 0, limit = 0;
  memset(&error, 0, sizeof error);
  memset(&intent, 0, sizeof intent);
  memset(&result, 0, sizeof result);
  intent.event_type = text("tool.invocation");
  intent.data = text("{\"tool\":\"pay\"}");
  result.data = text("{\"receipt\":7}");
  SinkwellEmitter *emitter = opened("agent: { id: a }\nlanes: [ memory ]", NULL, 0, NULL);
  int32_t status =
      sinkwell_deed_intend(emitter, &intent, text("soon"), -1, SINKWELL_NO_WAIT, 0, &entered, &limit, &deed, &error);
  ok(status == 3 && deed == NULL, "a deed waits until nothing unheard of");
  sinkwell_error_free(&error);
  status = sinkwell_deed_intend(emitter, &intent, text("enqueued"), 20000, SINKWELL_NO_WAIT, 0, &entered, &limit, &deed, NULL);
  ok(status == 0 && entered == 1 && limit == 20000 && deed != NULL, "an intent is on its way, for as long as was said");
  wait_init(&settled);
  status = sinkwell_deed_on_settled(deed, token(&settled), complete, NULL);
  ok(status == 0 && await_(&settled) == 0 && settled.times == 1, "one callback says that it is settled");
  ok(sinkwell_deed_act(deed, NULL) == 0, "and the act may begin");
  ok(sinkwell_deed_id(deed, id, &len, NULL) == 0 && len == 36, "the intent has an id");
  ok(sinkwell_deed_say(deed, &result, NULL) == 0, "what came of the act is said");
  status = sinkwell_deed_end(deed, text("ok"), none, 0, &ended, &limit, NULL);
  ok(status == 0 && ended == 1, "and sealed");
  sinkwell_deed_free(&deed);
  ok(deed == NULL, "a freed deed is no more");
  entered = 0;
  status = sinkwell_deed_intend(emitter, &intent, none, -1, SINKWELL_NO_WAIT, 0, &entered, &limit, &deed, NULL);
  sinkwell_deed_free(&deed);
  ok(status == 0 && entered == 1 && deed == NULL, "one that is freed before its act is withdrawn");
  status = sinkwell_deed_intend(emitter, &intent, none, -1, SINKWELL_INSIDE, 0, &entered, &limit, &deed, NULL);
  ok(status == 3 && deed == NULL, "inside a sink none begins");
  sinkwell_shutdown(emitter, 20000, &out, NULL);
  ok(has(&out, "\"delivered\":4"), "each deed left two events");
  sinkwell_owned_free(&out);
  sinkwell_emitter_free(&emitter);
}

// A forked child gets lanes and streams of its own; the parent's go on.
static void forks(void) {
  SinkwellOwned out;
  SinkwellEmitter *emitter = opened("agent: { id: a }\nlanes: [ memory ]", NULL, 0, NULL);
  emit(emitter, "com.x", "{}", NULL, NULL);
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    int good = emit(emitter, "com.x", "{}", NULL, NULL) == 0 && sinkwell_shutdown(emitter, 5000, &out, NULL) == 0 &&
               has(&out, "\"delivered\":1");
    _exit(good ? 0 : 1);
  }
  int status = 1;
  waitpid(child, &status, 0);
  ok(status == 0, "a forked child has an emitter of its own");
  emit(emitter, "com.x", "{}", NULL, NULL);
  sinkwell_shutdown(emitter, 5000, &out, NULL);
  ok(has(&out, "\"delivered\":2"), "and leaves its parent's alone");
  sinkwell_owned_free(&out);
  sinkwell_emitter_free(&emitter);
}

int main(int argc, char **argv) {
  errors();
  slices();
  sinks();
  spans();
  logs();
  helpers();
  threads();
  deeds();
  // Sanitizers' own threads do not survive a fork.
  if (argc < 2 || strcmp(argv[1], "--no-fork") != 0) forks();
  return failures != 0;
}
