import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  lineSplitter,
  NvidiaSmiError,
  parseSmiHeader,
  parseSmiInventory,
  parseSmiRow,
  parseSmiValue,
  rejectedField,
} from './nvidia-smi-parser.js';
import { RowReader } from './smi-query.js';

describe('parseSmiValue', () => {
  it.each([
    ['67.03 W', 67.03, 'W'],
    ['81920 MiB', 81920, 'MiB'],
    [' 35 %', 35, '%'],
    ['-5 C', -5, 'C'],
    ['0', 0, null],
    ['0x0000000000000004', 4, null],
  ])('reads %j', (text, value, unit) => {
    expect(parseSmiValue(text)).toEqual({ kind: 'number', value, unit });
  });

  it.each([
    ['[N/A]', 'unsupported'],
    ['N/A', 'unsupported'],
    ['[Not Supported]', 'unsupported'],
    ['Requested functionality has been deprecated', 'unsupported'],
    ['[Insufficient Permissions]', 'permission'],
    ['[GPU is lost]', 'lost'],
    ['[GPU requires reset]', 'lost'],
    ['[Unknown Error]', 'error'],
    ['ERR!', 'error'],
    ['', 'error'],
    ['[something a later driver says]', 'error'],
  ])('takes %j for absent (%s)', (text, why) => {
    expect(parseSmiValue(text)).toMatchObject({ kind: 'absent', why });
  });

  it.each(['Enabled', '1e3', 'NaN', 'Infinity', '12 apples 3', '0x', '1.2.3', '535.54.03'])(
    'makes no number of %j',
    (text) => {
      expect(parseSmiValue(text)).toEqual({ kind: 'text', text });
    },
  );

  it('never makes a number of what stands in brackets', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(parseSmiValue(`[${text}]`).kind).not.toBe('number');
      }),
    );
  });
});

describe('CSV of --query-gpu', () => {
  const header =
    'index, name, power.draw [W], memory.used [MiB], clocks_event_reasons.active, clocks.current.sm [MHz]';
  const columns = parseSmiHeader(header)!;

  it('reads the header with its units', () => {
    expect(columns[2]).toEqual({ name: 'power.draw', unit: 'W' });
    expect(columns[4]).toEqual({ name: 'clocks_event_reasons.active', unit: null });
  });

  it.each([
    'No devices were found',
    'Failed to initialize NVML: Driver/library version mismatch',
    '0, NVIDIA A100-SXM4-80GB, 67.03 W',
    '',
  ])('takes %j for no header', (line) => {
    expect(parseSmiHeader(line)).toBeNull();
  });

  it('reads rows with units, and without them by the header’s', () => {
    const withUnits = parseSmiRow(columns, '0, NVIDIA A100, 67.03 W, 50 MiB, 0x01, 1275 MHz');
    const without = parseSmiRow(columns, '0, NVIDIA A100, 67.03, 50, 0x01, 1275');
    expect(withUnits).toEqual(without);
    expect(withUnits?.[2]).toEqual({ kind: 'number', value: 67.03, unit: 'W' });
    expect(withUnits?.[1]).toEqual({ kind: 'text', text: 'NVIDIA A100' });
  });

  it('takes a figure in a unit that the header does not announce for absent, and no other', () => {
    const row = parseSmiRow(columns, '0, A100, 67030 mW, 50 MiB, 0x01, 1275 MHz');
    expect(row?.[2]).toEqual({ kind: 'absent', why: 'error', text: '67030 mW' });
    expect(row?.[3]).toEqual({ kind: 'number', value: 50, unit: 'MiB' });
  });

  it.each([
    '0, NVIDIA A100, 67.0',
    'Unable to determine the device handle for GPU0000:BA:80.0: Unknown Error',
    '0, A, 1 W, 1 MiB, 0x0, 1 MHz, 7',
  ])('takes half a line or a message for no row: %j', (line) => {
    expect(parseSmiRow(columns, line)).toBeNull();
  });

  it('answers any line with a row of all columns or with null', () => {
    fc.assert(
      fc.property(fc.string(), (line) => {
        expect([null, columns.length]).toContain(parseSmiRow(columns, line)?.length ?? null);
      }),
    );
  });

  it('loses by lines put in, left out or moved only those that are left out', () => {
    const asked = { fields: [], asksMig: false };
    const rows = [0, 1, 2, 3].map((index) => `${index}, NVIDIA L4 number ${index}`);
    const message = fc.stringMatching(/^[ -~]{1,60}$/).filter((text) => !/^\s*(\d+\s*,|index\b)/.test(text));
    fc.assert(
      fc.property(
        fc.shuffledSubarray(rows),
        fc.boolean(),
        fc.array(fc.tuple(fc.nat(9), message), { maxLength: 5 }),
        (kept, hasHeader, inserted) => {
          const text = [...(hasHeader ? ['index, name'] : []), ...kept];
          for (const [at, line] of inserted) text.splice(Math.min(at, text.length), 0, line);
          const reader = new RowReader(asked);
          const read = text.map((line) => reader.read(line));
          expect(
            read.flatMap((line) => (line?.kind === 'row' ? `${line.row.index}, ${line.row.name}` : [])),
          ).toEqual(kept);
          expect(read.filter((line) => line?.kind === 'damaged')).toEqual([]);
          const said = read.flatMap((line) => (line?.kind === 'message' ? line.text : []));
          expect(said.toSorted()).toEqual(
            inserted
              .map(([, line]) => line.trim())
              .filter((line) => line !== '')
              .toSorted(),
          );
        },
      ),
    );
  });

  it('finds the field that an older or newer version does not know', () => {
    expect(rejectedField('Field "power.draw.instant" is not a valid field to query.\n\n')).toBe(
      'power.draw.instant',
    );
    expect(rejectedField('No devices were found')).toBeNull();
  });
});

