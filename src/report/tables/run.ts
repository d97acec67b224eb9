import { type LatencyDistribution, latencyDistributions } from '../../analysis/latency-distribution.js';
import type { RooflinePoint } from '../../analysis/roofline.js';
import { findMetric } from '../../core/metrics.js';
import { isOk, type Result, type Timeline } from '../../core/result.js';
import { capitalized, formatDuration, formatPercent, formatWithUnit } from '../words/format.js';
import { cellName, metricName, quantityName } from '../words/names.js';
import { columnsOf, type Table } from './table.js';

/** Every metric of a result: what it is, how it came to be, or why it was not measured. */
export function provenanceTable(metrics: Result['metrics']): Table {
  const table = columnsOf(Object.entries(metrics).map(([name, metric]) => ({ name, ...metric })));
  return {
    name: 'metrics',
    title: 'Metrics, their provenance and method',
    columns: [
      table.text('metric', ({ name }) => capitalized(metricName(name))),
      table.text('unit', ({ unit }) => unit),
      table.text('what it is', ({ name }) => findMetric(name)?.definition ?? null),
      table.text('provenance', ({ provenance }) => provenance),
      table.text('method', ({ method }) => method),
      table.text('not measured because', ({ reason }) => reason, { id: 'reason' }),
      table.text('what would help', ({ hint }) => hint, { id: 'hint' }),
    ],
  };
}

/** Totals of each counter, and where they went; `energy/package-0` is energy on that device. */
export function conservationTable({ conservation }: Result): Table {
  const table = columnsOf(Object.entries(conservation).map(([key, account]) => ({ key, ...account })));
  type Account = Result['conservation'][string];
  const amount = (header: string, value: (account: Account) => number) =>
    table.number(header, value, { show: (shown, { unit }) => formatWithUnit(shown, unit) });
  return {
    name: 'conservation',
    title: 'Totals of each counter, and where they went',
    columns: [
      table.text('counter', ({ key }) => {
        const [metric, ...device] = key.split('/');
        return [capitalized(metricName(metric!)), ...device].join(', ');
      }),
      table.text('unit', ({ unit }) => unit, { fileOnly: true }),
      amount('in all', ({ total }) => total),
      amount('in requests', ({ requests }) => requests),
      table.number('share', ({ requests, total }) => (total > 0 ? requests / total : null), {
        show: formatPercent,
      }),
      amount('idle', ({ idle }) => idle),
      amount('unattributed', ({ unattributed }) => unattributed),
    ],
  };
}

/** Failed requests, a row for each reason and cell, as most of a run's failures are alike. */
export function failuresTable({ requests }: Result): Table {
  const alike = new Map<string, { cell: string; code: string; message: string; count: number }>();
  for (const request of requests) {
    if (isOk(request)) continue;
    const { code, message } = request.outcome;
    const key = JSON.stringify([request.cell, code, message]);
    const known = alike.get(key) ?? { cell: request.cell, code, message, count: 0 };
    known.count++;
    alike.set(key, known);
  }
  const table = columnsOf([...alike.values()].sort((a, b) => b.count - a.count));
  return {
    name: 'failures',
    title: 'Failed requests',
    columns: [
      table.text('cell', ({ cell }) => cell),
      table.number(['failed', 'requests'], ({ count }) => count, { show: String }),
      table.text('reason', ({ code }) => code),
      table.text('message', ({ message }) => message),
    ],
  };
}

export function warningsTable({ warnings }: Result): Table {
  const table = columnsOf(warnings);
  return {
    name: 'warnings',
    title: 'Warnings',
    columns: [
      table.text('code', ({ code }) => code),
      table.text('message', ({ message }) => message),
      table.text('hint', ({ hint }) => hint),
    ],
  };
}

/** The most that the machine was measured to do. */
export function ceilingsTable({ memoryBandwidth, gemm }: NonNullable<Result['hardware']['ceilings']>): Table {
  const table = columnsOf([
    ...(memoryBandwidth === null ? [] : [{ name: 'streaming read', ...memoryBandwidth }]),
    ...Object.entries(gemm).map(([dtype, rate]) => ({ name: `GEMM, ${dtype}`, ...rate })),
  ]);
  return {
    name: 'ceilings',
    title: 'Ceilings of the machine',
    columns: [
      table.text('ceiling', ({ name }) => name),
      table.number('rate', ({ value }) => value, { show: (value, { unit }) => formatWithUnit(value, unit) }),
      table.text('unit', ({ unit }) => unit, { fileOnly: true }),
      table.text('method', ({ method }) => method),
    ],
  };
}

