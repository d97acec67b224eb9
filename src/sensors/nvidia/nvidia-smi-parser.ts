/**
 * Reads what nvidia-smi prints: the rows of `--query-gpu … --format=csv[,nounits]` and the document of
 * `-q -x`. Usable alone. Strict: what is not understood is an error or an absence, never a number.
 */
import { find, parseXml, type XmlElement } from './xml-elements.js';

export type SmiValue =
  | { kind: 'number'; value: number; unit: string | null }
  | { kind: 'text'; text: string }
  | { kind: 'absent'; why: 'unsupported' | 'permission' | 'lost' | 'error'; text: string };

/** A column of the CSV by its printed name, such as `power.draw` with unit `W`. */
export interface SmiColumn {
  name: string;
  unit: string | null;
}

/** Output of nvidia-smi that does not have the form it should have. */
export class NvidiaSmiError extends Error {
  override readonly name = 'NvidiaSmiError';
}

const absences: [RegExp, Extract<SmiValue, { kind: 'absent' }>['why']][] = [
  [
    /^(n\/a|not supported|not available|not found|requested functionality has been deprecated)$/i,
    'unsupported',
  ],
  [/^(insufficient permissions?|no permission)$/i, 'permission'],
  [/^(gpu is lost|gpu requires reset|reset required)$/i, 'lost'],
  [/^(unknown error|err!|error|)$/i, 'error'],
];

/** One cell or element text: `250.00 W`, `0x04`, `[Not Supported]`, `N/A`, `ERR!`, `Enabled` … */
export function parseSmiValue(source: string): SmiValue {
  const text = source.trim();
  const bare = /^\[(.*)\]$/.exec(text)?.[1]?.trim() ?? text;
  for (const [pattern, why] of absences) {
    if (pattern.test(bare)) return { kind: 'absent', why, text };
  }
  // In brackets stands the driver's answer in place of a value; one that is not known is an error.
  if (bare !== text) return { kind: 'absent', why: 'error', text };
  const number = /^(-?\d+(?:\.\d+)?)(?:\s+([A-Za-z%°/]+))?$/.exec(text);
  if (number) return { kind: 'number', value: Number(number[1]), unit: number[2] ?? null };
  if (/^0x[\da-fA-F]+$/.test(text)) return { kind: 'number', value: Number(text), unit: null };
  return { kind: 'text', text };
}

/** The columns of the CSV's first line, or null where the line is no header. */
export function parseSmiHeader(line: string): SmiColumn[] | null {
  const columns = line.split(',').map((cell) => /^\s*([a-z_][a-z0-9_.]*)(?:\s+\[([^\]]+)\])?\s*$/.exec(cell));
  if (columns.some((match) => match === null)) return null;
  return columns.map((match) => ({ name: match![1]!, unit: match![2] ?? null }));
}

/**
 * The values of a row by column name, each number with its column's unit where the row has none.
 * Throws `NvidiaSmiError` for a row with too few or too many cells, as a half line or a message is.
 */
export function parseSmiRow(columns: readonly SmiColumn[], line: string): Map<string, SmiValue> {
  const cells = line.split(',');
  if (cells.length !== columns.length) {
    throw new NvidiaSmiError(`${cells.length} cells in place of ${columns.length}: ${line.trim()}`);
  }
  return new Map(
    columns.map(({ name, unit }, index): [string, SmiValue] => {
      const value = parseSmiValue(cells[index]!);
      if (value.kind !== 'number') return [name, value];
      if (value.unit !== null && unit !== null && value.unit !== unit) {
        throw new NvidiaSmiError(`${name} is in ${value.unit} under a header in ${unit}`);
      }
      return [name, { ...value, unit: value.unit ?? unit }];
    }),
  );
}

/** The field that this nvidia-smi does not know, from its complaint; null where it is none. */
export function rejectedField(output: string): string | null {
  return /Field "([^"]+)" is not a valid field to query/.exec(output)?.[1] ?? null;
}

/** Cuts a stream into its complete lines; what remains without a line end is never passed on. */
export function lineSplitter(onLine: (line: string) => void): (chunk: string) => void {
  let rest = '';
  return (chunk) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop()!;
    for (const line of lines) onLine(line.replace(/\r$/, ''));
  };
}

export interface SmiInventory {
  driverVersion: string;
  cudaVersion: string | null;
  gpus: SmiGpu[];
}

interface SmiGpu {
  busId: string;
  name: string;
  uuid: string | null;
  architecture: string | null;
  memoryTotalBytes: number | null;
  powerLimitW: number | null;
  /** Whether a figure of the power draw is there, under any of the names it had. */
  readsPower: boolean;
  mig:
    | { index: number; gpuInstance: number; computeInstance: number; memoryTotalBytes: number | null }[]
    | null;
  /** Null where the driver does not list processes. Bytes are null where it does not tell them. */
  processes: { pid: number; name: string; usedBytes: number | null }[] | null;
}

