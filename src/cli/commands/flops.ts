import { Command } from 'commander';
import { printableJson } from '../../core/text.js';
import { byteUnits, flopUnits } from '../../core/units.js';
import type { DecoderFlopsReport, FlopsReport } from '../../models/cost/describe-flops.js';
import { countPass } from '../../models/count-flops.js';
import { describeModel } from '../../models/describe-model.js';
import type { Dtype } from '../../models/dtype.js';
import { renderTable } from '../../report/terminal/table.js';
import { formatNumber, formatQuantity } from '../../report/words/format.js';
import { benchOptions } from '../../workload/options/bench-options.js';
import { inputShape, inputValues, optionOf, wholeNumber } from '../arguments.js';
import { onInterrupt } from '../interrupt.js';
import { progressLine } from '../progress.js';
import { printData, terminalOf } from '../terminal.js';

interface FlopsFlags {
  promptTokens: number;
  pastTokens: number;
  batch: number;
  dtype?: Dtype;
  shape?: Record<string, number[]>;
  input?: ReadonlyMap<string, number[]>;
  json?: boolean;
}

export function flopsCommand(): Command {
  return new Command('flops')
    .description(
      'Count what one forward pass costs, from the ONNX graph or the header of a GGUF file, without running it.\nA multiply-add is 2 FLOP; the output head runs on all positions unless the graph computes only the last.',
    )
    .argument(
      '<model>',
      'a recipe, a model folder, a config.json, hf:OWNER/NAME, any .onnx or .gguf file, or ollama:NAME',
    )
    .option('--prompt-tokens <n>', 'new positions per row', wholeNumber(1), 128)
    .option('--past-tokens <n>', 'positions already in the KV cache', wholeNumber(0), 0)
    .option('--batch <n>', 'rows', wholeNumber(1), 1)
    .addOption(optionOf(benchOptions.dtype))
    .option(
      '--shape <name=dims>',
      'shape of an input of any ONNX graph, such as input=1,3,224,224; repeatable',
      inputShape,
    )
    .option(
      '--input <name=value>',
      'what an input of any ONNX graph holds, where that decides what runs, such as sr=16000; repeatable',
      inputValues,
    )
    .addOption(optionOf(benchOptions.json, { help: 'machine output' }))
    .addHelpText(
      'after',
      `
Examples:
  tokenwork flops gpt2-124m --prompt-tokens 1024
  tokenwork flops llama-3-8b --prompt-tokens 1 --past-tokens 4096
  tokenwork flops minilm-l6 --prompt-tokens 256 --batch 8
  tokenwork flops resnet50.onnx --shape input=1,3,224,224
  tokenwork flops ~/models/llama-3.2-1b-q4_k_m.gguf --past-tokens 4096`,
    )
    .action(flops);
}

async function flops(spec: string, flags: FlopsFlags): Promise<void> {
  const line = progressLine(process.stderr, flags.json === true);
  const interrupt = onInterrupt(() => {});
  try {
    const model = await describeModel(spec, {
      dtype: flags.dtype,
      signal: interrupt.signal,
      onProgress: ({ message, fraction }) => line.show(`${message} ${Math.floor(fraction * 100)}%`),
    });
    line.clear();
    const report = countPass(model, { ...flags, shapes: flags.shape, values: flags.input });
    await printData(flags.json ? `${printableJson(report, 2)}\n` : render(report, model.dtype));
  } finally {
    line.clear();
    interrupt.dispose();
  }
}

function render(report: FlopsReport | DecoderFlopsReport, dtype: string | null): string {
  const { width, color: _color } = terminalOf(process.stdout);
  const { flops: counted, bytes, notCounted } = report;
  const pass =
    'batch' in report
      ? `batch ${report.batch}, ${report.promptTokens} ${report.kvBytesPerToken > 0 ? `new tokens after ${report.pastTokens} cached` : 'tokens'}`
      : 'one pass';
  // What was counted in part is a bound, and is called one; a branch that was chosen is a case.
  const isBound = report.warnings.some(({ code }) => code !== 'dynamic-control-flow');
  const bound =
    notCounted === null
      ? []
      : [
          `Not counted exactly: ${isBound ? 'each figure is "at least"' : 'the figures are of one case'}.`,
          '',
        ];
  const atLeast = notCounted !== null && isBound ? 'at least ' : '';
  const facts: [string, number, string][] = [
    ['matrix products, full attention', counted.matmul, formatQuantity(counted.matmul, flopUnits)],
    ['as the kernels run', counted.executed, formatQuantity(counted.executed, flopUnits)],
    ['only what causality needs', counted.causal, formatQuantity(counted.causal, flopUnits)],
    ['elementwise, apart', counted.elementwise, formatQuantity(counted.elementwise, flopUnits)],
    ['weights read', bytes.weights, formatQuantity(bytes.weights, byteUnits)],
    ['KV read', bytes.kvRead, formatQuantity(bytes.kvRead, byteUnits)],
    ['KV written', bytes.kvWritten, formatQuantity(bytes.kvWritten, byteUnits)],
    ['activations', bytes.activations, formatQuantity(bytes.activations, byteUnits)],
  ];
  const heading = `${report.model}${dtype === null ? '' : ` ${dtype}`}: ${formatNumber(report.parameters)} parameters; ${pass}`;
  const table = renderTable(
    [
      { header: ['', ''], text: facts.map(([name]) => name), align: 'left', priority: 3 },
      {
        header: ['', ''],
        text: facts.map(([, , shown]) => `${atLeast}${shown}`),
        align: 'right',
        priority: 2,
      },
      {
        header: ['exactly', 'FLOP, bytes'],
        text: facts.map(([, exact]) => exact.toLocaleString('en-US')),
        align: 'right',
        priority: 1,
      },
    ],
    width,
    (text) => text,
  );
  const kv =
    'kvBytesPerToken' in report && report.kvBytesPerToken > 0
      ? [`KV cache: ${report.kvBytesPerToken.toLocaleString('en-US')} bytes per token`]
      : [];
  const notes = report.warnings.map(({ message, hint }) => `Warning: ${message} ${hint}`);
  return `${[heading, '', ...bound, table, '', ...kv, ...notes].join('\n').trimEnd()}\n`;
}
