import type { MachineExamination } from '../run/examine-machine.js';

interface Lack {
  name: string;
  hint: string;
  /** Whether it is of no use without a GPU. */
  ofGpu: boolean;
}

const gpuSensors = new Set(['nvml', 'nvml-state', 'nvidia-smi', 'amd']);

/**
 * What lacks and what would help, each piece of advice once; apart from the rest what only a GPU needs,
 * where the machine has none (`readsGpu`: a sensor reads one that the inventory does not know of).
 */
export function remedies(
  examination: MachineExamination,
  readsGpu: boolean,
): { title: string; advice: string[] }[] {
  const all = lacks(examination);
  const hasGpu = examination.hardware.gpus.length > 0 || readsGpu;
  const here = adviceOn(all.filter(({ ofGpu }) => hasGpu || !ofGpu));
  const elsewhere = adviceOn(all.filter(({ ofGpu }) => !hasGpu && ofGpu));
  return [
    { title: 'Missing, and what would help', advice: here.length === 0 ? ['Nothing.'] : here },
    { title: 'For a GPU, of which none was found here', advice: elsewhere },
  ].filter(({ advice }) => advice.length > 0);
}

function lacks({ backEnds, meters, inspection }: MachineExamination): Lack[] {
  return [
    ...backEnds.flatMap(({ name, device, hint }) =>
      hint === null ? [] : [{ name, hint: withoutThis(hint), ofGpu: device !== 'cpu' }],
    ),
    ...meters.flatMap(({ name, hint }) =>
      hint === null ? [] : [{ name, hint, ofGpu: name === 'gpu-time' }],
    ),
    ...(inspection?.sensors ?? []).flatMap(({ name, hint, reason, missing }) => {
      const ofGpu = gpuSensors.has(name);
      return [
        ...(hint === null || reason === 'not-applicable' ? [] : [{ name, hint, ofGpu }]),
        ...missing.map(({ device, quantity, hint: why }) => ({
          name: `${name} ${device} ${quantity}`,
          ...{ hint: why, ofGpu },
        })),
      ];
    }),
  ];
}

/** Without the advice to ask what is being read here. */
const withoutThis = (hint: string): string =>
  hint.replace(/ Or run with --device cpu; `tokenwork doctor` .*$/, '');

function adviceOn(lacking: readonly Lack[]): string[] {
  const names = new Map<string, string[]>();
  for (const { name, hint } of lacking) names.set(hint, [...(names.get(hint) ?? []), name]);
  return [...names].map(([hint, who]) => `${who.join(', ')}: ${hint}`);
}
