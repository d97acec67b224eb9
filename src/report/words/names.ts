import { findMetric } from '../../core/metrics.js';

/**
 * A metric in words, `energy/gpu-0` as that of a device; one this version does not know keeps its name in
 * the file.
 */
export function metricName(metric: string): string {
  const [of, device] = metric.split('/');
  const name = findMetric(of!)?.label ?? of!;
  return device === undefined ? name : `${name} of ${device}`;
}

/** A sensor's quantity in words: `minorFaults` as "minor faults", `cpuTime` as "CPU time". */
export function quantityName(quantity: string): string {
  return quantity
    .replace(/(?<=[a-z])[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
    .replace(/\b(cpu|gpu|io|sm)\b/g, (word) => word.toUpperCase());
}

/** A cell's name without its model, where the model goes without saying. */
export function cellName(cell: string, models: readonly string[]): string {
  const [only] = models;
  return models.length === 1 && cell.startsWith(`${only}/`) ? cell.slice(only!.length + 1) : cell;
}

/** Names of factors in a sentence; others go by their own. */
const factorNames = new Map([
  ['promptTokens', 'prompt length'],
  ['completionTokens', 'output length'],
  ['batch', 'batch size'],
  ['promptKind', 'the kind of prompt'],
  ['requestRate', 'request rate'],
]);

/** Factors that sort the cells alike are one, under all their names. */
export function factorName(factor: string): string {
  return factor
    .split(' = ')
    .map((name) => factorNames.get(name) ?? name)
    .join(' = ');
}
