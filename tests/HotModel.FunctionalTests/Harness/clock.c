// Preloaded into a program: its clock is wrong by as many seconds as a file says, and can be set while it runs. What
// measures time, CLOCK_MONOTONIC, is left alone, as it is when somebody sets the clock of a machine.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile long long none;
static const volatile long long *seconds = &none;

__attribute__((constructor)) static void open_file(void) {
  const char *path = getenv("HOTMODEL_TEST_CLOCK");
  int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (file < 0) return;
  void *map = mmap(NULL, sizeof *seconds, PROT_READ, MAP_SHARED, file, 0);
  if (map != MAP_FAILED) seconds = map;
  close(file);
}

int clock_gettime(clockid_t id, struct timespec *now) {
  int result = syscall(SYS_clock_gettime, id, now);
  if (result == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) now->tv_sec += *seconds;
  return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  struct timespec exact;
  (void)zone;
  clock_gettime(CLOCK_REALTIME, &exact);
  now->tv_sec = exact.tv_sec;
  now->tv_usec = exact.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *store) {
  struct timespec exact;
  clock_gettime(CLOCK_REALTIME, &exact);
  if (store) *store = exact.tv_sec;
  return exact.tv_sec;
}
