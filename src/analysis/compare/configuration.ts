import type { ModelRecord } from '../../core/records/model.js';
import type { Ceilings, Result } from '../../core/result.js';

/** A setting in which two runs differ. */
export interface ConfigurationDifference {
  what: string;
  baseline: string;
  candidate: string;
}

/** Everything but the figures in which the runs differ, what matters most first. */
export function configurationDifferences(baseline: Result, candidate: Result): ConfigurationDifference[] {
  const [before, after] = [settingsOf(baseline), settingsOf(candidate)];
  const names = [...new Set([...before.keys(), ...after.keys()])];
  return names
    .filter((name) => before.get(name) !== after.get(name))
    .map((what) => ({ what, baseline: before.get(what) ?? '–', candidate: after.get(what) ?? '–' }));
}

function settingsOf({ models, run, hardware, environment, tool }: Result): Map<string, string> {
  const { cpu, gpus, memoryBytes } = hardware;
  const { recording } = environment;
  const settings: [string, unknown][] = [
    ['models', models.map(({ id }) => id).join(', ')],
    ...models.flatMap((model) => modelSettings(model, models.length === 1 ? '' : `${model.id}: `)),
    ['suite', run.suite],
    ['seed', run.seed],
    ['concurrency', run.concurrency],
    ['repetitions', run.repetitions],
    ['complete', run.complete],
    ['hardware', hardware.id],
    [
      'cpu',
      [
        cpu.brand,
        ...(cpu.physicalCores === null ? [] : [`${cpu.physicalCores} cores`]),
        ...(cpu.logicalCores === null ? [] : [`${cpu.logicalCores} threads`]),
      ].join(', '),
    ],
    ['memory', memoryBytes === null ? 'unknown' : `${memoryBytes} B`],
    ['gpus', gpus.map(({ model }) => model).join(', ') || 'none'],
    ['sensors', recording ? `${recording.file}, recorded on ${recording.machine}` : 'this machine’s'],
    ['tokenwork', tool.version],
    ['commit', tool.commit ?? '–'],
    ['os', environment.os],
    ['node', environment.node],
    ...Object.entries(environment.packages).map(([name, version]): [string, unknown] => [name, version]),
  ];
  return new Map(settings.map(([name, value]) => [name, String(value)]));
}

function modelSettings(
  { dtype, graphVariant, source, sha256, engine }: ModelRecord,
  prefix: string,
): [string, unknown][] {
  return [
    [`${prefix}dtype`, dtype],
    [`${prefix}graph variant`, graphVariant],
    [`${prefix}weights`, source],
    [`${prefix}sha256`, sha256],
    [`${prefix}engine`, `${engine.name} ${engine.version}`],
    [`${prefix}back end`, engine.backend],
    [`${prefix}device`, engine.device],
    [`${prefix}threads`, engine.threads],
    [`${prefix}shared session`, engine.sharedSession],
  ];
}

/** The candidate machine's ceilings over the baseline's; `null` where one was not measured. */
export interface CeilingRatios {
  memoryBandwidth: number | null;
  /** By dtype that both measured. */
  gemm: Record<string, number>;
}

export function ceilingRatios(baseline: Ceilings | null, candidate: Ceilings | null): CeilingRatios {
  const [before, after] = [baseline?.memoryBandwidth, candidate?.memoryBandwidth];
  const gemm = Object.entries(candidate?.gemm ?? {}).flatMap(([dtype, rate]) => {
    const other = baseline?.gemm[dtype];
    return other === undefined ? [] : [[dtype, rate.value / other.value] as const];
  });
  return {
    memoryBandwidth: before && after ? after.value / before.value : null,
    gemm: Object.fromEntries(gemm),
  };
}
