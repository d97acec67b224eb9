/** A result with something for every section of the page, valid by the schema. Imported by tests only. */
import { build, encodeIntoCompressedBase64 } from 'hdr-histogram-js';
import { failedRequest, okRequest, testResult } from '../../analysis/result.test-support.js';
import { type OkRequest, type Result, resultSchema, type Timeline } from '../../core/result.js';
import { normalSource } from '../../stats/normal.js';
import { createRandom } from '../../stats/random.js';

const prompts = [16, 128, 512];
const completions = [16, 128];
const repetitions = 4;
const workers = 3;

/** Two factors and a kind of prompt, energy and GPU time, three workers, sensors, a failure, a warning. */
export function richResult(): Result {
  const random = createRandom(7);
  const normal = normalSource(random);
  const base = testResult();
  const cells = prompts.flatMap((promptTokens) =>
    completions.map((completionTokens) => ({
      // As long as what the longest pipeline draws: narrow pages must bear it.
      id: `m/p${promptTokens}/c${completionTokens}/guarded-chat/input safety flagged/draw 4`,
      model: 'm',
      factors: { promptTokens, completionTokens, batch: 1, safety: promptTokens > 128 },
    })),
  );
  const clocks = new Array<number>(workers).fill(0);
  const requests: Result['requests'] = [];
  for (let repetition = 0; repetition < repetitions; repetition++) {
    for (const { id: cell, factors } of cells) {
      const worker = requests.length % workers;
      const request = requestOf(
        { id: requests.length, cell, repetition, worker },
        { prompt: factors.promptTokens, completion: factors.completionTokens, begin: clocks[worker]! },
        Math.exp(0.03 * normal()),
      );
      clocks[worker] = request.times.lastToken + 2e6;
      requests.push(request);
    }
  }
  requests.push(
    failedRequest({
      id: requests.length,
      cell: cells[0]!.id,
      repetition: repetitions,
      worker: 1,
      times: { submitted: clocks[1]!, started: clocks[1]!, firstToken: null, lastToken: null },
    }),
  );
  const durationNs = Math.max(...clocks);
  const measured = (unit: string, method: string) => ({
    ...base.metrics.cpuTime!,
    unit,
    method,
  });
  return resultSchema.parse({
    ...base,
    run: { ...base.run, durationNs, concurrency: workers, repetitions, plannedRequests: requests.length },
    hardware: {
      ...base.hardware,
      ceilings: {
        memoryBandwidth: { value: 1e11, unit: 'B/s', method: 'streaming read' },
        gemm: { fp32: { value: 4e11, unit: 'FLOP/s', method: 'MatMul of 1024³' } },
        threads: 3,
      },
    },
    metrics: {
      cpuTime: base.metrics.cpuTime!,
      energy: { ...measured('J', 'RAPL package'), provenance: 'attributed' },
      flops: { ...measured('FLOP', 'matrix products of the graph'), provenance: 'derived' },
      gpuTime: {
        ...measured('ns', 'none'),
        provenance: 'unavailable',
        reason: 'unsupported',
        hint: 'No GPU.',
      },
    },
    cells,
    requests,
    conservation: {
      'energy/package-0': { total: 900, requests: 700, idle: 150, unattributed: 50, unit: 'J' },
    },
    timeline: [
      timelineOf('rapl', 'package-0', 'energy', 'W', durationNs, (t) => 40 + 20 * Math.sin(9 * t)),
      timelineOf('rapl', 'dram-0', 'energy', 'W', durationNs, (t) => 6 + Math.sin(5 * t)),
      timelineOf('procfs', 'process', 'residentMemory', 'B', durationNs, (t) => 4e8 + 3e8 * t),
      timelineOf('pressure', 'system', 'memoryStall', 'ratio', durationNs, () => 0),
    ],
    environment: {
      ...base.environment,
      sensors: [
        { name: 'rapl', available: true, reason: null, hint: null, periodNs: 1e6 },
        {
          name: 'nvml',
          available: false,
          reason: 'unsupported',
          hint: 'No NVIDIA driver is loaded.',
          periodNs: null,
        },
      ],
    },
    warnings: [{ code: 'drift', message: 'The machine drifted.', hint: 'Close what else runs.' }],
  });
}

function requestOf(
  row: Pick<OkRequest, 'id' | 'cell' | 'repetition' | 'worker'>,
  { prompt, completion, begin }: { prompt: number; completion: number; begin: number },
  noise: number,
): OkRequest {
  const safety = prompt > 128 ? 300e6 : 0;
  const prefill = Math.round(prompt * 1e6 * noise);
  const decode = Math.round(completion * 8e6 * noise);
  const [checked, firstToken, lastToken] = [
    begin + safety,
    begin + safety + prefill,
    begin + safety + prefill + decode,
  ];
  const work = (cpuTime: number, flops: number) => ({
    cpuTime,
    energy: cpuTime * 4e-8,
    flops,
    memoryTraffic: flops / 3,
    activationBytes: flops / 9,
  });
  const stages = [
    ...(safety > 0
      ? [
          {
            name: 'safety',
            visible: false,
            tokens: 40,
            billed: 0,
            times: { started: begin, ended: checked },
            work: work(safety, 4e9),
          },
        ]
      : []),
    {
      name: 'prefill',
      visible: true,
      tokens: prompt,
      billed: prompt,
      times: { started: checked, ended: firstToken },
      work: work(prefill, prompt * 2e8),
    },
    {
      name: 'decode',
      visible: true,
      tokens: completion,
      billed: completion,
      times: { started: firstToken, ended: lastToken },
      work: work(decode, completion * 2e8),
    },
  ];
  const whole = work(safety + prefill + decode, (safety > 0 ? 4e9 : 0) + (prompt + completion) * 2e8);
  return okRequest({
    ...row,
    tokens: {
      prompt,
      completion,
      cached: 0,
      reasoning: 0,
      hidden: safety > 0 ? 40 : 0,
      processed: prompt + completion + (safety > 0 ? 40 : 0),
    },
    times: { submitted: begin, started: begin, firstToken, lastToken },
    interTokenLatency: gaps(completion, 8e6 * noise),
    work: { ...whole, gpuTime: null, peakMemory: null, kvBytes: null, kvByteSeconds: null },
    stages,
  });
}

/** As the runner records them: one gap of `gapNs` less than there are tokens, each 1% longer than the one before. */
export function gaps(completion: number, gapNs: number): string {
  const histogram = build({ highestTrackableValue: 1e12, numberOfSignificantValueDigits: 3 });
  for (let k = 1; k < completion; k++) histogram.recordValue(Math.round(gapNs * (1 + k / 100)));
  return encodeIntoCompressedBase64(histogram);
}

function timelineOf(
  sensor: string,
  device: string,
  quantity: string,
  unit: string,
  durationNs: number,
  value: (part: number) => number,
): Timeline {
  const steps = [...Array(80).keys()];
  return {
    sensor,
    device,
    quantity,
    unit,
    timesNs: steps.map((k) => Math.round((k * durationNs) / 80)),
    values: steps.map((k) => (k === 40 ? null : value(k / 80))),
    samples: 8000,
  };
}
