/**
 * cli/ is the only code that prints, reads argv or exits. Progress and prose go to stderr, data to
 * stdout; exit codes are those of `core/errors.ts`.
 */
import { Command } from 'commander';
import { startLog } from '../core/log.js';
import { toolVersion } from '../run/tool-version.js';
import { reportFailure } from './fail.js';
import { helpCommand, helpWidth } from './help/help.js';

/** Each is loaded when it is asked for: what all of them import takes half a second. */
const commands = new Map<string, () => Promise<Command>>([
  ['bench', async () => (await import('./commands/bench.js')).benchCommand()],
  ['report', async () => (await import('./commands/report.js')).reportCommand()],
  ['trace', async () => (await import('./commands/trace.js')).traceCommand()],
  ['import', async () => (await import('./commands/import.js')).importCommand()],
  ['diff', async () => (await import('./commands/diff.js')).diffCommand()],
  ['flops', async () => (await import('./commands/flops.js')).flopsCommand()],
  ['models', async () => (await import('./commands/models.js')).modelsCommand()],
  ['doctor', async () => (await import('./commands/doctor.js')).doctorCommand()],
  ['help', async () => helpCommand()],
  ['completion', async () => (await import('./help/completion.js')).completionCommand()],
]);

/** The command line as far as `args` need it: their command alone, or all where they name none (as for help). */
async function commandLine(args: readonly string[]): Promise<Command> {
  const program = new Command('tokenwork')
    .description(
      'Do tokens track the work a model really does? Runs open models on this machine and puts what each request cost (time, CPU time, memory, FLOPs, bytes moved) beside the tokens it would be billed for.',
    )
    .version(toolVersion)
    .option('--verbose', 'log decisions, probes and requests to stderr, and where an error came from')
    .on('option:verbose', startLog)
    .helpCommand(false)
    .configureHelp({
      showGlobalOptions: true,
      // The list has a line for each; the second of a description is for its own help.
      subcommandTerm: (command) => command.name(),
      subcommandDescription: (command) => command.description().split('\n', 1)[0]!,
    })
    .configureOutput({ getOutHelpWidth: helpWidth, getErrHelpWidth: helpWidth })
    .showHelpAfterError('Run with --help to see every option.')
    .showSuggestionAfterError()
    .exitOverride()
    .addHelpText(
      'after',
      `
Exit codes: 0 done; 1 measured, but a threshold asked for was crossed;
2 unusable arguments or input; 3 the run could not be completed (what was
measured is saved, and the message says where).

Start with: tokenwork bench`,
    );

  const words = args.filter((arg) => !arg.startsWith('-'));
  const named = words.slice(0, words[0] === 'help' ? 2 : 1).flatMap((word) => commands.get(word) ?? []);
  const needsAll = named.length === 0 || words[0] === 'completion' || words.join() === 'help';
  for (const command of await Promise.all((needsAll ? [...commands.values()] : named).map((load) => load())))
    program.addCommand(command);
  inheritSettings(program);
  return program;
}

/** Runs one command line. Sets `process.exitCode` to what it ends with, and throws nothing. */
export async function runCommandLine(args: readonly string[]): Promise<void> {
  const program = await commandLine(args);
  try {
    await program.parseAsync(args, { from: 'user' });
  } catch (thrown) {
    process.exitCode = reportFailure(thrown, program.opts().verbose === true);
  }
}

/** `addCommand` copies none of the parent's settings, unlike `command()`. */
function inheritSettings(parent: Command): void {
  for (const child of parent.commands) {
    child.copyInheritedSettings(parent);
    inheritSettings(child);
  }
}
