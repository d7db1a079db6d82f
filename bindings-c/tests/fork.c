// Forks of a program that knows nothing but the C ABI: every lane below, idle and while other threads emit, and every
// call as the child's first. A child that does not answer is a failure, and run.sh is told of each. Its argument is a
// folder; prints TAP.
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sinkwell.h>

static SinkwellBytes text(const char *s) {
  SinkwellBytes b = {(const uint8_t *)s, strlen(s)};
  return b;
}

static SinkwellEmitter *emitter;
static volatile int stop;

static int32_t emit(void) {
  SinkwellEvent event;
  memset(&event, 0, sizeof event);
  event.event_type = text("com.example.n");
  event.data = text("{\"text\":\"something to write\"}");
  return sinkwell_emit(emitter, &event, SINKWELL_WAIT, NULL, NULL);
}

static void *load(void *unused) {
  (void)unused;
  while (!stop) emit();
  return NULL;
}

static int32_t read_by(int32_t (*get)(const SinkwellEmitter *, SinkwellOwned *, SinkwellError *)) {
  SinkwellOwned out;
  memset(&out, 0, sizeof out);
  int32_t code = get(emitter, &out, NULL);
  // A child sees its own lane, whatever it asks first.
  if (!code && !out.len) code = 99;
  sinkwell_owned_free(&out);
  return code;
}

static const char *const CALLS[] = {"emit", "health", "counters", "flush", "ensure_ready", "prometheus"};

static int32_t first(int call) {
  SinkwellOwned out;
  memset(&out, 0, sizeof out);
  switch (call) {
    case 0: return emit();
    case 1: return read_by(sinkwell_health);
    case 2: return read_by(sinkwell_counters);
    case 3: {
      int32_t code = sinkwell_flush(emitter, 1000, &out, NULL);
      sinkwell_owned_free(&out);
      return code;
    }
    case 4: return sinkwell_ensure_ready(emitter, NULL);
    default: return read_by(sinkwell_prometheus);
  }
}

static int child(int call, int away) {
  SinkwellOwned out;
  if (first(call) || emit()) return 1;
  if (sinkwell_shutdown(emitter, away ? 300 : 20000, &out, NULL)) return 2;
  char said[1024] = {0};
  memcpy(said, out.data, out.len < sizeof said - 1 ? out.len : sizeof said - 1);
  return strstr(said, "\"pending\":0") ? 0 : 3;
}

static const char *const SINKS[] = {"memory", "file", "journal", "otlp"};

static int run(const char *folder, int sink, int busy) {
  char config[2048], lane[512];
  const char *durable = sink == 2 ? ", durable: true" : "";
  if (sink == 0) snprintf(lane, sizeof lane, "sink: memory");
  else if (sink == 3) snprintf(lane, sizeof lane, "sink: { otlp: { endpoint: \"http://127.0.0.1:9\" } }");
  else snprintf(lane, sizeof lane, "sink: { file: { path: %s/%s-%d.ndjson } }%s", folder, SINKS[sink], busy, durable);
  snprintf(config, sizeof config,
           "agent: { id: a }\nheartbeat: off\njournal: { dir: %s/%s-%d, floor: 0 }\n"
           "lanes: [ { id: l, overflow: drop_oldest, queue: { events: 1000 }, %s } ]\n",
           folder, SINKS[sink], busy, lane);
  SinkwellOpening opening;
  memset(&opening, 0, sizeof opening);
  opening.source = SINKWELL_SOURCE_TEXT;
  opening.config = text(config);
  SinkwellError error;
  memset(&error, 0, sizeof error);
  if (sinkwell_open(&opening, &emitter, &error)) {
    printf("not ok opens %s: %.*s\n", SINKS[sink], (int)error.message.len, (const char *)error.message.data);
    return 1;
  }
  pthread_t threads[2];
  stop = 0;
  for (int i = 0; busy && i < 2; i++) pthread_create(&threads[i], NULL, load, NULL);
  int failed = 0;
  for (int call = 0; call < 6; call++) {
    int ends[2];
    if (emit() || pipe(ends)) return 1;
    pid_t pid = fork();
    if (pid == 0) {
      int code = child(call, sink == 3);
      // A receiver that is not there takes nothing.
      char answer = (char)(sink == 3 && code == 3 ? 0 : code);
      if (write(ends[1], &answer, 1) != 1) _exit(1);
      _exit(0);
    }
    close(ends[1]);
    struct pollfd ready = {ends[0], POLLIN, 0};
    char answer = 100;
    if (poll(&ready, 1, 60000) != 1 || read(ends[0], &answer, 1) != 1) kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    close(ends[0]);
    int good = answer == 0;
    printf("%s %s, %s: a child whose first call is %s (%d)\n", good ? "ok" : "not ok", SINKS[sink],
           busy ? "busy" : "idle", CALLS[call], answer);
    failed |= !good;
  }
  stop = 1;
  for (int i = 0; busy && i < 2; i++) pthread_join(threads[i], NULL);
  SinkwellOwned out;
  sinkwell_shutdown(emitter, sink == 3 ? 100 : 20000, &out, NULL);
  sinkwell_owned_free(&out);
  sinkwell_emitter_free(&emitter);
  return failed;
}

int main(int argc, char **argv) {
  int failed = 0;
  if (argc != 2) return 2;
  setvbuf(stdout, NULL, _IONBF, 0);
  for (int sink = 0; sink < 4; sink++)
    for (int busy = 0; busy < 2; busy++) failed |= run(argv[1], sink, busy);
  return failed;
}
