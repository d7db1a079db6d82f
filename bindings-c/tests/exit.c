// What survives the end of a process: emits five events into a lane that would linger for an hour, then ends as its
// argument says. run.sh counts what came out; README.md has the table.
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sinkwell.h>

static SinkwellBytes text(const char *s) {
  SinkwellBytes b = {(const uint8_t *)s, strlen(s)};
  return b;
}

static const char CONFIG[] =
    "agent: { id: a }\n"
    "heartbeat: off\n"
    "handle_signals: true\n"
    "lanes: [ { sink: stdout, batch: { linger: 1h } } ]\n";

int main(int argc, char **argv) {
  SinkwellError error;
  SinkwellOpening opening;
  SinkwellEvent event;
  SinkwellEmitter *emitter = NULL;
  memset(&error, 0, sizeof error);
  memset(&opening, 0, sizeof opening);
  memset(&event, 0, sizeof event);
  opening.source = SINKWELL_SOURCE_TEXT;
  opening.config = text(CONFIG);
  if (argc != 2 || sinkwell_open(&opening, &emitter, &error)) return 2;
  event.event_type = text("com.example.n");
  event.data = text("{}");
  for (int i = 0; i < 5; i++) {
    SinkwellReceipt *receipt = NULL;
    if (sinkwell_emit(emitter, &event, SINKWELL_WAIT, &receipt, &error)) return 2;
    sinkwell_receipt_free(&receipt);
  }
  const char *end = argv[1];
  if (!strcmp(end, "shutdown")) {
    SinkwellOwned report;
    if (sinkwell_shutdown(emitter, 5000, &report, &error)) return 2;
    sinkwell_owned_free(&report);
  } else if (!strcmp(end, "free")) {
    sinkwell_emitter_free(&emitter);
  } else if (!strcmp(end, "exit")) {
    exit(0);
  } else if (!strcmp(end, "_exit")) {
    _exit(0);
  } else if (!strcmp(end, "abort")) {
    abort();
  } else if (!strcmp(end, "sigterm")) {
    raise(SIGTERM);
    for (;;) pause();
  }
  return 0;
}
