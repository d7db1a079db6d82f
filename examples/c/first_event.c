// The first event in C: open, emit, wait until it was delivered, end.
//
//   cc first_event.c -lsinkwell -o first_event && ./first_event
#include <stdio.h>
#include <string.h>

#include <sinkwell.h>

static SinkwellBytes text(const char *s) {
  SinkwellBytes b = {(const uint8_t *)s, strlen(s)};
  return b;
}

// Says what happened, what to do and where, and frees the error.
static int failed(const char *what, SinkwellError *error) {
  fprintf(stderr, "%s: %.*s: %.*s: %.*s\n", what, (int)error->kind.len, (const char *)error->kind.data,
          (int)error->place.len, (const char *)error->place.data, (int)error->message.len,
          (const char *)error->message.data);
  sinkwell_error_free(error);
  return 1;
}

int main(int argc, char **argv) {
  SinkwellError error;
  SinkwellOpening opening;
  SinkwellEmitter *emitter = NULL;
  memset(&error, 0, sizeof error);
  memset(&opening, 0, sizeof opening);
  if (argc > 1) {  // a configuration file
    opening.source = SINKWELL_SOURCE_PATH;
    opening.config = text(argv[1]);
  } else {
    opening.source = SINKWELL_SOURCE_TEXT;
    opening.config = text("agent: { id: first }\nlanes: [ stdout ]\nhandle_signals: true\n");
  }
  if (sinkwell_open(&opening, &emitter, &error)) return failed("open", &error);

  SinkwellEvent event;
  SinkwellReceipt *receipt = NULL;
  memset(&event, 0, sizeof event);
  event.event_type = text("tool.invocation");
  event.data = text("{\"tool\":\"search\",\"outcome\":\"ok\"}");
  event.run = text("r-1");
  if (sinkwell_emit(emitter, &event, SINKWELL_WAIT, &receipt, &error)) return failed("emit", &error);
  if (sinkwell_receipt_wait(receipt, SINKWELL_DELIVERED, 5000, &error)) return failed("wait", &error);
  sinkwell_receipt_free(&receipt);

  SinkwellOwned report;
  if (sinkwell_shutdown(emitter, 5000, &report, &error)) return failed("shutdown", &error);
  fprintf(stderr, "%.*s\n", (int)report.len, (const char *)report.data);
  sinkwell_owned_free(&report);
  sinkwell_emitter_free(&emitter);
  return 0;
}
