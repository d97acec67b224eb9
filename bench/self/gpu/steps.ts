import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Device, EngineName } from '#tokenwork/engines/engine.js';

/** A way to a GPU. */
export interface Road {
  device: Device;
  engine: EngineName;
}

/** Figures of `npm run bench:self` that have a step of their own. */
type GpuFigure = 'energy' | 'sampling';

interface Step {
  name: string;
  command: string[];
  mostSeconds: number;
}

/** Of each shape the decode after short and long prompts, alone and in a batch, and a long prefill. */
const design = [
  { promptTokens: [512, 8064], completionTokens: [64] },
  { promptTokens: [512], completionTokens: [64], batch: [32] },
  { promptTokens: [2048], completionTokens: [16] },
];
/** Lengths whose shaders a software GPU compiles within minutes. */
const smallDesign = [{ promptTokens: [12], completionTokens: [4] }];

/** What is measured, the most wanted first: models of a billion weights on every road, then of eight on the fastest. */
export function stepsFor(roads: readonly Road[], out: string, small: boolean): Step[] {
  const bench = (road: Road, models: readonly string[], mostSeconds: number): Step[] =>
    models.map((model) => {
      const [spec, dtype] = model.split(' ') as [string, string];
      const name = `bench-${road.engine}-${road.device}-${spec}-${dtype}`;
      const suite = join(out, `${name}.suite.json`);
      writeFileSync(suite, `${JSON.stringify(suiteOf(spec, dtype, small), null, 2)}\n`);
      return {
        name,
        command: benchOn(road, ['--suite', suite, '--out', join(out, `${name}.json`)]),
        mostSeconds,
      };
    });
  const [fastest] = roads;
  if (fastest === undefined) return [];
  const first = small ? ['tiny fp16'] : ['llama-3.2-1b fp16', 'llama-3.2-1b q4'];
  const figure = (id: GpuFigure, mostSeconds: number): Step => ({
    name: id,
    command: [
      fileURLToPath(new URL('one-figure.js', import.meta.url)),
      JSON.stringify(fastest),
      small ? 'small' : 'full',
      `gpu-${id}`,
    ],
    mostSeconds: small ? 400 : mostSeconds,
  });
  const shipped = (suite: string): Step => ({
    name: `bench-${suite}`,
    command: benchOn(fastest, [
      '--suite',
      suite,
      '--repetitions',
      '2',
      '--out',
      join(out, `bench-${suite}.json`),
    ]),
    mostSeconds: 60,
  });
  return [
    ...roads.flatMap((road) => bench(road, first, small ? 400 : 60)),
    ...(small ? [] : bench(fastest, ['llama-3-8b q4', 'llama-3-8b fp16'], 150)),
    figure('energy', 110),
    figure('sampling', 80),
    ...(small ? [] : [shipped('quick'), shipped('cache-hit')]),
  ];
}

function benchOn({ device, engine }: Road, rest: readonly string[]): string[] {
  return ['bench', '--device', device, '--engine', engine, '--quiet', '--yes', '--force', ...rest];
}

function suiteOf(model: string, dtype: string, small: boolean) {
  return {
    description: 'Decode and prefill of one shape on a GPU.',
    models: [{ model, dtype }],
    design: small ? smallDesign : design,
    repetitions: small ? 2 : 3,
    concurrency: 1,
    seed: 1,
  };
}
