import { exitCode } from '../core/codes.js';

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * An abort signal that the first Ctrl-C (or SIGTERM, SIGHUP) raises, so that the run can stop in good
 * order; the second leaves at once.
 */
export function onInterrupt(announce: () => void): { signal: AbortSignal; dispose(): void } {
  const controller = new AbortController();
  const handle = (name: NodeJS.Signals) => {
    if (controller.signal.aborted) process.exit(exitCode.incomplete);
    announce();
    controller.abort(name);
  };
  for (const name of signals) process.on(name, handle);
  return {
    signal: controller.signal,
    dispose: () => {
      for (const name of signals) process.off(name, handle);
    },
  };
}