export function sensorsTable({ environment }: Result): Table {
  const table = columnsOf(environment.sensors);
  return {
    name: 'sensors',
    title: 'Sensors of the machine',
    columns: [
      table.text('sensor', ({ name }) => name),
      table.text('read', ({ available }) => (available ? 'yes' : 'no')),
      table.number('period', ({ periodNs }) => periodNs, { unit: 'ns', show: formatDuration, absent: '' }),
      table.text('why not', ({ reason }) => reason, { id: 'reason' }),
      table.text('what would help', ({ hint }) => hint, { id: 'hint' }),
    ],
  };
}

/** Counts of requests, or of gaps between tokens, in each bin of time. */
export function latencyTable({ name, counted, boundsNs, counts }: LatencyDistribution): Table {
  const total = counts.reduce((sum, count) => sum + count, 0);
  const table = columnsOf(
    counts.map((count, bin) => ({ count, low: boundsNs[bin]!, high: boundsNs[bin + 1]! })),
  );
  return {
    name: `latency-${name}`,
    title: `Distribution of the ${name}`,
    columns: [
      table.ends('from – to', (bin) => bin, {
        id: 'bin',
        unit: 'ns',
        align: 'left',
        show: (low, high) => `${formatDuration(low)} – ${formatDuration(high)}`,
      }),
      table.number(counted, ({ count }) => count, { show: String }),
      table.number('share', ({ count }) => count / total, { show: formatPercent }),
    ],
  };
}

/** Percentiles of every latency that the sample is large enough for. */
export function percentilesTable(result: Result): Table {
  const table = columnsOf(
    latencyDistributions(result).flatMap(({ name, percentiles }) =>
      percentiles.map((percentile) => ({ latency: name, ...percentile })),
    ),
  );
  return {
    name: 'latency-percentiles',
    title: 'Percentiles of latencies',
    columns: [
      table.text('latency', ({ latency }) => latency),
      table.text('percentile', ({ name }) => name),
      table.number('value', ({ valueNs }) => valueNs, { unit: 'ns', show: formatDuration }),
    ],
  };
}

/** Readings of each sensor during the run. */
export function channelsTable(timeline: readonly Timeline[]): Table {
  const table = columnsOf(
    timeline.map((channel) => ({ ...channel, read: channel.values.filter((value) => value !== null) })),
  );
  type Channel = Timeline & { read: number[] };
  const figure = (header: string, of: (read: readonly number[]) => number) =>
    table.number(header, ({ read }: Channel) => (read.length === 0 ? null : of(read)), {
      show: (value, { unit }) => formatWithUnit(value, unit),
    });
  return {
    name: 'sensor-readings',
    title: 'What the sensors read',
    columns: [
      table.text('sensor', ({ sensor }) => sensor),
      table.text('device', ({ device }) => device),
      table.text('quantity', ({ quantity }) => quantityName(quantity)),
      table.text('unit', ({ unit }) => unit, { fileOnly: true }),
      figure('mean', (read) => read.reduce((sum, value) => sum + value, 0) / read.length),
      figure('least', (read) => read.reduce((least, value) => Math.min(least, value))),
      figure('most', (read) => read.reduce((most, value) => Math.max(most, value))),
      table.number('samples', ({ samples }) => samples),
    ],
  };
}

/** The rate that each stage of each cell reached, against the most that the machine was measured to do. */
export function rooflineTable(points: readonly RooflinePoint[], models: readonly string[]): Table {
  const table = columnsOf(points);
  return {
    name: 'roofline',
    title: 'Rates reached by stage and cell',
    columns: [
      table.text('cell', ({ cell }) => cellName(cell, models)),
      table.text('stage', ({ stage }) => stage),
      table.number(['intensity', 'FLOP per byte'], ({ intensity }) => intensity),
      table.number('reached', ({ flopsPerSecond }) => flopsPerSecond, {
        unit: 'FLOP/s',
        show: (value) => formatWithUnit(value, 'FLOP/s'),
      }),
      table.number('share of the roof', ({ shareOfRoof }) => shareOfRoof, { show: formatPercent }),
    ],
  };
}
