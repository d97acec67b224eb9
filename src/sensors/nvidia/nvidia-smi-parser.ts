/**
 * Reads what nvidia-smi prints: the rows of `--query-gpu … --format=csv[,nounits]` and the document of
 * `-q -x`. What is not understood is an absence, never a number, and costs nothing that stands beside it.
 */
import { find, parseXml, strayText, type XmlElement } from './xml-elements.js';

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
 * The values of a row in the order of its columns, each number with its column's unit where the row has none;
 * one in another unit is absent. Null for a line with too few or too many cells, as half a line or a message
 * is.
 */
export function parseSmiRow(columns: readonly SmiColumn[], line: string): SmiValue[] | null {
  const cells = line.split(',');
  if (cells.length !== columns.length) return null;
  return columns.map(({ unit }, index) => {
    const value = parseSmiValue(cells[index]!);
    if (value.kind !== 'number') return value;
    if (value.unit !== null && unit !== null && value.unit !== unit)
      return { kind: 'absent', why: 'error', text: cells[index]!.trim() };
    return { ...value, unit: value.unit ?? unit };
  });
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
  driverVersion: string | null;
  cudaVersion: string | null;
  gpus: SmiGpu[];
  /** Lines for people: what nvidia-smi said beside it, and what could not be read. */
  notes: string[];
}

interface SmiGpu {
  busId: string | null;
  name: string;
  uuid: string | null;
  architecture: string | null;
  memoryTotalBytes: number | null;
  powerLimitW: number | null;
  /** Whether a figure of the power draw is there, under any of the names it had. */
  readsPower: boolean;
  mig:
    | {
        index: number | null;
        gpuInstance: number | null;
        computeInstance: number | null;
        memoryTotalBytes: number | null;
      }[]
    | null;
  /** Null where the driver does not list processes. Bytes are null where it does not tell them. */
  processes: { pid: number; name: string; usedBytes: number | null }[] | null;
}

const mebibyte = 2 ** 20;
// `power_readings` up to driver 530, `gpu_power_readings` after; the draw was split in two with 580.
const powerGroups = ['gpu_power_readings', 'power_readings'];
const powerDraws = ['instant_power_draw', 'power_draw', 'average_power_draw'];
const powerLimits = ['current_power_limit', 'enforced_power_limit', 'power_limit'];
/** Elements of which a document may have several; an instance's own memory is not its GPU's. */
const repeated = ['gpu', 'mig_device', 'process_info'];

/**
 * What `nvidia-smi -q -x` says is there. Messages among its lines and lines that are lost cost no more than
 * what they say. Throws `NvidiaSmiError` where there is no such document in `output`.
 */
export function parseSmiInventory(output: string): SmiInventory {
  const log = parseXml(output, 'nvidia_smi_log', repeated);
  if (log === null) throw new NvidiaSmiError(firstLine(output) ?? 'no <nvidia_smi_log>');
  const notes = strayText(log);
  const gpus = log.children
    .filter(({ name }) => name === 'gpu')
    .map((gpu) => new GpuReader(gpu, notes).read());
  const attached = Number(textOf(log, 'attached_gpus') ?? Number.NaN);
  if (attached !== gpus.length && !Number.isNaN(attached))
    notes.push(`${attached} GPUs are announced and ${gpus.length} described`);
  if (!/<\/nvidia_smi_log>/.test(output)) notes.push('the document ends early');
  if (gpus.length === 0 && !(attached === 0)) throw new NvidiaSmiError(notes[0] ?? 'no GPU is described');
  return {
    driverVersion: textOf(log, 'driver_version'),
    cudaVersion: textOf(log, 'cuda_version'),
    gpus,
    notes: notes.slice(0, mostNotes).map((note) => note.slice(0, mostNoteLength)),
  };
}

const mostNotes = 20;
const mostNoteLength = 300;

/** The first line that says something. */
export function firstLine(text: string): string | null {
  return (
    text
      .split(/\r?\n/)
      .find((line) => line.trim() !== '')
      ?.trim()
      .slice(0, mostNoteLength) ?? null
  );
}

/** Reads one `<gpu>`; what is there and not understood is absent, and noted. */
class GpuReader {
  readonly #gpu: XmlElement;
  readonly #notes: string[];

  constructor(gpu: XmlElement, notes: string[]) {
    this.#gpu = gpu;
    this.#notes = notes;
  }

  read(): SmiGpu {
    const power = powerGroups.map((group) => this.#find(group)).find((group) => group !== null) ?? null;
    const busId = this.#gpu.attributes.get('id') ?? null;
    return {
      busId: busId === null || parseSmiValue(busId).kind === 'absent' ? null : busId,
      name: textOf(this.#gpu, 'product_name') ?? 'NVIDIA GPU without a name',
      uuid: textOf(this.#gpu, 'uuid'),
      architecture: textOf(this.#gpu, 'product_architecture'),
      memoryTotalBytes: this.#bytes(this.#find('fb_memory_usage', 'total')),
      powerLimitW: this.#firstWatts(power, powerLimits),
      readsPower: this.#firstWatts(power, powerDraws) !== null,
      mig: textOf(this.#gpu, 'mig_mode', 'current_mig') === 'Enabled' ? this.#mig() : null,
      processes: this.#processes(),
    };
  }

  #mig(): SmiGpu['mig'] {
    const devices = this.#find('mig_devices')?.children.filter(({ name }) => name === 'mig_device') ?? [];
    return devices.map((device) => ({
      index: this.#integer(device, 'index'),
      gpuInstance: this.#integer(device, 'gpu_instance_id'),
      computeInstance: this.#integer(device, 'compute_instance_id'),
      memoryTotalBytes: this.#bytes(find(device, ['fb_memory_usage', 'total'])),
    }));
  }

  #processes(): SmiGpu['processes'] {
    const processes = this.#find('processes');
    // `N/A` or a message in place of a list.
    if (processes === null || (processes.children.length === 0 && processes.text.trim() !== '')) return null;
    return processes.children.flatMap((process) => {
      if (process.name !== 'process_info') return [];
      const pid = this.#integer(process, 'pid');
      const name = textOf(process, 'process_name') ?? '';
      return pid === null ? [] : [{ pid, name, usedBytes: this.#bytes(find(process, ['used_memory'])) }];
    });
  }

  #find(...path: string[]): XmlElement | null {
    return find(this.#gpu, path, repeated);
  }

  #firstWatts(group: XmlElement | null, names: readonly string[]): number | null {
    if (group === null) return null;
    for (const name of names) {
      const value = this.#number(find(group, [name]), 'W');
      if (value !== null) return value;
    }
    return null;
  }

  #bytes(element: XmlElement | null): number | null {
    const mebibytes = this.#number(element, 'MiB');
    return mebibytes === null ? null : mebibytes * mebibyte;
  }

  #integer(element: XmlElement, name: string): number | null {
    const value = this.#number(find(element, [name]), null);
    return Number.isInteger(value) ? value : null;
  }

  #number(element: XmlElement | null, unit: string | null): number | null {
    if (element === null) return null;
    const value = parseSmiValue(element.text);
    if (value.kind === 'absent') return null;
    if (value.kind === 'number' && value.unit === unit) return value.value;
    const of = unit === null ? 'number' : `number of ${unit}`;
    this.#notes.push(`<${element.name}> holds ${JSON.stringify(element.text.trim())}, no ${of}`);
    return null;
  }
}

function textOf(element: XmlElement, ...path: string[]): string | null {
  const text = find(element, path, repeated)?.text.trim();
  return text === undefined || parseSmiValue(text).kind === 'absent' ? null : text;
}
