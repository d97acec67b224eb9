import { messageOf } from '../core/errors.js';
import type { Nanoseconds } from '../core/units.js';
import { runBounded } from './bounded-child.js';
import { type Channel, milliseconds, type Sensor } from './sensor.js';

const rootOnly =
  'macOS shows power to root only; look at it with: sudo powermetrics --samplers cpu_power,gpu_power';
const mostFailures = 3;

interface GpuUse {
  utilisation: number | null;
  usedBytes: number | null;
}

/**
 * The GPUs of a Mac as the I/O registry shows them without root: utilisation and memory in use. Energy is
 * not among it: `powermetrics` needs root, and IOReport, which needs none, is a private interface without a
 * declared layout, where a wrong call would end the process that measures. Asking the registry starts a process, so once a second.
 */
export function appleSensor(
  command: readonly string[] = ['/usr/sbin/ioreg', '-r', '-d', '1', '-w', '0', '-c', 'IOAccelerator'],
): Sensor {
  return {
    name: 'apple',
    platforms: ['darwin'],
    figures: ['gpuTime'],
    reads: `utilisation and memory of Apple GPUs (${command.join(' ')})`,
    async open(clock) {
      let first: GpuUse[];
      try {
        first = await askRegistry(command);
      } catch (error) {
        return { reason: 'unsupported', hint: `ioreg cannot be asked: ${messageOf(error)}` };
      }
      const figures = first.flatMap(({ utilisation, usedBytes }, gpu) => [
        ...(utilisation === null ? [] : [{ gpu, key: 'utilisation' as const, unit: 'ratio' as const }]),
        ...(usedBytes === null ? [] : [{ gpu, key: 'usedBytes' as const, unit: 'B' as const }]),
      ]);
      if (figures.length === 0) return { reason: 'permission', hint: rootOnly };
      const arrived: { uses: GpuUse[]; atNs: Nanoseconds }[] = [];
      let asking = false;
      let failures = 0;
      let failure = '';
      return {
        channels: figures.map(
          ({ gpu, key, unit }): Channel => ({
            quantity: key === 'usedBytes' ? 'memoryUsed' : key,
            device: `gpu-${gpu}`,
            unit,
            kind: 'gauge',
          }),
        ),
        missing: first.map((_, gpu) => ({
          device: `gpu-${gpu}`,
          quantity: 'energy',
          reason: 'permission',
          hint: rootOnly,
        })),
        periodNs: milliseconds(1000),
        arrives: true,
        read(sink) {
          for (const { uses, atNs } of arrived.splice(0)) {
            for (const [channel, { gpu, key }] of figures.entries()) {
              sink.put(channel, uses[gpu]?.[key] ?? Number.NaN, atNs);
            }
          }
          if (failures >= mostFailures) throw new Error(failure);
          if (asking) return;
          asking = true;
          askRegistry(command)
            .then(
              (uses) => {
                failures = 0;
                arrived.push({ uses, atNs: clock.now() });
              },
              (error: unknown) => {
                failures++;
                failure = messageOf(error);
              },
            )
            .finally(() => {
              asking = false;
            });
        },
        close: () => {}, // Nothing stays open: each asking is a process of its own that ends by itself.
      };
    },
  };
}

/** Reads the output of `ioreg -c IOAccelerator`, one entry a GPU; null for what a GPU does not show. */
export function parseAccelerators(text: string): GpuUse[] {
  return text
    .split(/^\+-o /m)
    .map((node) => /"PerformanceStatistics" = \{([^}]*)\}/.exec(node)?.[1])
    .filter((statistics) => statistics !== undefined)
    .map((statistics) => {
      const number = (key: string) => {
        const value = statistics.split(',').find((entry) => entry.startsWith(`"${key}"=`));
        const digits = /=(\d+)$/.exec(value ?? '')?.[1];
        return digits === undefined ? null : Number(digits);
      };
      const percent = number('Device Utilization %');
      return {
        utilisation: percent === null || percent > 100 ? null : percent / 100,
        usedBytes: number('In use system memory'),
      };
    });
}

async function askRegistry(command: readonly string[]): Promise<GpuUse[]> {
  const { code, signal, stdout, timedOut } = await runBounded(command, { withinMs: answerWithinMs });
  if (timedOut) throw new Error(`${command[0]} did not answer within ${answerWithinMs / 1000} s`);
  if (code !== 0) throw new Error(`${command[0]} ended with ${code ?? signal}`);
  return parseAccelerators(stdout);
}

const answerWithinMs = 5000;
