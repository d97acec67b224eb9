import type { Result } from '../../core/result.js';

/** Said wherever a result shows figures of another machine's sensors; null where they are this run's. */
export function recordingNotice({ environment: { recording } }: Result): string | null {
  if (recording === undefined) return null;
  const { file, machine, recordedAt } = recording;
  return `Energy, GPU time and the time line are NOT of this run: they were played from ${file}, recorded on ${machine} on ${recordedAt.slice(0, 10)}.`;
}
