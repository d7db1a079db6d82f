// SIGTERM and SIGINT, where a configuration asks for handle_signals.
//
// Guarantees: on the signal everything queued is pushed out at once, and every emitter goes on accepting. A program that
// handles the signal (os/signal.Notify) gets it, once, and is in charge; one that it ignores stays ignored. Where nobody
// handles it, the emitters drain and the process ends as by the signal's default action; as the first process of a container
// with 128 + n. No goroutine waits for any of this.
//
// How: Go tells no package whether the program handles a signal. But its runtime says what it does with one that comes on a
// thread that is not Go's (package os/signal, "Go programs that use cgo or SWIG"): it hands it to who wants it, and where
// nobody does, to the handler that was there before the runtime. So there is one before the runtime (`before`); one that is
// in front of Go's only takes note (`in_front`); and a thread of our own pushes, and then raises the signal on itself: what
// arrives at `before` nobody wanted.
#define _GNU_SOURCE // pipe2
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "bridge.h"

static const int taken[] = {SIGTERM, SIGINT};

// What was there before `in_front`: Go's handler.
static struct sigaction behind[NSIG];
static int notes[2] = {-1, -1};

// Volatile, as a compiler takes it that raise() runs nothing of this file.
static _Thread_local volatile sig_atomic_t passing;
static _Thread_local volatile sig_atomic_t unwanted;

static void take(int signal, void (*handler)(int, siginfo_t *, void *)) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = handler;
  // On the stack that the runtime keeps for signals: a goroutine's is too small.
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
  sigaction(signal, &action, NULL);
}

static void note(int signal) {
  unsigned char one = (unsigned char)signal;
  int before = errno;
  // Full: so many have come already that one more says nothing.
  (void)!write(notes[1], &one, 1);
  errno = before;
}

// The handler before the runtime's: what nobody wants.
static void before(int signal, siginfo_t *info, void *context) {
  (void)info;
  (void)context;
  if (passing) {
    unwanted = 1;
    return;
  }
  if (notes[1] >= 0) {
    // Between two handlers, while the thread below asks: it will ask again.
    note(signal);
    return;
  }
  // No emitter handles signals: the default action, as if this were not here.
  struct sigaction action;
  sigset_t just;
  memset(&action, 0, sizeof action);
  action.sa_handler = SIG_DFL;
  sigaction(signal, &action, NULL);
  sigemptyset(&just);
  sigaddset(&just, signal);
  pthread_sigmask(SIG_UNBLOCK, &just, NULL);
  raise(signal);
}

static void in_front(int signal, siginfo_t *info, void *context) {
  if (!passing) {
    note(signal);
  } else if (behind[signal].sa_flags & SA_SIGINFO) {
    behind[signal].sa_sigaction(signal, info, context);
  } else if (behind[signal].sa_handler == SIG_DFL) {
    unwanted = 1;
  } else if (behind[signal].sa_handler != SIG_IGN) {
    behind[signal].sa_handler(signal);
  }
}

// Ahead of the runtime, which remembers it. A signal that is ignored, or somebody else's already, is left alone.
__attribute__((constructor)) static void stand_before(void) {
  for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) {
    struct sigaction now;
    if (sigaction(taken[i], NULL, &now) == 0 && !(now.sa_flags & SA_SIGINFO) && now.sa_handler == SIG_DFL) {
      take(taken[i], before);
    }
  }
}

// Puts `in_front` there, unless it is, or the signal is ignored; whether it is there.
static int stand_in_front(int signal) {
  struct sigaction now;
  if (sigaction(signal, NULL, &now) != 0) return 0;
  if (now.sa_flags & SA_SIGINFO) {
    if (now.sa_sigaction == in_front) return 1;
  } else if (now.sa_handler == SIG_IGN) {
    return 0;
  }
  behind[signal] = now;
  take(signal, in_front);
  return 1;
}

static void *watch(void *unused) {
  (void)unused;
  sigset_t just;
  sigemptyset(&just);
  for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) sigaddset(&just, taken[i]);
  pthread_sigmask(SIG_UNBLOCK, &just, NULL);
  unsigned char noted;
  ssize_t n;
  while ((n = read(notes[0], &noted, 1)) == 1 || (n < 0 && errno == EINTR)) {
    if (n != 1) continue;
    sinkwell_push_on_signal();
    unwanted = 0;
    passing = 1;
    raise(noted);
    passing = 0;
    // The runtime puts its own handler back where it had asked the one before it. From here on a second signal waits, too.
    stand_in_front(noted);
    if (unwanted) sinkwell_end_on_signal(noted);
  }
  return NULL;
}

static pthread_mutex_t placing = PTHREAD_MUTEX_INITIALIZER;

// Has signals watched from now on; 0, or why not. Called again it puts back what somebody took away.
int sw_watch_signals(void) {
  int failed = 0;
  pthread_mutex_lock(&placing);
  if (notes[0] < 0) {
    int made[2];
    pthread_t thread;
    sigset_t all, mask;
    if (pipe2(made, O_CLOEXEC) != 0) {
      failed = errno;
    } else {
      fcntl(made[1], F_SETFL, O_NONBLOCK);
      notes[0] = made[0];
      notes[1] = made[1];
      // Signals of the program's own are not for this thread.
      sigfillset(&all);
      pthread_sigmask(SIG_SETMASK, &all, &mask);
      failed = pthread_create(&thread, NULL, watch, NULL);
      pthread_sigmask(SIG_SETMASK, &mask, NULL);
      if (failed == 0) {
        pthread_detach(thread);
      } else {
        notes[0] = notes[1] = -1;
        close(made[0]);
        close(made[1]);
      }
    }
  }
  for (size_t i = 0; failed == 0 && i < sizeof taken / sizeof *taken; i++) stand_in_front(taken[i]);
  pthread_mutex_unlock(&placing);
  return failed;
}
