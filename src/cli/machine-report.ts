import type { ShownColumn } from '../report/tables/table.js';
import { fittingColumns, renderTable } from '../report/terminal/table.js';
import { wrap } from '../report/terminal/wrap.js';
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatKnown,
  formatPercent,
} from '../report/words/format.js';
import type { MachineExamination } from '../run/examine-machine.js';
import type { SensorInspection, SensorReport } from '../sampling/inspect.js';
import { sharpWindowNs } from '../sampling/window.js';
import { remedies } from './machine-remedies.js';

/** The findings of an examination, as text of at most `width` columns. */
export function renderExamination(examination: MachineExamination, width: number): string {
  const { inspection, failures } = examination;
  const sections = [
    section('Machine', machine(examination), width),
    `Back ends\n${backEnds(examination, width)}`,
    section('Libraries', libraries(examination), width),
    section('Measured for each request', meters(examination), width),
    ...(inspection === null ? [] : [`Sensors\n${sensors(inspection, width)}`]),
    section(
      'Sampler',
      [
        ...failures.map(({ sensor, message }) => `Fails with ${sensor}: ${message}`),
        ...(inspection === null ? [] : sampler(inspection)),
      ],
      width,
    ),
    section('Permissions', permissions(examination), width),
    ...remedies(examination, readGpus(inspection).length > 0).map(({ title, advice }) =>
      section(title, advice, width),
    ),
  ];
  return `${sections.join('\n\n')}\n`;
}

function section(title: string, lines: readonly string[], width: number): string {
  return [title, ...lines.map((line) => wrap(line, width))].join('\n');
}

function machine({
  hardware,
  os,
  virtualization,
  usableCores,
  inspection,
  warnings,
}: MachineExamination): string[] {
  const { cpu, memoryBytes, gpus } = hardware;
  const inside = [
    virtualization.container ? 'in a container' : null,
    virtualization.virtualMachine === null ? null : `in a virtual machine (${virtualization.virtualMachine})`,
  ].filter((part) => part !== null);
  return [
    `CPU: ${[cpu.brand, ...formatKnown(cpu.logicalCores, (cores) => `${formatCount(cores, 'logical core')} of which ${usableCores} usable`), ...formatKnown(memoryBytes, formatBytes)].join(', ')}`,
    ...gpuLines(gpus, inspection),
    `System: ${[os, `Node ${process.version}`, ...inside].join(', ')}`,
    ...warnings.map(({ message, hint }) => `Warning: ${message} ${hint}`),
  ];
}

/** The inventory's GPUs; in a container that hides them, those that a sensor reads. */
function gpuLines(
  gpus: MachineExamination['hardware']['gpus'],
  inspection: SensorInspection | null,
): string[] {
  if (gpus.length > 0) {
    return gpus.map(({ model, memoryBytes, driver, splitByMig, migDevices }) => {
      const memory = typeof memoryBytes === 'number' ? `, ${formatBytes(memoryBytes)}` : '';
      const split =
        splitByMig === true ? `, split by MIG into ${formatCount(Number(migDevices), 'instance')}` : '';
      return `GPU: ${model}${memory}${typeof driver === 'string' ? `, driver ${driver}` : ''}${split}`;
    });
  }
  const read = readGpus(inspection);
  return [read.length === 0 ? 'GPU: none found' : `GPU: ${read.join(', ')}`];
}

function readGpus(inspection: SensorInspection | null): string[] {
  const read = (inspection?.sensors ?? []).flatMap(({ name, channels }) =>
    channels.filter(({ device }) => device.startsWith('gpu-')).map(({ device }) => `${device} by ${name}`),
  );
  return [...new Set(read)];
}

function backEnds({ backEnds: found }: MachineExamination, width: number): string {
  return tableOf(
    [
      column(
        'back end',
        '',
        9,
        found.map(({ name }) => name),
      ),
      column(
        'device',
        '',
        5,
        found.map(({ device }) => device.toUpperCase()),
      ),
      column(
        'state',
        '',
        8,
        found.map(({ available, adapter }) =>
          available ? (adapter?.kind === 'software' ? 'software only' : 'works') : 'missing',
        ),
      ),
      column(
        'version',
        '',
        7,
        found.map(({ version }) => version ?? '–'),
      ),
      column(
        'adapter',
        '',
        6,
        found.map(({ adapter }) => adapter?.name ?? '–'),
      ),
    ],
    width,
  );
}

function libraries({ libraries: found }: MachineExamination): string[] {
  return found.map(
    ({ name, file, loads }) => `${name}: ${file ?? 'none for this system'}${loads ? '' : ' (does not load)'}`,
  );
}

function meters({ meters: all }: MachineExamination): string[] {
  return all.map(({ name, available, method }) => `${name}: ${available ? method : 'unavailable'}`);
}

