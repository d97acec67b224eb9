import { Command } from 'commander';
import { printableJson } from '../../core/text.js';
import { examineMachine } from '../../run/examine-machine.js';
import { renderExamination } from '../machine-report.js';
import { progressLine } from '../progress.js';
import { printData, terminalOf } from '../terminal.js';

export function doctorCommand(): Command {
  return new Command('doctor')
    .description(
      'Say what this machine can measure, how sharply, and what would help where it cannot.\nRuns every sensor for some seconds; needs no model and writes nothing.',
    )
    .option('--json', 'machine output')
    .action(doctor);
}

async function doctor({ json = false }: { json?: boolean }): Promise<void> {
  const line = progressLine(process.stderr, json);
  try {
    const examination = await examineMachine({ onProgress: (message) => line.show(message) });
    line.clear();
    await printData(
      json
        ? `${printableJson(examination, 2)}\n`
        : renderExamination(examination, terminalOf(process.stdout).width),
    );
  } finally {
    line.clear();
  }
}
