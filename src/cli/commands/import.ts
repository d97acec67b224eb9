import { basename } from 'node:path';
import { Command } from 'commander';
import { resultText } from '../../core/json/result-text.js';
import { printableJson } from '../../core/text.js';
import type { ImportedResult } from '../../import/assemble.js';
import { formats } from '../../import/formats.js';
import { importFiles } from '../../import/import-files.js';
import { shapeOf } from '../../import/shape.js';
import type { Dtype } from '../../models/dtype.js';
import { formatCount } from '../../report/words/format.js';
import { benchOptions } from '../../workload/options/bench-options.js';
import { optionOf } from '../arguments.js';
import { onInterrupt } from '../interrupt.js';
import { refuseExisting, writeOutputFile } from '../output-file.js';
import { progressLine } from '../progress.js';
import { printData } from '../terminal.js';

interface ImportFlags {
  shape?: string;
  dtype?: Dtype;
  tokenizer?: string;
  out?: string;
  force?: boolean;
  json?: boolean;
  quiet?: boolean;
}

export function importCommand(): Command {
  return new Command('import')
    .description(
      `Make a result of what another load generator measured, for report and diff.\nReads ${formats.map(({ tool, file }) => `${tool} (${file})`).join(', ')}.`,
    )
    .argument('<file...>', 'files of one tool; several become one result')
    .option(
      '--shape <model>',
      'derive the work from the shape of the model: a recipe, a config.json, or a .gguf file',
    )
    .addOption(optionOf(benchOptions.dtype, { help: 'type of the weights of a shape that says none' }))
    .option('--tokenizer <folder>', 'count texts with its tokenizer.json, for files that hold no counts')
    .option('--out <file>', 'the result (default: NAME.tokenwork.json here; - prints it)')
    .option('--force', 'replace the file that lies there')
    .addOption(optionOf(benchOptions.json, { help: 'what was imported, as machine output' }))
    .addOption(optionOf(benchOptions.quiet))
    .addHelpText(
      'after',
      `
Latency and tokens are as the other tool recorded them. Work is derived from the
shape and the tokens, each request as if it ran alone. All else is absent.

Examples:
  tokenwork import profile_export.jsonl --shape llama-3-8b
  tokenwork import benchmarks.json --shape config.json --dtype fp16
  tokenwork import rate-*.json --shape model.gguf --out vllm.json
  tokenwork import llama-bench.json --shape model.gguf
  tokenwork import events.jsonl --tokenizer ~/models/llama --shape llama-3-8b`,
    )
    .action(runImport);
}

async function runImport(files: string[], flags: ImportFlags): Promise<void> {
  const { shape, dtype, tokenizer, json = false, quiet = false } = flags;
  const out = flags.out ?? `${basename(files[0]!).replace(/\.jsonl?$/, '')}.tokenwork.json`;
  if (out !== '-' && !flags.force) await refuseExisting(out);
  const line = progressLine(process.stderr, quiet || json);
  const interrupt = onInterrupt(() => {});
  try {
    const described = shape === undefined ? null : await shapeOf(shape, { dtype, signal: interrupt.signal });
    const imported = await importFiles(files, {
      ...{ shape: described, tokenizer },
      command: `tokenwork ${process.argv.slice(2).join(' ')}`,
      onProgress: (requests) => line.show(`Read ${requests.toLocaleString('en')} requests`),
    });
    line.clear();
    if (out === '-') for (const text of resultText(imported)) await printData(text);
    else await writeOutputFile(out, resultText(imported), { overResult: flags.force === true });
    if (json && out !== '-') await printData(`${printableJson(summary(imported, out), 2)}\n`);
    if (!quiet && !json) for (const text of inWords(imported, out)) line.note(text);
  } finally {
    line.clear();
    interrupt.dispose();
  }
}

function summary({ tool, head, requests, failed }: ImportedResult, out: string): Record<string, unknown> {
  const { models, cells, warnings } = head;
  return { out, tool, models: models.map(({ id }) => id), requests, failed, cells: cells.length, warnings };
}

function inWords({ tool, head, requests, failed }: ImportedResult, out: string): string[] {
  const failures = failed === 0 ? '' : `, ${failed} of which failed`;
  return [
    `Imported ${formatCount(requests, 'request')} of ${tool}${failures}, in ${formatCount(head.cells.length, 'cell')}.`,
    ...head.warnings.map(({ message, hint }) => `Warning: ${message} ${hint}`),
    ...(out === '-' ? [] : [`Written: ${out}. Read it with: tokenwork report ${out}`]),
  ];
}