/** The quickest counter of energy or of time; the others are in the data. */
function quickestCounter({ channels }: SensorReport) {
  return channels
    .filter(({ kind, unit }) => kind === 'counter' && (unit === 'J' || unit === 'ns'))
    .flatMap(({ counterPeriodNs, periodResolved }) =>
      counterPeriodNs === null ? [] : [{ periodNs: counterPeriodNs, resolved: periodResolved }],
    )
    .sort((a, b) => a.periodNs - b.periodNs)[0];
}

function sensors({ sensors: all }: SensorInspection, width: number): string {
  const averaged = ({ channels }: SensorReport) => {
    const longest = Math.max(0, ...channels.map(({ averagedOverNs }) => averagedOverNs ?? 0));
    return longest > 0 ? formatDuration(longest) : '–';
  };
  const counters = all.map(quickestCounter);
  // Between two readings, as between two ticks, the counter is only interpolated.
  const sharpFromNs = all.map(({ periodNs }, index) => {
    const counter = counters[index];
    return counter === undefined ? null : sharpWindowNs(Math.max(counter.periodNs, periodNs ?? 0));
  });
  const table = tableOf(
    [
      column(
        'sensor',
        '',
        9,
        all.map(({ name }) => name),
      ),
      column('state', '', 8, all.map(stateOf)),
      numbers(
        'figures',
        '',
        4,
        all.map(({ channels }) => (channels.length === 0 ? '–' : String(channels.length))),
      ),
      numbers(
        'read',
        'every',
        7,
        all.map(({ periodNs }) => formatDuration(periodNs)),
      ),
      numbers(
        'ticks',
        'every',
        6,
        counters.map((counter) =>
          counter === undefined ? '–' : `${counter.resolved ? '' : '≤'}${formatDuration(counter.periodNs)}`,
        ),
      ),
      numbers('within 1%', 'from', 5, sharpFromNs.map(formatDuration)),
      numbers('averaged', 'over', 3, all.map(averaged)),
    ],
    width,
  );
  const legend = [
    'ticks: how often its quickest counter of energy or time really moves, as seen here',
    'within 1%: the shortest window that holds ten ticks and ten readings; averaged: by the hardware, at worst',
  ];
  return [table, ...legend.map((line) => wrap(line, width))].join('\n');
}

/** One that is read less often than it was looked at may not have had its turn. */
const seldomNs = 1e9;

function stateOf({ available, reason, channels, latest, periodNs }: SensorReport): string {
  if (!available) return reason === 'not-applicable' ? 'not needed' : (reason ?? 'unavailable');
  const hadTurn = (periodNs ?? 0) < seldomNs;
  const silent = hadTurn && channels.length > 0 && latest.every(({ value }) => value === null);
  return silent ? 'gives nothing' : 'works';
}

function sampler({ sampler: cost, clock, warnings }: SensorInspection): string[] {
  const ahead = clock.offsetNs < 0 ? 'behind' : 'ahead of';
  const share = (value: number | null) => (value === null ? 'an unknown share' : formatPercent(value));
  return [
    `CPU: ${share(cost.cpuShare)} of one core at the default rates, ${share(cost.cpuShareAtFullRate)} at ten times them`,
    `At ten times the rates: ${formatCount(cost.samplesAtFullRate, 'sample')}, ${cost.droppedAtFullRate} dropped, ${formatCount(cost.missedAtFullRate, 'reading')} too late to be taken`,
    Number.isFinite(clock.withinNs)
      ? `Clock: ${formatDuration(Math.abs(clock.offsetNs))} ${ahead} the main thread's, known to ±${formatDuration(clock.withinNs)}`
      : 'Clock: the sampler did not answer, so its alignment is not known',
    ...warnings.map(({ message, hint }) => `Warning: ${message} ${hint}`),
  ];
}

function permissions({ inspection }: MachineExamination): string[] {
  const refused = (inspection?.sensors ?? []).flatMap(({ name, reason, missing }) => [
    ...(reason === 'permission' ? [name] : []),
    ...missing
      .filter((channel) => channel.reason === 'permission')
      .map(({ device, quantity }) => `${name} ${device} ${quantity}`),
  ]);
  return [refused.length === 0 ? 'Nothing that is here was refused.' : `Refused: ${refused.join(', ')}`];
}

const column = (name: string, unit: string, priority: number, text: string[]): ShownColumn => ({
  header: [name, unit],
  text,
  align: 'left',
  priority,
});

const numbers = (...[name, unit, priority, text]: Parameters<typeof column>): ShownColumn => ({
  ...column(name, unit, priority, text),
  align: 'right',
});

const tableOf = (columns: ShownColumn[], width: number): string =>
  renderTable(fittingColumns(columns, width), width, (text) => text);