describe('lineSplitter', () => {
  it('gives the same complete lines however the stream is cut', () => {
    const line = fc.string().map((text) => text.replace(/[\r\n]/g, ' '));
    fc.assert(
      fc.property(fc.array(line), line, fc.array(fc.nat(200)), fc.boolean(), (lines, half, cuts, windows) => {
        const text = lines.map((one) => one + (windows ? '\r\n' : '\n')).join('') + half;
        const seen: string[] = [];
        const push = lineSplitter((one) => seen.push(one));
        let from = 0;
        for (const cut of [...cuts.sort((a, b) => a - b), text.length]) {
          push(text.slice(from, Math.max(from, cut)));
          from = Math.max(from, cut);
        }
        expect(seen).toEqual(lines);
      }),
    );
  });
});

/** Documents of the form that these drivers print, without what is not read. */
const log = (driver: string, cuda: string, ...gpus: string[]) => `<?xml version="1.0" ?>
<!DOCTYPE nvidia_smi_log SYSTEM "nvsmi_device_v12.dtd">
<nvidia_smi_log>
\t<timestamp>Thu Sep 23 17:44:07 2021</timestamp>
\t<driver_version>${driver}</driver_version>
\t<cuda_version>${cuda}</cuda_version>
\t<attached_gpus>${gpus.length}</attached_gpus>
${gpus.join('\n')}
</nvidia_smi_log>
`;

const laptop = `<gpu id="00000000:01:00.0">
  <product_name>NVIDIA GeForce MX450</product_name>
  <mig_mode><current_mig>N/A</current_mig><pending_mig>N/A</pending_mig></mig_mode>
  <mig_devices>
    None
  </mig_devices>
  <uuid>GPU-00000000-0000-0000-0000-000000000450</uuid>
  <fb_memory_usage><total>1998 MiB</total><used>875 MiB</used><free>1123 MiB</free></fb_memory_usage>
  <power_readings>
    <power_state>P0</power_state>
    <power_draw>N/A</power_draw>
    <power_limit>N/A</power_limit>
    <enforced_power_limit>N/A</enforced_power_limit>
  </power_readings>
  <processes>
    <process_info>
      <pid>1234</pid><type>G</type><process_name>/usr/lib/xorg/Xorg &amp; co</process_name><used_memory>35 MiB</used_memory>
    </process_info>
    <process_info>
      <pid>99</pid><type>C+G</type><process_name></process_name><used_memory>N/A</used_memory>
    </process_info>
  </processes>
</gpu>`;

const split = `<gpu id="00000000:01:00.0">
  <product_name>NVIDIA A100-SXM4-80GB</product_name>
  <product_architecture>Ampere</product_architecture>
  <mig_mode><current_mig>Enabled</current_mig><pending_mig>Enabled</pending_mig></mig_mode>
  <mig_devices>
    <mig_device>
      <index>0</index><gpu_instance_id>3</gpu_instance_id><compute_instance_id>0</compute_instance_id>
      <fb_memory_usage><total>19968 MiB</total><used>12 MiB</used></fb_memory_usage>
    </mig_device>
    <mig_device>
      <index>1</index><gpu_instance_id>4</gpu_instance_id><compute_instance_id>0</compute_instance_id>
      <fb_memory_usage><total>19968 MiB</total><used>12 MiB</used></fb_memory_usage>
    </mig_device>
  </mig_devices>
  <uuid>GPU-00000000-0000-0000-0000-00000000a100</uuid>
  <fb_memory_usage><total>81920 MiB</total><reserved>869 MiB</reserved><used>50 MiB</used></fb_memory_usage>
  <utilization><gpu_util>N/A</gpu_util></utilization>
  <gpu_power_readings><power_draw>67.03 W</power_draw><current_power_limit>500.00 W</current_power_limit></gpu_power_readings>
  <module_power_readings><power_draw>N/A</power_draw></module_power_readings>
  <processes></processes>
</gpu>`;

