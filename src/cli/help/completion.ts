import { Argument, Command, type Option } from 'commander';
import { z } from 'zod';
import { metrics } from '../../core/metrics.js';
import { statistics } from '../../core/statistics.js';
import { listEncoderRecipes } from '../../models/encoder/recipe.js';
import { listRecipes } from '../../models/recipe.js';
import { benchOptions } from '../../workload/options/bench-options.js';
import { listPipelines } from '../../workload/pipelines/pipeline.js';
import { listSuites } from '../../workload/suite.js';
import { printData } from '../terminal.js';
import { type CompletedCommand, type CompletedOption, completionScripts } from './completion-scripts.js';

/** The command that prints a script of completion: all that can stand on the command line, as it is at the moment. */
export function completionCommand(): Command {
  return new Command('completion')
    .description(
      'Print a script that completes commands, options and their values in a shell.\nIn bash: source <(tokenwork completion bash), best in ~/.bashrc; zsh likewise, after compinit, in ~/.zshrc.\nIn fish: tokenwork completion fish > ~/.config/fish/completions/tokenwork.fish',
    )
    .addArgument(new Argument('<shell>', 'the shell').choices(Object.keys(completionScripts)))
    .action(async (shell: keyof typeof completionScripts, _flags: unknown, self: Command) => {
      const values = await knownValues();
      await printData(completionScripts[shell](described(self.parent!, [], values)));
    });
}

/** Values by the name of an option or argument. */
type KnownValues = ReadonlyMap<string, readonly string[]>;

async function knownValues(): Promise<KnownValues> {
  const recipes = [...(await listRecipes()), ...(await listEncoderRecipes())].map(({ id }) => id);
  return new Map<string, readonly string[]>([
    ['suite', await listSuites()],
    ['pipeline', await listPipelines()],
    ['model', recipes],
    ['topic', ['topics', ...[...metrics, ...statistics].map(({ name }) => name)]],
    ...Object.entries(benchOptions).flatMap(([name, { value }]) =>
      value instanceof z.ZodEnum ? [[name, value.options.map(String)] as const] : [],
    ),
  ]);
}

/** A command and those below it, `path` being its words behind `tokenwork`. */
function described(command: Command, path: string[], values: KnownValues): CompletedCommand[] {
  const help = command.createHelp();
  const below = command.commands.filter((one) => one.name() !== 'help' || path.length === 0);
  const optionsOf = (own: readonly Option[]) =>
    own.map(
      (option): CompletedOption => ({
        names: [option.short, option.long].filter((name) => name !== undefined),
        takesValue: option.required || option.optional,
        values: values.get(option.attributeName()) ?? [],
        description: option.description,
      }),
    );
  return [
    {
      path,
      description: command.description().split('\n', 1)[0]!,
      options: optionsOf([...help.visibleOptions(command), ...help.visibleGlobalOptions(command)]),
      words: [
        ...below.map((one) => one.name()),
        ...command.registeredArguments.flatMap(
          (argument) => argument.argChoices ?? values.get(argument.name()) ?? [],
        ),
      ],
    },
    ...below.flatMap((one) => described(one, [...path, one.name()], values)),
  ];
}
