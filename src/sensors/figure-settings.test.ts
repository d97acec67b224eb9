import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { figureVariables, readFigureSettings } from './figure-settings.js';

const root = mkdtempSync(join(tmpdir(), 'tokenwork-settings-'));
afterAll(() => rmSync(root, { recursive: true }));

function machine(name: string, files: Record<string, string>): string {
  const place = join(root, name);
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(place, path)), { recursive: true });
    writeFileSync(join(place, path), content);
  }
  return place;
}

describe('variables that change figures', () => {
  it('are those that the runtime, the C library and drivers read', () => {
    const kept = {
      CUDA_VISIBLE_DEVICES: '1',
      GLIBC_TUNABLES: 'glibc.malloc.arena_max=1:glibc.malloc.hugetlb=2',
      MALLOC_ARENA_MAX: '1',
      OMP_NUM_THREADS: '4',
      ORT_USE_MLAS_Q4_GEMM_MOE: '1',
    };
    expect(figureVariables({ ...kept, PATH: '/bin', USER: 'ada', HF_TOKEN: 'x' }, [])).toEqual(kept);
  });

  it('hold no path, user or host', () => {
    const variables = {
      LD_PRELOAD: '/home/ada/lib/libjemalloc.so.2:/opt/ada/hook',
      MALLOC_CONF: 'prof_prefix:/home/ada/prof,narenas:1',
      NODE_OPTIONS:
        '--max-old-space-size=4096 --require /home/ada/x.js --inspect=build.example:9229 --no-warnings',
      OMP_DISPLAY_ENV: 'ada@build.example',
      ORT_TRACE: 'C:\\Users\\ada\\trace',
    };
    expect(figureVariables(variables, ['ada', 'build.example'])).toEqual({
      LD_PRELOAD: 'libjemalloc.so.2:…',
      MALLOC_CONF: 'prof_prefix:…,narenas:1',
      NODE_OPTIONS: '--max-old-space-size=4096 --require … --inspect=… --no-warnings',
      OMP_DISPLAY_ENV: '…@…',
      ORT_TRACE: 'C:…',
    });
  });

  it('tell nothing of the machine that this runs on', () => {
    const { username } = userInfo();
    const secret = `${username}-at-${hostname()}`;
    const shown = JSON.stringify(readFigureSettings({ OMP_WHO: secret, ORT_HOME: process.env.HOME }));
    expect(shown).toContain('"OMP_WHO":"…-at-…"');
    expect(shown).toContain('"ORT_HOME":"…"');
  });
});

describe('settings of the machine', () => {
  it('are read from the kernel', () => {
    const place = machine('laptop', {
      'sys/kernel/mm/transparent_hugepage/enabled': 'always [madvise] never\n',
      'sys/devices/system/cpu/cpu0/cpufreq/scaling_governor': 'powersave\n',
      'sys/devices/system/cpu/cpu1/cpufreq/scaling_governor': 'powersave\n',
      'sys/devices/system/cpu/intel_pstate/no_turbo': '1\n',
    });
    expect(readFigureSettings({}, place)).toEqual({
      variables: {},
      transparentHugePages: 'madvise',
      cpuGovernors: ['powersave'],
      turbo: false,
    });
    const boosting = machine('amd', { 'sys/devices/system/cpu/cpufreq/boost': '1\n' });
    expect(readFigureSettings({}, boosting).turbo).toBe(true);
  });

  it('are null where the kernel says nothing', () => {
    expect(readFigureSettings({}, join(root, 'none'))).toEqual({
      variables: {},
      transparentHugePages: null,
      cpuGovernors: null,
      turbo: null,
    });
  });
});