const blackwell = `<gpu id="00000000:61:00.0">
  <product_name>NVIDIA RTX PRO 6000 Blackwell</product_name>
  <product_architecture>Blackwell</product_architecture>
  <mig_mode><current_mig>N/A</current_mig></mig_mode>
  <uuid>GPU-00000000-0000-0000-0000-000000006000</uuid>
  <platformInfo><chassis_serial_number></chassis_serial_number></platformInfo>
  <fb_memory_usage><total>97887 MiB</total></fb_memory_usage>
  <gpu_power_readings>
    <power_state>Requested functionality has been deprecated</power_state>
    <average_power_draw>3.97 W</average_power_draw>
    <instant_power_draw>3.99 W</instant_power_draw>
    <current_power_limit>300.00 W</current_power_limit>
  </gpu_power_readings>
  <supported_clocks/>
  <processes>N/A</processes>
</gpu>`;

describe('parseSmiInventory', () => {
  it('reads a laptop GPU without power readings (driver 470)', () => {
    expect(parseSmiInventory(log('470.74', '11.4', laptop))).toEqual({
      driverVersion: '470.74',
      cudaVersion: '11.4',
      notes: [],
      gpus: [
        {
          busId: '00000000:01:00.0',
          name: 'NVIDIA GeForce MX450',
          uuid: 'GPU-00000000-0000-0000-0000-000000000450',
          architecture: null,
          memoryTotalBytes: 1998 * 2 ** 20,
          powerLimitW: null,
          readsPower: false,
          mig: null,
          processes: [
            { pid: 1234, name: '/usr/lib/xorg/Xorg & co', usedBytes: 35 * 2 ** 20 },
            { pid: 99, name: '', usedBytes: null },
          ],
        },
      ],
    });
  });

  it('reads a GPU split by MIG, whose processes a container hides (driver 535)', () => {
    expect(parseSmiInventory(log('535.54.03', '12.2', split)).gpus[0]).toMatchObject({
      name: 'NVIDIA A100-SXM4-80GB',
      powerLimitW: 500,
      readsPower: true,
      processes: [],
      mig: [
        { index: 0, gpuInstance: 3, computeInstance: 0, memoryTotalBytes: 19968 * 2 ** 20 },
        { index: 1, gpuInstance: 4, computeInstance: 0, memoryTotalBytes: 19968 * 2 ** 20 },
      ],
    });
  });

  it('reads the names of driver 590, and several GPUs', () => {
    const { gpus } = parseSmiInventory(log('590.44.01', '13.1', blackwell, laptop));
    expect(gpus.map(({ readsPower }) => readsPower)).toEqual([true, false]);
    expect(gpus[0]).toMatchObject({ powerLimitW: 300, processes: null, architecture: 'Blackwell' });
  });

  it.each([
    [
      'no XML',
      'NVIDIA-SMI has failed because it could not communicate with the NVIDIA driver.\n',
      'has failed',
    ],
    ['another document', '<html><body>login</body></html>', 'login'],
    ['nothing', '', 'no <nvidia_smi_log>'],
    ['a document without a GPU', '<nvidia_smi_log>\nGPU access blocked\n</nvidia_smi_log>', 'blocked'],
  ])('refuses %s in its own words', (_, text, words) => {
    expect(() => parseSmiInventory(text)).toThrow(NvidiaSmiError);
    expect(() => parseSmiInventory(text)).toThrow(words);
  });

  it.each([
    [
      'fewer GPUs than announced',
      log('470.74', '11.4', laptop).replace('s>1<', 's>2<'),
      '2 GPUs are announced',
    ],
    ['a memory size in other units', log('1', '2', laptop).replace('1998 MiB', '1998 GB'), '1998 GB'],
    ['a document cut in half', log('470.74', '11.4', laptop).slice(0, 700), 'ends early'],
    ['a warning before it', `WARNING: infoROM is corrupted\n${log('1', '2', laptop)}`, 'infoROM'],
    ['a warning after it', `${log('1', '2', laptop)}WARNING: infoROM is corrupted\n`, 'infoROM'],
  ])('reads the GPU and says so where there is %s', (_, text, note) => {
    const { gpus, notes } = parseSmiInventory(text);
    expect(gpus).toMatchObject([{ name: 'NVIDIA GeForce MX450' }]);
    expect(notes.join('\n')).toContain(note);
  });

  it('reads a GPU whose driver and bus are not told, as on a Jetson', () => {
    const orin = '<gpu id="N/A"><product_name>Orin (nvgpu)</product_name></gpu>';
    const { driverVersion, cudaVersion, gpus } = parseSmiInventory(log('N/A', '12.2', orin));
    expect([driverVersion, cudaVersion]).toEqual([null, '12.2']);
    expect(gpus).toMatchObject([{ name: 'Orin (nvgpu)', busId: null, memoryTotalBytes: null }]);
  });

  // Without the element that holds nothing but text over several lines.
  const plain = laptop.replace(/<mig_devices>\s+None\s+<\/mig_devices>/, '');
  const lines = log('590.44.01', '13.1', split, blackwell, plain).trimEnd().split('\n');
  const whole = parseSmiInventory(lines.join('\n'));
  const message = fc
    .stringMatching(/^[ -~]{1,60}$/)
    .filter((text) => text.trim() !== '' && !/[<>]/.test(text));

  it('loses nothing by lines that are put between its own', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(lines.length), message), { maxLength: 4 }), (inserted) => {
        const text = [...lines];
        for (const [at, line] of inserted) text.splice(at, 0, line);
        const { notes, ...read } = parseSmiInventory(text.join('\n'));
        expect(read).toEqual({ driverVersion: '590.44.01', cudaVersion: '13.1', gpus: whole.gpus });
        for (const [, line] of inserted) expect(notes).toContain(line.trim());
      }),
    );
  });

  it('loses by a lost line only what the line says', () => {
    const starts = lines.flatMap((line, at) => (line.startsWith('<gpu id') ? [at] : []));
    const endOf = (gpu: number) => (starts[gpu + 1] ?? lines.length) - 1;
    for (const dropped of lines.keys()) {
      const text = lines.filter((_, at) => at !== dropped).join('\n');
      if (/nvidia_smi_log>$/.test(lines[dropped]!) && dropped < starts[0]!) continue; // No document is left.
      const { gpus } = parseSmiInventory(text);
      for (const [gpu, expected] of whole.gpus.entries()) {
        const touched = dropped >= starts[gpu]! && dropped <= endOf(gpu);
        if (!touched) expect(gpus, lines[dropped]).toContainEqual(expected);
        // Within it, one lost line costs one of its figures, or the element that it opens.
        else if (/^\s+<(\w+)>[^<]*<\/\1>$/.test(lines[dropped]!)) {
          const left = gpus.find(({ uuid }) => uuid === expected.uuid) ?? gpus[gpu]!;
          const differing = Object.keys(expected).filter(
            (key) =>
              JSON.stringify(left[key as keyof typeof left]) !==
              JSON.stringify(expected[key as keyof typeof expected]),
          );
          expect(differing.length, lines[dropped]).toBeLessThanOrEqual(1);
        }
      }
    }
  });

  it('loses nothing by another order of its GPUs, or of the lines within an element', () => {
    const [first, ...rest] = [split, blackwell, plain];
    const leaf = /^(\s+)<(\w+)>[^<]*<\/\2>$/;
    // Neighbours of one element: lines of the same depth that each hold all of theirs.
    const swappable = [...lines.keys()].filter(
      (at) => leaf.test(lines[at]!) && leaf.exec(lines[at]!)?.[1] === leaf.exec(lines[at + 1] ?? '')?.[1],
    );
    fc.assert(
      fc.property(fc.shuffledSubarray(swappable, { minLength: 1, maxLength: 4 }), (places) => {
        const text = [...lines];
        for (const at of places) [text[at], text[at + 1]] = [text[at + 1]!, text[at]!];
        expect(parseSmiInventory(text.join('\n'))).toEqual(whole);
      }),
    );
    const turned = parseSmiInventory(log('590.44.01', '13.1', ...rest, first!)).gpus;
    expect(turned.map(({ uuid }) => uuid)).toEqual(
      [...whole.gpus.slice(1), whole.gpus[0]!].map(({ uuid }) => uuid),
    );
    for (const gpu of whole.gpus) expect(turned).toContainEqual(gpu);
  });

  it('answers whatever it is given with an inventory or its own error', () => {
    const text = log('470.74', '11.4', laptop, split, blackwell);
    const cut = fc.tuple(fc.nat(text.length), fc.nat(40), fc.string());
    fc.assert(
      fc.property(fc.array(cut, { minLength: 1, maxLength: 3 }), (cuts) => {
        let mutated = text;
        for (const [at, length, put] of cuts)
          mutated = mutated.slice(0, at) + put + mutated.slice(at + length);
        try {
          expect(parseSmiInventory(mutated).gpus.length).toBeGreaterThan(0);
        } catch (error) {
          expect(error).toBeInstanceOf(NvidiaSmiError);
        }
      }),
    );
  });
});
