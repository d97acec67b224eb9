import { Command, type Help } from 'commander';
import { didYouMean } from '../../core/did-you-mean.js';
import { TokenworkError } from '../../core/errors.js';
import { type MetricRecord, metrics } from '../../core/metrics.js';
import { type StatisticRecord, statistics } from '../../core/statistics.js';
import { glossary } from '../../report/words/glossary.js';
import { printData, terminalOf } from '../terminal.js';

/** Names with what they mean under a title, laid out as the help lists options. */
export function listed(
  command: Command,
  title: string,
  items: readonly { name: string; definition: string }[],
): string {
  const help = helpOf(command);
  const longest = Math.max(...items.map(({ name }) => name.length));
  const lines = items.map(({ name, definition }) => help.formatItem(name, longest, definition, help));
  return `${title}:\n${lines.join('\n')}\n`;
}

/** Columns of help: those of the terminal, and 80 where there is none. */
export function helpWidth(): number {
  return process.stdout.isTTY || process.env.COLUMNS ? terminalOf(process.stdout).width : 80;
}

function helpOf(command: Command): Help {
  const help = command.createHelp();
  help.prepareContext({ helpWidth: helpWidth() });
  return help;
}

const metricTopics = metrics as readonly MetricRecord[];
/** Words of reports, in plain language. */
const words = Object.entries(glossary).map(([name, definition]) => ({ name, definition }));

/** `tokenwork help`: of a command what `--help` says, of a metric or a statistic its definition. */
export function helpCommand(): Command {
  return new Command('help')
    .argument('[topic...]', 'a command, or a metric, statistic or word of a report; `topics` lists these')
    .description('Show help for a command, or define a metric, statistic or word (help topics)')
    .action(async (asked: string[], _flags: unknown, self: Command) => {
      const program = self.parent!;
      const [topic, inner] = asked;
      if (topic === undefined) return program.outputHelp();
      const command = program.commands.find((one) => one.name() === topic);
      if (topic === 'topics') return printData(topics(self));
      const definition = definitionOf(asked.join(' '), self) ?? definitionOf(topic, self);
      if (command) {
        (command.commands.find((one) => one.name() === inner) ?? command).outputHelp();
        // A command and a metric can share a name.
        if (definition !== null) await printData(`\nThe metric ${definition}`);
      } else if (definition === null) throw unknownTopic(topic);
      else await printData(definition);
    });
}

function topics(self: Command): string {
  const named = statistics.map(({ name, label }) => ({ name, definition: label }));
  return `${listed(self, 'Metrics', metricTopics)}\n${listed(self, 'Statistics', named)}\n${listed(self, 'Words', words)}`;
}

const sameName = (a: string, b: string) => a.toLowerCase() === b.toLowerCase();

/** The definition of a metric, statistic or word; null where none goes by that name. */
function definitionOf(topic: string, self: Command): string | null {
  const metric = metricTopics.find(({ name, label }) => sameName(name, topic) || sameName(label, topic));
  if (metric) return article(self, metric.name, metricRows(metric));
  const statistic = statistics.find(({ name, label }) => sameName(name, topic) || sameName(label, topic));
  if (statistic) return article(self, statistic.name, statisticRows(statistic));
  const word = words.find(({ name }) => sameName(name, topic));
  return word ? article(self, word.name, [['in words', word.definition]]) : null;
}

function unknownTopic(topic: string): TokenworkError {
  const names = [...metrics, ...statistics, ...words].map(({ name }) => name);
  return new TokenworkError(
    'unknown-topic',
    `There is no command, metric, statistic or word "${topic}".${didYouMean(topic, names)}`,
    'See `tokenwork help` for commands and `tokenwork help topics` for the others.',
  );
}

function metricRows(metric: MetricRecord): [string, string][] {
  const { label, longName, definition, derivation, unit, provenance, kind, addsUp } = metric;
  return [
    ['name', longName ?? label],
    ['definition', definition],
    ...(derivation === undefined ? [] : [['computed', derivation] as [string, string]]),
    ['unit', `${unit} in files`],
    ['kind', kind === 'work' ? 'work, spent whoever waits' : 'latency, which a client waits for'],
    ['provenance', provenance.join(', ')],
    [
      'adds up',
      addsUp.noTotal === null ? 'over requests, to the run’s total' : `not over requests: ${addsUp.noTotal}`,
    ],
  ];
}

function statisticRows({ label, definition }: StatisticRecord): [string, string][] {
  const plain = words.find(({ name }) => label.includes(name))?.definition;
  return [
    ['name', label],
    ['definition', definition],
    ...(plain === undefined ? [] : [['in words', plain] as [string, string]]),
    ['symbols', 'taken over cells; W_c a cell’s summed work, B_c its bill, T_c its billed tokens'],
  ];
}

function article(self: Command, title: string, rows: readonly [string, string][]): string {
  const items = rows.map(([name, definition]) => ({ name, definition }));
  return listed(self, title, items);
}