const mebibyte = 2 ** 20;
// `power_readings` up to driver 530, `gpu_power_readings` after; the draw was split in two with 580.
const powerGroups = ['gpu_power_readings', 'power_readings'];
const powerDraws = ['instant_power_draw', 'power_draw', 'average_power_draw'];
const powerLimits = ['current_power_limit', 'enforced_power_limit', 'power_limit'];

/** What `nvidia-smi -q -x` says is there. Throws `NvidiaSmiError` or `SyntaxError` for anything else. */
export function parseSmiInventory(xml: string): SmiInventory {
  const log = parseXml(xml);
  if (log.name !== 'nvidia_smi_log') throw new NvidiaSmiError(`<${log.name}> in place of <nvidia_smi_log>`);
  const gpus = log.children.filter(({ name }) => name === 'gpu').map(gpuOf);
  const attached = Number(textOf(log, 'attached_gpus') ?? Number.NaN);
  if (attached !== gpus.length) {
    throw new NvidiaSmiError(`${attached} GPUs are announced and ${gpus.length} described`);
  }
  const driverVersion = textOf(log, 'driver_version');
  if (driverVersion === null) throw new NvidiaSmiError('no driver version is given');
  return { driverVersion, cudaVersion: textOf(log, 'cuda_version'), gpus };
}

function gpuOf(gpu: XmlElement): SmiGpu {
  const name = textOf(gpu, 'product_name');
  const busId = gpu.attributes.id;
  if (name === null || busId === undefined) throw new NvidiaSmiError('a GPU has no name or no bus id');
  const power = powerGroups.map((group) => find(gpu, group)).find((group) => group !== null) ?? null;
  const processes = find(gpu, 'processes');
  return {
    busId,
    name,
    uuid: textOf(gpu, 'uuid'),
    architecture: textOf(gpu, 'product_architecture'),
    memoryTotalBytes: bytesOf(find(gpu, 'fb_memory_usage', 'total')),
    powerLimitW: firstNumber(power, powerLimits, 'W'),
    readsPower: firstNumber(power, powerDraws, 'W') !== null,
    mig: textOf(gpu, 'mig_mode', 'current_mig') === 'Enabled' ? migOf(gpu) : null,
    processes:
      processes === null || processes.text !== '' // `N/A` or a message in place of a list
        ? null
        : processes.children
            .filter(({ name: element }) => element === 'process_info')
            .map((process) => ({
              pid: integerOf(process, 'pid'),
              name: textOf(process, 'process_name') ?? '',
              usedBytes: bytesOf(find(process, 'used_memory')),
            })),
  };
}

function migOf(gpu: XmlElement): SmiGpu['mig'] {
  const devices = find(gpu, 'mig_devices')?.children.filter(({ name }) => name === 'mig_device') ?? [];
  return devices.map((device) => ({
    index: integerOf(device, 'index'),
    gpuInstance: integerOf(device, 'gpu_instance_id'),
    computeInstance: integerOf(device, 'compute_instance_id'),
    memoryTotalBytes: bytesOf(find(device, 'fb_memory_usage', 'total')),
  }));
}

function textOf(element: XmlElement, ...path: string[]): string | null {
  const found = find(element, ...path);
  if (found === null) return null;
  return parseSmiValue(found.text).kind === 'absent' ? null : found.text;
}

function integerOf(element: XmlElement, name: string): number {
  const value = parseSmiValue(find(element, name)?.text ?? '');
  if (value.kind !== 'number' || !Number.isInteger(value.value)) {
    throw new NvidiaSmiError(`<${name}> holds no integer`);
  }
  return value.value;
}

function bytesOf(element: XmlElement | null): number | null {
  const mebibytes = numberOf(element, 'MiB');
  return mebibytes === null ? null : mebibytes * mebibyte;
}

function firstNumber(group: XmlElement | null, names: string[], unit: string): number | null {
  if (group === null) return null;
  for (const name of names) {
    const value = numberOf(find(group, name), unit);
    if (value !== null) return value;
  }
  return null;
}

function numberOf(element: XmlElement | null, unit: string): number | null {
  if (element === null) return null;
  const value = parseSmiValue(element.text);
  if (value.kind === 'absent') return null;
  if (value.kind !== 'number' || value.unit !== unit) {
    throw new NvidiaSmiError(`<${element.name}> holds ${JSON.stringify(element.text)}, no number of ${unit}`);
  }
  return value.value;
}
