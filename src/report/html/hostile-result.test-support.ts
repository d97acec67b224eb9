import type { Result } from '../../core/result.js';
import { richResult } from './rich-result.test-support.js';

/** Ends attributes, elements, scripts, strings and lines, and would say so if any of it ran. */
export const attack = `'"\`--></title></textarea></style></script><script>window.attacked=1</script><img src=x onerror=window.attacked=1><svg onload=window.attacked=1>{{7*7}}{a|b}\u2028</x>`;

/** Fields whose values the schema fixes, or whose content is no text. */
const fixed = new Set([
  'status',
  'provenance',
  'source',
  'backend',
  'startedAt',
  'reason',
  'unit',
  'interTokenLatency',
  'subnormals',
  'absent',
]);
/** Tables with keys of this program's own. */
const ownKeys = new Set([
  'metrics',
  'work',
  'tokens',
  'times',
  'tool',
  'run',
  'cpu',
  'cost',
  'flops',
  'bytes',
  'engine',
  'ceilings',
  'memoryBandwidth',
  'warmup',
]);

/** The rich result with the attack in every string and every free key. */
export function hostileResult(): Result {
  const hostile = poisoned(richResult(), '') as Result;
  hostile.tool.name = 'tokenwork';
  hostile.metrics = Object.fromEntries(
    Object.entries(hostile.metrics).map(([name, metric]) => [
      name,
      { ...metric, unit: metric.unit + attack },
    ]),
  );
  return hostile;
}

function poisoned(value: unknown, key: string): unknown {
  if (typeof value === 'string') return fixed.has(key) ? value : value + attack;
  if (Array.isArray(value)) return value.map((item) => poisoned(item, key));
  if (value === null || typeof value !== 'object') return value;
  const free = ['factors', 'packages', 'gemm', 'conservation', 'detail'].includes(key);
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [
      free && !ownKeys.has(name) ? name + attack : name,
      poisoned(item, name),
    ]),
  );
}
