import { expect, it } from 'vitest';
import { jsonWithoutHome, withHome, withoutHome } from './home.js';

it('shows the home folder as ~, and nothing else', () => {
  const command = 'tokenwork bench --model /home/ada/models/m --suite /home/adam/s.json --out /tmp/r.json';
  expect(withoutHome(command, '/home/ada')).toBe(
    'tokenwork bench --model ~/models/m --suite /home/adam/s.json --out /tmp/r.json',
  );
  expect(withoutHome(command, '/')).toBe(command);
});

it('finds it again on the machine of who goes on', () => {
  const settings = {
    spec: '/home/ada/m',
    sensors: 'recorded:/home/ada/s',
    home: '/home/ada',
    other: '~x',
    n: 1,
  };
  const kept = JSON.parse(jsonWithoutHome(JSON.stringify(settings), '/home/ada'));
  expect(kept).toEqual({ spec: '~/m', sensors: 'recorded:~/s', home: '~', other: '~x', n: 1 });
  expect(withHome(kept, '/home/ada')).toEqual(settings);
  const windows = { spec: 'C:\\Users\\Ada\\m' };
  expect(
    withHome(JSON.parse(jsonWithoutHome(JSON.stringify(windows), 'C:\\Users\\Ada')), 'C:\\Users\\Ada'),
  ).toEqual(windows);
});
