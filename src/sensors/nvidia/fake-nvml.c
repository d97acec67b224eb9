/* A stand-in for libnvidia-ml with GPUs that a test sets up: see nvml.test.ts. Signatures as in nvml.h. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NOT_SUPPORTED 3
#define INSUFFICIENT_SIZE 7

typedef struct {
  int lost;             /* the code every call answers with, 0 for none */
  int lacks_power;      /* the code that power and energy answer with */
  int mig;
  unsigned long long energy_mj;
  unsigned int power_mw, utilisation;
  unsigned long long memory_total, memory_used;
  unsigned int process_count, first_pid;
  unsigned long long process_bytes;
  unsigned int user_count, user_pids[2], user_percents[2];
} Gpu;

static Gpu gpus[4];
static int gpu_count, init_code, open_count, list_count;

void fake_reset(int count, int init) {
  memset(gpus, 0, sizeof gpus);
  gpu_count = count;
  init_code = init;
  for (int i = 0; i < 4; i++) {
    gpus[i].memory_total = 80ull << 30;
    gpus[i].power_mw = 100000;
  }
}
void fake_lost(int i, int code) { gpus[i].lost = code; }
void fake_power(int i, int code, unsigned int mw) { gpus[i].lacks_power = code; gpus[i].power_mw = mw; }
void fake_energy(int i, double mj) { gpus[i].energy_mj = (unsigned long long)mj; }
void fake_load(int i, unsigned int utilisation, int mig) { gpus[i].utilisation = utilisation; gpus[i].mig = mig; }
void fake_memory(int i, double used) { gpus[i].memory_used = (unsigned long long)used; }
void fake_processes(int i, unsigned int count, unsigned int first_pid, double bytes) {
  gpus[i].process_count = count;
  gpus[i].first_pid = first_pid;
  gpus[i].process_bytes = bytes < 0 ? ~0ull : (unsigned long long)bytes;
}
/* How busy two processes keep it, by a driver that shows so many of them. */
void fake_users(int i, unsigned int count, unsigned int pid, unsigned int percent, unsigned int other, unsigned int others) {
  gpus[i].user_count = count;
  gpus[i].user_pids[0] = other;
  gpus[i].user_percents[0] = others;
  gpus[i].user_pids[1] = pid;
  gpus[i].user_percents[1] = percent;
}
int fake_open(void) { return open_count; }
/* How often processes were listed. */
int fake_lists(void) { return list_count; }

#define GPU(d) Gpu *g = (d); if (g->lost) return g->lost

const char *nvmlErrorString(int code) {
  switch (code) {
    case 3: return "Not Supported";
    case 4: return "Insufficient Permissions";
    case 9: return "Driver Not Loaded";
    case 15: return "GPU is lost";
    case 18: return "Driver/library version mismatch";
    default: return "Unknown Error";
  }
}
int nvmlInit_v2(void) {
#ifdef WEDGED
  for (;;) pause();
#endif
  if (!init_code) open_count++;
  return init_code;
}
int nvmlShutdown(void) { open_count--; return 0; }
int nvmlSystemGetDriverVersion(char *to, unsigned int n) { snprintf(to, n, "550.54.15"); return 0; }
int nvmlDeviceGetCount_v2(unsigned int *count) { *count = gpu_count; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned int i, void **device) { *device = &gpus[i]; return gpus[i].lost; }
int nvmlDeviceGetName(void *d, char *to, unsigned int n) { GPU(d); snprintf(to, n, "NVIDIA Fake %d", (int)(g - gpus)); return 0; }
int nvmlDeviceGetUUID(void *d, char *to, unsigned int n) { GPU(d); snprintf(to, n, "GPU-%d", (int)(g - gpus)); return 0; }
int nvmlDeviceGetPowerUsage(void *d, unsigned int *mw) { GPU(d); *mw = g->power_mw; return g->lacks_power; }
int nvmlDeviceGetUtilizationRates(void *d, unsigned int *rates) {
  GPU(d);
  if (g->mig) return NOT_SUPPORTED;
  rates[0] = g->utilisation;
  rates[1] = 0;
  return 0;
}
int nvmlDeviceGetMigMode(void *d, unsigned int *current, unsigned int *pending) { GPU(d); *current = *pending = g->mig; return 0; }
int nvmlDeviceGetMemoryInfo(void *d, unsigned long long *m) {
  GPU(d);
  m[0] = g->memory_total;
  m[1] = g->memory_total - g->memory_used;
  m[2] = g->memory_used;
  return 0;
}
int nvmlDeviceGetClockInfo(void *d, int kind, unsigned int *mhz) { GPU(d); *mhz = kind == 1 ? 1980 : 2619; return 0; }
int nvmlDeviceGetTemperature(void *d, int sensor, unsigned int *t) { GPU(d); *t = 41 + sensor; return 0; }
int nvmlDeviceGetCurrentClocksThrottleReasons(void *d, unsigned long long *reasons) { GPU(d); *reasons = 4; return 0; }

#ifndef OLD_DRIVER
typedef struct { unsigned int pid; unsigned long long bytes; unsigned int gpu_instance, compute_instance; } Process;

int nvmlDeviceGetTotalEnergyConsumption(void *d, unsigned long long *mj) { GPU(d); *mj = g->energy_mj; return g->lacks_power; }
int nvmlDeviceGetComputeRunningProcesses_v3(void *d, unsigned int *count, Process *to) {
  GPU(d);
  list_count++;
  unsigned int room = *count;
  *count = g->process_count;
  if (room < g->process_count) return INSUFFICIENT_SIZE;
  for (unsigned int i = 0; i < g->process_count; i++) to[i] = (Process){g->first_pid + i, g->process_bytes, ~0u, ~0u};
  return 0;
}
typedef struct { unsigned int pid; unsigned long long time_us; unsigned int sm, memory, encoder, decoder; } Sample;

int nvmlDeviceGetProcessUtilization(void *d, Sample *to, unsigned int *count, unsigned long long since_us) {
  GPU(d);
  if (g->mig) return NOT_SUPPORTED;
  if (g->user_count == 0 || since_us < 1500000000000000ull) return 6;
  for (unsigned int i = 0; i < g->user_count; i++) to[i] = (Sample){g->user_pids[i], since_us + 1, g->user_percents[i], 0, 0, 0};
  *count = g->user_count;
  return 0;
}
int nvmlDeviceGetGraphicsRunningProcesses_v3(void *d, unsigned int *count, Process *to) { GPU(d); (void)to; *count = 0; return 0; }
#endif
